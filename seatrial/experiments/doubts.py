"""Checks that warn: what makes a verdict doubtful without withholding it. Each is at 0.001 over all looks."""

from collections.abc import Mapping

from seatrial.experiments.balance import enough
from seatrial.experiments.gaps import Gaps
from seatrial.experiments.judgement import Check, CheckName
from seatrial.experiments.sample import Sample
from seatrial.releases.run import ReleaseRun
from seatrial.spec.units import show_moment
from seatrial.stats.effect import Effect
from seatrial.stats.holm import holm
from seatrial.stats.sequence import always_valid_p

ALPHA = 0.001
"""Of each check, by Holm where it asks of several metrics."""

_MOST_NAMED = 3


def check_novelty(samples: Mapping[str, Sample], run: ReleaseRun) -> tuple[Check, ...]:
    """Whether an effect wears off or grows within a unit's window; none where no metric can tell."""
    found = {name: s.unfolding for name, s in samples.items() if s.unfolding is not None and s.unfolding.change}
    if not found:
        return ()
    p_values = _adjusted({name: one.change for name, one in found.items() if one.change is not None}, run)
    odd = [name for name, p in p_values.items() if p < ALPHA]
    if odd:
        said = "; ".join(f"{name} {_share(found[name].early)} in the first third of the window, "
                         f"{_share(found[name].late)} after it" for name in odd)  # fmt: skip
        sentence = f"The effect changes with the time since the exposure: {said}; where it settles is not shown yet."
    else:
        sentence = f"The effect does not change with the time since the exposure in {', '.join(found)}."
    return (_warning("novelty", odd, min(p_values.values()), sentence),)


def check_carry_over(samples: Mapping[str, Sample], run: ReleaseRun) -> tuple[Check, ...]:
    """Whether the arms differed before the exposure in what is measured after it; none where nothing is known of it."""
    found = {n: s.unfolding.before for n, s in samples.items() if s.unfolding is not None and s.unfolding.before}
    if not found:
        return ()
    p_values = _adjusted(found, run)
    odd = [name for name, p in p_values.items() if p < ALPHA]
    sentence = (
        f"The arms differed in {', '.join(odd)} before anybody was exposed: something earlier carries over, or the "
        "split is not random; begin a new release, which draws units anew."
        if odd
        else f"The arms were alike in {', '.join(found)} before the exposure."
    )
    return (_warning("carry-over", odd, min(p_values.values()), sentence),)


def check_gaps(gaps: Gaps) -> Check:
    """Whether exposures or outcomes fell silent in the midst of traffic, or an arm got too few units for a while."""
    said = [f"no {one.what} from {_moment(one.first)} to {_moment(one.last)}" for one in gaps.silent] + [
        f"too few units of {one.variant} from {_moment(one.first)} to {_moment(one.last)}" for one in gaps.short
    ]
    more = f", and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
    sentence = (
        f"The logs have gaps: {'; '.join(said[:_MOST_NAMED])}{more} (UTC); find out what was lost."
        if said
        else "The logs have no gaps."
    )
    return _warning("logging-gaps", said, float(len(said)), sentence)


def _adjusted(effects: Mapping[str, Effect], run: ReleaseRun) -> dict[str, float]:
    adjusted = holm([p_value(effect, run) for effect in effects.values()])
    return dict(zip(effects, adjusted, strict=True))


def p_value(effect: Effect, run: ReleaseRun) -> float:
    """Against no difference, valid at every look; 1 below the minimum of units."""
    if not enough(effect):
        return 1.0
    return always_valid_p(effect.effect, effect.se, effect.n, ALPHA, run.plan_units)


def _warning(name: CheckName, odd: list[str], value: float, sentence: str) -> Check:
    return Check(name=name, ok=not odd, withholds=False, value=value, sentence=sentence)


def _share(relative: float | None) -> str:
    return "unknown" if relative is None else f"{relative:+.1%}"


def _moment(at: int) -> str:
    return show_moment(at).removesuffix("Z")
