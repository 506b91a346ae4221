"""``power``: how many units and days a question takes, before it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from seatrial.cli.context import settings
from seatrial.cli.judging import pairs
from seatrial.cli.output import JSON_HELP, print_json, print_table
from seatrial.spec.errors import BadInput
from seatrial.spec.units import parse_duration, parse_share, show_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.analysis.looks import Looks
    from seatrial.analysis.power import Forecast, Need
    from seatrial.analysis.power_past import Goal, Past, Values
    from seatrial.control.powering import Outlook
    from seatrial.stats.contrast import Margin
    from seatrial.stats.power import Design

_EXAMPLE = (
    "Example: seatrial power --baseline 10% --effect relative:2% --units-a-day 5000, or by your own past: "
    "seatrial power --data exposures.parquet --outcomes outcomes.parquet --metric revenue=mean:purchase.amount "
    "--effect relative:1%, or for a release: seatrial power churn --by 2026-12-24"
)


_SMALLEST = "smallest"


def add_to(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLE)(power)


def power(
    deployment: str | None = typer.Argument(None, metavar="[DEPLOYMENT]", help="A release under way; none with flags."),
    by: str | None = typer.Option(None, help="With a deployment: the chance of a conclusion by this date, 2026-12-24."),
    effect: str | None = typer.Option(None, help="The smallest effect to see: relative:2% or absolute:0.5."),
    margin: str | None = typer.Option(
        None, help="Instead: to show that it is not worse by this much; with --units or --days: smallest."
    ),
    units: int | None = typer.Option(
        None, help="The inverse: which effect so many units of all arms show; with --margin smallest, which margin."
    ),
    days: str | None = typer.Option(None, help="The inverse: which effect, or margin, so long a test shows, 14d."),
    baseline: str | None = typer.Option(None, help="The share now, 10%."),
    mean: float | None = typer.Option(None, help="The mean now, with --sd."),
    sd: float | None = typer.Option(None, help="The standard deviation by unit."),
    data: str | None = typer.Option(None, help="Instead: exposures of the past, as for judge."),
    outcomes: str | None = typer.Option(None, help="With --data: outcomes of the past."),
    metric: list[str] = typer.Option([], help="With --data: as for judge."),
    control: str = typer.Option("", help="With --data: the variant whose units stand for the past; the largest."),
    cluster: str = typer.Option("", help="With --data: a column above the unit that will be drawn whole."),
    share: str | None = typer.Option(None, help="Each treatment's share of the units, 50%; equal shares if not said."),
    treatments: int = typer.Option(1, min=1, help="How many are compared with the control."),
    units_a_day: float | None = typer.Option(None, help="Units that come a day, if the past does not say."),
    correlation: float = typer.Option(0.0, help="Of the metric with a covariate, if the past does not say."),
    alpha: float = typer.Option(0.05, help="Chance of a false claim."),
    chance: str = typer.Option("80%", "--power", help="Chance of a claim when the effect is as stated."),
    guardrails: int = typer.Option(
        0, min=0, help="How many margins must be kept too: each question then gets the power by which all hold."
    ),
    looks: int | None = typer.Option(None, help="Also with so many planned looks on the way (group-sequential)."),
    spending: Literal["obrien-fleming", "pocock"] = typer.Option(
        "obrien-fleming", help="With --looks: how alpha is spent over them."
    ),
    picture: Path | None = typer.Option(None, help="Draw the curve into this .svg or .png file."),
    html: Path | None = typer.Option(None, help="Write a page with the curve into this file; it needs no network."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """How many units and days an effect takes. At one planned look, and looking at any time; and the inverse."""
    if deployment is not None:
        if any(
            given is not None for given in (effect, margin, units, days, baseline, mean, sd, data, html, looks, picture)
        ):
            raise BadInput(f"{deployment!r} is a deployment, and the other options ask by flags; give one of the two")
        _release(deployment, by, json)
        return
    if by is not None:
        raise BadInput(f"--by {by} asks about a release; name its deployment")
    from seatrial.analysis.looks import Looks
    from seatrial.analysis.power import Forecast, curve, need, slow, told
    from seatrial.stats.power import Design, power_of_each

    each = parse_share(share) if share is not None else 1 / (treatments + 1)
    whole = parse_share(chance)
    power = power_of_each(whole, guardrails)
    design = Design(each, alpha, power, treatments=treatments, correlation=correlation).checked()
    planned = None if looks is None else Looks(looks, spending).checked()
    past, values = _past(baseline, mean, sd, data, outcomes, metric, control, cluster, units_a_day)
    if units is not None or days is not None:
        if effect is not None or margin not in (None, _SMALLEST):
            raise BadInput(
                "--units and --days ask which effect can be seen, or with --margin smallest which margin can be held; "
                "leave --effect and --margin out"
            )
        inverse: Goal = "better" if margin is None else "non-inferior"
        needs = _inverse(past, values, design, inverse, units, days, planned)
        found = Forecast(past=past, design=told(design, guardrails, whole), needs=needs)
    else:
        size, goal = _size(effect, margin)
        needs = tuple(need(one, size, design, goal, planned, values.get(one.metric)) for one in past)
        drawn = html is not None or picture is not None or (json and not slow(past[0], goal))
        first = past[0]
        curves = curve(first, size, design, goal, planned, values.get(first.metric)) if drawn else ()
        found = Forecast(past=past, design=told(design, guardrails, whole), needs=needs, curve=curves)
    if picture is not None:
        found.picture(picture)
    if html is not None:
        html.write_text(found.to_html(), "utf-8")
    if json:
        print_json(found)
    else:
        _tell(found)


def _size(effect: str | None, margin: str | None) -> tuple[Margin, Goal]:
    from seatrial.analysis.metrics import margin_of

    if (effect is None) == (margin is None):
        raise BadInput(
            "say what is to be shown: --effect relative:2%, or --margin relative:1% (not worse by that much)"
        )
    if margin == _SMALLEST:
        raise BadInput("--margin smallest asks which margin is held by --units or --days; give one of them")
    if effect is not None:
        return margin_of(effect, "--effect"), "better"
    return margin_of(margin or "", "--margin"), "non-inferior"


def _past(
    baseline: str | None,
    mean: float | None,
    sd: float | None,
    data: str | None,
    outcomes: str | None,
    metric: list[str],
    control: str,
    cluster: str,
    units_a_day: float | None,
) -> tuple[tuple[Past, ...], Mapping[str, Values]]:
    import msgspec

    from seatrial.analysis.power_past import past_of, stated

    if units_a_day is not None and not units_a_day > 0:
        raise BadInput(f"{units_a_day:g} units a day are none; give a number above 0")
    if data is None:
        if outcomes or metric or control or cluster:
            raise BadInput("--outcomes, --metric, --control and --cluster read the past from files; add --data")
        share = None if baseline is None else parse_share(baseline)
        past: tuple[Past, ...] = (stated(metric="it", baseline=share, mean=mean, sd=sd, correlation=0.0),)
        values: Mapping[str, Values] = {}
    else:
        if baseline is not None or mean is not None or sd is not None:
            raise BadInput("--data says what there is now; leave --baseline, --mean and --sd out")
        from seatrial.analysis.files import Files
        from seatrial.analysis.metrics import named

        with Files(data, outcomes) as files:
            metrics = named(pairs(metric, "--metric"), outcomes=outcomes is not None)
            past, values = past_of(files, metrics, control, cluster)
        if not past:
            raise BadInput("--data needs a metric, like --metric conversion=proportion:purchase")
    if units_a_day is not None:
        past = tuple(msgspec.structs.replace(one, units_a_day=units_a_day) for one in past)
    return past, values


def _inverse(
    past: tuple[Past, ...],
    values: Mapping[str, Values],
    design: Design,
    goal: Goal,
    units: int | None,
    days: str | None,
    looks: Looks | None,
) -> tuple[Need, ...]:
    from seatrial.analysis.power import has_looks, visible, visible_always, visible_in_looks
    from seatrial.analysis.power_past import DAY

    if units is not None and days is not None:
        raise BadInput("--units and --days are two ways to say how much there will be; give one of them")
    found = []
    for one in past:
        if units is None:
            if one.units_a_day is None:
                raise BadInput(f"--days {days} needs the traffic: add --units-a-day, or times to the files")
            left = parse_duration(days) / DAY - one.within / DAY
            if left <= 0:
                raise BadInput(f"{days} are over before the window of {one.metric!r} is; give more")
            many = one.units_a_day * one.counted * left
        else:
            many = float(units)
        known = values.get(one.metric)
        found.append(visible(one, many, design, goal, known))
        in_looks = visible_in_looks(one, many, design, looks) if looks is not None and has_looks(one, goal) else None
        always = visible_always(one, many, design, goal, known)
        found += [other for other in (in_looks, always) if other is not None]
    return tuple(found)


def _tell(found: Forecast) -> None:
    for past in found.past:
        typer.echo(_of_past(past))
    typer.echo(f"{found.design}.")
    for line in found.sentences:
        typer.secho(line, bold=True)


def _of_past(past: Past) -> str:
    mean = f"{100 * past.mean:.4g}%" if past.kind == "proportion" else f"{past.mean:.6g}"
    parts = [f"{past.metric} is {mean} now"]
    if past.kind == "quantile":
        parts.append(f"with a standard error of {past.sd:.6g} over the root of the units")
    elif not past.share:
        parts.append(f"standard deviation {past.sd:.6g} by {'cluster' if past.cluster else 'unit'}")
    if past.units is not None:
        parts.append(f"by {show_count(past.units)} {'clusters' if past.cluster else 'units'} of {past.variant!r}")
    if past.units_a_day is not None:
        parts.append(f"{show_count(round(past.units_a_day))} {'clusters' if past.cluster else 'units'} come a day")
    if past.counted < 1:
        parts.append(f"{past.counted:.3g} of them have a value, and only those count below")
    if past.correlation:
        parts.append(f"its covariates take {past.saved:.0%} of the variance off")
    if past.ranks:
        parts.append("compared by ranks, which hold for one planned look and no other way of looking")
    return f"{', '.join(parts)}."


def _release(deployment: str, by: str | None, json: bool) -> None:
    import time

    from seatrial.control.powering import outlook

    found = outlook(settings(), deployment, time.time_ns() // 1000, None if by is None else _date(by))
    if json:
        print_json(found)
    else:
        _tell_release(found)


def _tell_release(found: Outlook) -> None:
    from seatrial.experiments.foresight import told

    for line in told(found.foresight):
        typer.echo(line)
    if found.foresight.needs:
        print_table(
            ("metric", "units of both arms", "days"),
            (
                (n.metric, "?" if n.units is None else show_count(n.units), "?" if n.days is None else f"{n.days:.3g}")
                for n in found.foresight.needs
            ),
        )
    if found.sentence:
        typer.secho(found.sentence, bold=True)


def _date(text: str) -> int:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--by {text!r} is no date; write it like 2026-12-24") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
