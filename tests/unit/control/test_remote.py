"""A remote variant through control: applied, shown, released, promoted, rolled back; and no secret of it anywhere."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from seatrial.control.apply import apply_to
from seatrial.control.perform import Who, promote, rollback
from seatrial.control.queries import history, status
from seatrial.spec.errors import BadInput, Conflict, SeatrialError, Unavailable
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import load_settings
from tests.harbour import PLAIN, RELEASE, Harbour
from tests.remotes import remote_server, says

JSON = '{url: "http://churn:8000/score", body: "{{ features }}", answer: $.label}'
LEGACY = PLAIN + f"  legacy: {{timeout: 50ms, remote: {JSON}}}\n"
RELEASED = RELEASE.replace('challenger: {model: "models:/churn/2"}', f"challenger: {{remote: {JSON}}}")
ADA = Who("ada", "because")

label = says(lambda _: {"label": "yes", "score": "yes"})


def test_apply_serves_it_under_its_own_name(harbour: Harbour) -> None:
    applied = harbour.apply(LEGACY)
    assert any(
        change.startswith("`legacy` is legacy (remote http://churn:8000/score, terms ") for change in applied.changes
    )
    assert harbour.versions == {"champion": "churn:1", "legacy": "legacy"}
    slot = harbour.serving.slot("legacy")
    assert (slot.runtime, slot.timeout, slot.path) == ("remote", 0.05, "")
    assert slot.remote is not None
    assert (slot.remote.protocol, slot.remote.answer) == ("json", "$.label")
    assert slot.signature.features == harbour.serving.slot("champion").signature.features
    (found,) = [one for one in _status(harbour).variants if one.variant == "legacy"]
    assert (found.model_version, found.runtime) == ("legacy", "remote")
    assert found.note == "answered by http://churn:8000/score"


def _status(harbour: Harbour) -> Any:
    settings = load_settings({"SEATRIAL_HOME": str(harbour.home), "SEATRIAL_STATE_URL": harbour.url}, harbour.home)
    return status(settings, "churn")


def test_a_plan_says_and_asks_and_does_nothing(harbour: Harbour) -> None:
    harbour.apply()
    applied = harbour.apply(LEGACY, plan_only=True)
    assert any("`legacy` is legacy (remote" in change for change in applied.changes)
    assert harbour.versions == {"champion": "churn:1"}


def test_an_unchanged_file_changes_nothing_and_other_terms_do(harbour: Harbour) -> None:
    harbour.apply(LEGACY)
    before = harbour.serving
    assert harbour.apply("# ours\n" + LEGACY).changes == ()
    assert harbour.serving == before
    moved = harbour.apply(LEGACY.replace("churn:8000", "churn:9000"))
    assert any("`legacy` stays legacy, named as remote http://churn:9000" in change for change in moved.changes)
    slot = harbour.serving.slot("legacy")
    assert slot.remote is not None
    assert slot.remote.address == "http://churn:9000/score"
    assert slot.digest != before.slot("legacy").digest


def test_its_release_ends_in_command_and_moves_no_alias(harbour: Harbour) -> None:
    harbour.apply(RELEASED)
    assert harbour.state.deployments.get("churn").open_run is not None
    done = promote(harbour.site, "churn", ADA)
    assert done.sentence == (
        "challenger took command from churn:1, which stays loaded as `previous`. "
        "It is remote, so churn@champion stays on version 1."
    )
    assert harbour.versions == {"champion": "challenger", "previous": "churn:1"}
    assert harbour.serving.slot("champion").remote is not None
    assert harbour.registry.named["churn"] == {"champion": 1}
    assert harbour.actions() == ["promote", "apply"] or "alias" not in harbour.actions()
    assert harbour.apply(RELEASED).changes == ()  # what came of it stays when the file is applied again
    assert "challenger is in command" in _status(harbour).sentence
    back = rollback(harbour.site, "churn", ADA)
    assert back.sentence == "churn:1 took command back from challenger."
    assert harbour.versions == {"champion": "churn:1"}
    with pytest.raises(Conflict, match="`challenger` is challenger, which was rolled back before"):
        harbour.apply(RELEASED.replace(":8000", ":9000"), restart=True)
    harbour.apply(RELEASED.replace(":8000", ":9000"), retry=True)
    assert harbour.versions == {"champion": "churn:1", "challenger": "challenger"}


def test_a_registered_version_takes_command_from_a_remote_champion(harbour: Harbour) -> None:
    text = RELEASE.replace('{model: "models:/churn@champion"}', f"{{remote: {JSON}}}")
    harbour.apply(text)
    assert harbour.versions == {"champion": "champion", "challenger": "churn:2"}
    done = promote(harbour.site, "churn", ADA)
    assert done.sentence == "churn:2 took command from champion, which stays loaded as `previous`."
    assert harbour.versions == {"champion": "churn:2", "previous": "champion"}
    assert harbour.serving.slot("previous").remote is not None
    assert harbour.apply(text).changes == ()


def test_other_terms_under_the_same_name_begin_the_release_anew(harbour: Harbour) -> None:
    harbour.apply(RELEASED)
    first = harbour.state.deployments.get("churn").open_run
    harbour.apply(RELEASED.replace("at_most: 10d", "at_most: 9d"))
    second = harbour.state.deployments.get("churn").open_run
    changed = harbour.apply(RELEASED.replace(":8000", ":9000"), restart=True)
    third = harbour.state.deployments.get("churn").open_run
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.id == second.id != third.id
    assert any("ends, because another begins" in change for change in changed.changes)


REFUSED = {
    "nobody to stand beside": (
        f"deployment: churn\nvariants: {{champion: {{remote: {JSON}}}}}\n",
        BadInput,
        "variant `champion` is remote, and nobody says which features it takes",
    ),
    "a feature of nobody": (
        LEGACY.replace("{{ features }}", "{{ features.salary }}"),
        BadInput,
        "variant `legacy` is remote, and its `body` names the feature 'salary'; there are tenure, note",
    ),
    "a server that is away": (
        PLAIN + '  legacy: {remote: {open_inference: "http://127.0.0.1:9", model: m}}\n',
        Unavailable,
        r"variant `legacy` is remote, and http://127.0.0.1:9 \(m\) cannot be reached",
    ),
    "a secret that is not set": (
        PLAIN + '  legacy: {remote: {open_inference: "http://h", model: m, headers: {X-Key: "${NOBODYS}"}}}\n',
        SeatrialError,
        "the environment variable `NOBODYS`",
    ),
    "another task": (
        PLAIN.replace("classification", "regression")
        .replace("champion:", "other:")
        .replace("deployment: churn", "deployment: churn\ndefault: legacy")
        + f"  legacy: {{remote: {JSON}}}\n",
        BadInput,
        "is of task classification, but the file says regression",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(harbour: Harbour, case: str) -> None:
    text, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words) as caught:
        harbour.apply(text)
    assert "\n" not in str(caught.value)
    assert harbour.state.deployments.find("churn") is None


def test_an_open_inference_server_is_asked_what_it_takes(harbour: Harbour) -> None:
    metadata = {
        "name": "m",
        "inputs": [{"name": "tenure", "datatype": "FP32", "shape": [-1, 1]}],
        "outputs": [{"name": "verdict", "datatype": "BYTES", "shape": [-1]}],
    }
    with remote_server(says(lambda _: metadata)) as server:
        harbour.apply(PLAIN + f'  legacy: {{remote: {{open_inference: "{server.url}", model: m, version: "3"}}}}\n')
        (heard,) = server.heard
    assert (heard.method, heard.path) == ("GET", "/v2/models/m/versions/3")
    slot = harbour.serving.slot("legacy")
    assert slot.remote is not None
    assert (slot.remote.protocol, slot.remote.answer, slot.remote.version) == ("http", "verdict", "3")
    assert [tensor.features for tensor in slot.signature.inputs] == [("tenure",)]
    assert slot.signature.answer.prediction == "label"  # as the champion's is called


@pytest.mark.parametrize(("value", "score"), [(0.75, True), ("yes", False)])
def test_a_bare_answer_of_two_classes_is_asked_for_what_it_is(harbour: Harbour, value: Any, score: bool) -> None:
    manifest = harbour.registry.manifests["churn", 1]
    harbour.registry.manifests["churn", 1] = msgspec.structs.replace(manifest, samples="samples.json")
    _, directory = harbour.registry.materialise("churn", 1, harbour.site.store)
    (directory / "samples.json").write_text(json.dumps([{"tenure": 3.5, "note": None}]))
    with remote_server(says(lambda _: {"score": value})) as server:
        harbour.apply(LEGACY.replace("http://churn:8000", server.url).replace("$.label", "$.score"))
        assert server.heard[0].json == {"tenure": 3.5, "note": None}
        harbour.apply("# again\n" + harbour.state.deployments.get("churn").text)
        assert len(server.heard) == 1
    remote = harbour.serving.slot("legacy").remote
    assert remote is not None
    assert (remote.answer, remote.score) == (("", "$.score") if score else ("$.score", ""))


def test_no_secret_of_it_is_kept_or_shown(harbour: Harbour) -> None:
    metadata = {
        "inputs": [{"name": "tenure", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
    }
    secrets = {"TOKEN": "hunter2-token", "PASSWORD": "hunter2-password"}
    site = replace(harbour.site, environ=secrets)
    with remote_server(says(lambda _: metadata)) as server:
        address = server.url.replace("//", "//me:${PASSWORD}@")
        remote = 'open_inference: "@", model: m, headers: {X-Key: "Bearer ${TOKEN}"}'.replace("@", address, 1)
        text = PLAIN + f"  legacy: {{remote: {{{remote}}}}}\n"
        applied = apply_to(site, load_deployment(text), text, actor="ada")
        heard = server.heard[0]
        server.behave = says(lambda _: {"error": "no hunter2-token here"}, 403)
        other = text.replace("model: m", "model: n")
        with pytest.raises(Unavailable, match=r"answered 403: no \$\{TOKEN\} here") as caught:
            apply_to(site, load_deployment(other), other, actor="ada")
    assert heard.headers["x-key"] == "Bearer hunter2-token"
    assert heard.headers["authorization"].startswith("Basic ")
    settings = load_settings({"SEATRIAL_HOME": str(harbour.home), "SEATRIAL_STATE_URL": harbour.url}, harbour.home)
    told = [repr(applied), str(caught.value), repr(_status(harbour)), repr(history(settings, "churn"))]
    kept = [path.read_bytes() for path in harbour.home.rglob("*") if path.is_file()]
    assert any(b"${TOKEN}" in content for content in kept)
    assert not [text for text in told if "hunter2" in text]
    assert not [content for content in kept if b"hunter2" in content]
