"""Choosing by context: contexts as numbers, the chances that a row is drawn by, and who is drawn."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from seatrial.bandits import InverseGap, LinearThompson, Normal, Regression, SquareCB, best
from seatrial.routing.contexts import Encoder
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm, ByContext, Column, ContextKey, Entry, Slot, Snapshot
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.signature import Answer, Signature

SIGNATURE = Signature(task="regression", features=(), inputs=(), outputs=(), answer=Answer(prediction="y"))
AGE = Column(key="age", kind="number", optional=True, center=40.0, scale=10.0)
MEMBER = Column(key="member", kind="boolean")
COUNTRY = Column(key="country", kind="category", optional=True, categories=("DE", "FR"))
KEYS = ("country", "other", "age", "member")


@pytest.mark.parametrize(
    ("context", "numbers"),
    [
        (("DE", "x", 50.0, True), [1, 1, 0, 1, 1, 0, 0]),
        (("FR", "x", 20, False), [1, -2, 0, 0, 0, 1, 0]),
        (("IT", None, 1e9, True), [1, 4, 0, 1, 0, 0, 1]),
        ((None, None, None, False), [1, 0, 1, 0, 0, 0, 0]),
    ],
)
def test_a_context_as_numbers(context: tuple[Any, ...], numbers: list[float]) -> None:
    """A 1, then age, whether it is missing, member, DE, FR, another country, no country."""
    found = Encoder((AGE, MEMBER, COUNTRY), KEYS).encode(context)
    assert found == [*numbers, float(context[0] is None)]


def test_an_empty_context_lacks_everything() -> None:
    encoder = Encoder((AGE, MEMBER, COUNTRY), KEYS)
    assert encoder.encode(()) == encoder.encode((None, None, None, None)) == [1, 0, 1, 0, 0, 0, 0, 1]


context_values = st.tuples(
    st.none() | st.text(max_size=3),
    st.none(),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans(),
)


@given(context_values)
def test_every_context_is_as_wide_and_no_number_is_far(context: tuple[Any, ...]) -> None:
    encoder = Encoder((AGE, MEMBER, COUNTRY), KEYS)
    found = encoder.encode(context)
    assert len(found) == encoder.width == 8
    assert all(abs(number) <= 4 for number in found)


def test_a_key_that_is_not_declared_is_refused() -> None:
    with pytest.raises(BadInput, match="chooses by context key 'age', which is not declared"):
        Encoder((AGE,), ("country",))


def regressions(arms: int, seed: int) -> list[Regression]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(arms):
        contexts = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
        line = np.array([0.5, *rng.uniform(-0.1, 0.1, 2)])
        found.append(Regression.empty(3).with_rewards(contexts, contexts @ line + rng.normal(0, 0.1, 200)))
    return found


def published(policy: str, arms: tuple[str, ...], floor: float = 0.02, seed: int = 1) -> ByContext:
    learned = regressions(len(arms), seed)
    columns = tuple(Column(key=key, kind="number", center=0.0, scale=1.0) for key in ("x", "y"))
    plain = {"columns": columns, "arms": arms, "floor": floor}
    if policy == "squarecb":
        gaps = SquareCB().publish(learned, floor)
        lines = tuple(map(tuple, gaps.coefficients.tolist()))
        return ByContext(policy="squarecb", coefficients=lines, gamma=gaps.gamma, **plain)  # type: ignore[arg-type]
    belief = LinearThompson().publish(learned, floor)
    lines = tuple(map(tuple, belief.coefficients.tolist()))
    return ByContext(
        policy="linear-thompson",
        coefficients=lines,
        spreads=belief.spreads.astype("<f8").tobytes(),
        **plain,  # type: ignore[arg-type]
    )


def shop(by: ByContext, *, arms: tuple[str, ...] = ("a", "b", "c"), salt: str = "d/all/epoch-3") -> Snapshot:
    entry = Entry(
        name="all",
        arms=tuple(Arm(name, 1 / len(arms)) for name in arms),
        by_context=by,
        salt=salt,
        reason="bandit",
        phase=3,
    )
    return Snapshot(
        deployment="d",
        revision=3,
        task="regression",
        unit_name="customer",
        context=(ContextKey("x", "number"), ContextKey("y", "number")),
        slots=tuple(
            Slot(variant=name, model="m", version=1, digest="d", path="/p", runtime="onnx", signature=SIGNATURE)
            for name in arms
        ),
        default=arms[0],
        entries=(entry,),
    )


@pytest.mark.parametrize("policy", ["squarecb", "linear-thompson"])
def test_a_snapshot_with_lines_travels_as_json_and_decides_the_same(policy: str) -> None:
    made = shop(published(policy, ("a", "b", "c")))
    again = msgspec.json.decode(msgspec.json.encode(made), type=Snapshot)
    assert again == made
    assert Router(again).decide("u1", (0.3, -1.0)) == Router(made).decide("u1", (0.3, -1.0))


def test_the_gaps_are_the_papers_and_the_vector_is_the_decisions() -> None:
    by = published("squarecb", ("a", "b", "c"), floor=0.0)
    context = np.array([1.0, 0.3, -1.0])
    predicted = np.array(by.coefficients) @ context
    leader = int(predicted.argmax())
    expected = 1 / (3 + 10 * math.sqrt(600) * (predicted.max() - predicted))
    expected[leader] = 1 - np.delete(expected, leader).sum()
    decision = Router(shop(by)).decide("u1", (0.3, -1.0))
    assert decision.chances == pytest.approx(tuple(expected), rel=1e-9)
    assert decision.propensity == decision.chances["abc".index(decision.variant)]
    assert decision[1:2] + decision[3:7] == ("bandit", "all", True, "", 3)


def test_linear_thompson_is_the_chance_to_be_best_with_the_floor() -> None:
    by = published("linear-thompson", ("a", "b", "c"), floor=0.1)
    context = np.array([1.0, 0.3, -1.0])
    spreads = np.frombuffer(by.spreads).reshape(3, 3, 3)
    posteriors = [
        Normal(float(np.array(line) @ context), float(np.linalg.norm(spread @ context)))
        for line, spread in zip(by.coefficients, spreads, strict=True)
    ]
    found = Router(shop(by)).decide("u1", (0.3, -1.0)).chances
    assert found == pytest.approx(tuple(0.1 + 0.7 * best(posteriors)), abs=1e-9)


@pytest.mark.parametrize("policy", ["squarecb", "linear-thompson"])
def test_units_are_drawn_by_the_chances(policy: str) -> None:
    """The exact binomial tail of every arm's units, at one context."""
    router = Router(shop(published(policy, ("a", "b", "c"))))
    drawn = [router.decide(f"unit {n}", (0.1, 0.2)) for n in range(20_000)]
    (chances,) = {decision.chances for decision in drawn}
    assert len([chance for chance in chances if chance > 0.05]) > 1  # else there would be little to see
    for name, chance in zip("abc", chances, strict=True):
        count = sum(decision.variant == name for decision in drawn)
        assert binom.cdf(count, 20_000, chance) > 1e-7
        assert binom.sf(count - 1, 20_000, chance) > 1e-7


@given(unit=st.text(min_size=1), x=st.floats(-1e6, 1e6), y=st.floats(-1e6, 1e6), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_a_decision_is_a_function_and_its_chances_are_chances(unit: str, x: float, y: float, seed: int) -> None:
    for policy in ("squarecb", "linear-thompson"):
        router = Router(shop(published(policy, ("a", "b", "c"), seed=seed)))
        decision = router.decide(unit, (x, y))
        assert decision == router.decide(unit, (x, y)) == router.recall(unit, (x, y), {})
        assert math.fsum(decision.chances) == pytest.approx(1, abs=1e-9)
        assert min(decision.chances) >= 0.02 - 1e-12
        assert decision.propensity == decision.chances["abc".index(decision.variant)]


def test_an_epoch_draws_anew_and_within_it_a_unit_keeps_its_arm() -> None:
    by = published("squarecb", ("a", "b", "c"), floor=0.3)
    one, other = Router(shop(by)), Router(shop(by, salt="d/all/epoch-4"))
    units = [f"u{n}" for n in range(2000)]
    same = sum(one.decide(unit, (0.0, 0.0)).variant == other.decide(unit, (0.0, 0.0)).variant for unit in units)
    chances = one.decide("u", (0.0, 0.0)).chances
    expected = sum(chance**2 for chance in chances)
    assert binom.cdf(same, 2000, expected) > 1e-7
    assert binom.sf(same - 1, 2000, expected) > 1e-7


def test_a_removed_arm_has_no_chance_and_keeps_its_place_in_the_vector() -> None:
    by = published("squarecb", ("c", "a"))
    decision = Router(shop(by)).decide("u1", (0.1, 0.2))
    assert decision.chances[1] == 0.0
    assert decision.chances[0] + decision.chances[2] == pytest.approx(1)
    assert decision.contested
    alone = Router(shop(published("squarecb", ("b",), floor=0.0))).decide("u1", (0.1, 0.2))
    assert (alone.variant, alone.chances, alone.contested) == ("b", (0.0, 1.0, 0.0), False)


def test_the_unit_alone_does_not_decide() -> None:
    """So the way for requests without a context is closed."""
    made = shop(published("squarecb", ("a", "b", "c")))
    assert not Router(made).by_unit
    plain = msgspec.structs.replace(made.entries[0], by_context=None)
    assert Router(msgspec.structs.replace(made, entries=(plain,))).by_unit


def test_chances_that_cannot_be_worked_out_are_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> list[float]:
        raise SeatrialError("the chances sum to 2 instead of 1, an error of ours")

    monkeypatch.setattr(InverseGap, "shares", fails)
    arms = (0.2, 0.3, 0.5)
    made = shop(published("squarecb", ("a", "b", "c")))
    weighed = tuple(Arm(name, weight) for name, weight in zip("abc", arms, strict=True))
    entry = msgspec.structs.replace(made.entries[0], arms=weighed)
    assert Router(msgspec.structs.replace(made, entries=(entry,))).decide("u", (0.1, 0.2)).chances == arms


def test_what_contradicts_itself_is_refused() -> None:
    by = published("linear-thompson", ("a", "b", "c"))
    with pytest.raises(BadInput, match="chooses variant 'z' by context, which is no arm"):
        Router(shop(msgspec.structs.replace(by, arms=("a", "b", "z"))))
    with pytest.raises(BadInput, match=r"coefficients have the shape \(2, 3\); expected \[3, 3\]"):
        Router(shop(msgspec.structs.replace(by, coefficients=by.coefficients[:2])))
    with pytest.raises(BadInput, match=r"spreads are 9 numbers; expected \[3, 3, 3\]"):
        Router(shop(msgspec.structs.replace(by, spreads=by.spreads[:72])))
    with pytest.raises(BadInput, match="finite"):
        Router(shop(msgspec.structs.replace(by, coefficients=((math.nan,) * 3,) * 3)))
