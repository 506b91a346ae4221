"""Drift between anybody's two tables, with no platform: every column by its kind, in windows of time or as a whole."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from seatrial.drift import FeatureDrift, FeatureProfile, Severity, decide_window, shifts, worst
from seatrial.drift.by_kind import ColumnReference
from seatrial.drift.cell_names import cell_names
from seatrial.drift.decide import MINIMUM_ROWS, THRESHOLDS, Q
from seatrial.drift.domain_classifier import LEAST, Separation, domain_classifier
from seatrial.drift.identifiers import NewIds
from seatrial.models.features import infer_feature
from seatrial.models.frames import numbers_of, texts_of, vectors_of
from seatrial.spec.calendar import is_zone
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature
from seatrial.watch.table_columns import plain_columns

By = Literal["hour", "day", "week"]
FOLDS = 5
APART: dict[Severity, float] = {
    "major": float(ndtr(THRESHOLDS["mean"][1] / 2**0.5)),
    "moderate": float(ndtr(THRESHOLDS["mean"][0] / 2**0.5)),
}
"""Areas of a domain classifier (its lower limit) that an embedding's severity begins at: those of normal clouds whose
means are as far apart, in standard deviations, as a column's must be."""


class Part(NamedTuple):
    """A cell of a column: its values in words, and the shares of the reference and of the window."""

    cell: str
    reference: float
    window: float


class TableWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What one window of the current table says.

    Attributes:
        start: Of the window, RFC 3339; "" when the table is one.
        rows: In it.
        state: ``no-data`` where not one column could be compared: too few rows here, or in the reference.
        severity: The worst of its columns, drift or quality.
        columns: Every plain column, decided together.
        shifts: How far each moved; see ``drift.shift``.
        apart: How well a classifier tells an embedding's rows from the reference's.
        new_ids: Of id columns, shown and not judged.
        parts: Before and after, of the columns that moved.
        gone: Columns of the reference that the current table lacks, or whose values are of another kind.
        uncompared: Columns of the reference that cannot be compared with anything.
    """

    start: str
    rows: int
    state: Literal["measured", "no-data"]
    severity: Severity
    columns: tuple[FeatureDrift, ...] = ()
    shifts: dict[str, float | None] = {}
    apart: dict[str, Separation] = {}
    new_ids: dict[str, NewIds] = {}
    parts: dict[str, tuple[Part, ...]] = {}
    gone: dict[str, str] = {}
    uncompared: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it in a few words."""
        if self.state == "no-data":
            rows = f"{self.rows} row{'s' * (self.rows != 1)}"
            few = "too few to compare" if not self.columns else "and the reference has too few to compare with"
            return f"No data: {rows}, {few}."
        told = [f"{name}: {why}." for name, why in self.gone.items()]
        told += [
            drift.sentence for drift in ranked(self.columns) if (drift.severity, drift.quality) != ("none", "none")
        ]
        told += [
            f"{name}: {apart_severity(found)}, told apart from the reference with AUC {found.auc:.2f}."
            for name, found in self.apart.items()
            if apart_severity(found) != "none"
        ]
        if told:
            return " ".join(told)
        if self.uncompared:
            return f"Not compared: {', '.join(self.uncompared)}; the rest is as in the reference ({self.rows} rows)."
        return f"As in the reference ({self.rows} rows)."


class TableDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Two tables compared.

    Attributes:
        reference_rows: Of the reference.
        windows: In order of time.
        notes: What was left out, and why.
        uncompared: Columns of the reference that could not be compared; ``notes`` say why.
    """

    reference_rows: int
    windows: tuple[TableWindow, ...]
    notes: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()

    @property
    def first_sentence(self) -> str:
        """That columns could not be compared; "" where all could."""
        if not self.uncompared:
            return ""
        many = f"{len(self.uncompared)} column{'s' * (len(self.uncompared) != 1)} of the reference"
        return f"{many} could not be compared: {', '.join(self.uncompared)}."

    @property
    def state(self) -> Literal["measured", "no-data"]:
        """``no-data`` where no window could be compared: it says nothing, and not that nothing moved."""
        return "measured" if any(window.state == "measured" for window in self.windows) else "no-data"

    @property
    def severity(self) -> Severity:
        """The worst of its windows."""
        return worst(window.severity for window in self.windows)


def compare_tables(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    by: By | None = None,
    time: str | None = None,
    ignore: Sequence[str] = (),
    minimum_rows: int = MINIMUM_ROWS,
    zone: str | None = None,
) -> TableDrift:
    """Compare a current table with a reference, column by column of the reference.

    The false discovery rate of a window is 0.005 divided by the number of windows: of comparisons in which nothing
    moved, at most one in 200 shows anything, however many windows there are.

    Args:
        reference, current: Tables; columns that only ``current`` has are named in the notes.
        by: Length of a window, whole hours, days or weeks (from Monday) of UTC; None: the whole table.
        time: The column that windows are cut by, datetimes or RFC 3339 texts; it is not compared. None: the only
            datetime column there is.
        ignore: Columns left out.
        minimum_rows: Rows that either side needs.
        zone: IANA name of the zone by whose clock hours of the day are counted; None: that of the reference's column,
            else UTC.

    Raises:
        BadInput: A table without rows, no way to cut windows, or a zone that nobody knows.
        NotFound: ``time`` or ``ignore`` names no column.
    """
    for called, frame in (("reference", reference), ("current table", current)):
        if not len(frame):
            raise BadInput(f"the {called} has no rows; give one with at least {minimum_rows}")
    for name in (*ignore, *([time] if time else [])):
        if name not in reference.columns and name not in current.columns:
            raise NotFound(f"no table has a column {name!r}; there are {', '.join(map(str, reference.columns))}")
    if zone is not None and not is_zone(zone):
        raise BadInput(f"{zone!r} is not a known zone; write it as IANA does, like Europe/Paris")
    reference, current = plain_columns(reference), plain_columns(current)
    clock = _clock(current, time) if by else time
    left_out = {*ignore, *([clock] if clock else [])}
    before = reference.drop(columns=list(left_out), errors="ignore")
    empty = [n for n in before.columns if n in current.columns and before[n].isna().all() and current[n].isna().all()]
    references, uncompared = _references(before.drop(columns=empty), zone)
    notes = [f"{name} is not compared: {why}" for name, why in uncompared.items()]
    notes += [f"{name} has no value in either table" for name in empty]
    if not references:
        raise BadInput("the reference has no column that can be compared; see that its columns have values of one kind")
    extra = [name for name in current.columns if name not in reference.columns and name not in left_out]
    notes += [f"{name} is not in the reference" for name in extra]
    windows = list(_windows(current, by, clock))
    q = Q / max(len(windows), 1)
    raw = {name: _values(reference[name], made.feature) for name, made in references.items() if _is_cloud(made)}
    found = tuple(
        msgspec.structs.replace(_window(start, frame, references, raw, q, minimum_rows), uncompared=tuple(uncompared))
        for start, frame in windows
    )
    return TableDrift(reference_rows=len(reference), windows=found, notes=tuple(notes), uncompared=tuple(uncompared))


def ranked(drifts: Sequence[FeatureDrift]) -> list[FeatureDrift]:
    """The most serious first: quality before drift, then by how far it moved."""

    def seriousness(drift: FeatureDrift) -> tuple[bool, int, float]:
        order = ("major", "moderate", "none")
        return drift.quality == "none", min(map(order.index, (drift.quality, drift.severity))), -(drift.psi or 0.0)

    return sorted(drifts, key=seriousness)


def apart_severity(found: Separation) -> Severity:
    """How bad a separation is: by the lower end of its interval."""
    return next((severity for severity, area in APART.items() if found.lower >= area), "none")


def _clock(current: pd.DataFrame, time: str | None) -> str:
    if time is not None:
        return time
    datetimes = [str(name) for name in current.columns if pd.api.types.is_datetime64_any_dtype(current[name].dtype)]
    if len(datetimes) != 1:
        found = f"{len(datetimes)} columns of times" if datetimes else "no column of times"
        raise BadInput(f"the current table has {found}; name the one that windows are cut by with --time")
    return datetimes[0]


def _references(reference: pd.DataFrame, zone: str | None) -> tuple[dict[str, ColumnReference], dict[str, str]]:
    """What can be compared, and why the rest cannot."""
    made, uncompared = {}, {}
    for name in map(str, reference.columns):
        try:
            feature = infer_feature(name, reference[name])
        except BadInput as error:
            uncompared[name] = str(error)
            continue
        if feature.kind == "time" and zone is not None:
            feature = msgspec.structs.replace(feature, zone=zone)
        try:
            made[name] = ColumnReference.from_values(feature, _values(reference[name], feature))
        except (BadInput, ValueError, TypeError) as error:
            uncompared[name] = f"its values are no {feature.kind} that can be counted ({error})"
    return made, uncompared


def _values(column: "pd.Series[Any]", feature: Feature) -> Any:
    """A column as its kind is counted; ValueError or TypeError where it is of another kind."""
    if feature.kind in NUMERIC_KINDS:
        return numbers_of(column, feature)
    return texts_of(column, feature) if feature.kind in TEXT_KINDS else vectors_of(column)


def _windows(current: pd.DataFrame, by: By | None, clock: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    if by is None or clock is None:
        yield "", current
        return
    if clock not in current.columns:
        raise NotFound(f"the current table has no column {clock!r}; name one of {', '.join(map(str, current.columns))}")
    if pd.api.types.is_numeric_dtype(current[clock].dtype):
        raise BadInput(
            f"{clock!r} holds numbers, and whether they are seconds or microseconds is not known; write times like "
            "2026-11-26T09:00:00Z"
        )
    try:
        times = pd.to_datetime(current[clock], utc=True)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{clock!r} cannot be read as times ({error}); write them like 2026-11-26T09:00:00Z") from error
    if times.isna().any():
        raise BadInput(
            f"{int(times.isna().sum())} rows have no time in {clock!r}; leave them out, or compare without --by"
        )
    starts = times.dt.floor("h" if by == "hour" else "D")
    if by == "week":
        starts = starts - pd.to_timedelta(starts.dt.weekday, unit="D")
    for start, rows in current.groupby(starts, sort=True):
        yield pd.Timestamp(str(start)).strftime("%Y-%m-%dT%H:%M:%SZ"), rows


def _window(
    start: str,
    frame: pd.DataFrame,
    references: dict[str, ColumnReference],
    raw: dict[str, Any],
    q: float,
    minimum_rows: int,
) -> TableWindow:
    if len(frame) < minimum_rows:
        return TableWindow(start=start, rows=len(frame), state="no-data", severity="none")
    pairs: list[tuple[FeatureProfile, FeatureProfile]] = []
    gone: dict[str, str] = {}
    new_ids: dict[str, NewIds] = {}
    apart: dict[str, Separation] = {}
    for name, made in references.items():
        try:
            values = _values(frame[name], made.feature)
            pairs += zip(made.profiles, made.count(values), strict=True)
        except KeyError:
            gone[name] = "the column is gone"
        except (BadInput, ValueError, TypeError):
            gone[name] = f"the values are no longer of the kind {made.feature.kind} ({frame[name].dtype})"
        else:
            if (new := made.new_ids(values)) is not None:
                new_ids[name] = new
            if name in raw:
                try:
                    separation = _separation(raw[name], values, minimum_rows)
                except (BadInput, ValueError):
                    gone[name] = "the vectors are of another width"
                else:
                    apart |= {name: separation} if separation is not None else {}
    drifts = decide_window(pairs, q=q, minimum_rows=minimum_rows)
    severities = [s for d in drifts for s in (d.severity, d.quality)] + [apart_severity(s) for s in apart.values()]
    moved = {d.feature for d in drifts if d.severity != "none" or d.quality != "none"}
    return TableWindow(
        start=start,
        rows=len(frame),
        state="measured" if gone or apart or any(d.state == "measured" for d in drifts) else "no-data",
        severity="major" if gone else worst(severities),
        columns=drifts,
        shifts=shifts(pairs),
        apart=apart,
        new_ids=new_ids,
        parts={a.name: parts(a, b) for a, b in pairs if a.name in moved},
        gone=gone,
    )


def _is_cloud(made: ColumnReference) -> bool:
    return made.feature.kind == "embedding"


def _separation(reference: Any, window: Any, minimum_rows: int) -> Separation | None:
    before, after = _cloud(reference), _cloud(window)
    if min(len(before), len(after)) < max(LEAST * FOLDS, minimum_rows):
        return None
    return domain_classifier(before, after, folds=FOLDS)


def _cloud(vectors: Any) -> NDArray[np.float64]:
    present = [vector for vector in vectors if isinstance(vector, list)]
    return np.array(present, dtype=np.float64).reshape(len(present), -1)


MOST_PARTS = 12


def parts(reference: FeatureProfile, window: FeatureProfile) -> tuple[Part, ...]:
    """Missing values, then the cells: of a category the largest ones, and the rest together."""
    m, n = max(reference.rows, 1), max(window.rows, 1)
    missing = Part("missing", reference.missing_rate, window.missing_rate)
    cells = [
        Part(name, a / m, b / n)
        for name, a, b in zip(cell_names(reference), reference.counts, window.counts, strict=True)
    ]
    if reference.form == "category":
        *listed, other = cells
        listed.sort(key=lambda part: -max(part.reference, part.window))
        rest = [*listed[MOST_PARTS:], other]
        others = Part("other", sum(part.reference for part in rest), sum(part.window for part in rest))
        cells = [*listed[:MOST_PARTS], others]
    return (missing, *cells) if missing.reference or missing.window else tuple(cells)
