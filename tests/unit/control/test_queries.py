"""What the command line and the dashboard read."""

from pathlib import Path

import pytest

from seatrial.cli.story import lines_of
from seatrial.control import queries
from seatrial.control.forgetting import forget_unit
from seatrial.control.loop import Loop
from seatrial.control.perform import Who, promote, rollback
from seatrial.ledger import layout
from seatrial.ledger.counters import BREAKERS_OPEN, CounterFile, series
from seatrial.ledger.log import PredictionLog
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger.rows import Outcome, RowSchema
from seatrial.releases.leadership import Leadership
from seatrial.spec.errors import NotFound
from seatrial.spec.settings import Settings, load_settings
from tests.harbour import RELEASE, START, Harbour, World, gateway_worker
from tests.ledger_events import envelope

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")


def test_status_of_a_release_in_its_test(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(TEST_ONLY)
        with Leadership(harbour.home, harbour.url) as leadership:
            Loop(harbour.site, World(), leadership).step(harbour.clock.forward(days=1))
            now = queries.status_at(harbour.site, "churn")
            assert now.led
    assert not queries.status_at(harbour.site, "churn").led
    assert [(v.variant, v.model_version, v.weights) for v in now.variants] == [
        ("champion", "churn:1", {"everybody": 0.5}),
        ("challenger", "churn:2", {"everybody": 0.5}),
    ]
    assert now.run is not None
    assert (now.run.stage, now.task, now.revision) == ("test", "classification", 1)
    assert (now.release_open, now.recommendation) == (True, "wait")
    assert now.sentence == "churn:1 is in command; churn:2 is in its test stage (running). As the test wants it."
    assert now.verdict is not None
    assert now.verdict.recommendation == "wait"
    assert [(w.worker, w.revision, w.trouble) for w in now.workers] == [("w0", 1, "")]


def test_status_says_why_a_variant_is_empty_and_who_is_kept(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    promote(harbour.site, "churn", Who("ada", "because"))
    variants = {v.variant: v for v in queries.status_at(harbour.site, "churn").variants}
    assert variants["challenger"].note == "empty: its version was promoted"
    assert variants["previous"].model_version == "churn:1"
    assert queries.status_at(harbour.site, "churn").sentence == (
        "churn:2 is in command; the last release, of churn:2, ended as promoted."
    )
    assert variants["champion"].weight == 1.0
    assert variants["champion"].weights == {"everybody": 1.0}


def test_status_says_which_variants_are_left_alone(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    for worker, deployment in (("w0", "churn"), ("w1", "churn"), ("w2", "mail")):
        file = CounterFile.create(layout.counters(harbour.home) / f"{worker}.counters")
        file.add(file.slot(series(BREAKERS_OPEN, deployment=deployment, variant="challenger")))
        file.close()
    now = queries.status_at(harbour.site, "churn")
    assert now.left_alone == {"challenger": 2}
    assert "challenger is left alone by 2 workers, because it kept failing" in now.sentence


def test_history_names_who_when_and_why(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    harbour.clock.forward(seconds=5)
    rollback(harbour.site, "churn", Who("grace", "it smells"))
    settings = settings_of(harbour)
    entries = queries.history(settings, "churn")
    assert [(e.action, e.actor, e.why, e.at) for e in entries] == [
        ("apply", "ada", "", START),
        ("rollback", "grace", "it smells", START + 5_000_000),
    ]
    assert queries.history(settings, "churn", limit=1) == entries[1:]
    with pytest.raises(NotFound):
        queries.history(settings, "nobody")


def settings_of(harbour: Harbour) -> Settings:
    return load_settings({"SEATRIAL_HOME": str(harbour.home)}, harbour.home)


def test_what_the_command_line_asks_for_by_settings(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    settings = settings_of(harbour)
    assert queries.deployments(settings) == ("churn",)
    assert queries.status(settings, "churn") == queries.status_at(harbour.site, "churn")
    with pytest.raises(NotFound, match="those there are: churn"):
        queries.status(settings, "nobody")


def test_forgetting_is_audited_and_names_nobody(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    write_row(harbour.home, revision=1, unit="zoe-c7")
    forgot = forget_unit(settings_of(harbour), "zoe-c7", actor="grace")
    assert (forgot.rows, forgot.outcomes) == ({"churn": 1}, 1)
    last = harbour.state.audit.of("churn")[-1]
    assert (last.action, last.actor, last.sentence) == ("forget", "grace", "1 row of one unit was deleted.")
    with pytest.raises(NotFound):
        queries.explain_at(harbour.site, "r1")
    assert b"zoe-c7" not in b"".join(path.read_bytes() for path in harbour.home.glob("state.db*"))


def write_row(home: Path, revision: int, unit: str = "c7") -> None:
    schema = RowSchema(
        deployment="churn",
        context=(),
        numbers=(),
        number_index=(),
        texts=(),
        text_index=(),
        vectors=(),
        prediction=(("label", "string"),),
    )
    log = PredictionLog(home, "w0", clock=lambda: START)
    row = envelope(
        request_id="r1",
        at=START,
        unit=unit,
        variant="challenger",
        assigned_version="churn:2",
        answered_by="default",
        version="churn:1",
        release="run-1",
        revision=revision,
        status="timeout",
        latency_us=900,
    )
    assert log.buffer(schema).append(row, (), None, None, None, ("yes",))
    log.close()
    outcomes = OutcomeLog(home, "w0", clock=lambda: START + 5)
    outcome = Outcome(
        outcome="purchase",
        id="o1",
        deployment="",
        unit=unit,
        request_id="r1",
        row=None,
        key=None,
        item=None,
        value=1.0,
        withdrawn=False,
        fields={},
        at=START + 1,
        received_at=START + 5,
    )
    outcomes.append([outcome]).result(20)
    outcomes.close()


def test_explain_tells_the_moment_of_the_request_not_of_today(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY)
    write_row(harbour.home, revision=1)
    rollback(harbour.site, "churn", Who("grace", "it smells"))
    story = queries.explain_at(harbour.site, "r1")
    assert story.weights == {"champion": 0.5, "challenger": 0.5}
    assert {name: was.version for name, was in story.versions.items()} == {
        "champion": "churn:1",
        "challenger": "churn:2",
    }
    assert story.applied is not None
    assert (story.revision, story.applied.actor) == (1, "ada")
    assert story.versions["challenger"].digest.endswith("2")
    assert [outcome["outcome"] for outcome in story.outcomes] == ["purchase"]
    assert story.sentence == (
        "Assigned to `challenger` (churn:2), because entry `everybody` gives it 50% of the units, and 'c7' falls "
        "there; it could not answer (timeout), so churn:1 did."
    )
    told = "\n".join(lines_of(story))
    assert "by entry `everybody`, which gave champion 50%, challenger 50% then" in told
    assert "churn:1 (champion), because churn:2 did not answer: timeout, said label yes, in 0.9 ms" in told
    assert "outcome purchase 1.0 at 2023-11-14 22:13:20Z" in told
    assert "row_id" not in told
    with pytest.raises(NotFound):
        queries.explain_at(harbour.site, "r2")
