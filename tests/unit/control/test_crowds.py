"""Entries for some people in control: lists are pinned when applied, warm units follow the ledger and stay warm."""

import struct
from pathlib import Path

import pytest

from seatrial.control import apply as applying
from seatrial.control import crowds
from seatrial.control.crowds import Warming, forget_warmth
from seatrial.control.loop import Loop
from seatrial.control.perform import Who, promote
from seatrial.control.rounds import EVERY
from seatrial.ledger.retention import Forgetting, write_forgetting
from seatrial.releases.crowd_files import CrowdFiles, crowd_file, write_crowd
from seatrial.releases.leadership import Leadership
from seatrial.routing.decision import Decision
from seatrial.routing.router import Router
from seatrial.spec.deployment import ColdStartSpec, Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from tests.harbour import PLAIN, SECOND, Harbour, World, gateway_worker

TWO = PLAIN + '  challenger: {model: "models:/churn/2"}\noutcomes: {purchase: {}}\nrouting:\n'
REST = "  - {name: everybody, split: {champion: 100%}}\n"
LISTED = TWO + '  - {name: staff, units: ["ann", "17"], to: challenger}\n' + REST
COLD = TWO + "  - {name: new, cold_start: {outcome: purchase, fewer_than: 2, to: challenger}}\n" + REST


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    (tmp_path / "home").mkdir()
    return Harbour(tmp_path / "home")


def decide(harbour: Harbour, unit: str) -> Decision:
    files = CrowdFiles(harbour.home, harbour.serving)
    return Router(harbour.serving, crowds=files.asks).decide(unit)


def test_a_few_units_stand_in_the_file(harbour: Harbour) -> None:
    harbour.apply(LISTED)
    reasons = {unit: (decide(harbour, unit).variant, decide(harbour, unit).reason) for unit in ("ann", "17", "bob")}
    assert reasons == {
        "ann": ("challenger", "explicit"),
        "17": ("challenger", "explicit"),
        "bob": ("champion", "split"),
    }


def test_many_units_stand_in_a_file_that_is_read_when_applied(harbour: Harbour) -> None:
    text = TWO + "  - {name: staff, units_from: lists/staff.txt, to: challenger}\n" + REST
    path = harbour.home.parent / "lists" / "staff.txt"
    with pytest.raises(BadInput, match="`units_from` of routing entry `staff` cannot be read"):
        harbour.apply(text)
    path.parent.mkdir()
    path.write_text("\ufeffann\r\n\n Zo\u00eb\r\n", encoding="utf-8", newline="")
    harbour.apply(text)
    assert [decide(harbour, unit).reason for unit in ("ann", " Zo\u00eb", "bob", "")] == [
        "explicit",
        "explicit",
        "split",
        "split",
    ]
    assert harbour.apply(text).changes == ()
    path.write_text("bob\n")
    assert decide(harbour, "bob").reason == "split"
    assert harbour.apply(text, plan_only=True).changes == ("the units that `staff` takes are others.",)
    harbour.apply(text)
    assert [decide(harbour, unit).reason for unit in ("ann", "bob")] == ["split", "explicit"]
    path.unlink()
    promote(harbour.site, "churn", Who("ada", "because"))
    assert decide(harbour, "bob").entry == "staff"
    path.write_text("x" * 5000)
    with pytest.raises(BadInput, match=r"line 1 of .*staff.txt"):
        harbour.apply(text)


def test_a_file_of_units_that_was_lost_comes_back_with_the_next_apply(harbour: Harbour) -> None:
    text = TWO + "  - {name: staff, units_from: staff.txt, to: challenger}\n" + REST
    (harbour.home.parent / "staff.txt").write_text("ann\n")
    harbour.apply(text)
    crowd = harbour.serving.entries[0].crowd
    assert crowd is not None
    crowd_file(harbour.home, crowd.file).unlink()
    assert decide(harbour, "ann").entry == "everybody"
    assert harbour.apply(text).changes == ()
    assert decide(harbour, "ann").entry == "staff"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{name: a, units: [x], split: {champion: 100%}}", "`units` names who goes to one variant, so it needs `to`"),
        ("{name: a, units: [x], units_from: f, to: champion}", "both say whom it takes"),
        ("{name: a, units: [], to: champion}", "is an empty list"),
        ("{name: a, units: [17], to: champion}", "a number in quotes"),
        ("{name: a, cold_start: {outcome: buy, fewer_than: 5, to: champion}}", "`buy` is not a declared outcome"),
        ("{name: a, cold_start: {outcome: purchase, fewer_than: 0, to: champion}}", "at least 1"),
        ("{name: a, cold_start: {outcome: purchase, fewer_than: 5, to: nobody}}", "is not a declared variant"),
        (f"{{name: a, units: {[f'u{n}' for n in range(1001)]}, to: champion}}", "at most 1000 may"),
    ],
    ids=["split", "both", "none", "number", "outcome", "zero", "variant", "many"],
)
def test_what_makes_no_sense_is_refused_in_words(entry: str, words: str) -> None:
    with pytest.raises(SpecError) as refused:
        load_deployment(TWO + f"  - {entry}\n" + REST)
    assert words in str(refused.value)


def test_an_entry_behind_one_for_some_people_can_be_reached() -> None:
    load_deployment(LISTED)
    load_deployment(COLD)


def test_units_are_cold_until_enough_has_come_and_warm_for_ever_after(harbour: Harbour) -> None:
    world = World()
    with gateway_worker(harbour.home):
        harbour.apply(COLD)  # the ledger is empty, so everybody is cold
        assert decide(harbour, "ann").reason == "cold-start"
        with Leadership(harbour.home, harbour.url) as leadership:
            loop = Loop(harbour.site, world, leadership)
            loop.step(harbour.clock.forward(seconds=1))
            world.warm_units = ("ann",)
            loop.step(harbour.clock.forward(seconds=EVERY - 1))
            assert decide(harbour, "ann").reason == "cold-start"
            loop.step(harbour.clock.forward(seconds=1))
            assert (decide(harbour, "ann").reason, decide(harbour, "bob").reason) == ("split", "cold-start")
            world.warm_units = ("bob",)  # Ann's outcomes were too old to keep
            loop.step(harbour.clock.forward(seconds=EVERY))
            assert (decide(harbour, "ann").reason, decide(harbour, "bob").reason) == ("split", "split")
            write_forgetting(harbour.home, (Forgetting(("ann",), (), harbour.clock.now * SECOND),))
            loop.step(harbour.clock.forward(seconds=EVERY))
            assert decide(harbour, "ann").reason == "cold-start"
            forget_warmth(harbour.home, "bob")
            assert decide(harbour, "bob").reason == "cold-start"
    harbour.close()


def test_a_look_reads_what_came_since_the_last_one_and_everything_once_a_day(harbour: Harbour) -> None:
    asked: list[int] = []

    def warm(_spec: Deployment, _cold: ColdStartSpec, since: int) -> list[str]:
        asked.append(since)
        return []

    spec, warming = load_deployment(COLD), Warming(harbour.site, warm)
    hour, now = 3_600 * SECOND, 1_000_000 * SECOND
    for at in (now, now + hour, now + 23 * hour, now + 24 * hour, now + 25 * hour):
        warming.look(spec, at)
    assert asked == [0, now - hour, now, 0, now + 23 * hour]
    harbour.close()


def test_a_missing_or_torn_file_of_warm_units_makes_nobody_cold_and_is_made_again(harbour: Harbour) -> None:
    world = World()
    world.warm_units = ("ann",)
    harbour.apply(COLD)
    path = crowd_file(harbour.home, "churn/warm-purchase-2")
    with Leadership(harbour.home, harbour.url) as leadership:
        for hurt in (path.unlink, lambda: path.write_bytes(path.read_bytes()[:-1])):
            hurt()
            assert [decide(harbour, unit).entry for unit in ("ann", "bob")] == ["everybody", "everybody"]
            Loop(harbour.site, world, leadership).step(harbour.clock.forward(seconds=1))
            assert [decide(harbour, unit).entry for unit in ("ann", "bob")] == ["everybody", "new"]
    harbour.close()


def test_who_is_warm_is_known_before_the_first_request(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "_warm", lambda _site: lambda _spec, _cold, _since: ["ann"])
    harbour.apply(COLD)
    assert [decide(harbour, unit).entry for unit in ("ann", "bob")] == ["everybody", "new"]
    harbour.close()


def test_a_file_that_cannot_be_opened_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "crowds" / "churn" / "warm-x"
    path.parent.mkdir(parents=True)
    write_crowd(path, struct.pack("<3Q", 1, 2, 3))

    def no_more_files(_path: Path) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("seatrial.control.crowds.Crowd", no_more_files)
    with pytest.raises(OSError, match="Too many open files"):
        crowds._read(path)
    monkeypatch.undo()
    assert len(crowds._read(path) or ()) == 3


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "warm-x"
    path.write_bytes(b"SEACROWD garbage")
    assert crowds._read(path) is None
    assert (tmp_path / "warm-x.damaged").read_bytes() == b"SEACROWD garbage"
