"""A dashboard over a small machine: one deployment with a release, verdicts, traffic, drift and an alert."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from seatrial.control.loop import Loop
from seatrial.dashboard.app import create_app
from seatrial.dashboard.house import House
from seatrial.drift.decide import FeatureDrift
from seatrial.experiments.judgement import Judgement
from seatrial.ledger.log import PredictionLog
from seatrial.ledger.rows import RowSchema
from seatrial.releases.leadership import Leadership
from seatrial.releases.records import Alert, WindowRecord
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.settings import load_settings
from seatrial.watch.window import Signal, Window
from tests.harbour import RELEASE, SECOND, Harbour, World, gateway_worker
from tests.ledger_events import envelope

with warnings.catch_warnings():  # Starlette wishes for another HTTP client than the one that we use
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
SCHEMA = RowSchema(
    deployment="churn",
    context=(),
    numbers=(),
    number_index=(),
    texts=(),
    text_index=(),
    vectors=(),
    prediction=(("label", "string"),),
)


class Measured(World):
    """A world whose primary metric has an effect that narrows with every look."""

    def judge(self, spec: Deployment, run: ReleaseRun, now: int, dropped_before: int) -> Judgement:
        judgement = super().judge(spec, run, now, dropped_before)
        wide = 0.1 / len(self.judged)
        metrics = tuple(
            msgspec.structs.replace(
                metric,
                verdict=msgspec.structs.replace(
                    metric.verdict, effect=0.02, lower=0.02 - wide, upper=0.02 + wide, n_control=900, n_treatment=880
                ),
            )
            for metric in judgement.metrics
        )
        return msgspec.structs.replace(judgement, metrics=metrics)


def house_of(home: Path, harbour: Harbour, **environment: str) -> House:
    """A house over the harbour's home, at the harbour's time."""
    settings = load_settings({"SEATRIAL_HOME": str(home), **environment}, home)
    return House(settings, clock=harbour.clock)


def visitor(house: House) -> TestClient:
    """Somebody at this machine who opens the house's pages."""
    return TestClient(create_app(house), base_url="http://localhost:8082", raise_server_exceptions=False)


@contextmanager
def lived_in(home: Path, text: str = TEST_ONLY, **environment: str) -> Iterator[tuple[House, Harbour]]:
    """A house with a release under test and everything that a page can show."""
    harbour = Harbour(home)
    with gateway_worker(home):
        harbour.apply(text)
        world = Measured()
        with Leadership(home, harbour.url) as leadership:
            loop = Loop(harbour.site, world, leadership)
            for _ in range(3):
                loop.step(harbour.clock.forward(days=0.5))
        answer(home, harbour.clock.now)
        see_drift(harbour)
        try:
            yield house_of(home, harbour, **environment), harbour
        finally:
            harbour.close()


def answer(home: Path, now: int, *, requests: int = 120) -> None:
    """Log answers of both variants in the ten minutes before ``now``."""
    log = PredictionLog(home, "w0", clock=lambda: now)
    buffer = log.buffer(SCHEMA)
    for i in range(requests):
        variant, version = ("champion", "challenger")[i % 2], f"churn:{1 + i % 2}"
        row = envelope(
            request_id=f"r{i}",
            at=now - (requests - i) * 5 * SECOND,
            unit=f"c{i}",
            variant=variant,
            assigned_version=version,
            answered=variant,
            version=version,
            release="run-1",
            revision=1,
            status="ok" if i % 40 else "failed",
            latency_us=400 + i,
        )
        assert buffer.append(row, (), None, None, None, ("yes",))
    log.close()


def see_drift(harbour: Harbour) -> None:
    """Two windows before now: one at rest, one in which ``tenure`` moved far; and the alert about it."""
    start = harbour.clock.now // (60 * SECOND) * (60 * SECOND) - 120 * SECOND
    windows = [_window(start, moved=False), _window(start + 60 * SECOND, moved=True)]
    harbour.state.windows.add([_record(window) for window in windows], deployment="churn", marks={})
    harbour.state.alerts.add(
        Alert(
            deployment="churn",
            at=windows[1].end,
            event="data.major",
            key="data/major",
            severity="critical",
            sentence="Drift of <tenure>.",
        )
    )


def _window(start: int, *, moved: bool) -> Window:
    severity = "major" if moved else "none"
    return Window(
        deployment="churn",
        monitor="data",
        variant="champion",
        version="churn:1",
        start=start,
        end=start + 60 * SECOND,
        rows=600,
        state="measured",
        drift=Signal(severity=severity, alarm=severity, calm=not moved),  # type: ignore[arg-type]
        features=(
            FeatureDrift(feature="tenure", state="measured", rows=600, severity=severity),  # type: ignore[arg-type]
            FeatureDrift(feature="note", state="measured", rows=600),
        ),
        shifts={"tenure": 2.5 if moved else 0.0, "note": None},
        sentence="tenure moved far." if moved else "All as in the reference.",
    )


def _record(window: Window) -> WindowRecord:
    return WindowRecord(
        deployment=window.deployment,
        monitor=window.monitor,
        variant=window.variant,
        version=window.version,
        start=window.start,
        end=window.end,
        severity=window.severity,
        window=msgspec.json.encode(window).decode(),
    )
