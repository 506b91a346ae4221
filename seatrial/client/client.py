"""The client: predictions, decisions, outcomes and releases, from one thread or many.

    client = Client("http://gateway:8080", control="http://gateway:8082")
    answer = client.predict("churn", {"tenure": 12}, unit="c-7", timeout=0.2, default=0)
    client.outcome("purchase", unit="c-7", fields={"amount": 12.5})

``predict`` never raises because the gateway is away: it gives the default, flagged. What the caller did wrong (a
missing feature, an unknown deployment) is raised always.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack, cast

from seatrial.client import control as control_calls
from seatrial.client import messages
from seatrial.client.address import CONTROL, DATA_PLANE, key_or_environment, parse_address
from seatrial.client.batches import Batches
from seatrial.client.ids import new_id
from seatrial.client.messages import Call, OutcomeFields, RequestFields, RowFields
from seatrial.client.transport import Transport
from seatrial.client.values import Assignment, Prediction
from seatrial.spec.errors import BadInput, SeatrialError, Unavailable

if TYPE_CHECKING:
    from seatrial.client.local import LocalDecisions

Features = Mapping[str, Any]


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Client:
    """Talks to a gateway, and to control; thread-safe; close it, or use it in a ``with``.

    Args:
        url: The gateway.
        control: The control API.
        key: The bearer key; None: ``SEATRIAL_KEY``.
        timeout: Seconds a call may take, where the call says nothing else.
        local: Decide in process from what is published on this machine; rows and outcomes go to the gateway.
        home: With ``local``: the machine's home; None: as the settings say.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(
        self,
        url: str = DATA_PLANE,
        *,
        control: str = CONTROL,
        key: str | None = None,
        timeout: float = 2.0,
        local: bool = False,
        home: Path | str | None = None,
        clock: Callable[[], int] = now_us,
    ) -> None:
        key = key_or_environment(key)
        self._data = Transport(parse_address(url), key)
        self._control = Transport(parse_address(control), key)
        self._timeout = timeout
        self._clock = clock
        address = self._data.address.url
        self._outcomes = Batches("outcome", self._data.send, messages.outcomes, address=address)
        self._rows = Batches("prediction", self._data.send, messages.rows, address=address)
        self._local = local_decisions(home) if local else None

    def predict(
        self,
        deployment: str,
        features: Features,
        *,
        timeout: float | None = None,
        default: Any = None,
        **asked: Unpack[RequestFields],
    ) -> Prediction:
        """The answer to one row.

        Args:
            asked: ``unit``, ``context``, ``variant`` (an override) and ``request_id``.
            timeout: Seconds for everything.
            default: The prediction where the gateway gives none; then ``is_default`` is true and ``error`` says why.

        Raises:
            BadInput: And its kin, for what is wrong with the request itself.
        """
        self._refuse_local()
        request_id = asked.get("request_id") or new_id(self._clock())
        call = messages.predict(deployment, {**asked, "request_id": request_id}, features=features)
        try:
            return messages.read_prediction(self._data_json(call, timeout), request_id)
        except Unavailable as error:
            return messages.default_prediction(request_id, default, error)

    def predict_many(
        self,
        deployment: str,
        instances: Sequence[Features],
        *,
        timeout: float | None = None,
        default: Any = None,
        **asked: Unpack[RequestFields],
    ) -> tuple[Prediction, ...]:
        """The answers to several rows ``{"features", "key"?, "unit"?, "context"?}``, in their order."""
        self._refuse_local()
        request_id = asked.get("request_id") or new_id(self._clock())
        call = messages.predict(deployment, {**asked, "request_id": request_id}, instances=instances)
        try:
            return messages.read_predictions(self._data_json(call, timeout), request_id, len(instances))
        except Unavailable as error:
            return tuple(
                messages.default_prediction(request_id, default, error, instance.get("key")) for instance in instances
            )

    def assign(
        self,
        deployment: str,
        unit: str | int | None = None,
        *,
        context: Features | None = None,
        features: Features | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        default: str | None = None,
    ) -> Assignment:
        """Which variant a unit gets, for applications that run their own models; `log` what they answered.

        Args:
            features: What routing rules read, where they read features.
            default: The variant when the gateway is away; without one that raises.

        Raises:
            Unavailable: The gateway is away and there is no ``default``.
            BadInput: And its kin, for what is wrong with the request itself.
        """
        request_id = request_id or new_id(self._clock())
        try:
            if self._local is not None:
                return self._local.assign(deployment, request_id, unit, context, features)
            found = self._data_json(messages.assign(deployment, request_id, unit, context, features), timeout)
            return messages.read_assignment(found, deployment, request_id, unit, context, features)
        except Unavailable as error:
            if default is None:
                raise
            return Assignment(
                request_id=request_id, deployment=deployment, variant=default, unit=unit, error=str(error)
            )

    def log(self, assignment: Assignment, prediction: Any, **more: Unpack[RowFields]) -> Future[None]:
        """Write the row that an application answered after `assign`; sent in batches.

        Args:
            more: What of ``RowFields`` there is.

        Returns:
            Done when the gateway has it; failed when the gateway refused it or was away for long. A failure that
            nobody takes from it is raised by `flush` and `close`.

        Raises:
            BadInput: The assignment is a default: nobody decided it, so it is no row.
        """
        if assignment.is_default:
            raise BadInput("the assignment is the default of an absent gateway, which decided nothing; do not log it")
        return self._rows.add(messages.prediction_row(assignment, prediction, more))

    def outcome(self, name: str, **said: Unpack[OutcomeFields]) -> Future[None]:
        """Say what happened; sent in batches with others.

        Args:
            said: What of ``OutcomeFields`` there is; at least one of ``unit``, ``request_id`` and ``key``.

        Returns:
            Done when the gateway has it durably; failed when it refused it or was away for long. A failure that nobody
            takes from it (with ``result()`` or ``exception()``) is raised by `flush` and `close`.

        Raises:
            BadInput: Nothing says whose outcome it is.
            Unavailable: Too many wait for the gateway already.
        """
        now = self._clock()
        body = messages.outcome(name, said, now=now, fresh_id=new_id(now))
        return self._outcomes.add(body)

    def outcomes(self, outcomes: Sequence[Mapping[str, Any]], *, timeout: float | None = None) -> int:
        """Hand over outcomes now, each with the arguments of `outcome` and ``outcome`` for the name.

        Returns:
            How many were handed over, all durable.

        Raises:
            BadInput: One of them is wrong; Unavailable: the gateway is away. Repeating the call is harmless where
                each has an ``id`` or ``at`` of its own.
        """
        now = self._clock()
        bodies = [messages.outcome(*named(one), now=now, fresh_id=new_id(now)) for one in outcomes]
        for start in range(0, len(bodies), 1000):
            self._data_json(messages.outcomes(bodies[start : start + 1000]), timeout)
        return len(bodies)

    def alias(
        self, alias: str | int, unit: str | int | None, *, at: datetime | None = None, timeout: float | None = None
    ) -> None:
        """Say that the unit ``alias`` is the unit ``unit``, as when a visitor signs in: judged as one person.

        Args:
            alias: The name used before.
            unit: The name known now; None takes the alias back.
            at: When that was known; now without it.
            timeout: Seconds.

        Raises:
            BadInput: They are one name; Unavailable: the gateway is away, and a repeat is harmless.
        """
        self.aliases([(alias, unit)], at=at, timeout=timeout)

    def aliases(
        self,
        pairs: Sequence[tuple[str | int, str | int | None]],
        *,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> int:
        """Hand over many of them, each (alias, unit); gives back how many, all durable. Raises as `alias`."""
        now = self._clock()
        bodies = [messages.alias(alias, unit, at, now) for alias, unit in pairs]
        for start in range(0, len(bodies), 1000):
            self._data_json(messages.aliases(bodies[start : start + 1000]), timeout)
        return len(bodies)

    def status(self, deployment: str, *, timeout: float | None = None) -> dict[str, Any]:
        """How a deployment stands, as the control API tells it."""
        found = self._control_json(control_calls.status(deployment), timeout)
        return found if isinstance(found, dict) else {}

    def judge(self, deployment: str, *, timeout: float | None = None) -> dict[str, Any]:
        """The verdict of now with its evidence, as the control API tells it."""
        found = self._control_json(control_calls.judge(deployment), timeout)
        return found if isinstance(found, dict) else {}

    def wait(
        self,
        deployment: str,
        *,
        until: Sequence[str] = tuple(control_calls.SETTLED),
        timeout: float = 3600.0,
        every: float = 1.0,
    ) -> dict[str, Any]:
        """Wait for a recommendation; gives back the judgement that has it.

        Raises:
            Unavailable: It did not come within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            judgement, said = self._recommended(deployment)
            if said in until:
                return judgement
            if time.monotonic() + every > deadline:
                wanted = ", ".join(sorted(until))
                raise Unavailable(f"{deployment!r} says {said!r} after {timeout:g} s, and none of {wanted}")
            time.sleep(every)

    def promote(
        self, deployment: str, *, reason: str, variant: str | None = None, timeout: float = 60.0
    ) -> dict[str, Any]:
        """Put the challenger in command; returns when every gateway serves it. Never repeated by itself."""
        return self._act("promote", deployment, reason, timeout, variant)

    def rollback(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Take the challenger out, or go back to the previous champion."""
        return self._act("rollback", deployment, reason, timeout)

    def pause(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Hold a release where it is."""
        return self._act("pause", deployment, reason, timeout)

    def resume(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Let a paused release go on."""
        return self._act("resume", deployment, reason, timeout)

    def flush(self, timeout: float = 10.0) -> None:
        """Wait until all outcomes and rows said so far are handed over.

        Raises:
            BadInput: The gateway refused some since the last time, and nobody has taken that from their futures; the
                message has the first reason and the count.
            Unavailable: Some are not handed over after ``timeout`` seconds.
        """
        _all(timeout, self._outcomes.flush, self._rows.flush)

    def close(self, timeout: float = 10.0) -> None:
        """Hand over what waits and close the connections; raises as `flush`."""
        try:
            _all(timeout, self._outcomes.close, self._rows.close)
        finally:
            self._data.close()
            self._control.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except SeatrialError:
            if error is None:  # else the first thing that went wrong is the one to tell
                raise

    def _recommended(self, deployment: str) -> tuple[dict[str, Any], str | None]:
        try:
            judgement = self.judge(deployment)
        except Unavailable as error:
            return {}, str(error)
        return judgement, control_calls.recommendation(judgement)

    def _act(
        self, action: str, deployment: str, reason: str, timeout: float, variant: str | None = None
    ) -> dict[str, Any]:
        found = self._control_json(control_calls.act(action, deployment, reason, variant), timeout)
        return found if isinstance(found, dict) else {}

    def _data_json(self, call: Call, timeout: float | None) -> Any:
        return messages.read_json(self._data.send(call, self._timeout if timeout is None else timeout))

    def _control_json(self, call: Call, timeout: float | None) -> Any:
        return messages.read_json(self._control.send(call, max(self._timeout, 30.0) if timeout is None else timeout))

    def _refuse_local(self) -> None:
        if self._local is not None:
            raise BadInput("a local client decides and does not predict; use `assign`, or a client without `local`")


def _all(timeout: float, *steps: Callable[[float], None]) -> None:
    """Take every step, all within a time; raises the first error at the end."""
    deadline = time.monotonic() + timeout
    first: SeatrialError | None = None
    for step in steps:
        try:
            step(max(0.0, deadline - time.monotonic()))
        except SeatrialError as error:
            first = first or error
    if first is not None:
        raise first


def local_decisions(home: Path | str | None) -> "LocalDecisions":
    """The decisions of this machine's home; None: the home that the settings say."""
    from seatrial.client.local import LocalDecisions  # numpy and the hash are for those who decide here

    if home is None:
        from seatrial.spec.settings import load_settings

        home = load_settings().home
    return LocalDecisions(Path(home))


def named(one: Mapping[str, Any]) -> tuple[str, OutcomeFields]:
    """The name and the rest of an outcome given as one mapping."""
    name = one.get("outcome")
    if not isinstance(name, str):
        raise BadInput(f"an outcome needs its name as `outcome`, got {str(dict(one))[:80]}")
    return name, cast(OutcomeFields, {key: value for key, value in one.items() if key != "outcome"})
