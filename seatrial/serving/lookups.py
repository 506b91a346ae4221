"""Attempts whose answer lies ready instead of being computed: in a table by key, or as one list for everybody."""

from collections.abc import Callable, Sequence

import numpy as np

from seatrial.models.lookup import KEYS, LookupRuntime, Miss
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.answers import UnreadableAnswer
from seatrial.protocol.features import Row
from seatrial.routing.people import Person
from seatrial.serving.popularity import ITEM, ROWS, SCORE
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput


def attempt_of(
    variant: Variant,
    rows: Sequence[Row],
    places: Sequence[int | None] | None,
    keys: Sequence[str | None],
    people: Sequence[Person],
) -> Attempt:
    """The attempt of a variant of any kind."""
    if variant.slot.popular is not None:
        return Listing(variant, rows, places)
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


class Ready(Attempt):
    """An attempt that needs no features; where they are whole they are logged, as a model's would be."""

    __slots__ = ()

    def outputs_of(self, ask: Callable[[Tensors], Tensors]) -> Tensors:
        """What the version's signature calls its outputs; ``ask`` asks the runtime."""
        raise NotImplementedError

    def run(self, *, measured: bool = True) -> None:
        engine, n = self.variant.engine, len(self.rows)
        self.read_rows()
        try:
            outputs = self.outputs_of((lambda asked: engine.run(asked, n)) if measured else engine.runtime.run)
            self.read = self.variant.answers.read(outputs, n)
            self.outputs = outputs
        except Miss as error:
            self.fail("miss", str(error))
        except (RuntimeFailure, UnreadableAnswer) as error:
            self.fail("error", str(error))
        except Exception as error:  # noqa: BLE001 - a file's surprise is that variant's failure, not the request's
            self.fail("error", f"{type(error).__name__}: {error}")

    def digest(self) -> None:
        """What fails here does so whatever the rows are."""

    def read_rows(self) -> bool:
        if self.encoded is None and all(self.rows):
            try:
                self.encode()
            except BadInput:
                pass  # whoever computes the answer will say so
        return True


class LookUp(Ready):
    """A look into the table: all of the rows are there, or the attempt has failed."""

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

    def outputs_of(self, ask: Callable[[Tensors], Tensors]) -> Tensors:
        return ask({KEYS: np.array(self.keys, dtype=object)})


class Listing(Ready):
    """The popular items, for every row the same."""

    __slots__ = ()

    def outputs_of(self, ask: Callable[[Tensors], Tensors]) -> Tensors:
        found = ask({ROWS: np.arange(len(self.rows))})
        answer = self.variant.slot.signature.answer
        return {answer.prediction: found[ITEM], answer.scores or SCORE: found[SCORE]}
