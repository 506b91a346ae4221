"""Regret beside the rivals, and the price of forgetting and floors; `--publish` writes the tables into bench/README.md.

`python -m bench.bandits --processes 2 --publish`; each regret is kept in `bench/results/bandits-regrets.json`, so that
the same command goes on with a run that was stopped, and publishes scene by scene. `--only thompson two` plays the
scenes in whose names all of these words are; the table has every scene that was played whole. The rivals run in an
environment of their own, made on first use under `.cache/rivals/bandits`. Theirs is nearly all of the time: hours for
the horizon of 10 000.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain
from pathlib import Path

import numpy as np

from bench.bandits.kept import Kept, Piece, pieces
from bench.bandits.ours import Ours, drawn, play
from bench.bandits.worlds import WORLDS
from bench.results import FOLDER, PAGE, SCRATCH, publish
from seatrial.bandits import UCB, EpsilonGreedy, Options, Thompson

_POLICIES = {
    "thompson": Ours(Thompson()),
    "ucb1": Ours(UCB()),
    "epsilon-greedy": Ours(EpsilonGreedy(0.1)),
}
_SCENES = [
    *((policy, "ten-1000", 1) for policy in _POLICIES),
    *((policy, "ten-1000", batch) for policy in _POLICIES for batch in (10, 100, 1000)),
    *(("thompson", world, 1) for world in ("ten-10000", "two", "three", "switch")),
    *(("thompson", "ten-10000", batch) for batch in (10, 100, 1000)),
    *((policy, world, 1) for policy in ("ucb1", "epsilon-greedy") for world in ("ten-10000", "two", "three", "switch")),
]
_PRICES = {
    "nothing": Options(),
    "half-life 5 000": Options(half_life=5000),
    "half-life 2 000": Options(half_life=2000),
    "half-life 500": Options(half_life=500),
    "floor 1%": Options(floor=0.01),
    "floor 5%": Options(floor=0.05),
    "half-life 2 000, floor 1%": Options(half_life=2000, floor=0.01),
    "change-reset": Options(reset=0.01),
}
_LEAST = 200
_UNDECIDED = (("thompson", "three", 1), ("thompson", "ten-10000", 10), ("epsilon-greedy", "ten-10000", 1))
"""Missed a bar under 200 seeds by less than two standard errors of the mean difference, and so are played on."""
_SWITCH = ("thompson", "switch", 1)
_CONTESTANTS = ("seatrial", "mabwiser", "river")
ROOT = Path(__file__).resolve().parent.parent.parent
Scene = tuple[str, str, int]


def repetitions_of(scene: Scene) -> int:
    """Seeds from 0. A run of epsilon-greedy may cling to a worse arm, so that its regrets scatter most of all."""
    policy, world, _ = scene
    scattered = policy == "epsilon-greedy" and (WORLDS[world].horizon == 1000 or world == "three")
    return 1000 if scattered or scene in _UNDECIDED else _LEAST


def environment() -> str:
    """The interpreter of the rivals."""
    folder, pins = ROOT / ".cache" / "rivals" / "bandits", ROOT / "bench" / "rivals" / "requirements" / "bandits.txt"
    subprocess.run(
        [str(ROOT / "scripts" / "other-environment"), str(folder), str(pins)],
        env={**os.environ, "INSTALLER": sys.executable},
        check=True,
    )
    return str(folder / "bin" / "python")


def regrets(piece: Piece, python: str) -> list[float]:
    """What a contestant loses, by seed."""
    contestant, what, first, stop = piece
    if contestant in ("mabwiser", "river"):
        policy, world, batch = scene_of(what)
        command = [python, "-m", "bench.bandits.rival", contestant, policy, world]
        command += map(str, (batch, first, stop - first))
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    seeds = list(range(first, stop))
    if what in _PRICED:
        name, world = _PRICED[what]
        return play(WORLDS[world], Ours(Thompson(), _PRICES[name]), 1, seeds)
    policy, world, batch = scene_of(what)
    return play(WORLDS[world], _POLICIES[policy], batch, seeds)


_PRICED = {f"thompson, {name}, {world}": (name, world) for name in _PRICES for world in ("ten-10000", "switch")}
_NAMED = {str(scene): scene for scene in _SCENES}


def scene_of(what: str) -> Scene:
    return _NAMED[what]


def wanted(only: Sequence[str]) -> list[tuple[str, list[Piece]]]:
    """By table, what is to be played: for each scene every contestant, a piece of the seeds at a time."""
    scenes = [scene for scene in _SCENES if all(word in map(str, scene) for word in only)]
    if not scenes:
        raise SystemExit(f"no scene has all of {' '.join(only)}; the words are policies, worlds and batches")
    return [
        (
            "bandit-prices",
            [piece for what in _PRICED for piece in pieces("seatrial", what, _LEAST)] if not only else [],
        ),
        (
            "bandits",
            [
                piece
                for scene in scenes
                for contestant in _CONTESTANTS
                for piece in pieces(contestant, str(scene), repetitions_of(scene))
            ],
        ),
    ]


def figure(values: Sequence[float]) -> str:
    return f"{np.mean(values):.0f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.0f}"


def interval(ours: Sequence[float], rival: Sequence[float]) -> str:
    """The mean difference under the same seeds, with its 95 % limits."""
    away = np.array(ours) - np.array(rival)
    wide = 1.96 * away.std(ddof=1) / np.sqrt(away.size)
    return f"{away.mean():+.0f} ({away.mean() - wide:+.0f} to {away.mean() + wide:+.0f})"


def verdict(ours: Sequence[float], rival: Sequence[float]) -> str:
    """Upper 95 % limit of the mean difference against 10 % of the rival's regret + 2."""
    away = np.array(ours) - np.array(rival)
    upper = float(away.mean() + 1.96 * away.std(ddof=1) / np.sqrt(away.size))
    bar = 0.1 * float(np.mean(rival)) + 2
    return f"{upper:+.0f} {'≤' if upper <= bar else '> !'} {bar:.0f}"


def beside(kept: Kept) -> tuple[str, int, int]:
    """The table, how many of its rows there are, and how many there will be."""
    lines = [
        "| policy | world | batch | repetitions | seatrial | MABWiser | river "
        "| difference to MABWiser, bar | to river, bar |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    done = 0
    for scene in _SCENES:
        found, repetitions = found_of(scene, kept)
        if not found:
            continue
        done += repetitions == repetitions_of(scene)
        ours, *theirs = found
        played = f"{scene[0]} (posterior draws)" if drawn(_POLICIES[scene[0]], scene[2]) else scene[0]
        cells = [played, scene[1], str(scene[2]), str(repetitions)]
        cells += [*map(figure, found), *(verdict(ours, one) for one in theirs)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines), done, len(_SCENES)


def found_of(scene: Scene, kept: Kept) -> tuple[list[list[float]], int]:
    """Regrets of each contestant under as many seeds as they shall play, or the first 200; nothing before these."""
    for repetitions in (repetitions_of(scene), _LEAST):
        found = [kept.whole(contestant, str(scene), repetitions) for contestant in _CONTESTANTS]
        if all(found):
            return found, repetitions
    return [], 0


def prices(kept: Kept) -> tuple[str, int, int]:
    """The table of 200 repetitions, how many of its rows there are, and how many there will be."""
    lines = [
        "| Thompson sampling (posterior draws) with | ten-10000 | switch "
        "| switch, less MABWiser's default (95 %) | less river's (95 %) |",
        "|---|---|---|---|---|",
    ]
    rivals = [kept.whole(rival, str(_SWITCH), _LEAST) for rival in _CONTESTANTS[1:]]
    for name in _PRICES:
        found = [kept.whole("seatrial", f"thompson, {name}, {world}", _LEAST) for world in ("ten-10000", "switch")]
        if all(found):
            beside = (interval(found[1], rival) if rival else "-" for rival in rivals)
            lines.append("| " + " | ".join([name, *map(figure, found), *beside]) + " |")
    return "\n".join(lines), len(lines) - 2, len(_PRICES)


def played(pieces: Sequence[Piece], kept: Kept, processes: int) -> Iterator[Piece]:
    """Plays what is not kept yet, some pieces at a time, and keeps each as it comes."""
    left = [piece for piece in pieces if not kept.has(piece)]
    if not left:
        return
    python = environment()
    with ProcessPoolExecutor(processes) as pool:
        running: dict[Future[list[float]], Piece] = {}
        while left or running:
            while left and len(running) < processes:
                piece = left.pop(0)
                running[pool.submit(regrets, piece, python)] = piece
            for one in wait(running, return_when=FIRST_COMPLETED).done:
                piece = running.pop(one)
                kept.keep(piece, one.result())
                yield piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--render", action="store_true", help="play nothing; the tables of what was played so far")
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    kept = Kept(FOLDER / "bandits-regrets.json")
    page = PAGE if given.publish else None
    for name, todo in wanted(given.only):
        table_of = {"bandits": beside, "bandit-prices": prices}[name]
        rows = -1
        for _ in chain([None], played([] if given.render else todo, kept, given.processes)):
            table, done, whole = table_of(kept)
            if done > rows:
                rows = done
                shown = table.count("\n") - 1
                unfinished = (
                    f"{shown} of {whole} rows are measured so far, {done} with all their repetitions.\n\n"
                    if done < whole
                    else ""
                )
                publish(name, {"table": table}, f"{unfinished}{table}", into=SCRATCH, page=page)


if __name__ == "__main__":
    main()
