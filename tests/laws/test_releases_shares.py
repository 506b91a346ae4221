"""After any sequence of edits, stages and actions, gateways serve the shares that the file and the release say."""

from collections.abc import Callable, Iterator
from functools import cache

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from seatrial.control.plan import Moment, make_plan, to_resolve
from seatrial.control.snapshots import routing_snapshot
from seatrial.control.transitions import advanced, baking, concluded, moved, promoted, rolled_back, share_of
from seatrial.releases.records import DeploymentState
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Entry, Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment
from tests.harbour import RELEASE, START, signature

CANARY = RELEASE.replace("    - test: {share: 50%", "    - canary: {steps: [1%, 5%]}\n    - test: {share: 50%")
FILES = {
    (share, version, kind): text.replace("share: 50%", f"share: {share}%").replace("churn/2", f"churn/{version}")
    for share in (5, 50, 95)
    for version in (2, 3)
    for kind, text in (("plain", RELEASE), ("canary", CANARY))
}


@cache
def read_file(text: str) -> Deployment:
    """A file is read once, however often it is applied."""
    return load_deployment(text)


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
    spec = read_file(text)
    wanted = {variant: slot(variant, reference) for variant, reference in to_resolve(spec, state, True).items()}
    moment = Moment(now=START + turn, actor="ada", revision=turn + 1, run_id=f"run-{turn}", retry=True, restart=True)
    return make_plan(spec, text, state, wanted, moment).after or state  # type: ignore[return-value]


STEPS = st.lists(
    st.one_of(
        st.sampled_from(list(FILES)),
        st.sampled_from(["advance", "bake", "pause", "resume", "promote", "rollback", "conclude", "restart"]),
    ),
    max_size=10,
)
ACTIONS: dict[object, Callable[[Deployment, DeploymentState, int, int], DeploymentState]] = {
    "advance": advanced,
    "bake": lambda _spec, state, _now, _revision: baking(state),
    "pause": lambda _spec, state, _now, _revision: moved(state, "pause"),
    "resume": lambda _spec, state, _now, _revision: moved(state, "resume"),
    "promote": lambda spec, state, now, _revision: promoted(spec, state, "challenger", now),
    "rollback": lambda spec, state, now, _revision: rolled_back(spec, state, now),
    "conclude": lambda _spec, state, now, _revision: concluded(state, now),
    "restart": lambda _spec, state, _now, _revision: read_back(state),
}


def read_back(state: DeploymentState) -> DeploymentState:
    """The state as a process that has just been started reads it."""
    return msgspec.json.decode(msgspec.json.encode(state), type=DeploymentState)


def after(steps: list[object]) -> Iterator[tuple[Deployment, DeploymentState]]:
    """The file and the state after each step that makes sense."""
    text = FILES[50, 2, "plain"]
    state = applied(None, text, 0)
    yield read_file(text), state
    for turn, step in enumerate(steps, start=1):
        try:
            if isinstance(step, tuple):
                state = applied(state, FILES[step], turn)
                text = FILES[step]
            else:
                state = ACTIONS[step](read_file(text), state, START + turn, turn + 1)
        except Conflict:
            continue
        yield read_file(text), state


@settings(max_examples=40)
@given(STEPS)
def test_shares_are_what_the_file_and_the_release_say(steps: list[object]) -> None:
    for spec, state in after(steps):
        check(spec, state)


@settings(max_examples=15)
@given(STEPS)
def test_fresh_units_are_shared_so_and_the_fewest_move(steps: list[object]) -> None:
    """Exact binomial tails of 4 000 fresh units at every step; between two variants only the shrinking one loses."""
    known = [f"known-{i}" for i in range(2_000)]
    before: Entry | None = None
    stood: list[str] = []
    for turn, (spec, state) in enumerate(after(steps)):
        (entry,) = routing_snapshot(spec, state).entries
        fresh = assign_many(entry, [f"fresh-{turn}-{i}" for i in range(4_000)]).tolist()
        for arm in entry.arms:
            if arm.weight < 1:
                assert binomtest(fresh.count(arm.variant), 4_000, arm.weight).pvalue >= 1e-7
        stands = assign_many(entry, known).tolist()
        if before is not None and before.salt == entry.salt:
            moves = {(old, new) for old, new in zip(stood, stands, strict=True) if old != new}
            assert len(moves) <= 1, "two directions at once move more than needed"
            weights = [{arm.variant: arm.weight for arm in each.arms} for each in (before, entry)]
            for old, new in moves:
                assert weights[0][old] > weights[1].get(old, 0.0)
                assert weights[1][new] > weights[0].get(new, 0.0)
        before, stood = entry, stands


def check(spec: Deployment, state: DeploymentState) -> None:
    snapshot = routing_snapshot(spec, state)
    (entry,) = snapshot.entries
    weights = {arm.variant: arm.weight for arm in entry.arms}
    loaded = {each.variant for each in snapshot.slots}
    assert abs(sum(weights.values()) - 1) < 1e-12
    assert set(weights) <= loaded, "nobody is routed to a variant that is not loaded"
    assert {shadow.variant for shadow in snapshot.shadows} <= loaded
    assert snapshot.default in loaded
    run = state.open_run
    if run is not None and run.stage != "shadow":
        assert spec.release is not None
        share = share_of(spec.release.stages[run.stage_index], run.step)
        assert share is not None
        assert weights == {"champion": 1 - share, "challenger": share}
        assert (entry.release, entry.salt) == (run.id, run.salt)
        assert entry.reason == ("canary" if run.stage == "canary" else "split")
        assert run.phase is not None
        assert entry.phase == run.phase.number == len(run.phases)
    else:
        assert weights == {"champion": 1.0}
        assert (entry.release, entry.phase) == ("", 0)
    assert bool(snapshot.shadows) == (run is not None and run.stage == "shadow")
    versions = [each.model_version for each in snapshot.slots if each.variant in ("champion", "challenger")]
    assert len(set(versions)) == len(versions), "no version contends with itself"
    assert read_back(state) == state
