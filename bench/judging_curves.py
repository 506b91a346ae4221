"""What judging a plain file of units costs by its rows, its metrics and its variants; beside tea-tasting where it can.

    python -m bench.judging_curves --turns 3 --publish

Each turn is a process of its own and turns alternate; figures are medians. One axis is varied at a time, the others
stand at a million rows, twenty metrics and two variants. tea-tasting is asked of two variants alone.
"""

import argparse
import statistics
import sys
import tempfile
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from bench.contestant import ROOT
from bench.judging import Turn, rivals_python, turn, write_units
from bench.results import machine, machine_line, rows, run

ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
METRICS = (1, 5, 20, 80)
VARIANTS = (2, 3, 5, 10)
MIDDLE = (1_000_000, 20, 2)


class Size(NamedTuple):
    """How large a file is."""

    rows: int
    metrics: int
    variants: int


def sizes() -> list[Size]:
    """All of them, each once."""
    some = [Size(n, MIDDLE[1], MIDDLE[2]) for n in ROWS]
    some += [Size(MIDDLE[0], m, MIDDLE[2]) for m in METRICS]
    some += [Size(MIDDLE[0], MIDDLE[1], k) for k in VARIANTS]
    return list(dict.fromkeys(some))


def measure(turns: int, most: int) -> dict[str, Any]:
    """Every size of at most so many rows."""
    rival = rivals_python()
    return {
        "machine": machine(),
        "turns": turns,
        "sizes": [measured(size, turns, rival) for size in sizes() if size.rows <= most],
    }


def measured(size: Size, turns: int, rival: str) -> dict[str, Any]:
    """One size: medians of ours and, with two variants, of tea-tasting."""
    with tempfile.TemporaryDirectory(prefix="bench-curves-") as folder:
        file = Path(folder) / "units.parquet"
        write_units(file, *size)
        asked = {"ours": [sys.executable, "-m", "bench.judging", "--metrics", str(size.metrics), "--ours", str(file)]}
        if size.variants == 2:
            asked["theirs"] = [rival, str(ROOT / "bench" / "rivals" / "tea_tasting.py"), str(file), str(size.metrics)]
        found: dict[str, list[Turn]] = {name: [] for name in asked}
        for number in range(turns):
            for name in list(asked)[:: 1 if number % 2 == 0 else -1]:
                found[name].append(turn(asked[name]))
    effects = {f"{each.effect:.9e}" for some in found.values() for each in some}
    if len(effects) != 1:
        raise SystemExit(f"the effects differ: {effects}")
    print(size, {name: statistics.median(each.seconds for each in some) for name, some in found.items()}, flush=True)
    return {**size._asdict(), **{name: [each._asdict() for each in some] for name, some in found.items()}}


def render(found: dict[str, Any]) -> str:
    """A table an axis, one under the other."""
    axes = (("rows", 0), ("metrics", 1), ("variants", 2))
    told = [f"Measured on {machine_line(found['machine'])}; medians of {found['turns']} turns."]
    for name, place in axes:
        others = [key for key, at in axes if at != place]
        some = [one for one in found["sizes"] if all(one[key] == MIDDLE[at] for key, at in axes if at != place)]
        fixed = " and ".join(f"{MIDDLE[dict(axes)[key]]:,} {key}".replace(",", " ") for key in others)
        header = (f"{name}, at {fixed}", "seconds", "processor seconds", "peak memory, MB", "tea-tasting's seconds")
        lines = [_line(one, name) for one in sorted(some, key=itemgetter(name))]
        told.append(rows(header, lines))
    return "\n\n".join(told)


def _line(one: dict[str, Any], name: str) -> tuple[str, ...]:
    def middle(who: str, what: str) -> float:
        return float(statistics.median(each[what] for each in one[who]))

    theirs = f"{middle('theirs', 'seconds'):.2f}" if "theirs" in one else ""
    return (
        f"{one[name]:,}".replace(",", " "),
        f"{middle('ours', 'seconds'):.2f}",
        f"{middle('ours', 'processor'):.2f}",
        f"{middle('ours', 'megabytes'):.0f}",
        theirs,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=max(ROWS), help="Sizes of at most so many rows.")
    parser.add_argument("--publish", action="store_true", help="Keep the result, and put the tables into the page.")
    parser.add_argument("--render", action="store_true", help="The tables again, of a result that was kept.")
    parser.add_argument("--into", type=Path, help="Where the result is written.")
    given = parser.parse_args()
    run("judging-curves", given, lambda: measure(given.turns, given.rows), render)


if __name__ == "__main__":
    main()
