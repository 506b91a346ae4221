import pytest

from seatrial.routing.decision import Decision
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm, Entry, Shadow, Slot, Snapshot
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import Answer, Signature

SIGNATURE = Signature(task="regression", features=(), inputs=(), outputs=(), answer=Answer(prediction="y"))


def slot(variant: str) -> Slot:
    return Slot(variant=variant, model="m", version=1, digest="d", path="/p", runtime="onnx", signature=SIGNATURE)


def snapshot(*entries: Entry, shadows: tuple[Shadow, ...] = ()) -> Snapshot:
    return Snapshot(
        deployment="churn",
        revision=3,
        task="regression",
        unit_name="customer",
        slots=(slot("champion"), slot("challenger")),
        default="champion",
        entries=entries,
        shadows=shadows,
    )


def split(champion: float, challenger: float, **more: object) -> Entry:
    return Entry(
        name="everybody",
        salt="s",
        arms=(Arm("champion", champion), Arm("challenger", challenger)),
        **more,  # type: ignore[arg-type]
    )


def test_to_is_a_rule() -> None:
    router = Router(snapshot(Entry(name="all", to="challenger", reason="rule")))
    assert router.decide("x") == Decision("challenger", "rule", 1.0, "all", False, "", 0)


def test_split_reports_the_weight_that_it_used() -> None:
    router = Router(snapshot(split(0.7, 0.3, release="r1", phase=2)))
    decisions = {router.decide(f"u{i}") for i in range(200)}
    assert decisions == {
        Decision("champion", "split", 0.7, "everybody", True, "r1", 2),
        Decision("challenger", "split", 0.3, "everybody", True, "r1", 2),
    }


def test_one_living_arm_is_not_contested() -> None:
    decision = Router(snapshot(split(1.0, 0.0))).decide("x")
    assert (decision.variant, decision.contested, decision.propensity) == ("champion", False, 1.0)


def test_first_entry_decides() -> None:
    router = Router(snapshot(Entry(name="first", to="champion"), split(0.0, 1.0)))
    assert router.decide("x").entry == "first"


def test_force_is_never_evidence() -> None:
    router = Router(snapshot(split(0.5, 0.5)))
    assert router.force("challenger") == Decision("challenger", "override", 1.0, "", False, "", 0)
    with pytest.raises(NotFound, match="'nobody' is not one of challenger, champion"):
        router.force("nobody")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((), "no routing entry"),
        ((Entry(name="e"),), "exactly one of"),
        ((Entry(name="e", to="champion", arms=(Arm("champion", 1.0),)),), "exactly one of"),
        ((Entry(name="e", to="nobody"),), "'nobody', which is not declared"),
        ((Entry(name="e", arms=(Arm("nobody", 1.0),)),), "'nobody', which is not declared"),
        ((split(0.5, 0.4),), "sum to 0.9"),
        ((split(1.5, -0.5),), "not a share"),
        ((split(float("nan"), 1.0),), "not a share"),
        ((Entry(name="e", arms=(Arm("champion", 0.5), Arm("champion", 0.5))),), "twice"),
    ],
)
def test_refused(entries: tuple[Entry, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Router(snapshot(*entries))


def test_shadows_take_their_share_of_requests_of_their_entry() -> None:
    half = Shadow(variant="challenger", share=0.5, salt="s", entry="everybody")
    router = Router(snapshot(split(1.0, 0.0), shadows=(half,)))
    decision = router.decide("x")
    copied = sum(bool(router.shadows(decision, f"request-{i}")) for i in range(4000))
    assert 1800 < copied < 2200
    assert router.shadows(decision._replace(entry="other"), "request-1") == ()


def test_shadow_of_everything_and_of_nothing() -> None:
    full = Shadow(variant="challenger", share=1.0, salt="s")
    none = Shadow(variant="challenger", share=0.0, salt="s")
    router = Router(snapshot(split(1.0, 0.0), shadows=(full, none)))
    assert all(router.shadows(router.decide("x"), str(i)) == (full,) for i in range(200))


def test_a_variant_is_not_its_own_shadow() -> None:
    router = Router(snapshot(split(0.0, 1.0), shadows=(Shadow(variant="challenger", share=1.0, salt="s"),)))
    assert router.shadows(router.decide("x"), "r") == ()
