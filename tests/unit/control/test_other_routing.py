"""Another file's routing on a bandit's past, with a real ledger: what it would have earned, and what cannot be said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.control.evaluation import Evaluation, evaluate, evaluate_file, evaluate_routing
from seatrial.control.other_routing import read_other_routing
from seatrial.ledger.reader import Reader
from seatrial.routing.snapshot import ByContext, Column
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import load_settings
from tests.harbour import RELEASE, Harbour
from tests.trials import CONVERSION, FILE, write_trial

UNITS = 4_000
BANDIT = "{arms: [champion, challenger], reward: {outcome: purchase, within: 1d}, every: 1d, floor: 5%}"
BEFORE, AFTER = FILE[: FILE.index("routing:")], FILE[FILE.index("outcomes:") :]
BY_COUNTRY = """\
routing:
  - {name: germans, when: 'context.country == "DE"', to: challenger}
  - {name: everybody, split: {champion: 75%, challenger: 25%}}
"""


def file(routing: str, before: str = BEFORE, after: str = AFTER) -> str:
    return before + routing + after


RUNNING = file(f"routing:\n  - {{name: everybody, bandit: {BANDIT}}}\n")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    """A bandit that has given its units either arm evenly, months ago by the machine's own clock."""
    harbour = Harbour(tmp_path_factory.mktemp("home"))
    harbour.apply(RUNNING)
    write_trial(harbour.home, UNITS, reason="bandit", revision=harbour.serving.revision)
    harbour.clock.forward(days=90)
    yield harbour
    harbour.close()


def asked(harbour: Harbour, text: str, source: str = "other.yaml") -> Evaluation:
    return evaluate_routing(harbour.site, "churn", text, source)


def rows(harbour: Harbour) -> list[dict[str, Any]]:
    with Reader(harbour.home).open("churn") as view:
        return view.sql(
            'SELECT r.unit, variant, "context.country" AS country, "context.age" AS age, "feature.tenure" AS tenure, '
            "count(o.unit) AS bought FROM rows r LEFT JOIN outcomes o ON o.unit = r.unit GROUP BY ALL ORDER BY r.unit",
            {},
        ).to_pylist()


def weighted(harbour: Harbour, chance: Any) -> float:
    """Rewards by what a policy's chance of the arm was, over the half that every arm had: IPS, by hand."""
    return float(np.mean([row["bought"] * chance(row) / 0.5 for row in rows(harbour)]))


def value(found: Evaluation, method: Any) -> float:
    return found.found.estimate(method).value


def by_country(row: dict[str, Any]) -> float:
    if row["country"] == "DE":
        return float(row["variant"] == "challenger")
    return 0.75 if row["variant"] == "champion" else 0.25


def test_a_rule_set_is_weighed_by_what_it_would_have_done_with_each_request(past: Harbour) -> None:
    found = asked(past, file(BY_COUNTRY))
    assert not found.found.refusals
    assert (found.found.rows, found.entry, found.file) == (UNITS, "everybody", "other.yaml")
    assert value(found, "ips") == pytest.approx(weighted(past, by_country), rel=1e-12)
    germans = np.mean([row["country"] == "DE" for row in rows(past)])
    assert found.took == pytest.approx({"germans": germans, "everybody": 1 - germans})
    assert list(found.took) == ["germans", "everybody"]
    assert found.target["challenger"] == pytest.approx(germans + 0.25 * (1 - germans))
    assert found.found.overlap.largest_weight == 2
    assert found.found.overlap.effective_sample == pytest.approx(
        sum(by_country(row) for row in rows(past)) ** 2 / sum(by_country(row) ** 2 for row in rows(past))
    )
    us = 0.75 * CONVERSION["US", "champion"] + 0.25 * CONVERSION["US", "challenger"]
    truth = 0.3 * CONVERSION["DE", "challenger"] + 0.7 * us
    for one in found.found.estimates:
        assert abs(one.value - truth) < 4 * one.se, one
    # What the rules read is what the outcome model knows: without it the residuals would be wider.
    assert found.found.estimate("doubly-robust").se < 0.95 * found.found.estimate("ips").se


def test_a_file_that_splits_alike_for_everybody_is_as_its_weights(past: Harbour) -> None:
    machine = load_settings({"SEATRIAL_HOME": str(past.home)}, past.home)
    one = evaluate_file(machine, "churn", file("routing:\n  - {name: x, split: {champion: 30%, challenger: 70%}}\n"))
    other = evaluate(machine, "churn", {"champion": 0.3, "challenger": 0.7})
    assert one.found == other.found
    assert one.target == pytest.approx(other.target)
    assert one.took == {"x": 1.0}


def test_features_lists_and_who_is_left_over_decide_as_they_do_in_the_gateway(past: Harbour) -> None:
    (past.home.parent / "vip.txt").write_text("unit-5\nunit-6\n")
    routing = """\
routing:
  - {name: named, units: [unit-1, unit-2], to: challenger}
  - {name: vip, units_from: vip.txt, to: challenger}
  - {name: long, when: 'features.tenure >= 30.0 && context.age < 50', to: challenger}
"""

    def chance(row: dict[str, Any]) -> float:
        listed = row["unit"] in ("unit-1", "unit-2", "unit-5", "unit-6")
        challenger = listed or (row["tenure"] >= 30 and row["age"] < 50)
        return float(challenger == (row["variant"] == "challenger"))

    found = asked(past, file(routing))
    assert value(found, "ips") == pytest.approx(weighted(past, chance), rel=1e-12)
    assert found.took["named"] == found.took["vip"] == 2 / UNITS
    assert found.took[""] == pytest.approx(1 - found.took["named"] * 2 - found.took["long"])


def test_a_variant_is_the_arm_that_has_its_model_whatever_it_is_called(past: Harbour) -> None:
    """`models:/churn/1` is what `@champion` came to; both names of version 2 are one arm."""
    renamed = BEFORE.replace("models:/churn@champion", "models:/churn/1") + '  second: {model: "models:/churn/2"}\n'
    found = asked(
        past,
        file("routing:\n  - {name: x, split: {champion: 30%, challenger: 50%, second: 20%}}\n", renamed),
    )
    assert found.target == pytest.approx({"champion": 0.3, "challenger": 0.7})
    assert not found.found.refusals


def test_what_nobody_got_is_refused_by_overlap(past: Harbour) -> None:
    third = BEFORE + '  third: {model: "models:/churn/3"}\n'
    found = asked(past, file("routing:\n  - {name: x, split: {champion: 90%, third: 10%}}\n", third))
    assert found.target == pytest.approx({"champion": 0.9, "challenger": 0.0, "third (churn:3)": 0.1})
    assert "The target policy uses `third (churn:3)`, which nobody got" in found.found.refusals[0]
    assert f"In {UNITS} rows an arm" in found.found.refusals[1]
    assert found.found.estimates == ()
    other = BEFORE.replace("models:/churn/2", "models:/churn/3")
    moved = asked(past, file(BY_COUNTRY, other))
    assert "`challenger (churn:3)`, which nobody got" in moved.found.refusals[0]


def test_a_bandit_counts_by_the_weights_that_it_has_now(past: Harbour) -> None:
    routing = f"""\
routing:
  - {{name: germans, when: 'context.country == "DE"', to: challenger}}
  - {{name: everybody, bandit: {BANDIT}}}
"""
    found = asked(past, file(routing))
    even = asked(past, file(BY_COUNTRY.replace("75%", "50%").replace("25%", "50%")))
    assert found.found == even.found
    assert found.notes == ("The weights of `everybody` were learned from these very records, which flatters them.",)
    assert even.notes == ()
    for changed in (BANDIT.replace("floor: 5%", "floor: 6%"), BANDIT.replace("1d, floor", "2d, floor")):
        with pytest.raises(BadInput, match=r"the bandit `everybody` is not one that 'churn' runs as the file has it"):
            asked(past, file(routing.replace(BANDIT, changed)))
    with pytest.raises(BadInput, match=r"the bandit `others` is not one .*; write a `split`"):
        asked(past, file(routing.replace("everybody", "others")))


def test_a_bandit_by_context_counts_by_its_lines(past: Harbour) -> None:
    """Chances of each request are those of the published lines: 1 / (K + γ · gap)."""
    text = RUNNING.replace(
        "arms: [champion, challenger],", "arms: [champion, challenger], policy: squarecb, context: [age],"
    )
    spec = load_deployment(text)
    lines = ByContext(
        policy="squarecb",
        columns=(Column(key="age", kind="number", center=50.0, scale=10.0, optional=True),),
        arms=("champion", "challenger"),
        coefficients=((0.5, 0.1, 0.0), (0.5, -0.1, 0.0)),
        gamma=20.0,
        floor=0.05,
    )
    state = past.state.deployments.get("churn")
    run = msgspec.structs.replace(state.bandits["everybody"], context={"age": "optional integer"}, by_context=lines)
    known = msgspec.structs.replace(state, bandits={"everybody": run})
    other = read_other_routing(past.site, spec, known, text)
    assert other.reads == {"age": "integer"}
    arms, chances, _ = other.chances(["a", "b", "c"], [(60,), (50,), (None,)], ("champion", "challenger"))
    gap = 0.2
    behind = 0.05 + 0.9 / (2 + 20 * gap)
    assert arms == ("champion", "challenger")
    assert chances == pytest.approx(np.array([[1 - behind, behind], [0.5, 0.5], [0.5, 0.5]]))
    nothing = msgspec.structs.replace(state, bandits={})
    with pytest.raises(BadInput, match="its weights are not known"):
        read_other_routing(past.site, spec, nothing, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            file(BY_COUNTRY).replace("deployment: churn", "deployment: shop"),
            r"of the deployment 'shop', not of 'churn'",
        ),
        (
            file(BY_COUNTRY).replace("{name: customer}", "{name: customer, from: context.country}"),
            r"takes its units from `context.country` and the running deployment from `unit`",
        ),
        (
            file(BY_COUNTRY.replace("context.country ==", "context.plan ==")).replace(
                "{country:", "{plan: string, country:"
            ),
            r"decides by `context.plan`, which 'churn' does not declare so",
        ),
        (
            file(BY_COUNTRY.replace('context.country == "DE"', "context.age > 5.5")).replace(
                "optional integer", "number"
            ),
            r"decides by `context.age`, which 'churn' does not declare so",
        ),
        (
            file(BY_COUNTRY.replace('context.country == "DE"', 'features.note == "x"')),
            r"decides by `features.note`, which the records of revision 1 do not hold: it is logged as a hash",
        ),
        (
            file(
                BY_COUNTRY.replace("to: challenger", "cold_start: {outcome: purchase, fewer_than: 2, to: challenger}")
            ),
            r"entry `germans` of other.yaml takes newcomers",
        ),
        (
            file("routing:\n  - {name: everybody, split: {champion: 100%}}\n") + RELEASE[RELEASE.index("release:") :],
            r"other.yaml has a release, whose shares of `everybody` change by stage",
        ),
        (
            file(BY_COUNTRY) + 'transform: {model: "models:/churn/3"}\n',
            r"another `transform` than the running deployment",
        ),
    ],
)
def test_what_the_file_would_have_done_must_be_known(past: Harbour, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        asked(past, text)


def test_a_model_that_does_not_exist_is_said(past: Harbour) -> None:
    with pytest.raises(NotFound, match="models:/churn/9 does not exist"):
        asked(past, file(BY_COUNTRY).replace("models:/churn/2", "models:/churn/9"))


def test_features_that_some_revision_did_not_log_are_not_missing_values(past: Harbour) -> None:
    text = file(BY_COUNTRY.replace('context.country == "DE"', "features.tenure > 3.0"))
    state = past.state.deployments.get("churn")
    other = read_other_routing(past.site, load_deployment(state.text), state, text)
    whole = past.serving
    other.check_logged([whole], ("champion", "challenger"))
    bare = msgspec.structs.replace(whole, revision=7, log=msgspec.structs.replace(whole.log, features=()))
    some = msgspec.structs.replace(whole, revision=8, log=msgspec.structs.replace(whole.log, sample=0.5))
    other_arm = msgspec.structs.replace(
        whole,
        revision=9,
        slots=tuple(_without_features(slot) if slot.variant == "challenger" else slot for slot in whole.slots),
    )
    for snapshot, why in (
        (bare, r"revision 7 .* not logged"),
        (some, "revision 8 .* a sample"),
        (other_arm, "not every arm"),
    ):
        with pytest.raises(BadInput, match=why):
            other.check_logged([whole, snapshot], ("champion", "challenger"))


def _without_features(slot: Any) -> Any:
    return msgspec.structs.replace(slot, signature=msgspec.structs.replace(slot.signature, features=()))


def test_a_bandit_without_records_has_nothing_to_say(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(RUNNING)
    found = asked(harbour, file(BY_COUNTRY))
    assert found.found.refusals == ("There is no row to evaluate; wait for some.",)
    harbour.close()
