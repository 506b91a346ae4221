"""The picture of drift: a cell for each column and window, and what a column was before and after in one of them."""

from collections.abc import Callable, Iterable, Sequence

from seatrial.drift import FeatureProfile, Profile, worst
from seatrial.drift.decide import FeatureDrift
from seatrial.experiments.source import Source
from seatrial.reports.points import DriftCell
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import NotFound
from seatrial.watch import reading
from seatrial.watch.data import as_logged
from seatrial.watch.reading import Span
from seatrial.watch.tables import Part, parts
from seatrial.watch.window import Window

SHOWN_WINDOWS = 48
PREDICTION = "prediction: "
_STATISTIC = "mean shift in sd"

Shown = tuple[str, str, int]
"""A cell's monitor, column and start of its window."""


def drift_picture(
    windows: Sequence[Window], features: Sequence[str], read_until: int
) -> tuple[tuple[DriftCell, ...], int | None]:
    """A cell per column and window of the latest time, without a gap: where nothing was measured it says ``no-data``.

    Args:
        windows: Of data and predictions, in order of time.
        features: In the order of rows; the prediction's columns stand below them.
        read_until: The monitor has read up to here, microseconds; what it found no rows in is no window.

    Returns:
        The cells row by row, and the time from one window to the next (None: windows are by rows); no cells while
        nothing was measured.
    """
    if not windows:
        return (), None
    newest = windows[-1]
    starts, step = _starts(windows, read_until)
    length = newest.end - newest.start
    alike = [w for w in windows if newest.counted or (w.end - w.start, w.every) == (length, newest.every)]
    shown = [w for w in alike if w.counted == newest.counted and w.start in starts]
    cells = {(cell.feature, cell.window): cell for cell in drift_cells(shown)}
    rows = sorted({feature for feature, _ in cells}, key=lambda row: _place(row, features))
    first = min((start for _, start in cells), default=newest.end)
    gap = ("no-data", 0.0, _STATISTIC, "Not measured in this window.")
    filled = (cells.get((row, at), DriftCell(at, row, *gap)) for row in rows for at in starts if at >= first)
    return tuple(filled), step


def _starts(windows: Sequence[Window], read_until: int) -> tuple[Sequence[int], int | None]:
    """Where the windows that are shown begin, and the time from one to the next where they are by time."""
    newest = windows[-1]
    if newest.counted:
        return sorted({w.start for w in windows if w.counted == newest.counted})[-SHOWN_WINDOWS:], None
    pause = min(max(read_until - newest.end, 0) // newest.step, SHOWN_WINDOWS // 2)
    last = newest.start + pause * newest.step
    return range(last - (SHOWN_WINDOWS - 1) * newest.step, last + 1, newest.step), newest.step


def drift_cells(windows: Iterable[Window]) -> tuple[DriftCell, ...]:
    """One cell per column and window."""
    return tuple(_cell(window, column) for window in windows for column in window.features)


def _place(row: str, features: Sequence[str]) -> tuple[bool, int, str]:
    """Features in their own order, then others, then the prediction."""
    return row.startswith(PREDICTION), features.index(row) if row in features else len(features), row


def quietest_left_out(cells: Sequence[DriftCell], most: int) -> tuple[tuple[DriftCell, ...], int]:
    """The cells of the ``most`` features that moved most, and how many features were left out."""
    loudest: dict[str, float] = {}
    for cell in cells:
        loudness = abs(cell.shift) + {"moderate": 100.0, "major": 1000.0}.get(cell.severity, 0.0)
        loudest[cell.feature] = max(loudest.get(cell.feature, 0.0), loudness)
    kept = set(sorted(loudest, key=lambda name: -loudest[name])[:most])
    return tuple(cell for cell in cells if cell.feature in kept), len(loudest) - len(kept)


def _cell(window: Window, column: FeatureDrift) -> DriftCell:
    severity = "no-data" if column.state == "no-data" else worst((column.severity, column.quality))
    shift = window.shifts.get(column.feature) or 0.0
    row = f"{PREDICTION}{column.feature}" if window.monitor == "prediction" else column.feature
    return DriftCell(window.start, row, severity, shift, _STATISTIC, column.sentence)


def shown_of(cell: DriftCell) -> Shown:
    """Which column of which window a cell is about."""
    monitor = "prediction" if cell.feature.startswith(PREDICTION) else "data"
    return monitor, cell.feature.removeprefix(PREDICTION), cell.window


def opening(cells: Iterable[DriftCell], how: Callable[[Shown], str]) -> tuple[DriftCell, ...]:
    """Cells that open something: what was measured, by the address that ``how`` gives."""
    return tuple(cell if cell.severity == "no-data" else cell._replace(opens=how(shown_of(cell))) for cell in cells)


def before_and_after(
    deployment: Deployment, window: Window, column: str, profile: Profile, source: Source
) -> tuple[Part, ...]:
    """The share of rows in each cell of a column: of the reference, and of one window's rows, read again.

    Args:
        deployment: What is logged.
        window: Of the data or the prediction monitor.
        column: A feature, or a column of the prediction.
        profile: Of the window's version.
        source: Rows.

    Raises:
        NotFound: The version's profile or the ledger has no such column, or the rows are not kept any more.
    """
    names = reading.column_names(source)
    pair = _prediction(column, profile, names) if window.monitor == "prediction" else None
    if window.monitor == "data":
        pair = _feature(deployment, column, profile, names)
    if pair is None:
        raise NotFound(f"{column!r} of {window.version or window.variant} cannot be shown: it is not in the ledger")
    reference, sql = pair
    found = reading.read(source, _span_of(window), _rows_of(window, names), {sql: reference}, window.rows)[sql]
    if not found.rows:
        raise NotFound(
            f"the rows of this window of {column!r} are not kept any more; `log.keep` says how long they are"
        )
    return parts(reference, found)


LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Shares of the rows below which the quantiles of an opened column lie."""


def quantiles(
    deployment: Deployment, window: Window, column: str, profile: Profile, source: Source
) -> tuple[tuple[float, float], ...]:
    """Exact quantiles of a column of numbers in one window, from its rows: (level, value) each.

    Cells are the reference's; where values lie beyond all of them, these say where. Rows are kept for longer than
    counts, so that nothing approximate is needed. Empty for what is no number, or not there any more.
    """
    names = reading.column_names(source)
    pair = _prediction(column, profile, names) if window.monitor == "prediction" else None
    if window.monitor == "data":
        pair = _feature(deployment, column, profile, names)
    if pair is None or pair[0].kind not in ("number", "integer"):
        return ()
    query = (
        f"SELECT quantile_disc(v, {list(LEVELS)}) AS found FROM (SELECT {pair[1]} AS v FROM rows "
        f"WHERE {reading.IN_SPAN} AND {_rows_of(window, names)}) WHERE isfinite(v)"
    )
    found = source.sql(query, _span_of(window).asked)["found"][0].as_py()
    return () if found is None else tuple(zip(LEVELS, map(float, found), strict=True))


def _span_of(window: Window) -> Span:
    return Span(window.variant, window.version, window.start, window.end)


def _rows_of(window: Window, names: frozenset[str]) -> str:
    sampled = "sampled" if "sampled" in names else "true"
    return reading.PREDICTION_ROWS if window.monitor == "prediction" else f"{reading.FEATURE_ROWS} AND {sampled}"


def _feature(
    deployment: Deployment, column: str, profile: Profile, names: frozenset[str]
) -> tuple[FeatureProfile, str] | None:
    reference = next((feature for feature in profile.features if feature.name == column), None)
    columns = reading.written(names, f"feature.{column}")
    if reference is None or not columns:
        return None
    reference = as_logged(reference, deployment)
    return reference, reading.expression(reference.kind, columns)


def _prediction(column: str, profile: Profile, names: frozenset[str]) -> tuple[FeatureProfile, str] | None:
    reference = next((answer for answer in profile.prediction if answer.name == column), None)
    if reference is None:
        return None
    if column == "confidence":
        scores = tuple(sorted(name for name in names if name.startswith("prediction.score.")))
        return (reference, reading.largest(scores)) if scores else None
    columns = reading.written(names, f"prediction.{column}")
    return (reference, reading.expression(reference.kind, columns)) if columns else None
