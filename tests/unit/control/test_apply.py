"""Applying a file: what is planned, what is pinned, what is served, what is refused."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.control.apply import apply
from seatrial.control.perform import Done, Who, promote, rollback
from seatrial.control.site import Site
from seatrial.releases.plan import Plan
from seatrial.releases.publication import PreparationFailed
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Batch, Cache, Lookup
from seatrial.spec.errors import BadInput, Conflict, NotFound, SeatrialError
from seatrial.spec.settings import load_settings
from seatrial.spec.signature import Feature
from tests.harbour import PLAIN, RELEASE, Harbour, gateway_worker, signature
from tests.waiting import wait_for


def test_apply_of_the_smallest_file_serves_the_champion(harbour: Harbour) -> None:
    applied = harbour.apply('deployment: churn\nvariants: {champion: {model: "models:/churn@champion"}}\n')
    assert applied.published
    assert applied.revision == 1
    assert harbour.versions == {"champion": "churn:1"}
    assert harbour.weights == {"champion": 1.0}
    assert harbour.serving.task == "classification"
    assert harbour.state.deployments.get("churn").applied_by == "ada"
    assert harbour.actions() == ["apply"]


def test_apply_returns_when_every_worker_serves_it(harbour: Harbour) -> None:
    with gateway_worker(harbour.home, "w0"), gateway_worker(harbour.home, "w1"):
        harbour.apply()
        assert [harbour.publication.acknowledgement(w, "churn").active for w in ("w0", "w1")] == [1, 1]


def test_unchanged_file_changes_nothing(harbour: Harbour) -> None:
    harbour.apply()
    before = harbour.state.deployments.get("churn")
    harbour.registry.named["churn"]["champion"] = 2  # an alias moved by somebody else is not served
    applied = harbour.apply()
    assert (applied.changes, applied.published, applied.revision) == ((), False, 1)
    assert harbour.state.deployments.get("churn") == before
    assert harbour.actions() == ["apply"]


def test_comments_alone_publish_nothing(harbour: Harbour) -> None:
    harbour.apply()
    applied = harbour.apply("# ours\n" + PLAIN)
    assert (applied.changes, applied.published) == ((), False)
    assert harbour.state.deployments.get("churn").text.startswith("# ours")


def test_plan_only_says_and_does_nothing(harbour: Harbour) -> None:
    applied = harbour.apply(plan_only=True)
    assert "`champion` is churn:1 (models:/churn@champion)." in applied.changes
    assert not applied.carried_out
    assert not applied.published
    assert harbour.state.deployments.find("churn") is None
    assert harbour.publication.all_active() == {}


def test_plan_names_each_change_in_the_words_of_the_file(harbour: Harbour) -> None:
    harbour.apply(PLAIN + "log: {keep: 30d}\n")
    applied = harbour.apply(
        PLAIN.replace("@champion", "/2") + "log: {keep: 60d}\nrollback_window: 2d\n", plan_only=True
    )
    assert applied.changes == (
        "`champion`: churn:1 → churn:2 (models:/churn/2).",
        "`log.keep`: 30d → 60d.",
        "`rollback_window` is added: 2d.",
    )


def test_same_version_under_another_name_is_said_and_not_published(harbour: Harbour) -> None:
    harbour.apply()
    applied = harbour.apply(PLAIN.replace("@champion", "/1"))
    assert applied.changes == ("`champion` stays churn:1, named as models:/churn/1 now.",)
    assert not applied.published


def test_new_champion_keeps_the_old_one_loaded(harbour: Harbour) -> None:
    harbour.apply()
    harbour.apply(PLAIN.replace("@champion", "/2"))
    assert harbour.versions == {"champion": "churn:2", "previous": "churn:1"}


def test_version_that_does_not_exist(harbour: Harbour) -> None:
    with pytest.raises(NotFound, match="models:/churn/9 does not exist"):
        harbour.apply(PLAIN.replace("@champion", "/9"))
    assert harbour.state.deployments.find("churn") is None


def test_worker_that_cannot_load_it_leaves_everything_as_it_was(harbour: Harbour) -> None:
    harbour.apply()
    before = harbour.state.deployments.get("churn")
    with gateway_worker(harbour.home, refuses=lambda s: "bad graph" if s.revision == 2 else None) as done:
        wait_for(lambda: ("activate", 1) in done)
        with pytest.raises(PreparationFailed, match="bad graph"):
            harbour.apply(PLAIN.replace("@champion", "/2"))
        assert harbour.state.deployments.get("churn") == before
        assert harbour.versions == {"champion": "churn:1"}
        assert harbour.actions() == ["apply", "withdrawn"]
        applied = harbour.apply(PLAIN.replace("@champion", "/3"))
    assert applied.revision == 3
    assert harbour.versions["champion"] == "churn:3"


def test_apply_waits_for_a_step_of_the_loop(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    step = ExitStack()
    step.enter_context(harbour.site.changing("churn"))

    @contextmanager
    def opened(_settings: object, *, wait_seconds: float = 0.0) -> Iterator[Site]:
        yield replace(harbour.site, wait_seconds=wait_seconds, sleep=lambda _: step.close())

    monkeypatch.setattr("seatrial.control.apply.open_site", opened)
    assert apply(PLAIN, load_settings({}, harbour.home), actor="ci").published


def test_second_apply_while_the_first_is_loading_is_refused(harbour: Harbour) -> None:
    go_on = threading.Event()

    def slowly(_snapshot: object) -> None:
        go_on.wait(10)

    with gateway_worker(harbour.home, refuses=slowly):
        first = threading.Thread(target=harbour.apply)
        first.start()
        wait_for(lambda: (harbour.home / "gateway/proposed/churn.json").exists())
        with pytest.raises(Conflict, match="being changed by somebody else just now"):
            harbour.apply()
        go_on.set()
        first.join()
    assert harbour.versions == {"champion": "churn:1"}


def test_state_is_recovered_when_the_publisher_was_killed_after_activation(harbour: Harbour) -> None:
    harbour.apply()
    complete = harbour.state.deployments.complete

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    harbour.state.deployments.complete = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        harbour.apply(PLAIN.replace("@champion", "/2"))
    harbour.state.deployments.complete = complete  # type: ignore[method-assign]
    assert harbour.versions["champion"] == "churn:2"
    assert harbour.apply(PLAIN.replace("@champion", "/2")).changes == ()
    slot = harbour.state.deployments.get("churn").slot("champion")
    assert slot is not None
    assert slot.version == 2
    assert harbour.actions() == ["apply", "apply"]


def test_fresh_home_beside_an_old_state_is_published_again(harbour: Harbour, tmp_path: Path) -> None:
    harbour.apply()
    (tmp_path / "gateway/active/churn.json").unlink()
    applied = harbour.apply()
    assert applied.published
    assert harbour.versions == {"champion": "churn:1"}


def test_hand_set_split_is_served(harbour: Harbour) -> None:
    text = PLAIN + '  other: {model: "models:/churn/2", timeout: 50ms}\n'
    harbour.apply(text + "routing: [{name: everybody, split: {champion: 80%, other: 20%}}]\n")
    assert harbour.weights == {"champion": 0.8, "other": 0.2}
    assert harbour.serving.slot("other").timeout == 0.05
    salt = harbour.serving.entries[0].salt
    harbour.apply(text + "routing: [{name: everybody, split: {champion: 70%, other: 30%}}]\n")
    assert harbour.serving.entries[0].salt == salt, "an edit of weights moves the fewest units"


def test_release_begins_in_shadow(harbour: Harbour) -> None:
    applied = harbour.apply(RELEASE)
    assert any(change.startswith("a release of churn:2 against churn:1 begins") for change in applied.changes)
    assert harbour.versions == {"champion": "churn:1", "challenger": "churn:2"}
    assert harbour.weights == {"champion": 1.0}
    (shadow,) = harbour.serving.shadows
    assert (shadow.variant, shadow.share, shadow.release) == ("challenger", 1.0, "run-1")
    run = harbour.state.deployments.get("churn").run
    assert run is not None
    assert (run.stage, run.phases, run.champion_version) == ("shadow", (), "churn:1")


def test_release_without_shadow_begins_with_its_first_phase(harbour: Harbour) -> None:
    harbour.apply(RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", ""))
    assert harbour.weights == {"champion": 0.5, "challenger": 0.5}
    entry = harbour.serving.entries[0]
    assert (entry.release, entry.phase, entry.salt) == ("run-1", 1, "churn/everybody/run-1")


def test_a_trigger_lets_each_version_answer_the_requests_of_the_other_arm(harbour: Harbour) -> None:
    primary = next(line for line in RELEASE.splitlines() if line.strip().startswith("primary:"))
    trigger = primary[: len(primary) - len(primary.lstrip())] + "trigger: differs"
    text = RELEASE.replace(primary, f"{primary}\n{trigger}")
    harbour.apply(text)
    assert [shadow.variant for shadow in harbour.serving.shadows] == ["challenger"], "in its shadow stage as ever"
    text = text.replace("    - shadow: {share: 100%, for: 1d}\n", "")
    harbour.apply(text, restart=True)
    shadows = harbour.serving.shadows
    assert [(shadow.variant, shadow.share, shadow.entry) for shadow in shadows] == [
        ("champion", 1.0, "everybody"),
        ("challenger", 1.0, "everybody"),
    ]
    router = Router(harbour.serving)
    for unit in ("a", "b", "c", "d"):
        decision = router.decide(unit)
        (shadow,) = router.shadows(decision, f"request-of-{unit}")
        assert {shadow.variant, decision.variant} == {"champion", "challenger"}
    applied = harbour.apply(text.replace(trigger + "\n", ""))
    assert harbour.serving.shadows == ()
    assert any("`release.trigger`" in note for note in applied.notes)


def test_share_edited_during_the_test_begins_a_phase_with_the_same_salt(harbour: Harbour) -> None:
    text = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
    harbour.apply(text)
    harbour.apply(text.replace("share: 50%", "share: 20%"))
    entry = harbour.serving.entries[0]
    assert (entry.release, entry.phase, entry.salt) == ("run-1", 2, "churn/everybody/run-1")
    assert harbour.weights == {"champion": 0.8, "challenger": 0.2}


def test_an_edited_alpha_is_said_to_wait_for_the_next_release(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    primary = next(line for line in RELEASE.splitlines() if line.strip().startswith("primary:"))
    method = primary[: len(primary) - len(primary.lstrip())] + "method: {alpha: 0.01}"
    applied = harbour.apply(RELEASE.replace(primary, f"{primary}\n{method}"))
    run = harbour.state.deployments.get("churn").run
    assert run is not None
    assert run.alpha == 0.05
    assert any("`release.method.alpha`" in note and "this one keeps 0.05" in note for note in applied.notes)


def test_an_edited_method_waits_for_the_next_release_too(harbour: Harbour) -> None:
    primary = next(line for line in RELEASE.splitlines() if line.strip().startswith("primary:"))
    method = primary[: len(primary) - len(primary.lstrip())] + "method: {name: fixed, units: 5000}"
    harbour.apply(RELEASE.replace(primary, f"{primary}\n{method}"))
    applied = harbour.apply(RELEASE)
    run = harbour.state.deployments.get("churn").run
    assert run is not None
    assert run.plan == Plan(name="fixed", units=5000)
    assert run.edited == ("release.method",)
    assert any("this one keeps the method fixed" in note for note in applied.notes)


def test_edited_terms_are_marked_on_the_release(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    edited = RELEASE.replace("relative: 2%", "relative: 1%").replace("within: 1d", "within: 7d")
    applied = harbour.apply(edited)
    run = harbour.state.deployments.get("churn").run
    assert run is not None
    assert run.edited == ("metrics.conversion.within", "release.primary.minimum_effect")
    assert any("every later verdict will say so" in note for note in applied.notes)
    assert not applied.published
    harbour.apply(RELEASE)
    run = harbour.state.deployments.get("churn").run
    assert run is not None
    assert len(run.edited) == 2, "taking an edit back does not take the mark back"


def test_another_challenger_begins_another_release(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    harbour.apply(RELEASE.replace("churn/2", "churn/3"), restart=True)
    first, second = harbour.state.deployments.releases("churn")
    assert (first.status, second.status) == ("abandoned", "running")
    assert first.salt != second.salt
    assert second.challenger_version == "churn:3"


def test_another_champion_begins_the_release_anew(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    harbour.apply(RELEASE.replace("churn@champion", "churn/3"), restart=True)
    first, second = harbour.state.deployments.releases("churn")
    assert (first.status, second.status, second.champion_version) == ("abandoned", "running", "churn:3")


def test_release_taken_out_of_the_file_ends(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    applied = harbour.apply(RELEASE[: RELEASE.index("release:")])
    assert any("ends, because the file has none any more" in change for change in applied.changes)
    assert harbour.serving.shadows == ()
    assert [run.status for run in harbour.state.deployments.releases("churn")] == ["abandoned"]


def test_stage_under_way_cannot_be_taken_out_of_the_file(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    with pytest.raises(Conflict, match="the file has no shadow stage any more"):
        harbour.apply(RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", ""))


def test_release_of_the_version_in_command_is_over_before_it_begins(harbour: Harbour) -> None:
    applied = harbour.apply(RELEASE.replace("churn/2", "churn/1"))
    assert harbour.versions == {"champion": "churn:1"}
    assert harbour.state.deployments.get("churn").run is None
    assert any("its version was promoted" in note for note in applied.notes)


def test_an_unchanged_file_after_a_rollback_changes_nothing_and_names_retry(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    rollback(harbour.site, "churn", Who("ada", "complaints"))
    again = harbour.apply(RELEASE)
    assert (again.changes, again.published) == ((), False)
    assert again.notes == (
        "`challenger` (models:/churn/2) is empty, because its version was rolled back; "
        "apply with --retry to try it again.",
    )


def test_an_unchanged_file_after_command_went_back_says_so(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    promote(harbour.site, "churn", Who("ada", "sure"))
    rollback(harbour.site, "churn", Who("ada", "complaints"))
    notes = " ".join(harbour.apply(RELEASE).notes)
    assert "`champion` (models:/churn@champion) serves churn:1, because" in notes
    assert "apply with --retry" in notes


def test_rolled_back_version_is_refused_until_retry(harbour: Harbour) -> None:
    harbour.apply(RELEASE)
    rollback(harbour.site, "churn", Who("ada", "looks wrong"))
    assert harbour.apply(RELEASE).changes == (), "the unchanged file changes nothing"
    harbour.apply(RELEASE.replace("churn/2", "churn/3"))
    with pytest.raises(Conflict, match=r"churn:2, which was rolled back before.*--retry"):
        harbour.apply(RELEASE)
    harbour.apply(RELEASE, retry=True, restart=True)
    assert harbour.versions["challenger"] == "churn:2"
    assert harbour.state.deployments.get("churn").rolled_back == ()


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"signature": signature("regression")}, "is of task regression, but the file says classification"),
        ({"signature": signature(classes=("a", "b"))}, "their labels must be the same ones"),
        (
            {"signature": signature("classification", Feature(name="age", kind="number"))},
            "needs feature 'age', which `champion` .* does not take",
        ),
        ({"trust": "pickle"}, "was registered with --trust pickle.*write `trust: pickle` at variant `challenger`"),
        ({"runtime": "python"}, None),
    ],
)
def test_versions_that_do_not_go_together(harbour: Harbour, manifest: dict[str, object], says: str | None) -> None:
    harbour.registry.add("churn", 2, **manifest)
    if says is None:
        assert harbour.apply(RELEASE).published
        return
    with pytest.raises(BadInput, match=says):
        harbour.apply(RELEASE)
    assert harbour.state.deployments.find("churn") is None


def test_feature_of_two_forms_is_refused(harbour: Harbour) -> None:
    harbour.registry.add("churn", 1, signature=signature("classification", Feature(name="age", kind="number")))
    harbour.registry.add("churn", 2, signature=signature("classification", Feature(name="age", kind="category")))
    with pytest.raises(BadInput, match=r"'age' is a category to `challenger` .* and a number to `champion`"):
        harbour.apply(RELEASE)


def test_challenger_with_pickle_needs_a_champion_that_allows_it(harbour: Harbour) -> None:
    harbour.registry.add("churn", 2, trust="pickle")
    text = RELEASE.replace('{model: "models:/churn/2"}', '{model: "models:/churn/2", trust: pickle}')
    with pytest.raises(BadInput, match="could never take command"):
        harbour.apply(text)


def test_text_features_are_not_logged_unless_named(harbour: Harbour) -> None:
    harbour.apply()
    assert harbour.serving.log.features == ("tenure",)
    harbour.apply(PLAIN + "log: {features: [features.note], redact: [features.note]}\n")
    assert (harbour.serving.log.features, harbour.serving.log.redact) == (("note",), ("note",))
    with pytest.raises(SeatrialError, match="names 'nope', which no version takes"):
        harbour.apply(PLAIN + "log: {features: [features.nope]}\n")


def test_a_feature_that_nobody_takes_cannot_be_watched(harbour: Harbour) -> None:
    harbour.apply(PLAIN + "monitors: {data: {window: 1h, features: [tenure]}}\n")
    with pytest.raises(BadInput, match=r"`monitors.data.features` names 'tenur', .* the features are tenure, note"):
        harbour.apply(PLAIN + "monitors: {data: {window: 1h, features: [tenur]}}\n")


def test_same_text_can_be_applied_to_two_deployments(harbour: Harbour) -> None:
    harbour.apply()
    harbour.apply(PLAIN.replace("deployment: churn", "deployment: other"))
    assert harbour.publication.all_active() == {"churn": 1, "other": 1}


def test_a_lookup_is_served_as_the_file_says_it_now(harbour: Harbour) -> None:
    def lookup() -> Lookup | None:
        return harbour.serving.slot("night").lookup

    looked_up = PLAIN + '  night: {model: "models:/churn/2", lookup: {scores: scores/, stale_after: 26h}}\n'
    harbour.apply(looked_up)
    assert lookup() == Lookup(scores="scores/", key="unit", stale_after=26 * 3600.0)
    applied = harbour.apply(looked_up.replace("26h", "50h"))
    assert applied.published
    assert lookup() == Lookup(scores="scores/", key="unit", stale_after=50 * 3600.0)


def test_the_device_is_the_variants_and_the_challengers_is_the_champions(harbour: Harbour) -> None:
    harbour.apply(PLAIN.replace('@champion"', '@champion", device: cuda'))
    assert harbour.serving.slot("champion").device == "cuda"
    harbour.apply(PLAIN)
    assert harbour.serving.slot("champion").device == "cpu"
    with pytest.raises(BadInput, match="`challenger` runs on cuda and `champion` on cpu"):
        harbour.apply(RELEASE.replace('"models:/churn/2"', '"models:/churn/2", device: cuda'))
    harbour.registry.add("churn", 3, runtime="python", format="skops")
    with pytest.raises(BadInput, match="`device: openvino`, which is for ONNX models; churn:3 is served by the py"):
        harbour.apply(PLAIN.replace('@champion"', '/3", device: openvino'))


def test_batches_and_a_cache_are_served_as_the_file_says_them_now(harbour: Harbour) -> None:
    def settings() -> tuple[Batch | None, Cache | None]:
        slot = harbour.serving.slot("night")
        return slot.batch, slot.cache

    night = PLAIN + '  night: {model: "models:/churn/2"}\n'
    harbour.apply(night)
    assert settings() == (Batch(rows=64, delay=0.0), None)
    more = ", batch: {rows: 8, delay: 2ms}, cache: {bytes: 1MiB, ttl: 1h}}"
    assert harbour.apply(night.replace('churn/2"}', f'churn/2"{more}')).published
    assert settings() == (Batch(rows=8, delay=0.002), Cache(bytes=1 << 20, ttl=3600.0))
    harbour.apply(night.replace('churn/2"}', 'churn/2", batch: off}'))
    assert settings() == (None, None)


RULES = PLAIN.replace("variants:", "context: {country: optional string}\nvariants:") + (
    "  challenger: {model: 'models:/churn/2'}\n"
    "routing:\n"
    "  - {name: us, when: 'context.country == \"US\" && features.%s > 24', to: challenger}\n"
    "  - {name: everybody, split: {champion: 100%%}}\n"
)


def test_rules_are_held_to_what_the_versions_take(harbour: Harbour) -> None:
    known = signature().features[0].name
    harbour.apply(RULES % known)
    first, second = harbour.serving.entries
    assert (first.name, first.to, second.when) == ("us", "challenger", None)
    router = Router(harbour.serving)
    assert router.decide("u", ("US",), {known: 30}).entry == "us"
    assert router.decide("u", ("US",), {known: 3}).entry == "everybody"
    assert harbour.apply(RULES % known).changes == ()
    with pytest.raises(BadInput, match=r"routing entry `us`: `features.shoes` is no feature; there are: "):
        harbour.apply(RULES % "shoes")
    assert harbour.serving.revision == 1


SHOD = (
    RELEASE.replace("then: promote", "then: ask")
    .replace("  - {name: everybody", "  - {name: shod, when: 'features.shoes > 2', to: champion}\n  - {name: everybody")
    .replace("  stages:\n    - shadow: {share: 100%, for: 1d}\n", "  stages:\n")
)


@pytest.mark.parametrize("step", [rollback, promote])
def test_a_rule_of_a_version_that_goes_never_holds_up_who_goes(harbour: Harbour, step: Callable[..., Done]) -> None:
    shoes = signature("classification", Feature(name="shoes", kind="number", nullable=True))
    harbour.registry.add("churn", 1 if step is promote else 2, signature=shoes)
    harbour.apply(SHOD)
    told: list[str] = []
    assert Router(harbour.serving, told.append).decide("u", (), {"shoes": 3}).entry == "shod"
    step(harbour.site, "churn", Who("ada", "because"))
    assert Router(harbour.serving, told.append).decide("u", (), {"shoes": 3}).entry == "everybody"
    assert told == ["shod"]
    with pytest.raises(BadInput, match=r"routing entry `shod`: `features.shoes` is no feature"):
        harbour.apply(SHOD.replace("features.shoes > 2", "features.shoes > 1"))
