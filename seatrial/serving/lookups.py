"""Attempts that look an answer up instead of computing it: the same rows, and a key for each."""

from collections.abc import Sequence

import numpy as np

from seatrial.models.lookup import KEYS, LookupRuntime, Miss
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.answers import UnreadableAnswer
from seatrial.protocol.features import Row
from seatrial.routing.people import Person
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput


def attempt_of(
    variant: Variant,
    rows: Sequence[Row],
    places: Sequence[int | None] | None,
    keys: Sequence[str | None],
    people: Sequence[Person],
) -> Attempt:
    """The attempt of a variant of either kind."""
    if variant.slot.lookup is None:
        return Attempt(variant, rows, places)
    named = [_key(variant, key, person) for key, person in zip(keys, people, strict=True)]
    return LookUp(variant, rows, places, named)


def has_answer(variant: Variant, key: str | None, person: Person) -> bool:
    """Whether a variant will answer this row itself; rows that a table lacks are kept apart from the rest."""
    runtime = variant.engine.runtime
    return not isinstance(runtime, LookupRuntime) or runtime.holds(_key(variant, key, person))


def _key(variant: Variant, key: str | None, person: Person) -> str | None:
    lookup = variant.slot.lookup
    if lookup is not None and lookup.key == "request":
        return key
    return person.unit if person.named else None


class LookUp(Attempt):
    """A look into the table: all of the rows are there, or the attempt has failed.

    The features are not needed; where they are whole they are logged, as a model's would be.
    """

    __slots__ = ("keys",)

    def __init__(
        self,
        variant: Variant,
        rows: Sequence[Row],
        places: Sequence[int | None] | None,
        keys: Sequence[str | None],
    ) -> None:
        super().__init__(variant, rows, places)
        self.keys = keys

    def run(self, *, measured: bool = True) -> None:
        variant, n = self.variant, len(self.rows)
        self.read_rows()
        keys = {KEYS: np.array(self.keys, dtype=object)}
        try:
            outputs = variant.engine.run(keys, n) if measured else variant.engine.runtime.run(keys)
            self.read = variant.answers.read(outputs, n)
            self.outputs = outputs
        except Miss as error:
            self.fail("miss", str(error))
        except (RuntimeFailure, UnreadableAnswer) as error:
            self.fail("error", str(error))
        except Exception as error:  # noqa: BLE001 - a table's surprise is that variant's failure, not the request's
            self.fail("error", f"{type(error).__name__}: {error}")

    def digest(self) -> None:
        """A table that fails does so whatever the rows are."""

    def read_rows(self) -> bool:
        if self.encoded is None and all(self.rows):
            try:
                self.encode()
            except BadInput:
                pass  # whoever computes the answer will say so
        return True
