"""The state on both databases: what is written comes back, changes are all there or refused."""

import threading
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, text

from seatrial.releases import database
from seatrial.releases.database import Database, with_driver
from seatrial.releases.deployments import digest_of
from seatrial.releases.records import (
    Alert,
    AuditEntry,
    Command,
    DeploymentState,
    Mute,
    Notice,
    VerdictRecord,
    WindowRecord,
)
from seatrial.releases.run import ReleaseRun
from seatrial.releases.state import State
from seatrial.releases.tables import Base
from seatrial.spec.errors import BadInput, Conflict, NotFound, Unavailable

RUN = ReleaseRun(
    id="run-1",
    deployment="churn",
    entry="everybody",
    champion="champion",
    challenger="challenger",
    champion_version="churn:6",
    challenger_version="churn:7",
    salt="salt",
    stage="shadow",
    stage_started_at=10,
    started_at=10,
)


def entry(action: str = "apply", at: int = 10, **more: object) -> AuditEntry:
    values = {"deployment": "churn", "at": at, "action": action, "actor": "ada", "why": "", "sentence": "Said."} | more
    return AuditEntry(**values)  # type: ignore[arg-type]


def change(version: int, revision: int, **more: object) -> DeploymentState:
    return DeploymentState(deployment="churn", version=version, revision=revision, text=f"v{version}", **more)  # type: ignore[arg-type]


def test_completed_change_holds_and_is_audited(state: State) -> None:
    after = change(1, 1, run=RUN, salts={"everybody": "é"})
    state.deployments.propose(after, entry())
    assert state.deployments.find("churn") is None
    assert [p.revision for p in state.deployments.pending("churn")] == [1]
    assert state.deployments.complete("churn", 1, at=20) == after
    assert state.deployments.get("churn") == after
    assert state.deployments.all() == (after,)
    assert state.deployments.pending("churn") == ()
    assert state.deployments.releases("churn") == (RUN,)
    assert [(e.action, e.actor, e.at) for e in state.audit.of("churn")] == [("apply", "ada", 10)]


def test_complete_is_safe_to_repeat(state: State) -> None:
    state.deployments.propose(change(1, 1), entry())
    state.deployments.complete("churn", 1, at=20)
    state.deployments.complete("churn", 1, at=30)
    assert len(state.audit.of("churn")) == 1


def test_next_revision_supersedes(state: State) -> None:
    for number in (1, 2):
        state.deployments.propose(change(number, number), entry())
        state.deployments.complete("churn", number, at=20 + number)
    assert [(r.revision, r.status, r.at) for r in state.deployments.revisions("churn")] == [
        (1, "superseded", 22),
        (2, "active", 22),
    ]
    assert state.deployments.highest_revision("churn") == 2


def test_withdrawn_change_keeps_its_reason(state: State) -> None:
    state.deployments.propose(change(1, 1), entry())
    state.deployments.withdraw("churn", 1, "no such tensor", at=30)
    assert state.deployments.find("churn") is None
    assert state.deployments.revision("churn", 1).reason == "no such tensor"
    last = state.audit.of("churn")[-1]
    assert (last.action, last.why) == ("withdrawn", "no such tensor")
    assert state.deployments.complete("churn", 1, at=40) == change(1, 1)
    assert state.deployments.find("churn") is None, "what was withdrawn cannot be completed"


def test_change_decided_on_old_state_is_refused(state: State) -> None:
    state.deployments.save(change(1, 0), entry(), at=5)
    with pytest.raises(Conflict, match="changed by somebody else"):
        state.deployments.save(change(1, 0), entry(), at=6)
    with pytest.raises(Conflict, match="changed by somebody else"):
        state.deployments.propose(change(3, 1), entry())
    state.deployments.propose(change(2, 1), entry())
    with pytest.raises(Conflict, match=r"revision 1 .* is being made"):
        state.deployments.propose(change(2, 1), entry())


def test_of_many_writers_at_once_one_wins(url: str) -> None:
    State(url).close()
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def write(name: str) -> None:
        with State(url) as own:
            start.wait()
            try:
                own.deployments.save(change(1, 0), entry(actor=name), at=1)
                outcomes.append("won")
            except Conflict:
                outcomes.append("refused")

    threads = [threading.Thread(target=write, args=(f"p{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with State(url) as opened:
        assert sorted(outcomes).count("won") >= 1
        assert len(opened.audit.of("churn")) == outcomes.count("won") == 1
    assert len(outcomes) == 6


def test_get_names_what_there_is(state: State) -> None:
    state.deployments.save(change(1, 0), None, at=1)
    with pytest.raises(NotFound, match=r"no deployment 'chrun' \(those there are: churn\)"):
        state.deployments.get("chrun")


def test_audit_of_and_last(state: State) -> None:
    for number in range(5):
        state.audit.add(entry("decide", at=number, release="run-1", observed=f'{{"n": {number}}}'))
    state.audit.add(entry("promote", at=9))
    assert [e.at for e in state.audit.of("churn", limit=2)] == [4, 9]
    assert len(state.audit.of("churn", action="decide")) == 5
    last = state.audit.last("churn", "decide", "run-1")
    assert last is not None
    assert last.observed == '{"n": 4}'
    assert state.audit.last("churn", "decide", "run-2") is None
    assert state.audit.of("other") == ()
    assert [e.at for e in state.audit.after("churn", last.id)] == [9]


def test_alert_is_kept_once_and_tried_until_sent(state: State) -> None:
    alert = Alert(
        deployment="churn", at=1, event="rollback", key="rollback/run-1", severity="critical", sentence="Back."
    )
    assert state.alerts.add(alert)
    assert not state.alerts.add(msgspec.structs.replace(alert, at=2))
    (kept,) = state.alerts.undecided()
    assert state.alerts.get("churn", kept.id) == kept
    state.alerts.decide(
        {kept.id: ("told", "it wakes")}, [notice("n1", "json://a", kept.id), notice("n2", "b", kept.id)]
    )
    assert state.alerts.undecided() == ()
    assert [n.id for n in state.notices.open()] == ["n1", "n2"]
    assert state.notices.made_since(0) == {"json://a": 1, "b": 1}
    state.notices.tried("n1", at=5, error="connection refused", due_at=9)
    (alert,) = state.alerts.of("churn")
    assert (alert.fate, alert.fate_why, alert.attempts, alert.error) == ("told", "it wakes", 1, "connection refused")
    state.notices.tried("n2", at=6, error="", entry=entry("tell"))
    assert state.alerts.of("churn")[0].sent_at is None, "another receiver still waits"
    assert state.alerts.of("churn")[0].error == "connection refused"
    state.notices.tried("n1", at=7, error="")
    assert state.notices.open() == ()
    assert [(a.sent_at, a.attempts, a.error) for a in state.alerts.of("churn")] == [(7, 3, "")]
    assert [e.action for e in state.audit.of("churn")] == ["tell"]
    assert [n.sent_at for n in state.notices.of("churn")] == [7, 6]


def notice(name: str, to: str, alert: int) -> Notice:
    return Notice(id=name, deployment="churn", to=to, kind="alert", at=3, why="it wakes", message="{}", alerts=(alert,))


def test_a_message_that_is_kept_already_stays_as_it_is_and_given_up_is_not_open(state: State) -> None:
    state.notices.add(notice("n1", "a", 1))
    state.notices.add(msgspec.structs.replace(notice("n1", "a", 1), message="other"))
    (kept,) = state.notices.open()
    assert kept.message == "{}"
    state.notices.tried("n1", at=9, error="away", give_up=True)
    assert state.notices.open() == ()
    assert state.notices.get("n1") == msgspec.structs.replace(kept, attempts=1, error="away", given_up_at=9)
    state.notices.clear(9)
    assert state.notices.get("n1") is not None
    state.notices.clear(10)
    assert state.notices.get("n1") is None


def test_an_alert_is_taken_on_once_it_is_there(state: State) -> None:
    state.alerts.add(Alert(deployment="churn", at=1, event="rollback", key="k", severity="critical", sentence="Back."))
    (alert,) = state.alerts.of("churn")
    taken = state.alerts.acknowledge("churn", alert.id, entry("ack", at=8, why="on it"))
    assert (taken.acked_at, taken.acked_by, taken.ack_why) == (8, "ada", "on it")
    assert state.alerts.after("churn", 0) == (taken,)
    assert state.alerts.after("churn", alert.id) == ()
    with pytest.raises(NotFound, match="seatrial alerts list"):
        state.alerts.acknowledge("other", alert.id, entry("ack"))


def test_a_mute_holds_until_its_end_or_until_somebody_ends_it(state: State) -> None:
    made = state.mutes.add(
        Mute(deployment="churn", what="data", at=1, until=10, by="ada", why="the sale"), entry("mute")
    )
    assert made.id
    assert state.mutes.active("churn", 9) == (made,)
    assert state.mutes.active("churn", 10) == ()
    assert state.mutes.active("other", 9) == ()
    assert state.mutes.end("churn", "data", entry("unmute", at=5)) == 1
    assert state.mutes.active("churn", 6) == ()
    with pytest.raises(NotFound, match="not muted"):
        state.mutes.end("churn", "data", entry("unmute", at=6))
    assert [e.action for e in state.audit.of("churn")] == ["mute", "unmute"]


def test_verdicts_over_time(state: State) -> None:
    records = [
        VerdictRecord(
            deployment="churn", release=r, at=at, revision=3, stage="test", recommendation="wait", judgement="{}"
        )
        for r, at in (("a", 1), ("a", 2), ("b", 3))
    ]
    for record in records:
        state.verdicts.add(record)
    assert state.verdicts.of("churn") == tuple(records)
    assert state.verdicts.of("churn", release="a", limit=1) == (records[1],)
    assert state.verdicts.last("churn", "b") == records[2]
    assert state.verdicts.last("churn", "c") is None


def test_windows_and_mark_move_together_and_repeats_replace(state: State) -> None:
    def window(start: int, severity: str) -> WindowRecord:
        return WindowRecord(
            deployment="churn",
            monitor="data",
            variant="champion",
            version="churn:6",
            start=start,
            end=start + 10,
            severity=severity,
            window="{}",
        )

    assert state.marks.get("churn", "data") is None
    state.windows.add([window(0, "none"), window(10, "none")], deployment="churn", marks={"data": 20})
    state.windows.add([window(10, "major")], deployment="churn", marks={"data": 20})
    assert state.marks.get("churn", "data") == 20
    state.marks.put("churn", "data", 30)
    assert state.marks.get("churn", "data") == 30
    assert [(w.start, w.severity) for w in state.windows.of("churn")] == [(0, "none"), (10, "major")]
    assert [w.start for w in state.windows.of("churn", monitor="data", since=10)] == [10]
    assert state.windows.of("churn", monitor="performance") == ()


def test_command_is_taken_once_and_answered(state: State) -> None:
    state.commands.ask(Command(id="c1", deployment="churn", at=1, kind="promote", actor="ada"))
    assert [c.id for c in state.commands.open()] == ["c1"]
    assert state.commands.take("c1")
    assert not state.commands.take("c1")
    assert [c.status for c in state.commands.open()] == ["running"]
    state.commands.answer("c1", at=5, answer="there is no challenger", failed=True, code=2)
    done = state.commands.get("c1")
    assert (done.status, done.answered_at, done.code) == ("failed", 5, 2)
    assert state.commands.open() == ()
    with pytest.raises(NotFound):
        state.commands.get("c2")


def test_migrations_make_the_tables_that_the_code_expects(url: str) -> None:
    State(url).close()
    engine = create_engine(database.with_driver(url))
    seen = inspect(engine)
    for table in Base.metadata.sorted_tables:
        columns = {c["name"]: bool(c["nullable"]) for c in seen.get_columns(table.name)}
        assert columns == {c.name: bool(c.nullable) for c in table.columns}, table.name
        assert {i["name"] for i in seen.get_indexes(table.name)} >= {i.name for i in table.indexes}
        assert seen.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == database.HEAD


def test_many_may_open_a_fresh_state_at_once(url: str) -> None:
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            State(url).close()
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_state_of_before_messages_were_kept_is_upgraded_with_its_alerts(url: str) -> None:
    """Alerts of then have been told, or were tried: none of them is sent again, and new ones are."""
    engine = create_engine(with_driver(url))
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        insert = text(
            "INSERT INTO alerts (deployment, at, event, key, severity, sentence, details, sent_at, attempts, error) "
            "VALUES ('churn', :at, 'data.major', :key, 'critical', 'It moved.', :details, :sent_at, 1, '')"
        )
        details = (
            '{"condition":"data/champion","edge":"begins","severity":"major","variant":"champion","start":1,"end":2}'
        )
        for at, sent_at in ((1, 5), (2, None)):
            connection.execute(insert, {"at": at, "key": f"k{at}", "details": details, "sent_at": sent_at})
    engine.dispose()
    state = State(url)
    assert [(a.key, a.fate, a.sent_at, a.acked_at) for a in state.alerts.of("churn")] == [
        ("k1", "told", 5, None),
        ("k2", "told", None, None),
    ]
    assert state.alerts.undecided() == ()
    assert state.notices.open() == ()
    assert state.alerts.add(msgspec.structs.replace(state.alerts.of("churn")[0], id=0, key="k3", fate="", sent_at=None))
    assert [alert.key for alert in state.alerts.undecided()] == ["k3"]
    state.close()
    State(url).close()


def test_state_written_by_a_newer_program_is_refused(url: str) -> None:
    opened = Database(url)
    with opened.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    opened.close()
    with pytest.raises(BadInput, match=r"newer Seatrial.*pip install --upgrade"):
        State(url)


def test_unknown_database_is_refused() -> None:
    with pytest.raises(BadInput, match="begins with 'mysql'"):
        State("mysql://x/y")


def test_database_that_does_not_answer_is_unavailable_and_its_password_unsaid(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        State(f"postgresql://ada:secret@/none?host={tmp_path}")
    assert "secret" not in str(raised.value)


def test_digest_is_of_the_text() -> None:
    assert digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
