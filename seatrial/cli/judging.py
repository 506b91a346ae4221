"""``judge``: the release of a deployment now, or anybody's experiment from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from seatrial.cli.context import settings
from seatrial.cli.output import JSON_HELP, print_json, print_table
from seatrial.cli.releases import tell, tell_segments
from seatrial.spec.errors import BadInput
from seatrial.spec.units import parse_share, show_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.verdicts import Analysis, Comparison, Finding
    from seatrial.experiments.judgement import Judgement
    from seatrial.stats.same_arms import SameArms

_EXAMPLE = (
    "Example: seatrial judge churn, or without any platform: seatrial judge --data exposures.parquet "
    "--outcomes outcomes.parquet --metric conversion=proportion:purchase,within=7d "
    "--metric revenue=mean:purchase.amount,within=7d --guardrail revenue=relative:1% --require better"
)


def add_to(app: typer.Typer) -> None:
    app.command(epilog=_EXAMPLE)(judge)


def judge(
    deployment: str | None = typer.Argument(None, metavar="[DEPLOYMENT]", help="Which deployment; none with files."),
    holdout: bool = typer.Option(False, "--holdout", help="What the last promotion brought: against units held out."),
    require: Literal["better", "not-worse"] | None = typer.Option(
        None, help="Exit code 0 only when the challenger is shown to be that; 1 if not, 3 without data."
    ),
    data: str | None = typer.Option(
        None,
        help="Instead of a deployment: exposures (unit, variant, at), .parquet or .csv; or a row a unit with totals.",
    ),
    outcomes: str | None = typer.Option(None, help="With --data: what happened (unit, outcome, at, value, fields)."),
    metric: list[str] = typer.Option(
        [],
        help="NAME=KIND:WHAT with mean, proportion, ratio:ABOVE/BELOW or quantile (q=90%); WHAT is an outcome (or "
        "outcome.field), without --outcomes a column. Options follow after commas: within=7d, "
        "want=lower, cap=100 or cap_at=99.9%, covariate=COLUMN, "
        "compare=ranks. The first decides.",
    ),
    file: Path | None = typer.Option(
        None, help="Metrics from a metrics file, or a deployment file, instead of --metric."
    ),
    primary: str = typer.Option("", help="The metric that decides, if not the first."),
    minimum_effect: str | None = typer.Option(None, help="The smallest effect that matters: relative:2%."),
    guardrail: list[str] = typer.Option([], help="NAME=relative:1%: by how much a metric may be worse at most."),
    control: str = typer.Option("", help="The variant to compare with, if it is not called control or champion."),
    shares: str = typer.Option(
        "", help="What each variant was to get, A=90%,B=10%, or by phase, 1: A=90%,B=10%; 2: A=50%,B=50%. Else equal."
    ),
    phase: str = typer.Option("", help="A column that says which shares held when: variants are compared inside each."),
    method: Literal["fixed", "always-valid", "group-sequential"] = typer.Option(
        "fixed",
        help="fixed: one look, at the planned end. always-valid: when you look again and again. group-sequential: at "
        "a few looks, planned before.",
    ),
    planned_units: int | None = typer.Option(None, min=2, help="Of group-sequential: units of both arms at the end."),
    looks: int = typer.Option(5, min=2, help="Of group-sequential: how many, at equal parts of the planned units."),
    spending: Literal["obrien-fleming", "pocock"] = typer.Option(
        "obrien-fleming", help="Of group-sequential: alpha nearly all at the end, or about evenly."
    ),
    over: bool = typer.Option(False, "--over", help="Of group-sequential: no more units come; the last look is now."),
    alpha: float | None = typer.Option(None, help="Chance of a false claim, 0.05 if not said."),
    family: Literal["holm", "e-bh"] | None = typer.Option(
        None, help="Several treatments, or metrics: holm (no false claim, if not said) or e-bh (few of the claims)."
    ),
    as_of: str | None = typer.Option(None, help="Until when both files are complete; else as far as outcomes reach."),
    unit_column: str = typer.Option("unit", help="What the files call the unit."),
    cluster: str = typer.Option("", help="A column above the unit that was drawn whole (shop): clusters are counted."),
    variant_column: str = typer.Option("variant", help="What the file of exposures calls the variant."),
    time_column: str = typer.Option("at", help="What the files call the time."),
    id_column: str = typer.Option("id", help="What the outcomes call their id, if they have one: its last row counts."),
    lists: str | None = typer.Option(
        None, help="Instead: shown lists (unit, variant, item, place, clicked): clicks by place, and coverage."
    ),
    catalogue: int | None = typer.Option(None, min=1, help="With --lists: how many items there are, for coverage."),
    places: int = typer.Option(10, min=1, help="With --lists: the places that count."),
    credit: Literal["request", "item"] | None = typer.Option(
        None, help="With --lists and --outcomes: an outcome's item counts for its request, or where it last stood."
    ),
    taken: str = typer.Option("", help="With --credit: which outcome means that an item was taken."),
    segment: list[str] = typer.Option([], help="Effects by this too, again for more: context.KEY, or a file's column."),
    aa: int | None = typer.Option(
        None,
        "--aa",
        min=20,
        help="Instead: split the control's own units so often; exit code 1 when a metric fails.",
    ),
    html: Path | None = typer.Option(None, help="Write a page with charts into this file; it needs no network."),
    json: bool = typer.Option(False, "--json", help=JSON_HELP),
) -> None:
    """Judge a release now, or anybody's experiment from files. Exit code 0 when it says ship, else 1."""
    if deployment is not None:
        if data or outcomes or metric or file:
            raise BadInput(f"{deployment!r} is a deployment, and --data is for files; give one of the two")
        if aa is not None:
            _split_deployment(deployment, aa, json)
            return
        if not holdout and _has_experiment(deployment):
            _experiment(deployment, require=require, html=html, json=json, segments=segment)
            return
        _deployment(deployment, holdout=holdout, require=require, html=html, json=json, segments=segment)
        return
    if lists is not None:
        from seatrial.cli.lists import judge_and_tell

        if data is not None:
            raise BadInput(f"--lists {lists} and --data {data} are two questions; ask one at a time")
        asked: dict[str, Any] = {
            "credit": credit,
            "outcome": taken,
            "catalogue": catalogue,
            "k": places,
            "control": control,
        }
        asked |= {} if alpha is None else {"alpha": alpha}
        judge_and_tell(lists, outcomes, asked, (unit_column, variant_column, time_column), json)
        return
    if data is None:
        raise typer.BadParameter("give a deployment, or --data with a file of exposures")
    from seatrial.analysis.deciding import exit_code
    from seatrial.analysis.files import Columns, Files
    from seatrial.analysis.judging import judge_files
    from seatrial.analysis.planning import plan_of, with_options
    from seatrial.stats.looks_so_far import LookPlan
    from seatrial.stats.spending import Spending

    plan = with_options(
        plan_of(_metrics(metric, file), outcomes=outcomes is not None),
        primary=primary,
        minimum_effect=minimum_effect,
        guardrails=pairs(guardrail, "--guardrail"),
        alpha=alpha,
        method=method,
        looks=None if planned_units is None else LookPlan(planned_units, looks, Spending(spending)),
        over=over,
        control=control,
        shares=_shares(shares),
        family=family,
        cluster=cluster,
        phase=phase,
        as_of=as_of,
    )
    with Files(data, outcomes, Columns(unit_column, variant_column, time_column, id_column)) as files:
        if aa is not None:
            from seatrial.analysis.same_arms import split_files

            _tell_splits(split_files(files, plan, aa), json)
            return
        found = judge_files(files, plan, over_time=html is not None and files.timed, segments=segment)
    if html is not None:
        html.write_text(found.to_html(Path(data).name), "utf-8")
    if json:
        print_json(found)
    else:
        _tell_analysis(found)
    _end(exit_code(found, require))


def _shares(text: str) -> dict[str, float | Mapping[str, float]]:
    """``A=90%,B=10%``, or that after the name of each phase: ``1: A=90%,B=10%; 2: A=50%,B=50%``."""
    if ": " not in text:  # a variant may have a colon in its name
        return dict(_split(text))
    found: dict[str, float | Mapping[str, float]] = {}
    for part in text.split(";"):
        name, colon, given = part.rpartition(": ")
        if not colon or not name.strip() or not given.strip():
            raise BadInput(f"--shares {part.strip()!r} is not PHASE: A=90%,B=10%; name the phase of each")
        if name.strip() in found:
            raise BadInput(f"--shares names the phase {name.strip()!r} twice; keep one")
        found[name.strip()] = _split(given)
    return found


def _split(text: str) -> dict[str, float]:
    given = [part.strip() for part in text.split(",")] if text else []
    return {name: parse_share(share) for name, share in pairs(given, "--shares").items()}


def _deployment(
    deployment: str,
    *,
    holdout: bool,
    require: Literal["better", "not-worse"] | None,
    html: Path | None,
    json: bool,
    segments: Sequence[str],
) -> None:
    from seatrial.control.judging import declared_segments, judge_now, release_report, segments_now, spans_now

    judgement = judge_now(settings(), deployment, holdout=holdout, in_detail=True)
    if html is not None or json:
        judgement = spans_now(settings(), deployment, judgement)
    asked = dict.fromkeys((*segments, *declared_segments(settings(), deployment)))
    found = [one for by in asked for one in segments_now(settings(), deployment, by)]
    if html is not None:
        html.write_text(release_report(settings(), deployment, judgement, found), "utf-8")
    if json:
        print_json({"judgement": judgement, "segments": found} if asked else judgement)
    else:
        tell(judgement)
        tell_segments(found)
    _end(_code(judgement, require))


def _has_experiment(deployment: str) -> bool:
    from seatrial.control.contests import has_experiment

    return has_experiment(settings(), deployment)


def _experiment(
    deployment: str,
    *,
    require: Literal["better", "not-worse"] | None,
    html: Path | None,
    json: bool,
    segments: Sequence[str],
) -> None:
    from seatrial.control.contests import experiment_report, several_now

    shown = several_now(settings(), deployment, segments=segments, with_arrivals=html is not None)
    if html is not None:
        html.write_text(experiment_report(shown), "utf-8")
    if json:
        print_json({"experiment": shown.several, "segments": shown.segments} if segments else shown.several)
    else:
        by_challenger = {one.challenger: one.segments for one in shown.segments}
        for judgement in shown.several.judgements:
            typer.secho(f"\n{judgement.challenger} against {judgement.champion}", bold=True)
            tell(judgement)
            tell_segments(by_challenger.get(judgement.challenger, ()))
        for one in shown.several.all_variants:
            typer.echo(one.sentence)
    _end(min((_code(judgement, require) for judgement in shown.several.judgements), default=3))


def _split_deployment(deployment: str, splits: int, json: bool) -> None:
    from seatrial.control.judging import split_past_now

    _tell_splits(split_past_now(settings(), deployment, splits), json)


def _tell_splits(found: Sequence[SameArms], json: bool) -> None:
    if json:
        print_json(found)
    else:
        for one in found:
            typer.echo(f"{'ok' if one.trustworthy else 'UNTRUSTWORTHY'}: {one.sentence}")
    _end(0 if all(one.trustworthy for one in found) else 1)


def _code(judgement: Judgement, require: Literal["better", "not-worse"] | None) -> int:
    from seatrial.analysis.deciding import meets

    if require is None:
        return 1 if judgement.ended or judgement.recommendation != "ship" else 0
    if judgement.ended == "rolled-back":
        return 1
    primary = judgement.primary
    if primary is None or judgement.recommendation == "withheld" or primary.verdict.word == "no-data":
        return 3
    guardrails = [metric.verdict for metric in judgement.metrics if metric.part == "guardrail"]
    return 0 if meets(primary.verdict, guardrails, require) else 1


def _metrics(metric: list[str], file: Path | None) -> dict[str, str] | Path:
    if file is not None and metric:
        raise BadInput(f"--metric and --file {file} both say what is measured; give one of the two")
    return file if file is not None else pairs(metric, "--metric")


def pairs(given: list[str], option: str) -> dict[str, str]:
    """``NAME=...`` options by name, each once."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not (name and equals and rest):
            raise BadInput(f"{option} {text!r} is not NAME=...; see seatrial judge --help")
        if name in found:
            raise BadInput(f"{option} names {name!r} twice; keep one")
        found[name] = rest
    return found


def _tell_analysis(found: Analysis) -> None:
    for comparison in found.comparisons:
        typer.secho(comparison.sentence, bold=True)
        print_table(
            ("metric", "part", found.control, comparison.treatment, "difference", "verdict"),
            (_row(finding) for finding in comparison.metrics),
        )
        for note in _notes(comparison, found.control):
            typer.echo(note)
        _tell_segments_of(comparison)
    for one in found.all_variants:
        typer.echo(one.sentence)
    for check in found.checks:
        typer.echo(f"{'ok' if check.ok else 'FAILED' if check.withholds else 'warning'}: {check.sentence}")


def _tell_segments_of(comparison: Comparison) -> None:
    from seatrial.analysis.page import segments_told

    for finding in comparison.metrics:
        for column, found in finding.segments.items():
            typer.echo(f"{finding.name} by {column}: {segments_told(finding, found)}")
            if found.segments:
                print_table(
                    (column, "difference", "drawn to the others", "interval, for one look", ""),
                    (
                        (
                            one.name,
                            f"{one.effect:+.4g}",
                            f"{one.shrunk:+.4g}",
                            f"{one.interval.lower:+.4g} to {one.interval.upper:+.4g}",
                            "differs" if one.differs else "",
                        )
                        for one in found.segments
                    ),
                )


def _row(finding: Finding) -> tuple[str, ...]:
    v = finding.verdict
    share = finding.kind == "proportion"
    return (
        finding.name,
        finding.part,
        _mean(v.control_mean, share),
        _mean(v.treatment_mean, share),
        _ends(finding),
        v.word,
    )


def _mean(value: float | None, share: bool) -> str:
    return "" if value is None else f"{100 * value:.4g}%" if share else f"{value:.6g}"


def _ends(finding: Finding) -> str:
    v = finding.verdict
    if v.relative_lower is not None or v.relative_upper is not None:
        ends = [None if end is None else f"{end:+.2%}" for end in (v.relative_lower, v.relative_upper)]
    else:
        ends = [None if end is None else f"{end:+.4g}" for end in (v.lower, v.upper)]
    if ends == [None, None]:
        return ""
    return f"{ends[0] or '…'} to {ends[1] or '…'}"


def _notes(comparison: Comparison, control: str) -> list[str]:
    from seatrial.analysis.page import by_phase, posterior

    notes = [*posterior(comparison, control), *by_phase(comparison)]
    for finding in comparison.metrics:
        if finding.variance_ratio is not None:
            saved = f"{1 - finding.variance_ratio:.0%} of its variance"
            notes.append(f"{finding.name}: adjusted for {', '.join(finding.covariates)}, which took {saved} off.")
        if finding.waiting:
            notes.append(
                f"{finding.name}: {show_count(finding.waiting)} units wait for the end of their window (--as-of)."
            )
        if finding.missing:
            notes.append(f"{finding.name}: {show_count(finding.missing)} units have no value and are left out.")
        if finding.uncapped is not None:
            cap = "range" if finding.cap is None else f"cap of {finding.cap:.6g}"
            notes.append(f"{finding.name}: without its {cap} the difference is {finding.uncapped:+.4g}.")
    return notes


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)
