"""The same client for asyncio programs; connections are aiohttp's.

Only asyncio programs load this module, so aiohttp is imported here and not at the first call, whose time it would take.
Of the libraries it is the one that costs little: a call with 64 features took 0.15 ms of CPU where httpx took 3.4 ms.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

import aiohttp
import yarl

from seatrial.client import control as control_calls
from seatrial.client import messages
from seatrial.client.address import CONTROL, DATA_PLANE, Address, headers, key_or_environment, parse_address
from seatrial.client.batches import MOST_FAILURES, failure
from seatrial.client.client import local_decisions, named, now_us
from seatrial.client.ids import new_id
from seatrial.client.messages import Call, OutcomeFields, Reply, RequestFields, RowFields
from seatrial.client.retries import pause
from seatrial.client.transport import LARGEST_ANSWER, seconds
from seatrial.client.values import Assignment, Prediction
from seatrial.spec.errors import BadInput, SeatrialError, Unavailable

Features = Mapping[str, Any]
Item = tuple[Mapping[str, Any], "asyncio.Future[None]"]

BATCH = 500
LINGER_SECONDS = 0.005
PATIENCE_SECONDS = 60.0
CONNECTIONS = 64
"""Calls under way at once, each on a connection of its own; others wait their turn."""


class _AsyncTransport:
    """Connections to one address."""

    def __init__(self, address: Address, key: str | None) -> None:
        self.address = address
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def send(self, call: Call, timeout: float) -> Reply:
        """As ``transport.Transport.send``."""
        try:
            async with asyncio.timeout(timeout):
                return await self._try(call, time.monotonic() + timeout)
        except TimeoutError:
            raise Unavailable(f"{self.address.url} did not answer within {timeout:g} s{_doubt(call)}") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _try(self, call: Call, deadline: float) -> Reply:
        tried = 0
        while True:
            tried += 1
            try:
                reply = await self._once(call)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                wait = pause(call, "broken", tried, deadline - time.monotonic())
                if wait is None:
                    why = f"{type(error).__name__}: {error}"
                    raise Unavailable(f"{self.address.url} is away ({why}){_doubt(call)}") from None
            else:
                if reply.status not in (429, 503):
                    return reply
                wait = pause(call, "later", tried, deadline - time.monotonic(), reply.retry_after)
                if wait is None:
                    return reply
            await asyncio.sleep(wait)

    async def _once(self, call: Call) -> Reply:
        if self._session is None:
            self._session = _session()
        made = headers(self._key, call.body is not None)
        address = yarl.URL(self.address.url + call.path, encoded=True)
        async with (
            self._turns,
            self._session.request(
                call.method, address, data=call.body, headers=made, allow_redirects=False
            ) as response,
        ):
            body = await _read(response)
            return Reply(response.status, body, seconds(response.headers.get("Retry-After")))


def _session() -> aiohttp.ClientSession:
    """Connections that wait as long as the caller does, and ask for no compression, which would cost him more."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """A whole answer; raises OSError when it is absurdly large."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise OSError(f"the answer is larger than {LARGEST_ANSWER} bytes")
        pieces.append(piece)
    return b"".join(pieces)


class _AsyncBatches:
    """Gathers the items of concurrent callers; each caller waits until the gateway has his."""

    def __init__(
        self, name: str, send: Callable[[Call, float], Any], to_call: Callable[[Sequence[Mapping[str, Any]]], Call]
    ) -> None:
        self._name = name
        self._failures: dict[asyncio.Task[Any], SeatrialError] = {}
        self._send = send
        self._to_call = to_call
        self._waiting: list[Item] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, body: Mapping[str, Any]) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await future
        except SeatrialError as error:
            self._note(error)
            raise

    async def finish(self) -> SeatrialError | None:
        """Wait for the batches under way; gives what failed in tasks that nobody looked at."""
        await asyncio.sleep(0)  # tasks that were made just now have their say
        while self._task is not None:
            await self._task
            await asyncio.sleep(0)  # the callers hear of it
        errors = [error for task, error in self._failures.items() if _is_unseen(task, error)]
        for task in [task for task in self._failures if task.done()]:
            if _is_unseen(task, self._failures.pop(task)):
                task.exception()  # it is raised here, so asyncio need not complain of it too
        return failure(self._name, errors, len(errors))

    def _note(self, error: SeatrialError) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        if len(self._failures) >= MOST_FAILURES:
            self._failures = {t: e for t, e in self._failures.items() if not t.done() or _is_unseen(t, e)}
        if len(self._failures) < MOST_FAILURES:
            self._failures[task] = error

    async def _run(self) -> None:
        try:
            await asyncio.sleep(LINGER_SECONDS)
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._deliver(batch)
        finally:
            self._task = None

    async def _deliver(self, batch: list[Item]) -> None:
        try:
            messages.read_json(await self._send(self._to_call([body for body, _ in batch]), PATIENCE_SECONDS))
        except BadInput as error:
            if len(batch) > 1:
                await self._deliver(batch[: len(batch) // 2])
                await self._deliver(batch[len(batch) // 2 :])
            else:
                _settle(batch, error)
        except SeatrialError as error:
            _settle(batch, error)
        else:
            _settle(batch, None)


class AsyncClient:
    """As ``Client``, with every method a coroutine; ``outcome`` and ``log`` return when the gateway has the item."""

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
        self._data = _AsyncTransport(parse_address(url), key)
        self._control = _AsyncTransport(parse_address(control), key)
        self._timeout = timeout
        self._clock = clock
        self._outcomes = _AsyncBatches("outcome", self._data.send, messages.outcomes)
        self._rows = _AsyncBatches("prediction", self._data.send, messages.rows)
        self._local = local_decisions(home) if local else None

    async def predict(
        self,
        deployment: str,
        features: Features,
        *,
        timeout: float | None = None,
        default: Any = None,
        **asked: Unpack[RequestFields],
    ) -> Prediction:
        """The answer to one row, or the default, flagged, where the gateway is away."""
        self._refuse_local()
        request_id = asked.get("request_id") or new_id(self._clock())
        call = messages.predict(deployment, {**asked, "request_id": request_id}, features=features)
        try:
            return messages.read_prediction(await self._data_json(call, timeout), request_id)
        except Unavailable as error:
            return messages.default_prediction(request_id, default, error)

    async def predict_many(
        self,
        deployment: str,
        instances: Sequence[Features],
        *,
        timeout: float | None = None,
        default: Any = None,
        **asked: Unpack[RequestFields],
    ) -> tuple[Prediction, ...]:
        """The answers to several rows, in their order."""
        self._refuse_local()
        request_id = asked.get("request_id") or new_id(self._clock())
        call = messages.predict(deployment, {**asked, "request_id": request_id}, instances=instances)
        try:
            found = await self._data_json(call, timeout)
            return messages.read_predictions(found, request_id, len(instances))
        except Unavailable as error:
            return tuple(
                messages.default_prediction(request_id, default, error, instance.get("key")) for instance in instances
            )

    async def assign(
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
        """Which variant a unit gets."""
        request_id = request_id or new_id(self._clock())
        try:
            if self._local is not None:
                return self._local.assign(deployment, request_id, unit, context, features)
            found = await self._data_json(messages.assign(deployment, request_id, unit, context, features), timeout)
            return messages.read_assignment(found, deployment, request_id, unit, context, features)
        except Unavailable as error:
            if default is None:
                raise
            return Assignment(
                request_id=request_id, deployment=deployment, variant=default, unit=unit, error=str(error)
            )

    async def log(self, assignment: Assignment, prediction: Any, **more: Unpack[RowFields]) -> None:
        """Write the row that an application answered after `assign`."""
        if assignment.is_default:
            raise BadInput("the assignment is the default of an absent gateway, which decided nothing; do not log it")
        await self._rows.add(messages.prediction_row(assignment, prediction, more))

    async def outcome(self, name: str, **said: Unpack[OutcomeFields]) -> None:
        """Say what happened; concurrent calls share a batch. Arguments as ``Client.outcome``."""
        now = self._clock()
        body = messages.outcome(name, said, now=now, fresh_id=new_id(now))
        await self._outcomes.add(body)

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]], *, timeout: float | None = None) -> int:
        """Hand over outcomes now; gives back how many."""
        now = self._clock()
        bodies = [messages.outcome(*named(one), now=now, fresh_id=new_id(now)) for one in outcomes]
        for start in range(0, len(bodies), 1000):
            await self._data_json(messages.outcomes(bodies[start : start + 1000]), timeout)
        return len(bodies)

    async def alias(
        self, alias: str | int, unit: str | int | None, *, at: datetime | None = None, timeout: float | None = None
    ) -> None:
        """Say that two names are one person's. Arguments as ``Client.alias``."""
        await self.aliases([(alias, unit)], at=at, timeout=timeout)

    async def aliases(
        self,
        pairs: Sequence[tuple[str | int, str | int | None]],
        *,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> int:
        """Hand over many of them, each (alias, unit); gives back how many."""
        now = self._clock()
        bodies = [messages.alias(alias, unit, at, now) for alias, unit in pairs]
        for start in range(0, len(bodies), 1000):
            await self._data_json(messages.aliases(bodies[start : start + 1000]), timeout)
        return len(bodies)

    async def status(self, deployment: str, *, timeout: float | None = None) -> dict[str, Any]:
        """How a deployment stands, as the control API tells it."""
        found = await self._control_json(control_calls.status(deployment), timeout)
        return found if isinstance(found, dict) else {}

    async def judge(self, deployment: str, *, timeout: float | None = None) -> dict[str, Any]:
        """The verdict of now with its evidence."""
        found = await self._control_json(control_calls.judge(deployment), timeout)
        return found if isinstance(found, dict) else {}

    async def wait(
        self,
        deployment: str,
        *,
        until: Sequence[str] = tuple(control_calls.SETTLED),
        timeout: float = 3600.0,
        every: float = 1.0,
    ) -> dict[str, Any]:
        """Wait for a recommendation."""
        deadline = time.monotonic() + timeout
        while True:
            judgement, said = await self._recommended(deployment)
            if said in until:
                return judgement
            if time.monotonic() + every > deadline:
                wanted = ", ".join(sorted(until))
                raise Unavailable(f"{deployment!r} says {said!r} after {timeout:g} s, and none of {wanted}")
            await asyncio.sleep(every)

    async def promote(
        self, deployment: str, *, reason: str, variant: str | None = None, timeout: float = 60.0
    ) -> dict[str, Any]:
        """Put the challenger in command."""
        return await self._act("promote", deployment, reason, timeout, variant)

    async def rollback(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Take the challenger out, or go back to the previous champion."""
        return await self._act("rollback", deployment, reason, timeout)

    async def pause(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Hold a release where it is."""
        return await self._act("pause", deployment, reason, timeout)

    async def resume(self, deployment: str, *, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Let a paused release go on."""
        return await self._act("resume", deployment, reason, timeout)

    async def flush(self) -> None:
        """Wait until all outcomes and rows said so far are handed over.

        Raises:
            BadInput: Some were refused in tasks that nobody has looked at since; with the first reason and the count.
            Unavailable: Some could not be handed over, likewise.
        """
        first, second = await self._outcomes.finish(), await self._rows.finish()
        if error := first or second:
            raise error

    async def close(self) -> None:
        """Finish what is under way and close the connections; raises as `flush`."""
        try:
            await self.flush()
        finally:
            await self._data.close()
            await self._control.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except SeatrialError:
            if error is None:  # else the first thing that went wrong is the one to tell
                raise

    async def _recommended(self, deployment: str) -> tuple[dict[str, Any], str | None]:
        try:
            judgement = await self.judge(deployment)
        except Unavailable as error:
            return {}, str(error)
        return judgement, control_calls.recommendation(judgement)

    async def _act(
        self, action: str, deployment: str, reason: str, timeout: float, variant: str | None = None
    ) -> dict[str, Any]:
        found = await self._control_json(control_calls.act(action, deployment, reason, variant), timeout)
        return found if isinstance(found, dict) else {}

    async def _data_json(self, call: Call, timeout: float | None) -> Any:
        return messages.read_json(await self._data.send(call, self._timeout if timeout is None else timeout))

    async def _control_json(self, call: Call, timeout: float | None) -> Any:
        wait = max(self._timeout, 30.0) if timeout is None else timeout
        return messages.read_json(await self._control.send(call, wait))

    def _refuse_local(self) -> None:
        if self._local is not None:
            raise BadInput("a local client decides and does not predict; use `assign`, or a client without `local`")


def _doubt(call: Call) -> str:
    return "" if call.repeatable else "; it may or may not have been done, so look before you repeat it"


def _is_unseen(task: "asyncio.Task[Any]", error: SeatrialError) -> bool:
    """Whether a task ended with this error, and nobody has taken it from the task: asyncio keeps count for its log.

    Only these attributes tell; to ask the task's methods would be to take it.
    """
    return getattr(task, "_exception", None) is error and bool(getattr(task, "_log_traceback", False))


def _settle(batch: Sequence[Item], error: SeatrialError | None) -> None:
    for _, future in batch:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
