"""Calls answered together; when that fails, split until only the bad ones fail.

A batch that failed is halved, and the halves tried, until a call fails by itself: that failure is its own, the others
have their answers. A model that fails at everything would cost twice the calls in that way, so after as many failed
batches in a row as there are halvings the rest is run one by one: n + log2(n) calls for n.

Splitting must not hide failures: a batch that failed although all of its parts answered when asked again (a model that
fails now and then) has one of them counted as failed, as it would have been without batches. A model that never yet
answered a batch, and answers alone, does not take batches; it is not given any more.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seatrial.models.runtimes import Tensors
from seatrial.serving.batching import Ticket


class Model(Protocol):
    """What answers.

    Attributes:
        together: Whether it takes batches; None: nobody knows yet.
    """

    together: bool | None

    def run(self, tensors: Tensors, rows: int) -> dict[str, NDArray[Any]]:
        """Answer rows. Raises what the model raises."""
        ...


def answer(tickets: Sequence[Ticket], model: Model, observe: Callable[[int], None]) -> Sequence[Ticket]:
    """Answer tickets of one kind; never raises.

    Args:
        observe: Told the rows of every call of the model.

    Returns:
        Those whose callers are still to be told.
    """
    split = _Split(model, len(tickets), observe)
    try:
        split.together(tickets)
    except BaseException as error:  # noqa: BLE001 - raised again where the answer is awaited
        for ticket in tickets:
            ticket.tell(error)
    return split.held


class _Split:
    """One batch on its way to its answers.

    Callers are told at the end, and at once in a batch that failed: but not while its failure is not explained, because
    one of those who were answered may have to stand for it.

    Attributes:
        held: Answered, and not told.
    """

    def __init__(self, model: Model, size: int, observe: Callable[[int], None]) -> None:
        self._model = model
        self._observe = observe
        self._patience = (size - 1).bit_length()
        self._in_a_row = 0
        self._unexplained = 0
        self._failed = False
        self.held: list[Ticket] = []

    def together(self, tickets: Sequence[Ticket]) -> bool:
        """Answer them in as few calls as it takes; whether any failed."""
        tickets = [ticket for ticket in tickets if not ticket.future.cancelled()]
        if len(tickets) < 2 or self._in_a_row >= self._patience or self._model.together is False:
            failed = [self._alone(ticket) for ticket in tickets]
            return any(failed)
        error = self._merged(tickets)
        if error is None:
            failed = [self._settle(ticket) for ticket in tickets]
            return any(failed)
        self._failed = True
        self._in_a_row += 1
        self._unexplained += 1
        half = len(tickets) // 2
        failed = [self.together(tickets[:half]), self.together(tickets[half:])]
        return any(failed) or self._explain(tickets, error)

    def _merged(self, tickets: Sequence[Ticket]) -> str | None:
        """One call for all of them; the error when it failed."""
        rows = sum(ticket.rows for ticket in tickets)
        self._observe(rows)
        try:
            names = tickets[0].tensors
            outputs = self._model.run(
                {name: np.concatenate([ticket.tensors[name] for ticket in tickets]) for name in names}, rows
            )
        except Exception as error:  # noqa: BLE001 - as in an attempt: a failure of the model's
            return str(error) or type(error).__name__
        if any(output.ndim == 0 or len(output) != rows for output in outputs.values()):
            self._model.together = False
            return f"its answer to {rows} rows is not {rows} rows"
        self._model.together = True
        self._in_a_row = start = 0
        for ticket in tickets:
            end = start + ticket.rows
            ticket.call.take({name: output[start:end] for name, output in outputs.items()}, ticket.rows)
            start = end
        return None

    def _alone(self, ticket: Ticket) -> bool:
        if not ticket.future.set_running_or_notify_cancel():
            return False
        self._observe(ticket.rows)
        ticket.call.run()
        return self._settle(ticket)

    def _settle(self, ticket: Ticket) -> bool:
        """The call was answered, or failed by itself; whether it failed."""
        self.held.append(ticket)
        failed = not ticket.call.answered
        if failed:
            self._unexplained = 0
        else:
            self._in_a_row = 0
        if self._failed and not self._unexplained:
            self._give_out()
        return failed

    def _explain(self, tickets: Sequence[Ticket], error: str) -> bool:
        """A batch failed and none of its calls did: whether one of them has to stand for it."""
        if self._model.together and self.held:
            size = len(tickets)
            self.held[-1].call.blame(f"failed in a batch of {size} and answered when asked again: {error}")
            self._give_out()
            return True
        if not self._model.together and all(ticket.call.answered for ticket in tickets):
            self._model.together = False
        self._unexplained -= 1
        if not self._unexplained:
            self._give_out()
        return False

    def _give_out(self) -> None:
        for ticket in self.held:
            ticket.tell()
        self.held.clear()
        self._unexplained = 0
