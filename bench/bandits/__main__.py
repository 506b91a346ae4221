"""Regret beside the rivals, and the price of forgetting and floors; `--publish` writes the tables into bench/README.md.

`python -m bench.bandits --repetitions 200 --publish`; the same command goes on with a run that was stopped, and
publishes scene by scene. The rivals run in an environment of their own, made on first use under
`.cache/rivals/bandits`. Theirs is nearly all of the time: hours for the horizon of 10 000.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bench.bandits.ours import Ours, drawn, play
from bench.bandits.worlds import WORLDS
from bench.results import PAGE, SCRATCH, publish
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
_CHUNK = 50
ROOT = Path(__file__).resolve().parent.parent.parent


def environment() -> str:
    """The interpreter of the rivals."""
    folder, pins = ROOT / ".cache" / "rivals" / "bandits", ROOT / "bench" / "rivals" / "requirements" / "bandits.txt"
    subprocess.run(
        [str(ROOT / "scripts" / "other-environment"), str(folder), str(pins)],
        env={**os.environ, "INSTALLER": sys.executable},
        check=True,
    )
    return str(folder / "bin" / "python")


class Kept:
    """Regrets by contestant and scene, kept as they come, so that a run that was stopped goes on."""

    def __init__(self, repetitions: int) -> None:
        self._path = SCRATCH / f"bandits-{repetitions}.json"
        self._found: dict[str, list[float]] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def get(self, name: str, play_it: Callable[[], list[float]]) -> list[float]:
        if name not in self._found:
            found = play_it()
            self._found[name] = found
            SCRATCH.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._found))
        return self._found[name]


def ours_of(scene: tuple[str, str, int], repetitions: int) -> list[float]:
    policy, world, batch = scene
    return play(WORLDS[world], _POLICIES[policy], batch, list(range(repetitions)))


def rivals_of(python: str, library: str, scene: tuple[str, str, int], repetitions: int) -> list[float]:
    policy, world, batch = scene
    found: list[float] = []
    for first in range(0, repetitions, _CHUNK):
        seeds = min(_CHUNK, repetitions - first)
        command = [python, "-m", "bench.bandits.rival", library, policy, world, *map(str, (batch, first, seeds))]
        found += json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    return found


def figure(values: list[float]) -> str:
    return f"{np.mean(values):.0f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.0f}"


def verdict(ours: list[float], rival: list[float]) -> str:
    """Upper 95 % limit of the mean difference against 10 % of the rival's regret + 2."""
    away = np.array(ours) - np.array(rival)
    upper = float(away.mean() + 1.96 * away.std(ddof=1) / np.sqrt(away.size))
    bar = 0.1 * float(np.mean(rival)) + 2
    return f"{upper:+.0f} {'≤' if upper <= bar else '> !'} {bar:.0f}"


def beside(python: str, repetitions: int, kept: Kept) -> Iterator[str]:
    """The table, longer by a scene each time."""
    lines = [
        "| policy | world | batch | seatrial | MABWiser | river | difference to MABWiser, bar | to river, bar |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for scene in _SCENES:
        with ThreadPoolExecutor(2) as pool:
            work = [
                pool.submit(kept.get, f"{one} {scene}", partial(rivals_of, python, one, scene, repetitions))
                for one in ("mabwiser", "river")
            ]
            ours = kept.get(f"seatrial {scene}", partial(ours_of, scene, repetitions))
            theirs = [one.result() for one in work]
        played = f"{scene[0]} (posterior draws)" if drawn(_POLICIES[scene[0]], scene[2]) else scene[0]
        cells = [
            played,
            scene[1],
            str(scene[2]),
            figure(ours),
            *map(figure, theirs),
            *(verdict(ours, one) for one in theirs),
        ]
        lines.append("| " + " | ".join(cells) + " |")
        yield "\n".join(lines)


def prices(repetitions: int, kept: Kept) -> Iterator[str]:
    """The table, longer by a row each time."""
    lines = ["| Thompson sampling (posterior draws) with | ten-10000 | switch |", "|---|---|---|"]
    for name, options in _PRICES.items():
        found = [
            kept.get(
                f"seatrial thompson, {name}, {world}",
                partial(play, WORLDS[world], Ours(Thompson(), options), 1, list(range(repetitions))),
            )
            for world in ("ten-10000", "switch")
        ]
        lines.append(f"| {name} | {figure(found[0])} | {figure(found[1])} |")
        yield "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--publish", action="store_true")
    given = parser.parse_args()
    kept = Kept(given.repetitions)
    told = f"{given.repetitions} repetitions, seeds 0 to {given.repetitions - 1}."
    page = PAGE if given.publish else None
    for name, tables, whole in (
        ("bandit-prices", prices(given.repetitions, kept), len(_PRICES)),
        ("bandits", beside(environment(), given.repetitions, kept), len(_SCENES)),
    ):
        for done, table in enumerate(tables, 1):
            unfinished = f" {done} of {whole} rows are measured so far." if done < whole else ""
            publish(name, {"table": table}, f"{told}{unfinished}\n\n{table}", into=SCRATCH, page=page)


if __name__ == "__main__":
    main()
