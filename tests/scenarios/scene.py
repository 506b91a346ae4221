"""A harbour, a world, and the loop between them, stepped by hand."""

from pathlib import Path

from seatrial.control.loop import Loop
from seatrial.releases.leadership import Leadership
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Entry
from tests.harbour import Harbour, World


class Scene:
    """A harbour, a world, and the loop between them."""

    def __init__(self, home: Path) -> None:
        self.harbour = Harbour(home)
        self.world = World()
        self.leadership = Leadership(home, self.harbour.url)
        self.posted: list[bytes] = []
        self.refuse = False
        """Receivers take nothing."""
        self.loop = self.another_loop()

    def another_loop(self) -> Loop:
        """As a process that has just been started."""
        return Loop(self.harbour.site, self.world, self.leadership, post=self._post)

    def _post(self, _address: str, body: bytes) -> int:
        if self.refuse:
            return 503
        self.posted.append(body)
        return 200

    def step(self, *, days: float = 0, seconds: float = 0) -> None:
        assert self.loop.step(self.harbour.clock.forward(days=days, seconds=seconds or 60))

    @property
    def run(self) -> ReleaseRun:
        run = self.harbour.state.deployments.get("churn").run
        assert run is not None
        return run

    def status(self) -> str:
        return self.run.status

    def stage(self) -> str:
        return self.run.stage

    @property
    def events(self) -> list[str]:
        return [alert.event for alert in self.harbour.state.alerts.of("churn")]

    @property
    def decisions(self) -> list[str]:
        return [entry.why for entry in self.harbour.state.audit.of("churn", action="decide")]

    @property
    def entry(self) -> Entry:
        """The first routing entry, as gateways serve it."""
        return self.harbour.serving.entries[0]

    def said(self, action: str) -> list[str]:
        """The audit's sentences about an action."""
        return [entry.sentence for entry in self.harbour.state.audit.of("churn", action=action)]

    def close(self) -> None:
        self.leadership.release()
        self.harbour.close()
