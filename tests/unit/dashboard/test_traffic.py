"""Traffic from the ledger: points of a variant, figures of a version."""

from pathlib import Path

from seatrial.dashboard.traffic import TrafficReader, VersionTraffic
from seatrial.ledger.log import PredictionLog
from seatrial.ledger.rows import Envelope, Role
from tests.houses import SCHEMA
from tests.ledger_events import envelope

NOW = 1_790_000_000_000_000


def row(number: int, variant: str, version: str, role: Role, latency_us: int) -> Envelope:
    return envelope(
        number,
        role=role,
        at=NOW - 1_000_000,
        variant=variant,
        assigned_version=version,
        answered=variant,
        version=version,
        status="ok" if latency_us < 5000 else "timeout",
        latency_us=latency_us,
    )


def test_after_a_promotion_the_figures_of_a_version_are_its_own(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "w0", clock=lambda: NOW)
    buffer = log.buffer(SCHEMA)
    served: list[tuple[str, str, Role, int]] = [
        ("champion", "churn:1", "answer", 1000),
        ("champion", "churn:1", "answer", 3000),
        ("challenger", "churn:2", "shadow", 9000),
        ("champion", "churn:2", "answer", 7000),  # the challenger was promoted into the champion's slot
    ]
    for number, (variant, version, role, latency) in enumerate(served):
        assert buffer.append(row(number, variant, version, role, latency), (), None, None, None, ("yes",))
    log.close()
    read = TrafficReader(tmp_path).read("churn", now=NOW, seconds=60)
    assert read.versions == {
        ("champion", "churn:1"): VersionTraffic(2, 0, 2.0, 2.98),
        ("champion", "churn:2"): VersionTraffic(1, 1, 7.0, 7.0),
        ("challenger", "churn:2"): VersionTraffic(0, 1, None, None),
    }
    assert [(p.variant, p.role, p.rows, p.failed) for p in read.points] == [
        ("champion", "answer", 3, 1),  # one point a variant and interval, whatever its version
        ("challenger", "shadow", 1, 1),
    ]


def test_the_intervals_cover_the_range_whether_anything_happened_or_not(tmp_path: Path) -> None:
    read = TrafficReader(tmp_path).read("churn", now=NOW, seconds=60)
    assert read.points == ()
    assert read.bins.step == 1_000_000
    assert read.bins.start <= NOW - 60_000_000 < NOW < read.bins.end
    assert read.bins.start % read.bins.step == 0
