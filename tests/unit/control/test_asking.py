"""Outcomes asked of a database: SQLite and PostgreSQL, marks that only move on, and databases that fail."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from seatrial.control.asking import Asking, Read, _back
from seatrial.control.warehouse import ask
from seatrial.ledger.reader import Reader
from seatrial.spec.deployment import Deployment, SourceSpec
from seatrial.spec.errors import BadInput, Unavailable
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from tests.harbour import SECOND, START, Harbour
from tests.postgresql import new_database, postgresql
from tests.waiting import wait_for

__all__ = ["postgresql"]

SQL = "select customer_id unit, churned value, as_of at from labels where as_of > :since"
FILE = f"""\
deployment: churn
variants: {{champion: {{model: "models:/churn@champion"}}}}
outcomes:
  churned: {{source: {{sql: "{SQL}", url_env: DWH_URL, every: 10m}}}}
"""
BEGIN = datetime.fromtimestamp(START / 1e6, UTC)
MINUTES = 60 * SECOND


class Warehouse:
    """A database with labels in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.run("create table labels (customer_id varchar, churned boolean, as_of timestamp with time zone)")

    def run(self, sql: str, **given: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(sql), given)

    def close(self) -> None:
        self.engine.dispose()

    def add(self, unit: str, *, churned: bool, minutes: float) -> None:
        at = BEGIN + timedelta(minutes=minutes)
        self.run(
            "insert into labels (customer_id, churned, as_of) values (:unit, :churned, :at)",
            unit=unit,
            churned=churned,
            at=at,
        )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    if request.param == "sqlite":
        made = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    else:
        made = Warehouse(new_database(request.getfixturevalue("postgresql")))
    yield made
    made.close()


def at_once(work: Callable[[], Read]) -> "Future[Read]":
    answer: Future[Read] = Future()
    answer.set_result(work())
    return answer


class Asked:
    """A deployment whose labels are in a warehouse, and a clock to move."""

    def __init__(self, harbour: Harbour, url: str, file: str = FILE) -> None:
        harbour.site.environ["DWH_URL"] = url
        harbour.apply(file)
        self.harbour, self.spec = harbour, load_deployment(file)
        self.asking = Asking(harbour.site, at_once)

    def later(self, minutes: float) -> None:
        """Two looks: one asks, the next takes the answer."""
        now = self.harbour.clock.forward(seconds=60 * minutes)
        self.asking.look(self.spec, now)
        self.asking.look(self.spec, now)

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        with Reader(self.harbour.home).open("churn") as view:
            found = view.sql('SELECT unit, value_text, epoch_us("at") AS t FROM outcomes ORDER BY t, unit', {})
            return [(row["unit"], _truth(row), round((row["t"] - START) / MINUTES)) for row in found.to_pylist()]

    @property
    def said(self) -> list[str]:
        return [entry.sentence for entry in self.harbour.state.audit.of("churn", action="read")]

    @property
    def alerts(self) -> list[str]:
        return [alert.sentence for alert in self.harbour.state.alerts.of("churn")]


def _truth(row: dict[str, Any]) -> str:
    """SQLite has no booleans of its own."""
    return {"1": "true", "0": "false"}.get(row["value_text"], row["value_text"])


def test_what_is_new_is_read_once_and_a_correction_is_a_revision(warehouse: Warehouse, harbour: Harbour) -> None:
    warehouse.add("ann", churned=True, minutes=1)
    warehouse.add("bob", churned=False, minutes=2)
    asked = Asked(harbour, warehouse.url)
    asked.later(5)
    assert asked.outcomes == [("ann", "true", 1), ("bob", "false", 2)]
    assert asked.said == ["Read 2 new outcomes `churned` from their source."]
    warehouse.add("cy", churned=True, minutes=12)
    asked.later(1)
    assert len(asked.outcomes) == 2, "it is asked every ten minutes"
    asked.later(9)
    assert asked.outcomes[2:] == [("cy", "true", 12)]
    warehouse.add("dee", churned=True, minutes=3)  # committed late, in a transaction that began before
    warehouse.run("update labels set churned = true where customer_id = 'bob'")
    asked.later(10)
    assert asked.outcomes == [("ann", "true", 1), ("bob", "true", 2), ("dee", "true", 3), ("cy", "true", 12)]
    asked.later(10)
    assert len(asked.said) == 3, "nothing was new"
    assert harbour.state.marks.get("churn", "source of churned") == START + 12 * MINUTES
    again = Asked(harbour, warehouse.url)  # after a restart
    again.later(10)
    assert again.outcomes == asked.outcomes


COUNTED = {
    "metric": FILE + "metrics: {left: {kind: proportion, outcome: churned, within: 6h, grace: 1h}}\n",
    "value": FILE + "metrics: {left: {kind: value, of: 10 * churned, within: 6h, grace: 1h}}\n",
    "reward": FILE.replace("}}\noutcomes", '}, new: {model: "models:/churn/2"}}\noutcomes')
    + (
        "routing: [{name: all, bandit: {policy: thompson, arms: [champion, new], every: 8h,"
        " reward: {outcome: churned, within: 6h, grace: 1h}}}]\n"
    ),
}


@pytest.mark.parametrize("counts", COUNTED)
def test_a_row_that_was_loaded_hours_late_is_found_while_it_can_count(
    tmp_path: Path, harbour: Harbour, counts: str
) -> None:
    warehouse = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    asked = Asked(harbour, warehouse.url, COUNTED[counts])
    warehouse.add("ann", churned=True, minutes=12 * 60)
    asked.later(13 * 60)
    warehouse.add("bob", churned=True, minutes=8 * 60)  # happened four hours before, loaded after
    warehouse.add("cy", churned=True, minutes=4 * 60)  # no window of seven hours is open any more
    asked.later(10)
    assert [unit for unit, _, _ in asked.outcomes] == ["bob", "ann"]
    warehouse.close()


def test_a_monitor_s_labels_are_asked_for_as_long_as_they_can_count() -> None:
    concept = "monitors: {concept: {outcome: churned, within: 6h, grace: 1h}}\n"
    spec = load_deployment(FILE.replace("churned: {", "churned: {label: true, ") + concept)
    assert _back(spec, "churned") == 7 * 3600 * SECOND


def test_a_query_that_gives_loaded_at_is_read_by_it(tmp_path: Path, harbour: Harbour) -> None:
    warehouse = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    warehouse.run("alter table labels add column loaded timestamp with time zone")
    sql = "select customer_id unit, churned value, as_of at, loaded loaded_at from labels where loaded > :since"
    asked = Asked(harbour, warehouse.url, FILE.replace(SQL, sql))

    def load(unit: str, hours: float, loaded: float) -> None:
        warehouse.add(unit, churned=True, minutes=60 * hours)
        at = BEGIN + timedelta(hours=loaded)
        warehouse.run("update labels set loaded = :at where customer_id = :unit", at=at, unit=unit)

    load("ann", hours=40, loaded=48)
    asked.later(60 * 50)
    load("bob", hours=1, loaded=51)
    asked.later(60 * 2)
    assert [(unit, at) for unit, _, at in asked.outcomes] == [("bob", 60), ("ann", 40 * 60)]
    assert harbour.state.marks.get("churn", "source of churned") == START + 51 * 60 * MINUTES
    warehouse.close()


def test_a_row_of_the_future_does_not_hide_those_that_come_before_it(tmp_path: Path, harbour: Harbour) -> None:
    warehouse = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    warehouse.add("ann", churned=True, minutes=60 * 24 * 365)
    asked = Asked(harbour, warehouse.url)
    asked.later(5)
    warehouse.add("bob", churned=True, minutes=10)
    asked.later(10)
    assert [unit for unit, _, _ in asked.outcomes] == ["bob", "ann"]
    warehouse.close()


def test_a_question_does_not_hold_up_the_loop_and_is_not_asked_twice(warehouse: Warehouse, harbour: Harbour) -> None:
    warehouse.add("ann", churned=True, minutes=1)
    asked = Asked(harbour, warehouse.url)
    begun: list[tuple[Callable[[], Read], Future[Read]]] = []

    def slowly(work: Callable[[], Read]) -> "Future[Read]":
        begun.append((work, Future()))
        return begun[-1][1]

    asked.asking = Asking(harbour.site, slowly)
    for _ in range(4):
        asked.later(20)
    ((work, answer),) = begun
    assert asked.outcomes == []
    answer.set_result(work())
    asked.later(20)
    assert len(begun) == 2
    assert asked.outcomes == [("ann", "true", 1)]


def test_a_thread_of_its_own_reads_where_nobody_says_otherwise(warehouse: Warehouse, harbour: Harbour) -> None:
    warehouse.add("ann", churned=True, minutes=1)
    asked = Asked(harbour, warehouse.url)
    asked.asking = Asking(harbour.site)
    asked.asking.look(asked.spec, harbour.clock.forward(seconds=1))
    wait_for(lambda: asked.outcomes != [], seconds=30, what="the thread to have read")


def test_a_database_that_is_away_is_told_once_a_day_and_asked_again(tmp_path: Path, harbour: Harbour) -> None:
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    asked = Asked(harbour, url)
    asked.later(1)
    asked.later(10)
    (told,) = asked.alerts
    assert told.startswith("Outcomes `churned` could not be read from their source: the database in `DWH_URL` does not")
    assert "no such table: labels" in told
    warehouse = Warehouse(url)
    warehouse.add("ann", churned=True, minutes=1)
    asked.later(10)
    assert asked.outcomes == [("ann", "true", 1)]


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path, harbour: Harbour) -> None:
    warehouse = Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    warehouse.add("ann", churned=True, minutes=1)
    warehouse.run("insert into labels values (null, true, '2023-11-14 22:20:00')")
    asked = Asked(harbour, warehouse.url)
    asked.later(30)
    assert asked.said == ["Read 1 new outcomes `churned` from their source; left out: 1 said nothing."]


def source(sql: str, env: str = "DWH_URL") -> SourceSpec:
    return SourceSpec(sql=sql, url_env=env, every=60.0)


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("1 AS value, 2 AS at", "`at` is 2, which is no time"),
        ("'x' AS unit, 'soon' AS at", "`at` is 'soon', which is no time"),
        (
            "'x' AS customer, '2026-01-01' AS at",
            "the query gives a column 'customer', which no outcome has; name it",
        ),
        ("'x' AS unit, 1 AS value", "the query gives no column `at`"),
        ("'x' AS unit, 1 AS amount, '2026-01-01' AS at", "a column 'amount', which no outcome has"),
    ],
)
def test_columns_that_are_no_outcome_are_refused_in_words(select: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        ask(source(f"SELECT {select} WHERE :since IS NOT NULL"), (), 0, {"DWH_URL": "sqlite://"})
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "the environment variable `DWH_URL` is not set; set it where control runs"),
        ("warehouse", "`DWH_URL` holds no URL of a database"),
        ("nothing://u:hunter2@host/db", "the driver of the database in `DWH_URL` is not installed"),
    ],
)
def test_an_address_that_is_none_is_refused_and_its_password_never_said(url: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        ask(source(SQL), (), 0, {"DWH_URL": url})
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.postgres
def test_nothing_can_be_written_and_times_are_utc(postgresql: str) -> None:
    url = new_database(postgresql)
    warehouse = Warehouse(url)
    warehouse.run("create sequence numbers")
    warehouse.close()
    environ = {"DWH_URL": url}
    sql = "SELECT 'u' AS unit, nextval('numbers') AS value, now() AS at WHERE :since < now()"
    with pytest.raises(Unavailable, match=r"cannot execute nextval\(\) in a read-only transaction"):
        ask(source(sql), (), 0, environ)
    sql = "SELECT 'u' AS unit, 2.5::numeric AS amount, timestamp '2023-11-14 22:13:20' AS at WHERE :since < now()"
    answer = ask(source(sql), ("amount",), 0, environ)
    assert answer.table.to_pylist() == [{"unit": "u", "amount": 2.5, "at": BEGIN}]
    assert answer.latest == START
    assert answer.columns.fields == ("amount",)


def test_no_row_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "w.db"
    sqlite3.connect(path).execute("create table labels (customer_id, churned, as_of)").connection.close()
    answer = ask(source(SQL), (), 0, {"DWH_URL": f"sqlite:///{path}"})
    assert (answer.table.num_rows, answer.latest) == (0, None)


def read(text: str) -> Deployment:
    return load_deployment(FILE.replace(f'"{SQL}", url_env: DWH_URL', text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"select 1", url_env: X', "write a query in which `:since` stands for a time"),
        (
            '"select :since", url_env: "postgresql://u:p@h/d"',
            "name the environment variable that holds the database's URL",
        ),
        ('"select :since"', "needs `url_env`"),
    ],
)
def test_a_source_without_what_it_needs_is_refused(text: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        read(text)
    assert words in str(refused.value)
