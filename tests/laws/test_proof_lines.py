"""A comparison with a literal as propositions says of every value what evaluating it says."""

import math
import sys
from typing import Any

import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.proofs.lines import Line, LineKind
from seatrial.routing.rules import evaluating
from seatrial.routing.rules.expression import LARGEST, SMALLEST, Relation

NUMBERS = ("==", "!=", "<", "<=", ">", ">=")
CLOSE = [0.0, -0.0, 5e-324, -5e-324, 1.0, math.nextafter(1.0, 2.0), -1.5, 2.0**53, sys.float_info.max]
LITERALS = {
    "int": st.one_of(st.integers(-3, 3), st.sampled_from([SMALLEST, LARGEST, 0.5, -1.5, math.inf, -math.inf, 1e300])),
    "double": st.one_of(
        st.sampled_from([*CLOSE, 1, 2**53 + 1, 2**63, 10**400, -(10**400), math.inf, -math.inf]),
        st.floats(allow_nan=False),
    ),
    "string": st.text("ab\0z\U0010ffff\ud7ff\ue000", max_size=3),
}
VALUES = {
    "int": st.one_of(st.integers(-4, 4), st.sampled_from([SMALLEST, LARGEST])),
    "double": st.one_of(st.sampled_from(CLOSE), st.floats(allow_nan=False, allow_infinity=False)),
    "string": LITERALS["string"],
}
ASKED: st.SearchStrategy[tuple[LineKind, list[tuple[str, Any]], Any]] = st.sampled_from(
    ["int", "double", "string"]
).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(
            st.tuples(st.sampled_from((*NUMBERS, "startsWith") if kind == "string" else NUMBERS), LITERALS[kind]),
            min_size=1,
            max_size=6,
        ),
        VALUES[kind],
    )
)  # type: ignore[assignment]


def formula(line: Line, relation: str, literal: Any) -> Any:
    return line.starts_with(literal) if relation == "startsWith" else line.compared(_relation(relation), literal)


def plainly(relation: str, value: Any, literal: Any) -> bool:
    return (
        evaluating.tested("startsWith", value, literal)
        if relation == "startsWith"
        else evaluating.compared(_relation(relation), value, literal)
    )


def _relation(relation: str) -> Relation:
    return relation  # type: ignore[return-value]


@settings(max_examples=200, deadline=None)
@given(ASKED)
def test_every_value_has_a_place_at_which_the_propositions_say_what_is_so(
    asked: tuple[LineKind, list[tuple[str, Any]], Any],
) -> None:
    kind, questions, value = asked
    line = Line("x", kind)
    formulas = [formula(line, *question) for question in questions]
    solver = z3.Solver()
    at_value = line.compared("==", value)
    solver.add(*line.laws(), at_value)
    assert solver.check() == z3.sat
    assert line.value(solver.model()) == value
    for (relation, literal), said in zip(questions, formulas, strict=True):
        solver.push()
        solver.add(said != plainly(relation, value, literal))
        assert solver.check() == z3.unsat
        solver.pop()


@settings(max_examples=200, deadline=None)
@given(ASKED, st.data())
def test_every_cell_that_the_laws_leave_holds_a_value(
    asked: tuple[LineKind, list[tuple[str, Any]], Any], data: st.DataObject
) -> None:
    kind, questions, _ = asked
    line = Line("x", kind)
    formulas = [formula(line, *question) for question in questions]
    solver = z3.Solver()
    solver.add(*line.laws())
    for said in formulas:
        wish = said if data.draw(st.booleans()) else z3.Not(said)
        if solver.check(wish) == z3.sat:
            solver.add(wish)
    assert solver.check() == z3.sat
    found = line.value(solver.model())
    for (relation, literal), said in zip(questions, formulas, strict=True):
        assert z3.is_true(solver.model().eval(said, model_completion=True)) == plainly(relation, found, literal)


def test_a_unit_is_never_empty() -> None:
    line = Line("unit", "string", empty=False)
    solver = z3.Solver()
    assert solver.check(line.compared("==", ""), *line.laws()) == z3.unsat
    assert solver.check(line.compared("!=", ""), *line.laws()) == z3.sat
    assert line.value(solver.model()) != ""
