"""A deployment that was watched for two days: two columns drift, accuracy falls as estimated, people are told."""

import json
from contextlib import AbstractContextManager, nullcontext

import msgspec
import numpy as np
import pyarrow as pa

from seatrial.drift import FeatureDrift, FeatureProfile, Profile, Severity, decide_window, profile_of_window, shifts
from seatrial.experiments.source import Source, TableSource
from seatrial.releases.records import Alert, AuditEntry, WindowRecord
from seatrial.spec.signature import Feature
from seatrial.watch.window import Performance, Signal, Window
from tests.harbour import PLAIN, SECOND, Harbour

HOUR = 3600 * SECOND
HOURS = 40
ROWS = 400
MOVED_AT = 26
NAMES = ("tenure", "price", "visits", "age", "items", "discount", "distance", "rating")
WATCHED = (
    PLAIN
    + "outcomes: {churned: {label: true}}\n"
    + "metrics: {right: {kind: accuracy, outcome: churned, within: 1h, grace: 1h}}\n"
    + "monitors: {data: {window: 1h}, performance: {metric: right, window: 1h}}\n"
)


class Watched:
    """Two days of a deployment, in a harbour's state; its rows in memory.

    Args:
        harbour: A fresh one; its clock stands at the end of the two days afterwards.
    """

    def __init__(self, harbour: Harbour) -> None:
        rng = np.random.default_rng(5)
        harbour.apply(WATCHED)
        self.start = harbour.clock.now // HOUR * HOUR
        features = tuple(Feature(name=name, kind="number") for name in NAMES)
        reference = {name: rng.normal(size=3000) for name in NAMES}
        self.profile = Profile.from_values(features, reference)
        slot = harbour.state.deployments.get("churn").slot("champion")
        assert slot is not None
        with open(f"{slot.path}/profile.json", "wb") as file:
            file.write(self.profile.to_json())
        self._columns: dict[str, list[float]] = {name: [] for name in NAMES}
        self._times: list[int] = []
        windows = [self._data(hour, rng) for hour in range(HOURS)]
        windows += [self._performance(hour, rng) for hour in range(HOURS - 3)]
        harbour.state.windows.add([_record(w) for w in windows], deployment="churn", marks={})
        estimates = [_estimate(self.start + hour * HOUR, hour) for hour in range(HOURS - 1)]
        harbour.state.windows.add(estimates, deployment="churn", marks={})
        for alert in self._alerts():
            harbour.state.alerts.add(alert)
        for hour, action in ((4, "begin"), (10, "advance"), (18, "promote"), (33, "rollback")):
            harbour.state.audit.add(self._step(hour, action))
        harbour.clock.now = self.start + HOURS * HOUR

    def ledger(self) -> AbstractContextManager[Source]:
        """The rows."""
        n = len(self._times)
        same = {"role": "answer", "variant": "champion", "answered": "champion", "status": "ok", "version": "churn:1"}
        columns: dict[str, pa.Array] = {name: pa.array([value] * n) for name, value in same.items()}
        columns |= {"assigned_version": pa.array(["churn:1"] * n), "sampled": pa.array([True] * n)}
        columns |= {"unit": pa.array([f"u{i}" for i in range(n)], pa.string())}
        columns |= {"at": pa.array(self._times, pa.timestamp("us", tz="UTC"))}
        columns |= {f"feature.{name}": pa.array(values) for name, values in self._columns.items()}
        return nullcontext(TableSource(pa.table(columns)))

    def _data(self, hour: int, rng: np.random.Generator) -> Window:
        start = self.start + hour * HOUR
        moved = {"tenure": 0.9, "price": 0.3} if hour >= MOVED_AT else {}
        values = {name: rng.normal(moved.get(name, 0.0), 1.0, ROWS) for name in NAMES}
        for name, column in values.items():
            self._columns[name] += column.tolist()
        self._times += [start + row * SECOND for row in range(ROWS)]
        pairs: list[tuple[FeatureProfile, FeatureProfile]] = [
            (feature, profile_of_window(feature, values[feature.name])) for feature in self.profile.features
        ]
        drifts = decide_window(pairs)
        severity: Severity = "major" if moved else "none"
        return _window("data", start, severity, features=drifts, shifts=shifts(pairs), rows=ROWS)

    def _performance(self, hour: int, rng: np.random.Generator) -> Window:
        value = (0.90 if hour < MOVED_AT + 2 else 0.79) + float(rng.normal(0, 0.008))
        performance = Performance(
            metric="right",
            kind="accuracy",
            want="higher",
            value=value,
            lower=value - 0.03,
            upper=value + 0.03,
            baseline=0.9,
            baseline_from="holdout",
            worse_by=0.9 - value,
            worse_lower=0.87 - value,
            worse_upper=0.93 - value,
            margin=0.05,
            level=0.95,
            labels=380,
            wanted=ROWS,
            units=380,
        )
        severity: Severity = "major" if hour >= MOVED_AT + 2 else "none"
        return _window("performance", self.start + hour * HOUR, severity, performance=performance, rows=ROWS)

    def _alerts(self) -> list[Alert]:
        told = (
            (MOVED_AT + 2, "data.major", "critical", "Drift of tenure and price."),
            (MOVED_AT + 5, "performance.major", "critical", "Accuracy fell from 0.90 to 0.79."),
            (12, "verdict", "warning", "churn:2 is ready to take command."),
        )
        return [
            Alert(
                deployment="churn",
                at=self.start + hour * HOUR,
                event=event,
                key=f"{event}/{hour}",
                severity=severity,  # type: ignore[arg-type]
                sentence=sentence,
                fate="told",
            )
            for hour, event, severity, sentence in told
        ]

    def _step(self, hour: int, action: str) -> AuditEntry:
        return AuditEntry(
            deployment="churn",
            at=self.start + hour * HOUR,
            action=action,
            actor="ada",
            why="",
            sentence=f"The release of churn:2: {action}.",
        )


def _window(monitor: str, start: int, severity: Severity, *, rows: int, **more: object) -> Window:
    drifts = more.get("features", ())
    moved = [d.feature for d in drifts if isinstance(d, FeatureDrift) and d.severity != "none"]  # type: ignore[attr-defined]
    sentence = f"{', '.join(moved)} moved." if moved else "All as in the reference."
    if monitor == "performance":
        sentence = "The model is clearly worse." if severity != "none" else "The model is as good as it was."
    return Window(
        deployment="churn",
        monitor=monitor,  # type: ignore[arg-type]
        variant="champion",
        version="churn:1",
        start=start,
        end=start + HOUR,
        rows=rows,
        drift=Signal(severity, severity, severity == "none"),
        sentence=sentence,
        **more,  # type: ignore[arg-type]
    )


def _record(window: Window) -> WindowRecord:
    return WindowRecord(
        deployment="churn",
        monitor=window.monitor,
        variant=window.variant,
        version=window.version,
        start=window.start,
        end=window.end,
        severity=window.severity,
        window=msgspec.json.encode(window).decode(),
    )


def _estimate(start: int, hour: int) -> WindowRecord:
    """A window of the estimate: what is kept of it is all that a picture needs."""
    value = 0.895 if hour < MOVED_AT else 0.82
    estimated = {"metric": "accuracy", "value": value, "lower": value - 0.025, "upper": value + 0.025, "n": ROWS}
    kept = {"start": start, "end": start + HOUR, "version": "churn:1", "estimated": {**estimated, "baseline": 0.9}}
    return WindowRecord(
        deployment="churn",
        monitor="estimate",
        variant="champion",
        version="churn:1",
        start=start,
        end=start + HOUR,
        severity="none",
        window=json.dumps(kept),
    )
