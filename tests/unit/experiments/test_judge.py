"""The judgement of whole made-up releases."""

from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.experiments import sentences
from seatrial.experiments.checks import Losses
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.experiments.source import TableSource
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Arm
from seatrial.spec.deployment import Deployment, ReleaseSpec, ShadowStage
from seatrial.spec.errors import BadInput
from tests import worlds

SECOND = worlds.SECOND
END = worlds.START + 1000 * SECOND

OUTCOMES = {"digit": {"label": True}, "buy": {}}
METRICS: dict[str, Any] = {
    "accuracy": {"kind": "accuracy", "outcome": "digit", "within": 30.0, "grace": 1.0},
    "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 1.0},
    "bounces": {"kind": "proportion", "outcome": "buy", "within": 30.0, "grace": 1.0, "want": "lower"},
}


def deployment(primary: str = "accuracy", minimum: float = 0.01, **guardrails: dict[str, float]) -> Deployment:
    release = {
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": primary, "minimum_effect": {"absolute": minimum}},
        "guardrails": guardrails,
    }
    return worlds.deployment(outcomes=OUTCOMES, metrics=METRICS, release=release)


def world(
    run: ReleaseRun,
    n: int = 2000,
    *,
    champion: float = 0.9,
    challenger: float = 0.9,
    seed: int = 1,
    **given: Any,
) -> TableSource:
    """Units that ask once, are answered 1, and are right with a chance by variant; and spend 2 on average."""
    rng = np.random.default_rng(seed)
    at = np.sort(worlds.START + rng.integers(0, 500 * SECOND, n))
    names = worlds.unit_names(n)
    rows = worlds.rows(run, names, at, **{"prediction.label": np.ones(n, dtype=np.int64)} | given)
    chance = np.where(rows["variant"] == "challenger", challenger, champion)
    right = rng.random(n) < chance
    labels = worlds.outcomes(
        "digit", at + SECOND, request_id=rows["request_id"], value_number=np.where(right, 1.0, 0.0)
    )
    bought = worlds.outcomes("buy", at + 2 * SECOND, unit=names, value_number=rng.exponential(2, n))
    return worlds.source([rows], [labels, bought])


def word(judgement: Judgement, metric: str) -> str:
    return judgement.metric(metric).verdict.word


RUN = worlds.release((0.5, 0))


def test_a_better_challenger_is_to_be_shipped() -> None:
    found = judge(deployment(revenue={"relative": 0.5}), RUN, world(RUN, challenger=0.98), END)
    assert word(found, "accuracy") == "better"
    assert word(found, "revenue") == "non-inferior"
    assert found.recommendation == "ship"
    assert found.sentence.startswith("Ship: the challenger digits:2 is right on 9")
    assert "2 000 senders" in found.sentence


def test_fresh_units_are_those_of_the_present_phase() -> None:
    run = worlds.release((0.05, 0.0), (0.5, 250.0), stage="canary")
    source = world(run)
    found = judge(deployment(), run, source, END)
    assert found.metric("accuracy").phases[-1].number == 2
    assert 400 < found.fresh < 600, "half of the thousand units of the second half"
    assert found.fresh < found.exposed["challenger"]


def test_a_holdout_is_judged_as_a_release_is_and_called_what_it_is() -> None:
    arms = (Arm("previous", 0.1), Arm("champion", 0.9))
    phase = msgspec.structs.replace(RUN.phases[0], arms=arms)
    held = msgspec.structs.replace(RUN, id="r/holdout", champion="previous", challenger="champion", phases=(phase,))
    names = worlds.unit_names(4000)
    rows = worlds.rows(held, names, np.full(4000, worlds.START), **{"prediction.label": np.ones(4000, dtype=np.int64)})
    chance = np.where(rows["variant"] == "champion", 0.95, 0.8)
    right = np.where(np.random.default_rng(1).random(4000) < chance, 1.0, 0.0)
    labels = worlds.outcomes("digit", rows["at"] + SECOND, request_id=rows["request_id"], value_number=right)
    found = judge(deployment(), held, worlds.source([rows], [labels]), END)
    assert word(found, "accuracy") == "better"
    assert 300 < found.exposed["previous"] < 500
    assert "digits:2, in command, is right on 9" in found.sentence
    assert "for digits:1 before it" in found.sentence


def test_a_worse_challenger_is_to_be_stopped() -> None:
    found = judge(deployment(), RUN, world(RUN, challenger=0.7), END)
    assert word(found, "accuracy") == "worse"
    assert (found.recommendation, found.because) == ("stop", ("accuracy",))


def test_a_worse_guardrail_stops_a_better_primary() -> None:
    status = np.where(worlds.assigned(RUN, worlds.unit_names(2000), np.ones(2000)) == "challenger", "error", "ok")
    found = judge(deployment(errors={"absolute": 0.01}), RUN, world(RUN, challenger=0.98, status=status), END)
    assert word(found, "errors") == "worse"
    assert (found.recommendation, found.because) == ("stop", ("errors",))


def test_the_same_version_makes_no_difference_once_it_is_known_well_enough() -> None:
    found = judge(deployment(minimum=0.05), RUN, world(RUN, n=8000), END)
    assert word(found, "accuracy") == "equivalent"
    assert found.recommendation == "no-difference"


def test_few_units_wait_and_say_what_is_missing() -> None:
    found = judge(deployment(), RUN, world(RUN, n=150), END)
    assert word(found, "accuracy") == "no-data"
    assert (found.recommendation, found.because) == ("wait", ("accuracy",))
    assert "of 100 matured units" in found.sentence


def test_undecided_guardrails_are_named() -> None:
    guardrails = {"revenue": {"relative": 0.001}, "errors": {"absolute": 1e-6}}
    found = judge(deployment(**guardrails), RUN, world(RUN, challenger=0.98), END)
    assert (found.recommendation, found.because) == ("wait", ("revenue", "errors"))
    assert "revenue and errors are not decided yet" in found.sentence


def test_no_errors_at_all_can_be_shown_to_keep_a_margin() -> None:
    found = judge(deployment(errors={"absolute": 0.02}), RUN, world(RUN, challenger=0.98), END)
    assert word(found, "errors") == "non-inferior"


def test_lower_is_better_where_the_file_says_so() -> None:
    at = deployment("bounces")
    assert judge(at, RUN, world(RUN), END).metric("bounces").verdict.want == "lower"


def test_metrics_come_in_order_primary_guardrails_others() -> None:
    found = judge(deployment(p99={"relative": 0.1}, revenue={"relative": 0.1}), RUN, world(RUN), END)
    assert [metric.name for metric in found.metrics] == [
        "accuracy", "p99", "revenue", "bounces", "errors", "error_rate", "p50",
    ]  # fmt: skip
    assert found.primary is found.metrics[0]
    with pytest.raises(KeyError):
        found.metric("nothing")


def test_a_split_that_does_not_hold_withholds_every_verdict() -> None:
    names = worlds.unit_names(4000)
    variant = worlds.assigned(RUN, names, np.ones(4000))
    lost = np.flatnonzero(variant == "challenger")[:400]
    kept = np.setdiff1d(np.arange(4000), lost)
    rows = worlds.rows(RUN, [names[i] for i in kept], np.full(len(kept), worlds.START + SECOND))
    rows["prediction.label"] = np.ones(len(kept), dtype=np.int64)
    found = judge(deployment(), RUN, worlds.source([rows]), END)
    assert found.recommendation == "withheld"
    assert found.because == ("sample-ratio",)
    assert {metric.verdict.word for metric in found.metrics} == {"no-data"}
    assert "configured shares" in found.metrics[0].sentence
    assert found.sentence.startswith("No verdict can be trusted: ")


def test_dropped_rows_withhold() -> None:
    found = judge(deployment(), RUN, world(RUN, challenger=0.98), END, losses=Losses(dropped=100))
    assert (found.recommendation, found.because) == ("withheld", ("dropped-rows",))


def test_labels_of_one_arm_only_withhold() -> None:
    n = 2000
    names, at = worlds.unit_names(n), np.full(n, worlds.START)
    rows = worlds.rows(RUN, names, at, **{"prediction.label": np.ones(n, dtype=np.int64)})
    labelled = np.flatnonzero((rows["variant"] == "champion") | (np.arange(n) % 2 == 0))
    requests = [rows["request_id"][i] for i in labelled]
    labels = worlds.outcomes("digit", at[labelled] + SECOND, request_id=requests, value_number=np.ones(len(labelled)))
    found = judge(deployment(), RUN, worlds.source([rows], [labels]), END)
    assert found.because == ("label-coverage",)


def test_late_outcomes_enter_only_what_is_not_acted_on() -> None:
    n = 1000
    names, at = worlds.unit_names(n), np.full(n, worlds.START)
    rows = worlds.rows(RUN, names, at)
    hit = np.where(rows["variant"] == "challenger", 0.6, 0.3)
    bought = np.flatnonzero(np.random.default_rng(2).random(n) < hit)
    moment = at[bought] + SECOND
    late = worlds.outcomes("buy", moment, unit=[names[i] for i in bought], received_at=moment + 100 * SECOND)
    found = judge(deployment("bounces"), RUN, worlds.source([rows], [late]), END)
    bounces = found.metric("bounces")
    assert bounces.verdict.word == "inconclusive"
    assert bounces.verdict.treatment_mean == 0.0
    assert bounces.counts.late == len(bought)
    assert all((test.p_value or 1.0) < 1e-6 for test in bounces.fixed)
    assert all(test.method.endswith("(fixed)") for test in bounces.fixed)


def test_two_valued_metrics_get_the_classical_tests_that_fit() -> None:
    found = judge(deployment("bounces"), RUN, world(RUN), END)
    rare = found.metric("bounces").fixed
    assert [test.method for test in rare] == ["Welch's t (fixed)", "Fisher's exact (fixed)"]
    assert "Chosen because a cell expects fewer than 5." in rare[1].note
    assert [test.method for test in found.metric("revenue").fixed] == ["Welch's t (fixed)"]


def test_the_bayesian_chance_is_of_being_better_whichever_way_that_is() -> None:
    n = 1000
    names, at = worlds.unit_names(n), np.full(n, worlds.START)
    rows = worlds.rows(RUN, names, at)
    worse = [name for name, variant in zip(names, rows["variant"], strict=True) if variant == "challenger"][:100]
    bought = worlds.outcomes("buy", at[: len(worse)] + SECOND, unit=worse)
    found = judge(deployment("bounces"), RUN, worlds.source([rows], [bought]), END).metric("bounces").bayesian
    assert found is not None
    assert found.p_better < 1e-6
    assert found.loss_treatment > found.loss_control


def test_thresholds_are_fixed_once_and_given_back() -> None:
    source = world(RUN, n=4000, latency_us=np.random.default_rng(3).lognormal(7, 0.5, 4000).astype(np.int64))
    found = judge(deployment(p99={"relative": 0.1}), RUN, source, END)
    assert set(found.caps) == {"p50", "p99"}
    assert found.metric("p99").cap == found.caps["p99"]
    assert found.metric("p99").tolerated == pytest.approx(1.1 * found.caps["p99"])
    kept = msgspec.structs.replace(RUN, caps={"p99": 5000.0, "p50": 900.0})
    assert judge(deployment(), kept, source, END).caps == kept.caps


def test_latency_waits_for_the_champion_s_requests() -> None:
    found = judge(deployment(p99={"absolute": 0.005}), RUN, world(RUN, n=1000), END)
    assert word(found, "p99") == "no-data"
    assert "1000 requests of the champion" in found.metric("p99").sentence


@pytest.mark.parametrize(("slower", "expected"), [(1.0, "non-inferior"), (1.5, "worse")])
def test_a_latency_margin_is_in_time(slower: float, expected: str) -> None:
    n = 12_000
    latency = np.random.default_rng(4).lognormal(7, 0.3, n)
    challenger = worlds.assigned(RUN, worlds.unit_names(n), np.ones(n)) == "challenger"
    latency = np.where(challenger, latency * slower, latency).astype(np.int64)
    found = judge(deployment(p99={"relative": 0.25}), RUN, world(RUN, n, latency_us=latency), END)
    assert word(found, "p99") == expected


def test_a_judgement_is_json_and_comes_back_the_same() -> None:
    found = judge(deployment(revenue={"relative": 0.1}), RUN, world(RUN), END)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Judgement) == found


def test_the_past_is_judged_as_it_was() -> None:
    then = worlds.START + 300 * SECOND
    whole = world(RUN, challenger=0.95)
    seen = TableSource(
        whole.sql('SELECT * FROM rows WHERE epoch_us("at") <= $t', {"t": then}),
        whole.sql("SELECT * FROM outcomes WHERE epoch_us(received_at) <= $t", {"t": then}),
    )
    assert judge(deployment(), RUN, whole, then) == judge(deployment(), RUN, seen, then)


def test_everybody_who_was_exposed_is_accounted_for() -> None:
    run = worlds.release((0.05, 0), (0.5, 250))
    found = judge(deployment(), run, world(run), worlds.START + 400 * SECOND)
    counts = found.metric("accuracy").counts
    added = counts.champion + counts.challenger + counts.waiting + counts.censored + counts.missing
    assert added == sum(found.exposed.values())
    assert counts.censored > 0
    assert counts.waiting > 0


def test_phases_are_shown_by_number_and_share() -> None:
    run = worlds.release((0.05, 0), (0.5, 250))
    phases = judge(deployment(), run, world(run), END).metric("accuracy").phases
    assert [(phase.number, phase.share) for phase in phases] == [(1, 0.05), (2, 0.5)]


def test_answers_that_were_never_logged_are_said() -> None:
    rows = worlds.rows(RUN, ["a"], [worlds.START])
    found = judge(deployment(), RUN, worlds.source([rows]), END)
    assert "no answer has been logged" in found.metric("accuracy").sentence
    assert found.recommendation == "wait"


def test_before_the_first_phase_nothing_is_judged() -> None:
    run = msgspec.structs.replace(RUN, phases=(), stage="shadow")
    found = judge(deployment(), run, worlds.source([worlds.rows(RUN, ["a"], [worlds.START])]), END)
    assert (found.recommendation, found.metrics) == ("wait", ())
    assert found.primary is None
    assert "no unit has been exposed" in found.sentence


def test_in_shadow_the_sentence_says_what_is_waited_for() -> None:
    stages = [{"kind": "shadow", "duration": 86_400.0, "minimum_pairs": 100}, {"kind": "test"}]
    spec = deployment()
    assert spec.release is not None
    spec = spec.model_copy(update={"release": ReleaseSpec(**spec.release.model_dump() | {"stages": stages})})
    run = msgspec.structs.replace(RUN, phases=(), stage="shadow", stage_started_at=1_700_000_000_000_000)
    source = worlds.source([worlds.rows(RUN, ["a"], [worlds.START])])
    early = judge(spec, run, source, run.stage_started_at + 1)
    assert early.sentence == "Wait: shadow for 1 d, until 2023-11-15 22:13Z; 0 of 100 pairs."
    assert sentences.told(early) == "wait: shadow for 1 d, until 2023-11-15 22:13Z; 0 of 100 pairs."
    late = judge(spec, msgspec.structs.replace(run, status="paused"), source, run.stage_started_at + 86_400_000_000)
    assert late.sentence == "Wait: shadow for 1 d, over since 2023-11-15 22:13Z; 0 of 100 pairs; paused by hand."


def test_a_shadow_that_fails_too_often_says_so() -> None:
    release = deployment().release
    assert release is not None
    release = release.model_copy(update={"stages": (ShadowStage(),)})
    comparison = ShadowComparison(pairs=200, inputs=200, clustered_by="unit", failures=10, sentence="")
    said = sentences.before_units(release, msgspec.structs.replace(RUN, phases=()), comparison, END, 0.01)
    assert said == "Wait: shadow; 200 of 100 pairs; the challenger failed on 5% of them, and 1% is tolerated."


def test_a_judgement_of_a_release_that_is_over_says_so() -> None:
    judged = judge(deployment(), RUN, world(RUN, 100), END)
    assert sentences.as_it_ended(judged, RUN) == judged
    run = msgspec.structs.replace(RUN, status="rolled-back", ended_at=1_700_000_000_000_000)
    ended = sentences.as_it_ended(judged, run)
    assert ended.ended == "rolled-back"
    assert ended.sentence.startswith(
        f"No release is under way; the last one, of {RUN.challenger_version}, was rolled back at 2023-11-14 22:13Z. "
        "When it was last judged, "
    )
    assert f"{judged.recommendation}: " in ended.sentence
    assert ended.metrics == judged.metrics


def test_what_is_fixed_has_its_unit() -> None:
    assert sentences.fixed({"p50": 1990.0, "revenue": 12.5}) == "p50 is fixed at 1.99 ms, revenue is fixed at 12.5."


def test_three_are_listed_as_a_person_lists_them() -> None:
    judged = judge(deployment(errors={"absolute": 0.01}, p99={"relative": 0.1}), RUN, world(RUN, 100), END)
    metric = next(m for m in judged.metrics if m.part == "guardrail")
    three = [msgspec.structs.replace(metric, name=name) for name in ("errors", "p99", "revenue")]
    said = sentences.overall("wait", three, (), RUN, "customer")
    assert "errors, p99 and revenue " in said


def test_an_empty_ledger_is_no_data() -> None:
    found = judge(deployment(errors={"absolute": 0.01}), RUN, worlds.source([worlds.rows(RUN, [], [])]), END)
    assert {metric.verdict.word for metric in found.metrics} == {"no-data"}
    assert found.recommendation == "wait"


def test_edits_are_marked() -> None:
    run = msgspec.structs.replace(RUN, edited=("alpha",))
    found = judge(deployment(), run, world(run, 100), END)
    assert found.edited == ("alpha",)
    assert found.sentence.endswith(". Edited while the release ran: alpha.")


def test_a_metric_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(BadInput, match="'converson'"):
        judge(deployment("converson"), RUN, world(RUN, 10), END)


def test_a_file_without_a_release_is_an_error() -> None:
    with pytest.raises(BadInput, match="no release"):
        judge(worlds.deployment(), RUN, world(RUN, 10), END)
