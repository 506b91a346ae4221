"""The effect in each segment of units: for learning where it lies, never for deciding.

A unit's segment is the value of a context key in the request that first exposed it, so no variant can have moved it. Of
many segments some look good by chance: each effect is drawn towards the common one, and marked as different only after
false-discovery control over all of them (``stats.segments``).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.asks import Ask, asks_of, measures_of
from seatrial.experiments.counted import Counted
from seatrial.experiments.covariates import CONTEXT
from seatrial.experiments.exposing import exposing_values, in_clusters
from seatrial.experiments.planned import effect_of
from seatrial.experiments.question import read
from seatrial.experiments.row_columns import answer_column, column_names
from seatrial.experiments.sample import Sample, take_sample
from seatrial.experiments.sentences import counted as counted_in_words
from seatrial.experiments.sentences import names, plural
from seatrial.experiments.shapes import BY_ROW
from seatrial.experiments.source import Source
from seatrial.experiments.thresholds import fixed_thresholds
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import did_you_mean
from seatrial.spec.units import show, show_count
from seatrial.stats.interval import finite
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.segments import compare_segments

MOST = 50
"""Segments; a key of more values is no key to learn from."""

MISSING = "(missing)"


class SegmentEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One segment of one metric.

    Attributes:
        name: The key's value.
        champion, challenger: Units counted in it.
        effect: Challenger minus champion there, in the metric's unit; None with fewer than 100 units in an arm.
        shrunk: What is believed of it beside the others; likewise None.
        lower, upper: The interval of that, for one look.
        p_value: Against the common effect, adjusted over all segments.
        differs: Whether it is shown to differ from the others, at the release's alpha as false-discovery rate.
    """

    name: str
    champion: int
    challenger: int
    effect: float | None = None
    shrunk: float | None = None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    differs: bool = False


class MetricSegments(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in every segment.

    Attributes:
        metric: Its name.
        by: The context key, ``context.country``.
        common: The effect that segments are drawn towards; None with no segment large enough.
        spread: Standard deviation of the true effects between segments.
        p_value: Against "all segments have one effect".
        segments: The largest first.
        sentence: One plain sentence.
    """

    metric: str
    by: str
    common: float | None
    spread: float
    p_value: float
    segments: tuple[SegmentEffect, ...]
    sentence: str


def segment(deployment: Deployment, run: ReleaseRun, view: Source, now: int, by: str) -> tuple[MetricSegments, ...]:
    """The primary and the guardrails of a release in each segment of ``by`` (``context.<key>``).

    Args:
        deployment: Its file.
        run: The release.
        view: Where rows and outcomes are read.
        now: Microseconds since 1970 UTC; nothing later is seen.
        by: A declared context key.

    Raises:
        BadInput: There is no release or no such key, no unit was exposed, or the key has too many values.
    """
    if deployment.release is None:
        raise BadInput(f"deployment {deployment.deployment!r} has no release to judge: add `release:` to its file.")
    _declared(deployment, by)
    if not run.phases:
        raise BadInput("no unit has been exposed to the challenger yet, so there is no segment to compare; wait.")
    columns = column_names(view)
    thresholds = fixed_thresholds(view, run, now)
    answers = answer_column(view) is not None
    asks = asks_of(deployment, deployment.release, run, thresholds, answers=answers, columns=columns)
    measures = [m for m in measures_of(deployment, run, asks) if asks[m.name].part != "secondary"]
    units, read_columns = read(view, run, measures, now)
    units = in_clusters(units, view, run, now, deployment.unit.cluster)
    segments = _segments(view, run, now, by, columns)
    found = []
    for measure in measures:
        if measure.shape not in BY_ROW:
            sample = take_sample(units, read_columns[measure.name], measure, run, now)
            found.append(_compared(asks[measure.name], sample, segments, by, run, deployment.unit.name))
    return tuple(found)


def _declared(deployment: Deployment, by: str) -> None:
    known = [f"{CONTEXT}{key}" for key in deployment.context]
    if by not in known:
        mend = did_you_mean(by, known) if known else "the file declares no `context`"
        raise BadInput(f"{show(by)} is not a context key of {deployment.deployment!r}; {mend}.")


def _segments(view: Source, run: ReleaseRun, now: int, by: str, columns: Sequence[str]) -> NDArray[np.object_]:
    """Each unit's segment [n], in order of exposure."""
    told = exposing_values(view, run, now, by, columns)
    found = np.empty(len(told), dtype=object)
    found[:] = [MISSING if each is None else each for each in told]
    if (values := len(set(found))) > MOST:
        raise BadInput(
            f"{by} has {show_count(values)} values, more than the {MOST} segments that can be compared; name a key of "
            "fewer."
        )
    return found


class _Part(NamedTuple):
    name: str
    counted: Counted
    champion: int
    challenger: int

    @property
    def known(self) -> bool:
        return min(self.champion, self.challenger) >= MINIMUM_UNITS


def _compared(
    ask: Ask, sample: Sample, segments: NDArray[np.object_], by: str, run: ReleaseRun, unit: str
) -> MetricSegments:
    assert sample.counted is not None
    parts = [
        _part(name, sample.counted.where(segments == name)) for name, _ in Counter(segments.tolist()).most_common()
    ]
    effects = {part.name: effect_of(part.counted) for part in parts if part.known}
    result = compare_segments(effects, run.alpha)
    told = {each.name: each for each in result.segments}
    found = tuple(
        SegmentEffect(name=part.name, champion=part.champion, challenger=part.challenger)
        if (one := told.get(part.name)) is None
        else SegmentEffect(
            name=part.name,
            champion=part.champion,
            challenger=part.challenger,
            effect=one.effect,
            shrunk=one.shrunk,
            lower=one.interval.lower,
            upper=one.interval.upper,
            p_value=one.p_value,
            differs=one.differs,
        )
        for part in parts
    )
    return MetricSegments(
        metric=ask.question.metric,
        by=by,
        common=finite(result.common),
        spread=result.spread,
        p_value=result.p_value,
        segments=found,
        sentence=_sentence(ask.question.metric, by, found, run, unit),
    )


def _part(name: str, counted: Counted) -> _Part:
    treated = int(np.count_nonzero(counted.here & counted.treatment))
    return _Part(name, counted, counted.n - treated, treated)


def _sentence(metric: str, by: str, found: Sequence[SegmentEffect], run: ReleaseRun, unit: str) -> str:
    known = [one for one in found if one.shrunk is not None]
    if not known:
        return f"{metric}: no segment of {by} has {MINIMUM_UNITS} {plural(unit)} in each arm yet."
    differing = [one for one in known if one.differs]
    those = counted_in_words(len(known), "segments")
    challenger, _ = names(run)
    if not differing:
        return f"{metric}: none of {those} of {by} is shown to differ from the others. Segments never decide."
    told = ", ".join(f"{one.name} ({one.shrunk:+.3g}, {one.lower:+.3g} to {one.upper:+.3g})" for one in differing)
    return (
        f"{metric}: of {those} of {by}, {challenger} is shown to do otherwise in {told}. Segments never decide: try it "
        "again where it matters."
    )
