"""Seatrial beside other servers of the same model, in pairs of neighbouring turns: ``python -m bench.serving --help``.

Servers run on one core and the load on the other. Seatrial is up all the time, a rival while it is measured; whoever
waits for its turn is stopped (SIGSTOP). A pair is one turn of each under the same load, in an order that alternates,
and only ratios within pairs are quoted, because machines are noisy. A rival whose installation, start or answers fail
is listed with its last word.
"""

import argparse
import copy
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench import ours, results
from bench.contestant import Contestant, Unfit
from bench.environments import python_of, version_of
from bench.field import OURS_INFER, RIVALS, Answer, Rival
from bench.load import Shape, Turn
from bench.model import make_model
from bench.rivals.session import Session
from bench.serving_table import render

WARM_SECONDS = 1.0
FAR = 1 / 5
"""Below every bar: a lucky start must not end the measurement at one."""
FAR_PAIRS = 3


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        rivals: Whom.
        shapes: Under which loads.
        pairs: Pairs of turns with each rival and load; `FAR_PAIRS` where ours then use under `FAR` of its CPU.
        seconds: Length of a turn.
    """

    rivals: Sequence[Rival]
    shapes: Sequence[Shape]
    pairs: int
    seconds: float


def measure(plan: Plan) -> dict[str, Any]:
    """Everything, as `bench.serving_table.render` takes it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        features, expected = prepare(place)
        with running(ours.start(place, features), expected) as seatrial:
            seatrial.settle()
            infer = _speaking(seatrial, OURS_INFER, features)
            found: dict[str, Any] = {
                "machine": results.machine(),
                "seconds": plan.seconds,
                "rivals": {OURS_INFER.name: _against(infer, seatrial, plan, memory=False)},
            }
            for rival in plan.rivals:
                found["rivals"][rival.name] = _rival(rival, seatrial, place, features, expected, plan)
            found["memory_mib"] = seatrial.tree.memory_mib()
    return found


def prepare(place: Path) -> tuple[dict[str, float], Answer]:
    """The model and a home in ``place``: the row that is asked, and its answer by ONNX Runtime itself."""
    make_model(place)
    ours.register(place)
    ours.apply(place, "bench", ours.SPLIT)
    features = json.loads((place / "features.json").read_text())
    answer = Session(str(place / "model.onnx")).one(features)
    return features, (answer["prediction"], answer["score"])


@contextmanager
def running(contestant: Contestant, expected: Answer) -> Iterator[Contestant]:
    """A contestant that answers rightly; ended behind. Raises Unfit."""
    with ExitStack() as stack:
        stack.callback(contestant.end)
        contestant.wait_ready(expected)
        yield contestant


def _speaking(contestant: Contestant, rival: Rival, features: dict[str, float]) -> Contestant:
    """The same server asked in another way."""
    other = copy.copy(contestant)
    other.rival, other.body = rival, json.dumps(rival.speech.body(features))
    return other


def _rival(
    rival: Rival, seatrial: Contestant, place: Path, features: dict[str, float], expected: Answer, plan: Plan
) -> dict[str, Any]:
    seatrial.tree.pause()
    try:
        python = python_of(rival)
        command = [python, "-m", f"bench.rivals.{rival.module}", str(rival.port), str(place)]
        with running(Contestant(rival, command, place, features), expected) as contestant:
            contestant.settle()
            found = _against(contestant, seatrial, plan, memory=True)
            found["version"] = version_of(rival, python)
            return found
    except Unfit as error:
        print(f"{rival.name}: {error}", flush=True)
        return {"error": str(error)[:300]}
    finally:
        seatrial.tree.resume()


def _against(contestant: Contestant, seatrial: Contestant, plan: Plan, *, memory: bool) -> dict[str, Any]:
    shapes = {shape.name: _pairs(contestant, seatrial, shape, plan) for shape in plan.shapes}
    return {"shapes": shapes, **({"memory_mib": contestant.tree.memory_mib()} if memory else {})}


def _pairs(contestant: Contestant, seatrial: Contestant, shape: Shape, plan: Plan) -> list[dict[str, Any]]:
    pairs: list[dict[str, Any]] = []
    for number in range(plan.pairs):
        if number == FAR_PAIRS and _ratio(pairs) < FAR:
            break
        both = {"ours": seatrial, "theirs": contestant}
        order = list(both) if number % 2 == 0 else list(both)[::-1]
        turns = {who: _turn(both[who], both, shape, plan.seconds) for who in order}
        pairs.append({who: turn._asdict() for who, turn in turns.items()})
    told = f"{len(pairs)} pairs, CPU ratio {_ratio(pairs):.3f}"
    print(f"{contestant.rival.name:28s} {shape.name:28s} {told}", flush=True)
    return pairs


def _ratio(pairs: Sequence[dict[str, Any]]) -> float:
    """Median of our CPU a request over theirs; a rival that used none that could be seen counts as a microsecond."""
    return statistics.median(pair["ours"]["cpu_us"] / max(1.0, pair["theirs"]["cpu_us"]) for pair in pairs)


def _turn(contestant: Contestant, both: dict[str, Contestant], shape: Shape, seconds: float) -> Turn:
    for other in both.values():
        other.tree.pause()
    contestant.tree.resume()
    contestant.turn(shape, WARM_SECONDS)
    turn = contestant.turn(shape, seconds)
    if turn.failed and shape.connections:
        raise Unfit(f"{turn.failed} requests failed at {shape.name}")
    return turn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="only these rivals (the names of their files)")
    parser.add_argument("--pairs", type=int, default=9, help="pairs of turns with each rival and load (9)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (2)")
    parser.add_argument("--connections", type=int, nargs="*", default=[4, 32], help="closed loops (4 32)")
    parser.add_argument("--rates", type=float, nargs="*", default=[200.0], help="open loops, requests a second (200)")
    parser.add_argument("--into", type=Path, help="folder of the JSON (.cache/bench)")
    parser.add_argument("--publish", action="store_true", help="write bench/results and the table of bench/README.md")
    parser.add_argument("--render", action="store_true", help="measure nothing: the table of the JSON that is there")
    given = parser.parse_args()
    results.run(
        "serving",
        given,
        lambda: measure(
            Plan(
                [rival for rival in RIVALS if given.only is None or rival.module in given.only],
                [*(Shape(connections=n) for n in given.connections), *(Shape(rate=rate) for rate in given.rates)],
                given.pairs,
                given.seconds,
            )
        ),
        render,
    )


if __name__ == "__main__":
    main()
