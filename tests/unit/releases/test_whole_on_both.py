"""A deployment's whole way on both databases: apply, promote, roll back, and a loop that leads."""

from pathlib import Path

from seatrial.control.actions import Arguments, ask_or_do
from seatrial.control.decisions import verify
from seatrial.control.loop import Loop
from seatrial.releases.leadership import Leadership
from tests.harbour import RELEASE, Harbour, World

TEST_ONLY = RELEASE.replace("    - shadow: {share: 100%, for: 1d}\n", "")


def test_way_to_command_and_back(tmp_path: Path, url: str) -> None:
    harbour = Harbour(tmp_path, url)
    try:
        go_the_way(harbour, tmp_path, url)
    finally:
        harbour.close()


def go_the_way(harbour: Harbour, tmp_path: Path, url: str) -> None:
    harbour.apply(TEST_ONLY)
    world = World()
    world.recommendation = "ship"
    with Leadership(tmp_path, url) as leadership:
        loop = Loop(harbour.site, world, leadership)
        assert loop.step(harbour.clock.forward(days=2))
        assert harbour.versions["champion"] == "churn:2"

        def lead(_seconds: float) -> None:
            assert loop.step(harbour.clock.forward(seconds=1))

        site = harbour.another_site(sleep=lead)
        ask_or_do(site, "rollback", "churn", "ada", Arguments("no"))
    assert harbour.versions == {"champion": "churn:1"}
    assert [r.status for r in harbour.state.deployments.releases("churn")] == ["rolled-back"]
    assert harbour.actions()[-2:] == ["rollback", "alias"]
    assert verify(harbour.state) == []
