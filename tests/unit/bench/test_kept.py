"""What a run of `bench.bandits` keeps: pieces of seeds in any order, and a run that goes on."""

from pathlib import Path

import pytest

from bench.bandits.kept import Kept, pieces


def test_pieces_have_every_seed_once() -> None:
    seeds = [seed for *_, first, stop in pieces("river", "a scene", 130) for seed in range(first, stop)]
    assert seeds == list(range(130))


def test_pieces_that_come_in_any_order_are_put_in_the_order_of_the_seeds(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "regrets.json")
    first, second, third = pieces("river", "a scene", 150)
    for piece in (second, third):
        kept.keep(piece, [float(seed) for seed in range(*piece[2:])])
    assert kept.whole("river", "a scene", 50) == []
    assert not kept.has(first)
    assert kept.has(third)
    again = Kept(tmp_path / "regrets.json")
    assert again.has(second)
    again.keep(first, [float(seed) for seed in range(50)])
    assert again.whole("river", "a scene", 150) == [float(seed) for seed in range(150)]
    assert again.whole("river", "a scene", 120) == [float(seed) for seed in range(120)]
    assert again.whole("river", "a scene", 151) == []


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "regrets.json")
    for piece in pieces("seatrial", "a scene", 200):
        kept.keep(piece, [1.0] * 200)
    left = [piece for piece in pieces("seatrial", "a scene", 1000) if not kept.has(piece)]
    assert [piece[2] for piece in left] == [200, 400, 600, 800]


def test_a_piece_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 regrets of river for 50 seeds"):
        Kept(tmp_path / "regrets.json").keep(pieces("river", "a scene", 50)[0], [1.0, 2.0, 3.0])
