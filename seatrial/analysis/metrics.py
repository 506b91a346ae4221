"""What is measured in files: metrics as a flag of the command line, a dictionary or a metrics file writes them."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from seatrial.spec.deployment import Margin as SpecMargin
from seatrial.spec.deployment import MetricSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.metrics_file import MetricsFile
from seatrial.spec.problems import did_you_mean
from seatrial.spec.units import parse_amount, parse_duration, parse_percent, parse_share
from seatrial.stats.contrast import Margin
from seatrial.stats.verdict import Want

Kind = Literal["mean", "proportion", "ratio", "quantile"]
KINDS: tuple[Kind, ...] = ("mean", "proportion", "ratio", "quantile")
FORMS = (
    "write NAME=KIND:WHAT, like `conversion=proportion:purchase`, `revenue=mean:purchase.amount,within=7d`, "
    "`basket=ratio:purchase.amount/purchase.items` or `wait=quantile:order.minutes,q=90%`"
)


class Total(msgspec.Struct, frozen=True):
    """What is summed over a unit.

    Attributes:
        outcome: The outcome whose rows are summed; None: a column of the file of units holds the total already.
        column: The column that is summed; "": rows are counted, or their ``value`` summed where they have one.
    """

    outcome: str | None
    column: str = ""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of files.

    Attributes:
        name: Its name.
        kind: How a unit's totals become a mean.
        above: A unit's total; of a ratio the one above the line.
        below: Of a ratio the one below the line; told by cluster, of any other kind how many units it has.
        want: Which direction is good.
        within: Window after a unit's first exposure, seconds; None: all that the file holds.
        cap: The largest total that one unit counts with.
        cap_at: The cap is this quantile of units' totals, a share of units; fixed by the first 1 000 units by exposure,
            or for one look by all.
        range: The least and the largest one; looked at any time, the metric is then judged by betting.
        q: Of a quantile which, a share of units; of each unit's first outcome.
        covariates: Columns of the exposures that were known before them.
        ranks: Units are compared by ranks, for one look, and not by their mean.
        label: A unit without an outcome is missing, not zero; its outcomes are averaged.
        declared: The outcome is declared in a file, so none of it is a zero and no slip of the pen.
    """

    name: str
    kind: Kind
    above: Total
    below: Total | None = None
    want: Want = "higher"
    within: float | None = None
    cap: float | None = None
    cap_at: float | None = None
    range: tuple[float, float] | None = None
    q: float | None = None
    covariates: tuple[str, ...] = ()
    ranks: bool = False
    label: bool = False
    declared: bool = False

    @property
    def totals(self) -> tuple[Total, ...]:
        """One, or of a ratio two."""
        return (self.above,) if self.below is None else (self.above, self.below)

    @property
    def divided(self) -> bool:
        """Whether it is one total over another: a ratio, or anything told by cluster."""
        return self.below is not None

    @property
    def one_by_one(self) -> bool:
        """Whether its verdict may need the units' values one by one, and not their moments alone."""
        return self.kind == "quantile" or self.range is not None or self.ranks


def metric_of(text: str, *, outcomes: bool) -> Metric:
    """A metric as a flag writes it: ``revenue=mean:purchase.amount,within=7d,want=higher,covariate=before``.

    Args:
        text: The flag.
        outcomes: Whether outcomes have a file of their own; else WHAT names columns of the file of units.

    Raises:
        BadInput: It is none; the message shows the forms.
    """
    name, _, definition = text.partition("=")
    kind, _, rest = definition.partition(":")
    what, *options = rest.split(",")
    if not (name and what):
        raise BadInput(f"{text!r} is not a metric: {FORMS}")
    if kind == "median":
        raise BadInput(f"the metric {name!r} is of the unknown kind 'median'; write `quantile:{what},q=50%`")
    if kind not in KINDS:
        raise BadInput(f"the metric {name!r} is of the unknown kind {kind!r}; {did_you_mean(kind, KINDS)}")
    parts = what.split("/") if kind == "ratio" else [what]
    if kind == "ratio" and len(parts) != 2:
        raise BadInput(
            f"the ratio {name!r} needs what is above and below the line, like `ratio:click/view`, not {what!r}"
        )
    totals = [_total(part, outcomes=outcomes) for part in parts]
    made = Metric(name=name, kind=kind, above=totals[0], below=totals[1] if kind == "ratio" else None)
    return _with_options(made, options)


def _total(text: str, *, outcomes: bool) -> Total:
    if not outcomes:
        return Total(None, text)
    outcome, _, column = text.partition(".")
    return Total(outcome, column)


def _with_options(metric: Metric, options: list[str]) -> Metric:
    for option in options:
        key, _, value = option.partition("=")
        if key not in _OPTIONS or not value:
            raise BadInput(
                f"the metric {metric.name!r} has the unknown option {option!r}; "
                f"it can be {', '.join(f'{name}=...' for name in _OPTIONS)}"
            )
        metric = msgspec.structs.replace(metric, **_OPTIONS[key](metric, value))
    for what, given in (
        ("a cap", metric.cap_at if metric.cap is None else metric.cap),
        ("a range", metric.range),
        ("ranks", metric.ranks or None),
    ):
        if given is not None and metric.kind != "mean":
            raise BadInput(f"the {metric.kind} {metric.name!r} has no use for {what}; remove it")
    if (metric.kind == "quantile") != (metric.q is not None):
        mend = "needs `q`, like `q=90%`" if metric.kind == "quantile" else "has no use for `q`; remove it"
        raise BadInput(f"the {metric.kind} {metric.name!r} {mend}")
    return _alone(metric)


def _alone(metric: Metric) -> Metric:
    """Itself; raises BadInput where what it is judged by leaves no room for a cap or a covariate."""
    capped = metric.cap is not None or metric.cap_at is not None
    if metric.cap is not None and metric.cap_at is not None:
        raise BadInput(f"{metric.name!r} has both a cap and a quantile to cap at; keep one")
    if metric.one_by_one and (metric.covariates or capped or (metric.ranks and metric.range)):
        other = "covariate" if metric.covariates else "cap" if capped else "range"
        raise BadInput(f"{metric.name!r} is judged unit by unit, which takes no {other}; remove it")
    if metric.cap is not None and not (math.isfinite(metric.cap) and metric.cap > 0):
        raise BadInput(f"the cap {metric.cap:g} of {metric.name!r} limits nothing; give a number above 0")
    if metric.range is not None and not all(math.isfinite(end) for end in metric.range):
        low, high = metric.range
        raise BadInput(f"the range {low:g}..{high:g} of {metric.name!r} has no end; give two numbers, like `0..5`")
    return metric


def _want(metric: Metric, value: str) -> dict[str, object]:
    if value not in ("higher", "lower"):
        raise BadInput(f"the metric {metric.name!r} wants {value!r}; it can want `higher` or `lower`")
    return {"want": value}


def _cap(metric: Metric, value: str) -> dict[str, object]:
    try:
        return {"cap": float(value)}
    except ValueError:
        raise BadInput(f"the cap {value!r} of {metric.name!r} is no number") from None


def _range(metric: Metric, value: str) -> dict[str, object]:
    low, dots, high = value.partition("..")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    if not dots or not ends[0] < ends[1]:
        raise BadInput(f"the range {value!r} of {metric.name!r} is not two numbers in order, like `0..5`")
    return {"range": ends}


def _compare(metric: Metric, value: str) -> dict[str, object]:
    if value not in ("means", "ranks"):
        raise BadInput(f"the metric {metric.name!r} cannot compare {value!r}; it can compare `means` or `ranks`")
    return {"ranks": value == "ranks"}


_OPTIONS: dict[str, Callable[[Metric, str], dict[str, object]]] = {
    "want": _want,
    "within": lambda _, value: {"within": parse_duration(value)},
    "cap": _cap,
    "cap_at": lambda _, value: {"cap_at": _inside(value)},
    "range": _range,
    "q": lambda _, value: {"q": _inside(value)},
    "covariate": lambda metric, value: {"covariates": (*metric.covariates, value)},
    "compare": _compare,
}


def _inside(value: str) -> float:
    share = parse_share(value)
    if not 0 < share < 1:
        raise BadInput(f"there is no {value} quantile; write a share between, like `90%`")
    return share


def margin_of(text: str, what: str) -> Margin:
    """``relative:2%`` or ``absolute:0.5``, as flags write them.

    Raises:
        BadInput: It is neither; ``what`` names the flag.
    """
    scale, _, size = text.partition(":")
    if scale == "relative" and size:
        return Margin("relative", parse_percent(size))
    if scale == "absolute" and size:
        return Margin("absolute", parse_amount(_number(size)).value)
    raise BadInput(f"{what} {text!r} is not a margin: write `relative:2%`, or `absolute:0.5` in the metric's unit")


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def metrics_of_file(file: MetricsFile, *, outcomes: bool) -> tuple[Metric, ...]:
    """The metrics of a metrics file, or of a deployment file.

    Raises:
        BadInput: One that files cannot measure, or that lacks what it needs here.
    """
    return tuple(_declared(name, spec, file, outcomes=outcomes) for name, spec in file.metrics.items())


_USED: dict[Kind, tuple[str, ...]] = {
    "mean": ("value", "cap", "cap_at", "range"),
    "proportion": ("value",),
    "ratio": ("numerator", "denominator"),
    "quantile": ("value", "quantile"),
}


def _declared(name: str, spec: MetricSpec, file: MetricsFile, *, outcomes: bool) -> Metric:
    kind = next((kind for kind in KINDS if kind == spec.kind), None)
    if kind is None:
        raise BadInput(f"the metric {name!r} is of kind {spec.kind!r}; files are judged by {', '.join(KINDS)}")
    for key in ("value", "numerator", "denominator", "cap", "cap_at", "range", "quantile"):
        if getattr(spec, key) is not None and key not in _USED[kind]:
            raise BadInput(f"the {kind} {name!r} has no use for `{key}`; remove it")
    if spec.compare == "ranks" and kind != "mean":
        raise BadInput(f"the {kind} {name!r} has no use for `compare`; remove it")
    if outcomes and spec.outcome is None:
        raise BadInput(f"the metric {name!r} names no outcome; add `outcome:` to it")
    source = spec.outcome if outcomes else None
    columns = (spec.numerator, spec.denominator) if kind == "ratio" else (spec.value,)
    if None in columns and (kind == "ratio" or not outcomes):
        needs = "`numerator:` and `denominator:`" if kind == "ratio" else "`value:`, a column of the file of units"
        raise BadInput(f"the {kind} {name!r} needs {needs}")
    if kind == "quantile" and spec.quantile is None:
        raise BadInput(f"the quantile {name!r} needs `quantile:`, a share of units like `90%`")
    totals = [Total(source, column or "") for column in columns]
    declared = file.outcomes.get(spec.outcome or "")
    return _alone(
        Metric(
            name=name,
            kind=kind,
            above=totals[0],
            below=totals[1] if kind == "ratio" else None,
            want=spec.want,
            within=spec.within if outcomes else None,
            cap=spec.cap,
            cap_at=spec.cap_at,
            range=spec.range,
            q=spec.quantile,
            ranks=spec.compare == "ranks",
            covariates=tuple(name.removeprefix("context.") for name in spec.covariates),
            label=declared is not None and declared.label,
            declared=declared is not None,
        )
    )


def read_margin(margin: SpecMargin) -> Margin:
    """A margin of a file."""
    if margin.relative is not None:
        return Margin("relative", margin.relative)
    return Margin("absolute", margin.absolute or 0.0)


def named(given: Mapping[str, str], *, outcomes: bool) -> tuple[Metric, ...]:
    """Metrics by name as Python writes them: ``{"conversion": "proportion:purchase"}``."""
    return tuple(metric_of(f"{name}={definition}", outcomes=outcomes) for name, definition in given.items())
