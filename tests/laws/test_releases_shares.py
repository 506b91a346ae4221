"""After any sequence of edits, stages and actions, gateways serve the shares that the file and the release say."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from seatrial.control.plan import Moment, make_plan, to_resolve
from seatrial.control.snapshots import routing_snapshot
from seatrial.control.transitions import advanced, concluded, promoted, rolled_back
from seatrial.releases.records import DeploymentState
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment
from tests.harbour import RELEASE, START, signature

FILES = {
    (share, version): RELEASE.replace("share: 50%", f"share: {share}%").replace("churn/2", f"churn/{version}")
    for share in (5, 50, 95)
    for version in (2, 3)
}


def slot(variant: str, reference: str) -> Slot:
    version = 1 if "@" in reference else int(reference.rsplit("/", 1)[1])
    return Slot(
        variant=variant,
        model="churn",
        version=version,
        digest=str(version),
        path="",
        runtime="onnx",
        signature=signature(),
    )


def applied(state: DeploymentState | None, text: str, turn: int) -> DeploymentState:
    spec = load_deployment(text)
    wanted = {variant: slot(variant, reference) for variant, reference in to_resolve(spec, state, True).items()}
    moment = Moment(now=START + turn, actor="ada", revision=turn + 1, run_id=f"run-{turn}", retry=True, restart=True)
    return make_plan(spec, text, state, wanted, moment).after or state  # type: ignore[return-value]


STEPS = st.lists(
    st.one_of(st.sampled_from(list(FILES)), st.sampled_from(["advance", "promote", "rollback", "conclude"])), max_size=8
)


@given(STEPS)
def test_shares_are_what_the_file_and_the_release_say(steps: list[object]) -> None:
    text = FILES[50, 2]
    state = applied(None, text, 0)
    for turn, step in enumerate(steps, start=1):
        spec = load_deployment(text)
        try:
            if isinstance(step, tuple):
                text = FILES[step]
                state = applied(state, text, turn)
            elif step == "advance":
                state = advanced(spec, state, START + turn, turn + 1)
            elif step == "promote":
                state = promoted(spec, state, "challenger", START + turn)
            elif step == "rollback":
                state = rolled_back(spec, state, START + turn)
            else:
                state = concluded(state, START + turn)
        except Conflict:
            continue
        check(load_deployment(text), state)


def check(spec: object, state: DeploymentState) -> None:
    snapshot = routing_snapshot(spec, state)  # type: ignore[arg-type]
    (entry,) = snapshot.entries
    weights = {arm.variant: arm.weight for arm in entry.arms}
    loaded = {each.variant for each in snapshot.slots}
    assert abs(sum(weights.values()) - 1) < 1e-12
    assert set(weights) <= loaded, "nobody is routed to a variant that is not loaded"
    assert {shadow.variant for shadow in snapshot.shadows} <= loaded
    assert snapshot.default in loaded
    run = state.open_run
    if run is not None and run.stage == "test":
        share = spec.release.stages[run.stage_index].share  # type: ignore[attr-defined]
        assert weights == {"champion": 1 - share, "challenger": share}
        assert (entry.release, entry.salt) == (run.id, run.salt)
        assert run.phase is not None
        assert entry.phase == run.phase.number == len(run.phases)
    else:
        assert weights == {"champion": 1.0}
        assert (entry.release, entry.phase) == ("", 0)
    assert bool(snapshot.shadows) == (run is not None and run.stage == "shadow")
    versions = [each.model_version for each in snapshot.slots if each.variant in ("champion", "challenger")]
    assert len(set(versions)) == len(versions), "no version contends with itself"
    assert msgspec.json.decode(msgspec.json.encode(state), type=DeploymentState) == state
