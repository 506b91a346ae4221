"""Who is counted: every exclusion by its reason, first exposures, and censoring that does not ask who came back."""

import msgspec
import numpy as np
import pytest

from seatrial.experiments.answer_measures import error_measures
from seatrial.experiments.census import take_census
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from seatrial.experiments.units import NEVER, Units, count_rows
from tests import worlds

NOW = worlds.START + 10_000 * worlds.SECOND


def read_units(source: worlds.TableSource, run: worlds.ReleaseRun, now: int = NOW) -> Units:
    return read(source, run, error_measures(worlds.deployment()), now)[0]


def read_errors(source: worlds.TableSource, run: worlds.ReleaseRun) -> tuple[Units, Column]:
    units, columns = read(source, run, error_measures(worlds.deployment()), NOW)
    return units, columns["errors"]


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * worlds.SECOND) for second in seconds]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("unit_named", False, "no unit"),
        ("reason", "override", "override"),
        ("reason", "rule", "rule"),
        ("reason", "explicit", "explicit"),
        ("reason", "cold-start", "cold-start"),
        ("contested", False, "only one variant had a chance"),
        ("release", "release-0", "another release"),
    ],
)
def test_rows_that_are_no_evidence_are_left_out_and_counted(column: str, value: object, why: str) -> None:
    run = worlds.release((0.5, 0))
    rows = worlds.rows(run, ["a", "b", "c"], at(1, 2, 3))
    rows[column] = [value, rows[column][1], rows[column][2]]
    source = worlds.source([rows])
    assert read_units(source, run).unit.to_pylist() == ["b", "c"]
    counts = count_rows(source, run, NOW)
    assert counts.left_out == {why: 1}
    assert sum(counts.by_variant.values()) == 2
    assert counts.total == 3


def test_shadow_rows_expose_nobody() -> None:
    run = worlds.release((0.5, 0))
    source = worlds.source([worlds.rows(run, ["a"], at(1), role=["shadow"])])
    assert len(read_units(source, run).first_at) == 0
    assert count_rows(source, run, NOW).total == 0


def test_rows_that_the_application_computed_are_evidence() -> None:
    run = worlds.release((0.5, 0))
    source = worlds.source([worlds.rows(run, ["a"], at(1), role=["app"])])
    assert read_units(source, run).unit.to_pylist() == ["a"]


def test_a_unit_enters_once_at_its_first_exposure() -> None:
    run = worlds.release((0.5, 0))
    source = worlds.source([worlds.rows(run, ["a", "b", "a", "a"], at(7, 4, 3, 9))])
    units = read_units(source, run)
    assert units.unit.to_pylist() == ["a", "b"]
    assert units.first_at.tolist() == at(3, 4)


def test_a_unit_belongs_to_the_variant_assigned_whatever_answered() -> None:
    run = worlds.release((0.5, 0))
    rows = worlds.rows(
        run, ["a"], at(1), variant=["challenger"], answered=["champion"], answered_by=["default"], status=["timeout"]
    )
    units, errors = read_errors(worlds.source([rows]), run)
    assert units.variant.tolist() == ["challenger"]
    assert errors.x.tolist() == [1.0]


def test_nothing_after_now_is_seen() -> None:
    run = worlds.release((0.5, 0))
    source = worlds.source([worlds.rows(run, ["a", "b"], at(1, 50))])
    now = at(10)[0]
    assert read_units(source, run, now).unit.to_pylist() == ["a"]
    assert count_rows(source, run, now).total == 1


def test_units_that_later_weights_move_are_known_whether_or_not_they_came_back() -> None:
    run = worlds.release((0.05, 0), (0.5, 100))
    names = worlds.unit_names(2000)
    first = np.full(len(names), at(95)[0])
    source = worlds.source([worlds.rows(run, names, first)])
    units = read_units(source, run)
    after = worlds.assigned(run, units.unit.to_pylist(), np.full(len(names), 2))
    moved = units.moved_at != NEVER
    assert np.array_equal(moved, after != units.variant)
    assert set(units.moved_at[moved]) == {run.phases[1].started_at}
    assert 0.4 < moved.mean() < 0.55


def test_the_end_of_a_release_closes_windows_of_both_arms() -> None:
    run = msgspec.structs.replace(worlds.release((0.5, 0)), status="promoted", ended_at=at(100)[0])
    names = worlds.unit_names(200)
    first = np.where(np.arange(200) < 100, at(30)[0], at(50)[0])
    units, errors = read_errors(worlds.source([worlds.rows(run, names, first)]), run)
    sample = take_sample(units, errors, error_measures(worlds.deployment())[0], run, NOW)
    assert (sample.censored, sample.effect.n) == (100, 100)


def test_a_move_after_the_longest_window_is_not_even_computed() -> None:
    run = worlds.release((0.05, 0), (0.5, 100))
    names = worlds.unit_names(500)
    source = worlds.source([worlds.rows(run, names, np.full(len(names), at(30)[0]))])
    assert (read_units(source, run).moved_at == NEVER).all()


def test_a_unit_moved_twice_was_moved_the_first_time() -> None:
    run = worlds.release((0.05, 0), (0.5, 20), (0.0, 40))
    names = worlds.unit_names(300)
    source = worlds.source([worlds.rows(run, names, np.full(len(names), at(10)[0]))])
    units = read_units(source, run)
    second = worlds.assigned(run, units.unit.to_pylist(), np.full(len(names), 2))
    third = worlds.assigned(run, units.unit.to_pylist(), np.full(len(names), 3))
    expected = np.where(second != units.variant, at(20)[0], np.where(third != units.variant, at(40)[0], NEVER))
    assert np.array_equal(units.moved_at, expected)


def test_strata_tell_open_windows_from_closed_ones() -> None:
    run = worlds.release((0.05, 0), (0.5, 100))
    source = worlds.source([worlds.rows(run, ["a", "b", "c"], at(10, 95, 120))])
    strata = read_units(source, run).strata(run, 20 * worlds.SECOND)
    assert strata.tolist() == [1000, 1001, 2000]


def test_fresh_units_are_counted_by_phase_and_variant_before_any_exclusion() -> None:
    run = worlds.release((0.05, 0), (0.5, 100))
    rows = worlds.rows(run, ["a", "b", "c", "a"], at(1, 2, 120, 130), variant=["champion", "challenger"] * 2)
    assert take_census(read_units(worlds.source([rows]), run)).fresh() == {
        1: {"champion": 1, "challenger": 1},
        2: {"champion": 1},
    }


def test_units_that_met_two_variants_within_a_phase_are_found() -> None:
    run = worlds.release((0.05, 0), (0.5, 100))
    moved = worlds.rows(run, ["a", "a"], at(1, 120), variant=["champion", "challenger"])
    assert read_units(worlds.source([moved]), run).in_both_arms == 0
    mixed = worlds.rows(run, ["a", "a"], at(1, 2), variant=["champion", "challenger"])
    assert read_units(worlds.source([mixed]), run).in_both_arms == 1


def test_no_rows_give_no_units() -> None:
    run = worlds.release((0.5, 0))
    source = worlds.source([worlds.rows(run, [], [])])
    measure = Measure("errors", "proportion", 0, 0, error_measures(worlds.deployment())[0].sql, {"within": 0})
    units, columns = read(source, run, [measure], NOW)
    assert len(units.first_at) == 0
    assert columns["errors"].x.size == 0
