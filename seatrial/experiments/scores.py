"""Each variant's metric of answers by itself: value and interval, for one look, over all phases together."""

from seatrial.experiments.counted import Counted, Mask
from seatrial.experiments.judgement import Score
from seatrial.experiments.model_measures import KINDS
from seatrial.releases.run import ReleaseRun
from seatrial.stats.interval import Interval, finite
from seatrial.stats.moments import PairMoments
from seatrial.stats.quality import calibration_error, f1_score, mean_score, rmse_interval, share_score

SEED = 1
"""Of the noise that a calibration error is compared with: any would do, and always the same."""


def scores_of(kind: str, counted: Counted | None, run: ReleaseRun) -> tuple[Score, ...]:
    """The champion's and the challenger's; none for a metric that is not of answers."""
    if kind not in KINDS or counted is None:
        return ()
    arms = ((run.champion, ~counted.treatment), (run.challenger, counted.treatment))
    return tuple(_score(name, kind, counted, counted.here & arm, run.alpha) for name, arm in arms)


def calibration_of(counted: Counted, units: Mask, alpha: float) -> tuple[float, Interval] | None:
    """The expected calibration error of some units' answers and its interval; None without an answer."""
    assert counted.answers is not None
    found = counted.answers.of(units)
    if not found.label.size:
        return None
    result = calibration_error(found.label, found.score, found.unit, seed=SEED, alpha=alpha)
    return result.value, result.interval


def _score(variant: str, kind: str, counted: Counted, units: Mask, alpha: float) -> Score:
    n = int(units.sum())
    value, interval = _value(kind, counted, units, alpha) if n else (None, None)
    return Score(
        variant=variant,
        units=n,
        value=value,
        lower=None if interval is None else finite(interval.lower),
        upper=None if interval is None else finite(interval.upper),
    )


def _value(kind: str, counted: Counted, units: Mask, alpha: float) -> tuple[float | None, Interval | None]:
    if kind == "auc":
        area = counted.area(units)
        return area.value, area.interval
    if kind == "calibration_error":
        found = calibration_of(counted, units, alpha)
        return (None, None) if found is None else found
    pair = PairMoments.from_values(counted.x[units], counted.y[units])
    of = {"f1": f1_score, "rmse": rmse_interval, "accuracy": share_score, "precision": share_score}
    score = (of | {"recall": share_score}).get(kind, mean_score)(pair, alpha)
    return score.value, score.interval
