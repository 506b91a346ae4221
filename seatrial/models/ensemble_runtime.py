"""The runtime of an ensemble: every member answers the same rows, and their answers are combined.

A member that fails fails the ensemble, because an answer of the others would be another model's than the one that was
released; then the default variant answers, and the row says which member it was.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.combining import labels_of, majority, mean
from seatrial.models.ensemble import member_inputs
from seatrial.models.runtimes import Runtime, RuntimeFailure, Tensors
from seatrial.routing.snapshot import Slot
from seatrial.spec.signature import Signature

_AT_ONCE = 4
"""Calls of the ensemble that may wait for members in other processes at once: as many as an engine has threads."""


class EnsembleRuntime:
    """Members as one.

    Args:
        slot: The ensemble.
        runtimes: Its members, loaded, in order.
        owned: Whether `close` closes them too.
    """

    def __init__(self, slot: Slot, runtimes: Sequence[Runtime], *, owned: bool = True) -> None:
        assert slot.ensemble is not None
        self._slot = slot
        self._weights = slot.ensemble.weights
        self._votes = slot.ensemble.combine == "vote"
        self._runtimes = tuple(runtimes)
        self._owned = owned
        self._members = slot.ensemble.members
        self._inputs = member_inputs(self._members)
        self._positions = tuple(_positions(slot.signature, member.signature) for member in self._members)
        self._apart = [i for i, runtime in enumerate(runtimes) if runtime.out_of_process]
        self._pool: ThreadPoolExecutor | None = None
        if len(self._apart) > 1:
            self._pool = ThreadPoolExecutor(_AT_ONCE * len(self._apart), thread_name_prefix="member")

    @property
    def out_of_process(self) -> bool:
        return bool(self._apart)

    @property
    def alone(self) -> bool:
        return all(runtime.alone for runtime in self._runtimes)

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        answers = self._answers(inputs)
        answer = self._slot.signature.answer
        classes = answer.classes
        if not classes:
            return {answer.prediction: mean([self._values(i, found) for i, found in enumerate(answers)], self._weights)}
        if self._votes:
            chosen = majority([self._labels(i, found) for i, found in enumerate(answers)], len(classes))
            return {answer.prediction: labels_of(chosen, classes)}
        scores = mean([self._scores(i, found) for i, found in enumerate(answers)], self._weights)
        return {answer.prediction: labels_of(scores.argmax(axis=1), classes), answer.scores or "": scores}

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._owned:
            for runtime in self._runtimes:
                runtime.close()

    def _answers(self, inputs: Tensors) -> list[Mapping[str, NDArray[Any]]]:
        """Each member's outputs; those in other processes are asked together, and first."""
        asked: dict[int, Future[dict[str, NDArray[Any]]]] = {}
        if self._pool is not None:
            try:
                asked = {i: self._pool.submit(self._ask, i, inputs) for i in self._apart}
            except RuntimeError as error:
                raise RuntimeFailure("The model was closed.") from error
        return [asked[i].result() if i in asked else self._ask(i, inputs) for i in range(len(self._runtimes))]

    def _ask(self, member: int, inputs: Tensors) -> dict[str, NDArray[Any]]:
        given = {name: inputs[place] for name, place in self._inputs[member].items()}
        try:
            return self._runtimes[member].run(given)
        except RuntimeFailure as error:
            raise self._failed(member, str(error)) from error

    def _values(self, member: int, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        found = outputs[self._members[member].signature.answer.prediction].astype(np.float64).reshape(-1)
        if not np.isfinite(found).all():
            raise self._failed(member, "it gave a value that is not a number")
        return found

    def _scores(self, member: int, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """Probabilities [n, classes] in the ensemble's order of classes."""
        signature, order = self._members[member].signature, self._positions[member]
        found = np.asarray(outputs[signature.answer.scores or ""], dtype=np.float64).reshape(-1, len(order))
        if not ((found >= 0) & (found <= 1.000001)).all():
            raise self._failed(member, "it gave a probability that is none")
        turned = np.empty_like(found)
        turned[:, list(order.values())] = found
        return turned

    def _labels(self, member: int, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
        """Labels [n] as positions in the ensemble's classes."""
        answer, order = self._members[member].signature.answer, self._positions[member]
        found = outputs[answer.prediction].reshape(-1).tolist()
        as_label = _reader({type(label) for label in answer.classes})
        named = [answer.classes[place] for place in found] if answer.prediction_is_index else found
        try:
            return np.array([order[_text(as_label(label))] for label in named], dtype=np.intp)
        except KeyError as error:
            raise self._failed(member, f"it gave the label {error}, which is none of its classes") from None

    def _failed(self, member: int, why: str) -> RuntimeFailure:
        slot = self._members[member]
        return RuntimeFailure(f"member `{slot.variant}` ({slot.model_version}): {why}")


def _positions(ensemble: Signature, member: Signature) -> dict[str, int]:
    """The member's classes, in its order, each with its position in the ensemble's."""
    places = {_text(label): i for i, label in enumerate(ensemble.answer.classes)}
    return {_text(label): places[_text(label)] for label in member.answer.classes}


def _text(label: Any) -> str:
    return ("true" if label else "false") if isinstance(label, bool) else str(label)


def _reader(kinds: set[type]) -> Callable[[Any], Any]:
    """How an element of a label tensor becomes a label, by the types of the classes."""
    return bool if kinds == {bool} else int if kinds == {int} else _text
