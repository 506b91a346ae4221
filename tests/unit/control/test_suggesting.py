"""Rules from a deployment's ledger: found, written, read back; and what could go again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.control.covering import coverage
from seatrial.control.experiment import of_deployment
from seatrial.control.pruning import Margin, prune_deployment, pruned, read_margin
from seatrial.control.ruling import check_rules
from seatrial.control.site import open_site
from seatrial.control.suggesting import suggest, suggested
from seatrial.routing.rules.conditions import load_checked
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.settings import Settings, load_settings
from tests.harbour import Harbour
from tests.trials import FILE, UNITS, write_trial

BEFORE = FILE[: FILE.index("routing:")]
AFTER = FILE[FILE.index("outcomes:") :]
RULES = """\
routing:
  - {name: germans, when: 'context.country == "DE"', to: challenger}
  - {name: old, when: 'context.age > 60', to: champion}
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    """A deployment with an experiment behind it, months ago by the machine's own clock."""
    home = tmp_path_factory.mktemp("home")
    harbour = Harbour(home)
    harbour.apply(FILE)
    write_trial(home)
    yield harbour
    harbour.close()


@pytest.fixture
def machine(written: Harbour) -> Settings:
    return machine_of(written)


def machine_of(harbour: Harbour) -> Settings:
    return load_settings({"SEATRIAL_HOME": str(harbour.home)}, harbour.home)


def pasted(text: str) -> Deployment:
    """The file with other rules, as ``apply`` would read it."""
    return load_checked(BEFORE + text + AFTER)


def test_the_one_country_comes_out_as_a_rule_that_can_be_pasted(machine: Settings) -> None:
    found = suggest(machine, "churn")
    assert (found.units, found.entry, found.metric, found.single) == (UNITS, "everybody", "conversion", "champion")
    assert found.refusals == ()
    german, others = found.rules
    assert (german.name, german.when, german.to) == ("everybody-1", 'context.country == "DE"', "challenger")
    assert (others.name, others.when, others.to, others.gain) == ("everybody", "", "champion", 0)
    assert german.lower < 0.3 < german.upper
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 0.3 * 0.3 < found.upper
    spec = pasted(found.text)
    assert [(one.name, one.when, one.to) for one in spec.routing] == [
        ("everybody-1", 'context.country == "DE"', "challenger"),
        ("everybody", None, "champion"),
    ]
    assert check_rules(spec, lambda: 0.0).problems == ()


def test_what_is_hashed_is_not_asked_about(machine: Settings) -> None:
    assert suggest(machine, "churn").notes == ("not asked about, because only their hashes are logged: note.",)


def test_the_rules_are_tried_on_the_same_units_by_prune(machine: Settings) -> None:
    found = prune_deployment(machine, "churn", Margin(0.01, False), text=BEFORE + RULES + AFTER)
    assert found.units == UNITS
    # In DE as it is, elsewhere by the split but for the old, who get the champion.
    assert [(rule.name, rule.word, rule.goes) for rule in found.rules][-1] == ("germans", "dear", False)
    (alone,) = found.sets
    assert alone.variants == ("champion",)
    assert alone.word == "dear"
    suggested = prune_deployment(
        machine, "churn", Margin(0.01, False), text=BEFORE + suggest(machine, "churn").text + AFTER
    )
    assert suggested.value is not None
    assert suggested.value == pytest.approx(0.3 * 0.4 + 0.7 * 0.4, abs=0.02)
    assert suggested.refusals == (
        "Nothing can go: no smaller set of models and no rule surely costs less than the margin.",
    )
    assert suggested.text == ""


def test_what_can_go_is_left_out_of_the_file(machine: Settings) -> None:
    rules = RULES.replace("split: {champion: 50%, challenger: 50%}", "to: champion")
    found = prune_deployment(machine, "churn", Margin(0.01, False), text=BEFORE + rules + AFTER)
    assert [(rule.name, rule.word, rule.goes) for rule in found.rules] == [
        ("old", "cheap", True),
        ("germans", "dear", False),
    ]
    assert [one.name for one in pasted(found.text).routing] == ["germans", "everybody"]
    much = prune_deployment(machine, "churn", Margin(0.5, True), text=BEFORE + rules + AFTER)
    assert much.variants == ("champion",)
    (left,) = pasted(much.text).routing
    assert (left.name, left.when, left.to) == ("everybody", None, "champion")


def test_a_default_that_goes_is_said(machine: Settings) -> None:
    rules = "routing:\n  - {name: germans, when: 'context.country == \"DE\"', to: challenger}\n"
    rules += "  - {name: everybody, to: champion}\n"
    found = prune_deployment(machine, "churn", Margin(2.0, True), text=BEFORE + rules + AFTER)
    assert found.variants == ("champion",)  # of the two alone it costs less
    assert found.notes == ("not asked about, because only their hashes are logged: note.",)
    worse = rules.replace("everybody, to: champion", "everybody, to: challenger")
    other = prune_deployment(machine, "churn", Margin(2.0, True), text=BEFORE + worse + AFTER)
    assert other.variants == ("champion",)


def test_entries_for_persons_stay_as_they_are(machine: Settings) -> None:
    rules = """\
routing:
  - {name: staff, units: [unit-1, unit-2], to: challenger}
  - {name: cold, cold_start: {outcome: purchase, fewer_than: 3, to: champion}}
  - {name: old, when: 'context.age > 60', to: champion}
  - {name: everybody, to: champion}
"""
    found = prune_deployment(machine, "churn", Margin(0.01, False), text=BEFORE + rules + AFTER)
    assert found.notes[1:] == (
        "`staff`, `cold` takes units person by person, and stays as it is.",
        "2 units that come to what stays as it is are not counted.",
    )
    staff, cold, everybody = pasted(found.text).routing
    assert (staff.units, staff.to) == (("unit-1", "unit-2"), "challenger")
    assert cold.cold_start is not None
    assert (everybody.name, everybody.to) == ("everybody", "champion")


def test_what_rules_read_and_nobody_logged_is_refused(machine: Settings) -> None:
    rules = "routing:\n  - {name: noted, when: 'features.note == \"x\"', to: challenger}\n"
    with pytest.raises(BadInput, match=r"entry `noted` reads features.note, which the experiment's rows do not hold"):
        prune_deployment(machine, "churn", Margin(0.01, True), text=BEFORE + rules + AFTER)
    unknown = rules.replace("note ==", "nothing ==")
    with pytest.raises(BadInput, match="nothing"):
        prune_deployment(machine, "churn", Margin(0.01, True), text=BEFORE + unknown + AFTER)


def test_what_does_not_exist_is_said(machine: Settings) -> None:
    with pytest.raises(NotFound, match="nobody"):
        suggest(machine, "nobody")
    with pytest.raises(BadInput, match="has no metric 'revenue'; it declares conversion"):
        suggest(machine, "churn", metric="revenue")
    with pytest.raises(BadInput, match="has no entry 'other' in which chance chose between its variants"):
        suggest(machine, "churn", entry="other")


@pytest.mark.parametrize("text", ["-1%", "x", "nan", "-0.5", "", "inf"])
def test_a_margin_is_a_percentage_or_a_number(text: str) -> None:
    with pytest.raises(BadInput):
        read_margin(text)
    assert read_margin("1%") == Margin(0.01, True)
    assert read_margin("0.5") == Margin(0.5, False)


def test_an_entry_of_its_own_keeps_its_condition(tmp_path: Path) -> None:
    """The rules take the place of an entry that takes some: both conditions hold, and the name is free."""
    harbour = Harbour(tmp_path)
    routing = """\
routing:
  - {name: young, when: 'context.age < 21', to: champion}
  - {name: adults, when: 'context.age >= 18 || features.tenure > 5', split: {champion: 50%, challenger: 50%}}
  - {name: adults-1, to: champion}
"""
    harbour.apply(BEFORE + routing + AFTER)
    write_trial(tmp_path, entry="adults")
    found = suggest(machine_of(harbour), "churn")
    harbour.close()
    assert [rule.name for rule in found.rules] == ["adults-1x", "adults"]
    assert [rule.when for rule in found.rules] == [
        '(context.age >= 18 || features.tenure > 5) && context.country == "DE"',
        "context.age >= 18 || features.tenure > 5",
    ]
    assert [one.name for one in pasted(found.text).routing] == ["adults-1x", "adults"]


def test_an_experiment_that_is_over_still_tells(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(BEFORE + RULES.replace("split: {champion: 50%, challenger: 50%}", "to: champion") + AFTER)
    write_trial(tmp_path, units=6_000, better=False)
    found = suggest(machine_of(harbour), "churn")
    harbour.close()
    assert (found.entry, found.units) == ("everybody", 6_000)
    assert found.refusals[0].startswith("No segment is worth a rule")
    assert found.text == ""


def test_a_deployment_without_an_experiment_is_told_so(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(BEFORE + "routing:\n  - {name: everybody, to: champion}\n" + AFTER)
    machine = machine_of(harbour)
    harbour.close()
    with pytest.raises(BadInput, match="rules are learned from an experiment, so give it a `split`"):
        suggest(machine, "churn")


def test_too_few_units_are_no_advice(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(FILE)
    write_trial(tmp_path, units=300)
    machine = machine_of(harbour)
    found, smaller = suggest(machine, "churn"), prune_deployment(machine, "churn", Margin(0.01, True))
    harbour.close()
    assert "matured units and 2000 are the least; wait for more." in found.refusals[0]
    assert (found.gain, found.text, found.single) == (None, "", "")
    assert "400 are the least" in smaller.refusals[0]


def test_less_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(FILE.replace("want: higher", "want: lower"))
    write_trial(tmp_path)
    found = suggest(machine_of(harbour), "churn")
    smaller = prune_deployment(machine_of(harbour), "churn", Margin(0.01, False))
    harbour.close()
    assert [rule.to for rule in found.rules] == ["champion", "challenger"]
    assert found.single_value == pytest.approx(0.3 * 0.4 + 0.7 * 0.2, abs=0.02)
    assert smaller.value == pytest.approx(0.5 * (0.31 + 0.26), abs=0.02)
    assert [(one.variants, one.word) for one in smaller.sets] == [(("challenger",), "cheap")]
    assert smaller.notes[-1] == "champion is the default variant: name another one under `default:` before it goes."


def test_dead_rules_show_in_the_coverage(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(BEFORE + RULES + AFTER)
    write_trial(tmp_path, units=400)
    machine = machine_of(harbour)
    found = coverage(machine, "churn")
    none = coverage(machine, "churn", seconds=3600)
    harbour.close()
    assert [(one.entry, one.target, one.hits, one.units) for one in found.entries] == [
        ("germans", "challenger", 0, 0),
        ("old", "champion", 0, 0),
        ("everybody", "champion, challenger", 400, 400),
    ]
    assert found.entries[0].last is None
    everybody = found.entries[2]
    assert (everybody.matured, everybody.share) == (400, 1.0)
    assert everybody.value is not None
    assert everybody.lower is not None
    assert everybody.upper is not None
    assert everybody.lower < 0.285 < everybody.upper
    assert found.metric == "conversion"
    assert [one.hits for one in none.entries] == [0, 0, 0]
    with pytest.raises(BadInput, match="has no metric 'revenue'"):
        coverage(machine, "churn", metric="revenue")


def test_where_a_bandit_chose_what_is_found_is_a_hint_and_nothing_is_advised(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(FILE)
    write_trial(tmp_path)
    with open_site(machine_of(harbour)) as site:
        experiment = of_deployment(site, "churn", None, None)
    learned = replace(experiment, trial=replace(experiment.trial, learned=UNITS // 2))
    found = suggested(learned)
    assert [rule.to for rule in found.rules] == [rule.to for rule in suggested(experiment).rules]
    assert found.text == ""
    assert f"A bandit gave {UNITS // 2} of {UNITS} units their variant" in found.refusals[0]
    smaller = pruned(learned, FILE, Margin(0.5, relative=True), {})
    assert smaller.text == ""
    assert smaller.refusals[-1] == found.refusals[0]
    harbour.close()
