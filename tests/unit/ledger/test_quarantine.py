"""What a dead worker was at, and the file of versions that no worker may run."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from seatrial.ledger import layout
from seatrial.ledger.quarantine import QuarantineWatch, add_quarantined, lift_quarantine, read_quarantine
from seatrial.ledger.underway import Suspect, Underway, take_suspects

DIGEST = "ab" * 32
A = Suspect("churn", "challenger", DIGEST[:16], default=False)
B = Suspect("mail", "champion", "cd" * 8, default=True)

_WORKER = """
import os, signal, sys
from pathlib import Path
from seatrial.ledger.underway import Underway
underway = Underway(Path(sys.argv[1]), "w0")
mark = underway.mark("churn", "challenger", "ab" * 32)
other = underway.mark("mail", "champion", "cd" * 32, default=True)
third = underway.mark("mail", "idle", "ef" * 32)
mark.on()
mark.on()
mark.off()
other.cells[other.cell] = 1
third.on()
third.off()
for number in range(300):
    underway.mark("many", f"v{number}", "00" * 32)
os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_process_that_crashed_has_said_what_it_was_at(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _WORKER, str(tmp_path)], check=False)
    assert died.returncode == -11
    assert take_suspects(tmp_path, "w0") == (A, B)
    assert take_suspects(tmp_path, "w0") == ()


def test_a_new_process_begins_with_nothing(tmp_path: Path) -> None:
    Underway(tmp_path, "w0").mark("churn", "challenger", DIGEST).on()
    Underway(tmp_path, "w0")
    assert take_suspects(tmp_path, "w0") == ()


def test_the_longest_names_have_room(tmp_path: Path) -> None:
    Underway(tmp_path, "w0").mark("d" * 64, "v" * 64, DIGEST, default=True).on()
    assert take_suspects(tmp_path, "w0") == (Suspect("d" * 64, "v" * 64, DIGEST[:16], default=True),)


def test_in_and_out_of_quarantine(tmp_path: Path) -> None:
    assert read_quarantine(tmp_path) == ()
    add_quarantined(tmp_path, (A,), 5, "it crashed")
    add_quarantined(tmp_path, (A, B), 6, "again")
    first, second = read_quarantine(tmp_path)
    assert (first.at, first.why, second.at) == (5, "it crashed", 6)
    assert first.holds("churn", "challenger", DIGEST)
    assert not first.holds("churn", "champion", DIGEST)
    assert not first.holds("churn", "challenger", "ff" * 32)
    lift_quarantine(tmp_path, "churn")
    assert read_quarantine(tmp_path) == (second,)
    lift_quarantine(tmp_path, "nothing")


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    watch = QuarantineWatch(tmp_path)
    assert watch.changed() == ()
    assert watch.changed() is None
    add_quarantined(tmp_path, (A,), 5, "it crashed")
    assert watch.changed() == read_quarantine(tmp_path)
    assert watch.changed() is None
    lift_quarantine(tmp_path, "churn")
    assert watch.changed() == ()


def test_a_file_that_cannot_be_read_says_so_each_time(tmp_path: Path) -> None:
    watch = QuarantineWatch(tmp_path)
    layout.quarantine(tmp_path).write_text("{")
    for _ in range(2):
        with pytest.raises(msgspec.MsgspecError):
            watch.changed()
