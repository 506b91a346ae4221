"""Counters of a worker in a memory-mapped file: they outlive the worker, and anybody may read them.

A file is a header (magic, number of records) and records of 256 bytes: an int64 value, the length of the name, the
name. The name is written before the number of records is raised, and records never move, so a reader at any moment sees
whole names; growing makes the file longer and maps it again, while older maps go on to show the same memory. One
process writes a file, and within it one thread at a time a slot: adding takes no lock.

Names are Prometheus series, ``requests_total{deployment="churn",reason="split"}``. A file is never taken away when its
worker dies: sums over the directory never go back, and a worker that comes back under the same name goes on counting.
"""

import bisect
import mmap
import os
import re
import struct
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

MAGIC = b"SEACNT01"
RECORD = 256
HEADER = 256
SUFFIX = ".counters"
NAME_BYTES = RECORD - 8 - 2
GROW_RECORDS = 256

SERVED = "rows_total"
LOGGED = "rows_logged_total"
DROPPED = "rows_dropped_total"
CRASH = "crash"

BREAKERS_OPEN = "breakers_open"
CALLS_HELD = "calls_held"
UNDER_WAY = "requests_under_way"
SHADOW_WAITING = "shadow_waiting"
WAITING_BYTES = "ledger_waiting_bytes"
CACHE_BYTES = "cache_bytes"
GAUGES = frozenset((BREAKERS_OPEN, CACHE_BYTES, CALLS_HELD, UNDER_WAY, SHADOW_WAITING, WAITING_BYTES))
"""Not counts of what was but of what is: a process that died has none of it, so they begin at 0 with the next."""

LATENCY_BOUNDS_US = (
    100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 50_000, 75_000,
    100_000, 150_000, 200_000, 300_000, 500_000, 750_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
)  # fmt: skip
"""Upper bounds of the latency buckets, microseconds."""

_SERIES = re.compile(r"^(?P<name>[^{]+)(?:\{(?P<labels>.*)\})?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def series(name: str, /, **labels: str) -> str:
    """A series' name with its labels, in the spelling of Prometheus; labels in the order given."""
    if not labels:
        return name
    return name + "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels.items()) + "}"


def parse_series(text: str) -> tuple[str, dict[str, str]]:
    """The name and the labels of a series."""
    found = _SERIES.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not the name of a counter")
    labels = {key: _unescape(value) for key, value in _LABEL.findall(found["labels"] or "")}
    return found["name"], labels


class CounterFile:
    """The counters of one process.

    ``add`` takes a slot, which `slot` gives for a name once; the hot path does no look-up by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._growing = threading.Lock()
        self._slots: dict[str, int] = {}
        self._count = 0
        if os.fstat(self._file).st_size < HEADER:
            os.ftruncate(self._file, HEADER + GROW_RECORDS * RECORD)
            os.pwrite(self._file, MAGIC, 0)
        self._map()
        if self._memory[: len(MAGIC)] != MAGIC:
            raise ValueError(f"{path} is not a counter file; remove it")
        self._count = self._values[1]
        self._slots = {name: _position(i) for i, (name, _) in enumerate(_records(self._memory))}

    @classmethod
    def create(cls, path: Path, names: Iterable[str] = ()) -> "CounterFile":
        """Open a worker's counters, made when they are not there; an existing file goes on from its values.

        What an earlier, dead process of this name served and neither logged nor dropped is booked as lost in a crash.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        file = cls(path)
        _book_crash(file)
        for name in names:
            file.slot(name)
        return file

    def slot(self, name: str) -> int:
        """The slot of a name, added when it is new (which may make the file grow).

        Raises:
            ValueError: The name is longer than 246 bytes.
        """
        known = self._slots.get(name)
        if known is not None:
            return known
        with self._growing:
            if name not in self._slots:
                self._slots[name] = self._add_name(name)
            return self._slots[name]

    def add(self, slot: int, n: int = 1) -> None:
        """Add to a slot."""
        self._values[slot] += n

    def put(self, slot: int, value: int) -> None:
        """Say what a slot holds; for what only one thread ever says."""
        self._values[slot] = value

    @property
    def cells(self) -> memoryview:
        """The values by slot, for whoever cannot afford a call; slots that are there now stay where they are."""
        return self._values

    def value(self, slot: int) -> int:
        """What a slot holds."""
        return self._values[slot]

    def values(self) -> dict[str, int]:
        """All counters of this file."""
        return {name: self._values[slot] for name, slot in self._slots.items()}

    def close(self) -> None:
        """Let the file go; its values stay."""
        os.close(self._file)

    def _add_name(self, name: str) -> int:
        encoded = name.encode()
        if len(encoded) > NAME_BYTES:
            raise ValueError(f"the counter name {name[:60]!r}... is over {NAME_BYTES} bytes; use shorter names")
        start = HEADER + self._count * RECORD
        if start + RECORD > len(self._memory):
            os.ftruncate(self._file, start + GROW_RECORDS * RECORD)
            self._map()
        self._memory[start + 8 : start + 10] = struct.pack("<H", len(encoded))
        self._memory[start + 10 : start + 10 + len(encoded)] = encoded
        self._count += 1
        self._values[1] = self._count
        return _position(self._count - 1)

    def _map(self) -> None:
        # Older maps of the same file stay alive while somebody adds through them: it is the same memory.
        self._memory = mmap.mmap(self._file, 0)
        self._values = memoryview(self._memory).cast("q")


class Histogram:
    """A latency histogram with fixed buckets in a counter file.

    Buckets are series ``<name>_bucket{…,le="…"}``, each holding its own observations only, not the running sums that
    Prometheus wants.

    Args:
        file: Where it is counted.
        name: Name of the histogram.
        bounds: Upper bounds (inclusive), ascending; one more bucket takes the rest.
    """

    def __init__(
        self, file: CounterFile, name: str, labels: Mapping[str, str], bounds: tuple[int, ...] = LATENCY_BOUNDS_US
    ) -> None:
        self._file = file
        self._bounds = bounds
        edges = [*map(str, bounds), "+Inf"]
        self._buckets = [file.slot(series(f"{name}_bucket", **labels, le=edge)) for edge in edges]
        self._sum = file.slot(series(f"{name}_sum", **labels))

    def observe(self, value: int) -> None:
        """Count one value."""
        self._file.add(self._buckets[bisect.bisect_left(self._bounds, value)])
        self._file.add(self._sum, value)


def read_counters(directory: Path) -> dict[str, int]:
    """Sums over every worker's file, dead workers included; a name nobody has counted is absent."""
    totals: dict[str, int] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        for name, value in read_file(path).items():
            totals[name] = totals.get(name, 0) + value
    return totals


def read_file(path: Path) -> dict[str, int]:
    """The counters of one file; empty when it is not (or not yet) a counter file."""
    data = path.read_bytes()
    return dict(_records(data)) if data[: len(MAGIC)] == MAGIC else {}


def retire(directory: Path, worker: str) -> dict[str, int]:
    """Book what a dead worker left open as dropped by the crash; the caller knows that it is dead.

    Safe to repeat: once booked there is nothing left to book.

    Returns:
        Rows booked now, by deployment.
    """
    path = directory / f"{worker}{SUFFIX}"
    if not path.exists():
        return {}
    file = CounterFile(path)
    try:
        return _book_crash(file)
    finally:
        file.close()


def _book_crash(file: CounterFile) -> dict[str, int]:
    """Per deployment: served, less logged, less dropped, becomes ``dropped{reason="crash"}``."""
    lost: dict[str, int] = {}
    for text, value in file.values().items():
        name, labels = parse_series(text)
        if name in GAUGES:
            file.add(file.slot(text), -value)
        if name in (SERVED, LOGGED, DROPPED):
            deployment = labels.get("deployment", "")
            lost[deployment] = lost.get(deployment, 0) + (value if name == SERVED else -value)
    lost = {deployment: rows for deployment, rows in lost.items() if rows > 0}
    for deployment, rows in lost.items():
        file.add(file.slot(series(DROPPED, deployment=deployment, reason=CRASH)), rows)
    return lost


def _position(record: int) -> int:
    """Index of a record's value among the file's int64s."""
    return (HEADER + record * RECORD) // 8


def _records(data: bytes | mmap.mmap) -> list[tuple[str, int]]:
    (count,) = struct.unpack_from("<q", data, 8)
    found = []
    for record in range(count):
        start = HEADER + record * RECORD
        value, length = struct.unpack_from("<qH", data, start)
        found.append((bytes(data[start + 10 : start + 10 + length]).decode(), value))
    return found


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)
