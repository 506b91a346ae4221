"""Two regressions on the same requests: how far their answers lie apart, and whose errors are smaller. For one look."""

import msgspec
import numpy as np

from seatrial.experiments.sentences import count, counted, names
from seatrial.experiments.shadow.comparison import Ends, Limits, ShadowComparison
from seatrial.experiments.shadow.pairs import Pairs, floats
from seatrial.releases.run import ReleaseRun
from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments
from seatrial.stats.paired import bland_altman, paired_difference


def compare_numbers(found: Pairs, run: ReleaseRun, inputs: str) -> ShadowComparison:
    """Paired absolute errors of those with a label, paired answers, and the limits between which answers differ."""
    labelled = floats(found.labelled, ("answer", "other", "label"))
    answers = floats(found.independent, ("answer", "other"))
    errors = np.abs(labelled["other"] - labelled["label"]) - np.abs(labelled["answer"] - labelled["label"])
    apart = Moments.from_values(answers["other"] - answers["answer"])
    of_errors = paired_difference(Moments.from_values(errors), run.alpha)
    of_answers = paired_difference(apart, run.alpha)
    comparison = ShadowComparison(
        pairs=found.pairs,
        inputs=found.independent.num_rows,
        clustered_by="input and unit",
        failures=found.failures,
        labelled=len(errors),
        fixed=(
            msgspec.structs.replace(of_errors, method="paired t of absolute errors, MAE (fixed)"),
            msgspec.structs.replace(of_answers, method="paired t of answers (fixed)"),
        ),
        limits=_limits(apart, run.alpha),
        sentence="",
    )
    return msgspec.structs.replace(comparison, sentence=_sentence(comparison, run, inputs))


def _limits(apart: Moments, alpha: float) -> Limits | None:
    if apart.n < 2:
        return None
    found = bland_altman(apart, alpha=alpha)
    return Limits(
        pairs=apart.n,
        bias=found.bias,
        lower=found.lower,
        upper=found.upper,
        lower_ends=Ends(*found.lower_interval),
        upper_ends=Ends(*found.upper_interval),
    )


def _sentence(found: ShadowComparison, run: ReleaseRun, inputs: str) -> str:
    challenger, _ = names(run)
    errors, answers = found.fixed
    parts = [
        *_errors(errors, f"On {counted(found.labelled, inputs)}, the absolute errors of {challenger}"),
        *_answers(answers, found.limits, challenger, inputs),
    ]
    if found.failures:
        parts.append(f"{challenger} failed on {count(found.failures)} of {count(found.pairs)} requests")
    text = "; ".join(parts) or f"no pair of {challenger} could be compared yet"
    return f"{text[0].upper()}{text[1:]}."


def _errors(found: TestResult, who: str) -> list[str]:
    if found.effect is None or found.lower is None or found.upper is None:
        return []
    settled = "smaller" if found.upper < 0 else "larger" if found.lower > 0 else "not shown to differ"
    return [
        f"{who} are {settled}: the difference is {found.effect:+.3g} on average "
        f"({found.lower:+.3g} to {found.upper:+.3g}, one look)"
    ]


def _answers(found: TestResult, limits: Limits | None, challenger: str, inputs: str) -> list[str]:
    if found.effect is None:
        return []
    if limits is None or limits.lower == limits.upper:
        return [f"the answers of {challenger} differ by {found.effect:+.3g} on average"]
    return [
        f"on {counted(limits.pairs, inputs)} the answers of {challenger} differ by {limits.bias:+.3g} on average, and "
        f"19 of 20 by {limits.lower:+.3g} to {limits.upper:+.3g}"
    ]
