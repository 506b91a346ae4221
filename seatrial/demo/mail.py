"""The mail that keeps coming: letters over real HTTP at a steady rate, and, some seconds later, their true digits."""

import asyncio
import threading
import time
from collections import Counter
from typing import NamedTuple

import numpy as np

from seatrial.client.asynchronous import AsyncClient
from seatrial.demo.mailroom import PIXELS, Mailroom, dimmed

DEPLOYMENT = "mailroom"
OUTCOME = "true_digit"
BATCH_SECONDS = 0.2
LABEL_DELAY = (1.0, 4.0)
"""Seconds between an answer and its true digit, drawn uniformly: outcomes come late."""
UNDER_WAY = 32
"""Letters on their way at once: on a machine that is busy with something else fewer are posted, and none waits long."""
LETTERS_EACH = 3
"""How many letters a sender posts on average."""


class Tally(NamedTuple):
    """What came of the mail so far.

    Attributes:
        sent: Requests that were answered.
        failed: Requests that were not.
        reported: True digits acknowledged.
        right: Answers by version that were right.
        read: Answers by version.
    """

    sent: int
    failed: int
    reported: int
    right: dict[str, int]
    read: dict[str, int]


class Mail:
    """A thread that posts letters until it is stopped.

    Args:
        url: The data plane.
        rate: Letters a second.
        seed: Of the choice of images, senders and delays.
    """

    def __init__(self, mailroom: Mailroom, url: str, *, rate: float, seed: int) -> None:
        self._room = mailroom
        self._url = url
        self._rate = rate
        self._rng = np.random.default_rng(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail", daemon=True)
        self._sent = self._failed = self._reported = 0
        self._right: Counter[str] = Counter()
        self._read: Counter[str] = Counter()
        self._labels: list[tuple[float, dict[str, object]]] = []
        self._senders = 0
        self.dim = False
        self.first_failure = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Post no more letters, report the digits still due, return when that is done."""
        self._stop.set()
        self._thread.join(60)

    @property
    def tally(self) -> Tally:
        return Tally(self._sent, self._failed, self._reported, dict(self._right), dict(self._read))

    def _run(self) -> None:
        asyncio.run(self._post())

    async def _post(self) -> None:
        async with AsyncClient(self._url) as client:
            reporting = asyncio.create_task(self._report(client))
            under_way: set[asyncio.Task[None]] = set()
            start, posted = time.monotonic(), 0
            while not self._stop.is_set():
                due = int((time.monotonic() - start) * self._rate)
                for _ in range(min(due - posted, UNDER_WAY - len(under_way))):
                    task = asyncio.create_task(self._letter(client))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                posted = due
                await asyncio.sleep(0.01)
            await asyncio.gather(*under_way)
            await reporting

    async def _letter(self, client: AsyncClient) -> None:
        chosen = int(self._rng.integers(len(self._room.truth)))
        image = self._room.mail[chosen]
        truth = int(self._room.truth[chosen])
        features = dict(zip(PIXELS, map(float, dimmed(image) if self.dim else image), strict=True))
        answer = await client.predict(DEPLOYMENT, features, unit=self._sender(), timeout=5.0)
        if answer.is_default or answer.model_version is None:
            self._failed += 1
            self.first_failure = self.first_failure or str(answer.error)
            return
        self._sent += 1
        self._read[answer.model_version] += 1
        self._right[answer.model_version] += int(answer.prediction == truth)
        delay = float(self._rng.uniform(*LABEL_DELAY))
        self._labels.append(
            (time.monotonic() + delay, {"outcome": OUTCOME, "request_id": answer.request_id, "value": truth})
        )

    def _sender(self) -> str:
        """A new sender for a third of the letters, else one of those of late."""
        if self._senders == 0 or self._rng.random() < 1 / LETTERS_EACH:
            self._senders += 1
            return f"sender-{self._senders}"
        return f"sender-{self._senders - int(self._rng.integers(min(self._senders, 300)))}"

    async def _report(self, client: AsyncClient) -> None:
        while not (self._stop.is_set() and not self._labels):
            now = time.monotonic()
            due = [label for at, label in self._labels if at <= now]
            if due:
                self._labels = [(at, label) for at, label in self._labels if at > now]
                await client.outcomes(due, timeout=30.0)
                self._reported += len(due)
            await asyncio.sleep(BATCH_SECONDS)
