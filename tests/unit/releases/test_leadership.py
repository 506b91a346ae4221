"""One leader at a time, on both kinds of state; a lock goes with whoever held it."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from seatrial.releases.leadership import Leadership
from seatrial.spec.errors import Unavailable

HOLDER = """
import sys
from pathlib import Path
from seatrial.releases.leadership import Leadership
leader = Leadership(Path(sys.argv[1]), sys.argv[2])
assert leader.take()
print("leads", flush=True)
sys.stdin.read()
"""


def test_one_leads_and_another_follows_when_it_lets_go(tmp_path: Path, url: str) -> None:
    first, second = Leadership(tmp_path, url), Leadership(tmp_path, url)
    assert first.take()
    assert first.take()
    assert first.holds()
    assert not second.take()
    assert not second.holds()
    first.release()
    first.release()
    assert not first.holds()
    with second:
        assert second.take()
    assert first.take()
    first.release()


@pytest.mark.processes
def test_killed_leader_is_succeeded_at_once(tmp_path: Path, url: str) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"leads\n"
        follower = Leadership(tmp_path, url)
        assert not follower.take()
        holder.kill()
        holder.wait()
        deadline = time.monotonic() + 10
        while not follower.take():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        follower.release()


@pytest.mark.postgres
def test_lost_connection_is_lost_leadership(tmp_path: Path, postgresql: str) -> None:
    url = f"postgresql://seatrial@/postgres?host={postgresql}"
    leader = Leadership(tmp_path, url)
    assert leader.take()
    with psycopg.connect(f"host={postgresql} user=seatrial dbname=postgres", autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert not leader.holds()
    assert leader.take()
    leader.release()


def test_no_database_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be asked for"):
        Leadership(tmp_path, f"postgresql://ada@/none?host={tmp_path}").take()
