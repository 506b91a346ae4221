"""What apply says of rules: with the versions' features, as notes or as a refusal."""

from typing import Any

import msgspec
import pytest

from seatrial.control.ruling import SECONDS, Checked, check_rules, explain_request, guessed, rule_set
from seatrial.proofs.simplify import simplified
from seatrial.routing.people import People
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import BadInput, Conflict
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Feature
from tests.harbour import PLAIN, Harbour, signature

FEATURE = signature().features[0].name
FILE = PLAIN + (
    "  challenger: {model: 'models:/churn/2'}\n"
    "routing:\n"
    f"  - {{name: some, when: 'features.{FEATURE} > 24', to: challenger}}\n"
    f"  - {{name: fewer, when: 'features.{FEATURE} > 30', to: champion}}\n"
    "  - {name: everybody, split: {champion: 100%}}\n"
)


def test_apply_notes_what_the_prover_finds(harbour: Harbour) -> None:
    applied = harbour.apply(FILE, plan_only=True, prove=True)
    assert applied.notes[0] == "`fewer` never fires: `some` above it takes all of its requests."
    assert "`some` (challenger) and `fewer` (champion) both match" in applied.notes[1]
    assert harbour.apply(FILE).published


def test_strict_refuses(harbour: Harbour) -> None:
    with pytest.raises(BadInput, match=r"refused by --strict: `fewer` never fires"):
        harbour.apply(FILE, prove=True, strict=True)
    assert harbour.state.deployments.find("churn") is None


def test_what_no_request_lacks_is_known_from_the_version(harbour: Harbour) -> None:
    always = FILE.replace(f"features.{FEATURE} > 30", f"!has(features.{FEATURE})")
    (note,) = harbour.apply(always, plan_only=True, prove=True).notes
    assert note == "`fewer` never fires: no request meets its condition."


def test_a_feature_that_one_version_does_without_may_be_lacked(harbour: Harbour) -> None:
    without = msgspec.structs.replace(signature(), features=signature().features[1:])
    harbour.registry.add("churn", 2, signature=without)
    newcomers = FILE.replace(f"'features.{FEATURE} > 24'", f"'!has(features.{FEATURE})'")
    notes = harbour.apply(newcomers, plan_only=True, prove=True).notes
    assert notes == ()
    assert harbour.apply(newcomers, strict=True).published


def test_others_may_change_the_deployment_while_its_rules_are_proved(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*given: Any, **more: Any) -> Checked:
        with harbour.another_site().changing("churn"):
            return check_rules(*given, **more)

    monkeypatch.setattr("seatrial.control.apply.check_rules", asked)
    applied = harbour.apply(FILE, prove=True)
    assert applied.published
    assert applied.notes[0].startswith("`fewer` never fires")


def test_what_was_proved_of_other_versions_is_not_believed(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*given: Any, **more: Any) -> Checked:
        harbour.registry.add("churn", 3, signature=signature("classification", Feature(name="income", kind="number")))
        harbour.registry.named["churn"]["champion"] = 3
        return check_rules(*given, **more)

    monkeypatch.setattr("seatrial.control.apply.check_rules", meanwhile)
    with pytest.raises(Conflict, match="changed while the rules were proved; apply the file again"):
        harbour.apply(FILE, prove=True)
    assert harbour.state.deployments.find("churn") is None
    assert harbour.apply(FILE, prove=True).published


BANDIT = """\
deployment: churn
task: classification
variants: {champion: {model: "models:/churn/1"}, challenger: {model: "models:/churn/2"}}
outcomes: {click: {}}
routing:
  - {name: one, when: 'features.x > 1', to: champion}
  - {name: two, when: 'features.x > 2', to: champion}
  - name: everybody
    bandit:
      arms: [champion, challenger]
      reward: {outcome: click, within: 90s}
      floor: 5%
"""


def test_a_shorter_set_keeps_its_bandit(harbour: Harbour) -> None:
    spec = load_deployment(BANDIT)
    found = check_rules(spec, harbour.site.monotonic, shorten=BANDIT)
    pasted = load_deployment(BANDIT[: BANDIT.index("routing:")] + found.simplified)
    assert pasted.routing == (spec.routing[0], spec.routing[2])


def test_a_shorter_set_is_not_looked_for_when_the_time_is_up() -> None:
    ticks = iter([0.0])  # then it is late
    found = check_rules(load_deployment(BANDIT), lambda: next(ticks, 2 * SECONDS), shorten=BANDIT)
    assert found.simplified == ""
    assert found.undecided[-1] == "undecided: whether a shorter set decides alike (the time was up)."


def test_a_shorter_set_is_given_up_at_any_moment() -> None:
    spec = load_deployment(BANDIT)
    rules = rule_set(spec, guessed(spec))
    assert len(simplified(rules).entries) == 2
    looked = 0

    def count() -> bool:
        nonlocal looked
        looked += 1
        return False

    simplified(rules, enough=count)
    assert looked > 3
    for moment in range(looked):
        asked = iter([False] * moment)
        assert simplified(rules, enough=lambda asked=asked: next(asked, True)) == rules  # type: ignore[misc]


TOLD = """\
deployment: churn
task: classification
unit: {name: customer, from: context.customer_id}
context: {customer_id: string, age: optional integer}
variants: {champion: {model: "models:/churn/1"}, challenger: {model: "models:/churn/2"}}
routing:
  - {name: mine, when: 'unit == "c-1" && context.age == 3', to: challenger}
  - {name: recent, when: 'features.since > 1000000000.0', to: challenger}
  - {name: plan, when: 'features.plan == "1"', to: challenger}
  - {name: everybody, to: champion}
"""


def outcomes(given: dict[str, Any], served: Snapshot | None = None) -> list[str]:
    return [one.outcome for one in explain_request(load_deployment(TOLD), given, served)]


def test_explained_is_the_request_that_is_served(harbour: Harbour) -> None:
    more = (Feature(name="since", kind="time", nullable=True), Feature(name="plan", kind="category", nullable=True))
    for version in (1, 2):
        harbour.registry.add("churn", version, signature=signature("classification", *more))
    harbour.apply(TOLD)
    served = harbour.serving
    router, people = Router(served), People(served)
    names = [entry.name for entry in served.entries]
    contexts: list[dict[str, Any]] = [{"customer_id": "c-1", "age": 3.0}, {"customer_id": "c-2"}]
    features: list[dict[str, Any]] = [
        {"tenure": 1.0, "since": "2024-01-01T00:00:00Z"},
        {"tenure": 1.0, "since": 5.0, "plan": 1},
        {"tenure": 1.0, "plan": "1"},
        {"tenure": 1.0},
    ]
    for context in contexts:
        person = people.read(None, context, "made up")
        for row in features:
            said = outcomes({"context": context, "features": row}, served)
            decision = router.decide(person.unit, person.context, row)
            assert names[said.index("decides")] == decision.entry
            assert said == outcomes({"context": context, "features": row}), "guessed alike"


def test_what_predict_refuses_is_not_explained() -> None:
    with pytest.raises(BadInput, match=r"context\.customer_id is missing"):
        outcomes({})


def test_a_file_about_other_versions_is_explained_by_what_its_rules_say(harbour: Harbour) -> None:
    harbour.apply()
    assert outcomes({"context": {"customer_id": "c"}, "features": {"plan": 1}}, harbour.serving)[2] == "decides"


def failures(when: str, features: dict[str, Any], served: Snapshot | None = None) -> str:
    text = TOLD.replace('unit == "c-1" && context.age == 3', when)
    request = {"context": {"customer_id": "c"}, "features": features}
    return explain_request(load_deployment(text), request, served)[0].failure


@pytest.mark.parametrize(
    ("when", "features", "said"),
    [
        ("features.a > 1.0 && features.b > 2.0 && context.age > 3", {}, "features.a, features.b and context.age are"),
        ("features.a > 1.0 && features.b > 2.0", {"b": 3}, "features.a is missing"),
        ("features.a + features.b > 2.0", {}, "features.a and features.b are missing"),
        ("(has(features.a) && features.a > 1.0) || features.b > 2.0", {}, "features.b is missing"),
        ("!(features.a > 1.0 || features.b > 2.0)", {}, "features.a and features.b are missing"),
        ("features.a > 1.0", {"a": "x"}, "features.a is a text, not a number"),
        ("features.a % 2 == 1", {"a": 1.5}, "features.a is 1.5, not a whole number"),
        ('features.a == "x"', {"a": True}, "features.a is true, not a text"),
        ('features.a == "x"', {"a": 3.5}, "features.a is 3.5, not a text"),
        ("features.a", {"a": [1]}, "features.a is a list, not true or false"),
        ("features.a > 1.0", {"a": 2**60}, f"features.a is the long number {2**60}, not a number"),
        ("features.income > 1.0", {"incone": 3, "x": 1}, "did you mean `features.incone`, which the request has?"),
    ],
)
def test_a_failure_names_all_that_is_missing_and_speaks_as_users_do(
    when: str, features: dict[str, Any], said: str
) -> None:
    assert said in failures(when, features)


def test_what_the_versions_take_is_no_slip_of_the_pen(harbour: Harbour) -> None:
    harbour.apply()
    assert failures(f"features.{FEATURE} > 1.0", {"tenur": 3}, harbour.serving) == "features.tenure is missing"
    assert "did you mean `features.tenure`" in failures("features.tenur > 1.0", {FEATURE: 3}, harbour.serving)
