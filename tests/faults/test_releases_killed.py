"""kill -9 of whoever changes a deployment, between any two of its steps: state and gateway tell one story afterwards.

A child process promotes (or applies, or runs the loop) and is killed at its n-th write to the state, the gateway or the
registry, for every n. Then somebody else goes on, and the end is the same as if nobody had been killed.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.control import actions, change, perform
from seatrial.control.decisions import verify
from seatrial.control.loop import Loop
from seatrial.control.perform import Who
from seatrial.releases import database, layout
from seatrial.releases.leadership import Leadership
from seatrial.spec.errors import Conflict
from tests.harbour import RELEASE, Harbour, World

pytestmark = pytest.mark.processes

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")
MOST_WRITES = 40


def killed_after(writes: int) -> Callable[[], None]:
    """Counts down to SIGKILL: nothing is flushed, closed or unlocked in order."""
    left = writes

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return count


def kill_between_writes(writes: int) -> None:
    """Have this process killed before its write number ``writes`` to state, gateway or registry."""
    count = killed_after(writes)

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            count()
            return function(*arguments, **named)

        return call

    for module in (layout, sys.modules["seatrial.releases.publication"]):
        for name in ("write_whole", "create_whole", "write_pointer", "remove"):
            if hasattr(module, name):
                setattr(module, name, wrapped(getattr(module, name)))
    database.Database.write = wrapped(database.Database.write)  # type: ignore[method-assign]
    Harbour.registry_moves = wrapped(lambda: None)  # type: ignore[attr-defined]


def harbour_at(home: Path) -> Harbour:
    """The harbour of a test, in whichever process; its registry remembers the alias in a file."""
    harbour = Harbour(home)
    alias = home / "alias"
    harbour.registry.named["churn"]["champion"] = int(alias.read_text()) if alias.exists() else 1
    move = harbour.registry.set_alias

    def set_alias(name: str, alias_name: str, version: int) -> None:
        if hasattr(Harbour, "registry_moves"):
            Harbour.registry_moves()
        alias.write_text(str(version))
        move(name, alias_name, version)

    harbour.registry.set_alias = set_alias  # type: ignore[method-assign,assignment]
    return harbour


def promote(harbour: Harbour) -> None:
    perform.promote(harbour.site, "churn", Who("ada", "because"))


def loop_that_ships(harbour: Harbour) -> None:
    world = World()
    world.recommendation = "ship"
    harbour.clock.forward(days=3)
    with Leadership(harbour.home, harbour.url) as leadership:
        loop = Loop(harbour.site, world, leadership)
        for _ in range(3):
            loop.step(harbour.clock.forward(seconds=60))


def loop_that_stops(harbour: Harbour) -> None:
    world = World()
    world.recommendation, world.worse = "stop", ("errors",)
    with Leadership(harbour.home, harbour.url) as leadership:
        loop = Loop(harbour.site, world, leadership)
        for _ in range(3):
            loop.step(harbour.clock.forward(seconds=60))


def apply_another(harbour: Harbour) -> None:
    harbour.apply(TEST_ONLY.replace("churn/2", "churn/3"), restart=True)


WORK = {"promote": promote, "ships": loop_that_ships, "stops": loop_that_stops, "apply": apply_another}


def child(home: Path, work: str, writes: int) -> int:
    """Do ``work`` in a process that is killed before its write number ``writes``; gives its exit status.

    It is forked, because importing takes longer than all the rest; whoever forks has nothing open.
    """
    pid = os.fork()
    if pid == 0:
        try:
            harbour = harbour_at(home)
            kill_between_writes(writes)
            WORK[work](harbour)
            os._exit(0)
        except BaseException:  # noqa: BLE001 (the fork must never go on as a test run)
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def told_once(harbour: Harbour) -> None:
    """State and gateway agree, and nothing is left half done."""
    state = harbour.state.deployments.get("churn")
    assert state.revision == harbour.publication.active("churn")
    served = {slot.variant: slot.model_version for slot in harbour.serving.slots if slot.variant != "previous"}
    assert served == {pin.variant: pin.slot.model_version for pin in state.pins if pin.slot is not None}
    assert harbour.state.deployments.pending("churn") == ()
    assert not (harbour.home / "gateway/proposed/churn.json").exists()
    assert state.alias_due is None
    assert len([r for r in harbour.state.deployments.revisions("churn") if r.status == "active"]) == 1
    assert verify(harbour.state) == []


@pytest.mark.parametrize(
    ("work", "version", "status"),
    [("promote", 2, "promoted"), ("ships", 2, "promoted"), ("stops", 1, "rolled-back"), ("apply", 1, "running")],
)
def test_killed_between_any_two_writes(tmp_path: Path, work: str, version: int, status: str) -> None:
    ended = None
    for writes in range(MOST_WRITES):
        home = tmp_path / f"{work}-{writes}"
        home.mkdir()
        harbour = harbour_at(home)
        harbour.apply(TEST_ONLY)
        harbour.close()
        ended = child(home, work, writes)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        harbour = harbour_at(home)
        again(harbour, work)
        told_once(harbour)
        state = harbour.state.deployments.get("churn")
        slot = state.slot("champion")
        assert slot is not None
        assert state.run is not None
        assert (slot.version, state.run.status) == (version, status), f"killed before write {writes}"
        assert harbour.registry.named["churn"]["champion"] == version
        done = {"promote": "promote", "ships": "promote", "stops": "rollback"}.get(work)
        if done:
            assert harbour.actions().count(done) == 1, f"killed before write {writes}"
        harbour.close()
    assert ended == 0, f"still killed after {MOST_WRITES} writes"


def again(harbour: Harbour, work: str) -> None:
    """Somebody comes after the killed process and wants the same."""
    state = harbour.state.deployments.get("churn")
    if work == "promote" and harbour.publication.active("churn") != state.revision:
        with pytest.raises(Conflict, match="nothing to promote"):  # it was done: recovering shows it
            promote(harbour)
    elif work != "promote" or state.slot("challenger") is not None:
        WORK[work](harbour)
    with Leadership(harbour.home, harbour.url) as leadership:
        assert leadership.take(), "the lock went with the process"
        actions.answer_commands(harbour.site)
        with harbour.site.changing("churn"):
            change.recover(harbour.site, "churn")
