"""Judging a release from the ledger, cold, and again after one per cent of new rows: seconds, processor time, memory.

    python -m bench.rejudging --rows 10000000 --metrics 20

A ledger is written as the compactor leaves it: exposures of a third as many units (three requests each within a day of
the first and before the end, over fourteen days), and outcomes of a name for every four metrics, each for a twelfth of
the units, within a day. Every judgement is a process of its own, whose imports do not count; the files are in the page
cache, for they were written just before. Judging again without what was remembered must say the same (``--check``), or
the bench stops. With ``--spread`` windows are of two weeks, and the new outcomes are of units of all ages.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pandas  # noqa: F401  (imported late otherwise, at the first array of pyarrow's that is asked for)
import pyarrow as pa

from bench.judging import DAY, START, spent, turn
from seatrial.experiments.judge import judge
from seatrial.experiments.unit_shelf import DiskShelves
from seatrial.ledger import layout
from seatrial.ledger.columns import ENVELOPE, OUTCOME, TIME
from seatrial.ledger.reader import Reader
from seatrial.ledger.table import append, with_day
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.snapshot import Arm
from seatrial.spec.deployment import Deployment
from seatrial.spec.read import load_deployment

HOUR = 3_600_000_000
DAYS = 14
PART = 500_000
REQUESTS = 3
NEW = 0.01


def write_rows(home: Path, first: int, rows: int, begin: int, end: int) -> None:
    """Exposures of ``rows // 3`` units numbered from ``first``, in a span of time."""
    rng = np.random.default_rng(first)
    for start in range(0, rows, PART):
        n = min(PART, rows - start)
        number = start + np.arange(n)
        unit = first + number // REQUESTS
        # a share of the span, not rows times microseconds: that passes 2**63 from 7.6 million rows on
        begun = begin + (number // REQUESTS * REQUESTS / rows * (end - begin)).astype(np.int64)
        at = begun + (number % REQUESTS) * rng.integers(0, np.minimum(DAY, end - begun) // REQUESTS + 1)
        arm = np.where(_arms(unit), "new", "control")
        append(layout.table(home, "bench"), with_day(_rows(first * REQUESTS + number, unit, at, arm, rng), "at"), {})


def _arms(unit: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return (unit * 2_654_435_761 % 2**32) < 2**31


def _rows(number, unit, at, arm, rng) -> pa.Table:  # type: ignore[no-untyped-def]
    n = len(unit)
    same = {
        "row": 0, "role": "answer", "unit_named": True, "entry": "all", "reason": "split", "answered_by": "assigned",
        "propensity": 0.5, "contested": True, "release": "r1", "phase": 1, "revision": 1, "error": "", "sampled": True,
    }  # fmt: skip
    columns = {name: pa.array(np.full(n, value)) for name, value in same.items()}
    words = pa.array(arm)
    columns |= dict.fromkeys(("variant", "assigned_version", "answered", "version"), words)
    columns |= {
        "request_id": pa.array([f"{each:020x}" for each in number]),
        "key": pa.nulls(n, pa.string()),
        "at": pa.array(at).cast(TIME),
        "unit": pa.array([f"customer-{each}" for each in unit]),
        "status": pa.array(np.where(rng.random(n) < 0.001, "error", "ok")),
        "latency_us": pa.array(rng.lognormal(8, 0.5, n).astype(np.int64)),
    }
    envelope = pa.table({field.name: columns[field.name].cast(field.type) for field in ENVELOPE})
    for feature in range(5):
        envelope = envelope.append_column(f"feature.f{feature}", pa.array(rng.normal(size=n)))
    return envelope.append_column("prediction.score", pa.array(rng.random(n)))


def write_outcomes(home: Path, first: int, units: int, names: int, begin: int, end: int) -> None:
    """Of every name, of a twelfth of the units each."""
    rng = np.random.default_rng(first + 1)
    for name in range(names):
        n = units // 12
        of = rng.integers(0, units, n)
        at = begin + (of * (end - begin) // units).astype(np.int64) + rng.integers(0, DAY, n)
        came = np.sort(at)  # what has come by the end; the rest is not written
        at, of = at[np.argsort(at)][came <= end], of[np.argsort(at)][came <= end]
        append(layout.outcomes(home), with_day(_outcomes(f"o{name}", first, of, at, rng), "received_at"), {})


def write_spread(home: Path, units: int, names: int, begin: int, end: int) -> None:
    """Of every name, of one unit in 1 200, whenever it began, in a span of time."""
    rng = np.random.default_rng(units)
    for name in range(names):
        n = int(units * NEW) // 12
        at = np.sort(rng.integers(begin, end, n))
        # their ids are no others': they count on from where no unit is
        told = _outcomes(f"o{name}", 2 * units, rng.integers(0, units, n) - 2 * units, at, rng)
        append(layout.outcomes(home), with_day(told, "received_at"), {})


def _outcomes(name, first, of, at, rng) -> pa.Table:  # type: ignore[no-untyped-def]
    n = len(of)
    amount, items = rng.lognormal(3, 1, n), rng.integers(1, 5, n)
    columns = {
        "outcome": pa.array(np.full(n, name)),
        "id": pa.array([f"{name}-{first}-{each}" for each in range(n)]),
        "deployment": pa.array(np.full(n, "")),
        "unit": pa.array([f"customer-{first + each}" for each in of]),
        "value_kind": pa.array(np.full(n, "number")),
        "value_number": pa.array(amount),
        "withdrawn": pa.array(np.zeros(n, dtype=bool)),
        "fields": pa.array([f'{{"amount":{a:.2f},"items":{i}}}' for a, i in zip(amount, items, strict=True)]),
        "at": pa.array(at).cast(TIME),
        "received_at": pa.array(at).cast(TIME),
    }
    return pa.table({f.name: columns.get(f.name, pa.nulls(n, f.type)).cast(f.type) for f in OUTCOME})


def deployment(metrics: int, window: str) -> Deployment:
    """Four metrics an outcome: how many, how much, how much an item, and how many items."""
    names = -(-metrics // 4)
    kinds = (
        "kind: proportion, outcome: o{i}",
        "kind: mean, outcome: o{i}, value: amount",
        "kind: ratio, outcome: o{i}, numerator: amount, denominator: items",
        "kind: mean, outcome: o{i}, value: items",
    )
    asked = [f"  m{n}: {{{kinds[n % 4].format(i=n // 4)}, within: {window}, grace: 1h}}" for n in range(metrics)]
    fields = [f"  o{i}: {{fields: {{amount: number, items: integer}}}}" for i in range(names)]
    return load_deployment(
        "deployment: bench\nvariants:\n"
        "  control: {model: 'models:/bench@champion'}\n  new: {model: 'models:/bench/2'}\n"
        "default: control\nrouting: [{name: all, split: {control: 100%}}]\n"
        "outcomes:\n" + "\n".join(fields) + "\nmetrics:\n" + "\n".join(asked) + "\n"
        "release: {of: new, into: all, stages: [test: {}], primary: {metric: m0, minimum_effect: {relative: 2%}}}\n"
    )


RUN = ReleaseRun(
    id="r1",
    deployment="bench",
    entry="all",
    champion="control",
    challenger="new",
    champion_version="control",
    challenger_version="new",
    salt="",
    stage="test",
    stage_started_at=START,
    started_at=START,
    caps={"p50": 3000.0, "p99": 9500.0},
    phases=(Phase(number=1, arms=(Arm("control", 0.5), Arm("new", 0.5)), started_at=START, revision=1),),
)


def one(home: Path, metrics: int, window: str, now: int, *, remembered: bool, said: Path) -> None:
    """One judgement, in this process; prints what it took."""
    spec = deployment(metrics, window)
    shelves = DiskShelves(layout.units(home, "bench")) if remembered else None
    begun, used = time.perf_counter(), time.process_time()
    with Reader(home).open("bench") as view:
        found = judge(spec, RUN, view, now, shelves=shelves)
    took = spent(begun, used)
    said.write_bytes(msgspec.json.encode(found))
    print(json.dumps({**took, "effect": found.metric("m0").verdict.effect}))


def measure(home: Path, rows: int, metrics: int, *, check: bool, spread: bool) -> Iterator[str]:
    """Lines of the table."""
    names, span, window = -(-metrics // 4), DAYS * DAY, f"{DAYS}d" if spread else "1d"
    until, more = START + span, int(rows * NEW)
    write_rows(home, 0, rows, START, until)
    write_outcomes(home, 0, rows // REQUESTS, names, START, until)
    yield _line("cold", home, metrics, window, until, "remembered")
    yield _line("again, nothing new", home, metrics, window, until + HOUR // 60, "remembered")
    later = until + int(span * NEW)
    write_rows(home, rows // REQUESTS + 1, more, until, later)
    if spread:
        write_spread(home, rows // REQUESTS, names, until, later)
    else:
        write_outcomes(home, rows // REQUESTS + 1, more // REQUESTS, names, until, later)
    yield _line("again, 1 % new rows", home, metrics, window, later, "remembered")
    if check:
        yield _line("all at once, nothing kept", home, metrics, window, later, "plain")
        same(home / "remembered.json", home / "plain.json")


def same(a: Path, b: Path) -> None:
    """Stops where two judgements differ by more than rounding."""
    for one_, other in zip(_numbers(json.loads(a.read_bytes())), _numbers(json.loads(b.read_bytes())), strict=True):
        if one_ != other and not (
            isinstance(one_, float) and isinstance(other, float) and abs(one_ - other) <= 1e-9 * abs(other)
        ):
            raise SystemExit(f"the judgements differ: {one_!r} and {other!r}")


def _numbers(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    else:
        yield value


def _line(name: str, home: Path, metrics: int, window: str, now: int, how: str) -> str:
    command = [sys.executable, "-m", "bench.rejudging", "--one", str(home), "--metrics", str(metrics)]
    found = turn([*command, "--window", window, "--now", str(now), "--how", how])
    return f"| {name} | {found.seconds:.1f} | {found.processor:.1f} | {found.megabytes:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--check", action="store_true", help="Also judge all at once, and compare: wants much memory.")
    parser.add_argument("--spread", action="store_true", help="New outcomes are of units of all ages.")
    parser.add_argument("--one", type=Path, help="Internal: one judgement of the ledger in a folder.")
    parser.add_argument("--now", type=int)
    parser.add_argument("--window")
    parser.add_argument("--how", choices=["remembered", "plain"])
    asked = parser.parse_args()
    if asked.one:
        said = asked.one / f"{asked.how}.json"
        one(asked.one, asked.metrics, asked.window, asked.now, remembered=asked.how == "remembered", said=said)
        return
    home = Path(tempfile.mkdtemp(prefix="bench-rejudging-"))
    try:
        print("| judgement | seconds | processor seconds | most memory, MB |\n|---|---|---|---|")
        for line in measure(home, asked.rows, asked.metrics, check=asked.check, spread=asked.spread):
            print(line, flush=True)
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
