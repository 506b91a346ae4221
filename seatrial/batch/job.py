"""A run: rows in, shards and rejects and a table out; what was killed goes on after its last finished shard.

    out/manifest.ndjson   what the run is, and its finished shards (`manifest`)
    out/shards/           the answers, as Parquet (`shards`)
    out/rejects.ndjson    the rows that were set aside, with their reasons
    out/tables/, current  the table that lookups are served from (`models.score_table`)

A shard counts once its answers, its rejects and its part of the table are on the disk and the manifest says so.
Nothing is written to the ledger: an exposure is a score that was looked up, not one that was computed.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from seatrial.batch import manifest
from seatrial.batch.feeding import Fed, Feeder, wanted_by
from seatrial.batch.plan import Ask, Plan, active_snapshot, make_plan
from seatrial.batch.reading import CHUNK_ROWS, Chunk, Input, Wanted, digest_of, open_input
from seatrial.batch.scoring import Scorer
from seatrial.batch.shards import REJECTS, SHARDS, Rejects, ShardWriter, shard_schema
from seatrial.batch.table_writer import TableWriter
from seatrial.models.runtimes import Runtime, load
from seatrial.models.score_table import About, Held
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import Conflict
from seatrial.spec.signature import Feature

State = Literal["finished", "interrupted", "standing"]

PATIENCE = 120.0
"""Seconds that one call of an out-of-process model may take; a chunk is many rows."""


class Progress(NamedTuple):
    """How far a run is: the share of the input that was read, the rows done, and the lines set aside."""

    share: float
    rows: int
    rejected: int


class Summary(NamedTuple):
    """What a run came to.

    Attributes:
        state: ``finished``; ``interrupted``: the same command goes on; ``standing``: it was finished before.
        rows: Input rows that are done, ``before`` of them by an earlier start of the run.
        scored: Answers by variant.
        rejected: Lines in ``rejects``.
        absent: Features that the input has no column for.
        table: Name of the table that lookups take now; "" where none was published.
    """

    deployment: str
    state: State
    out: str
    rows: int
    before: int
    scored: Mapping[str, int]
    rejected: int
    rejects: str
    shards: int
    absent: tuple[str, ...]
    table: str
    seconds: float


def run(
    home: Path,
    ask: Ask,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    monotonic: Callable[[], float] = time.monotonic,
) -> Summary:
    """Score a file.

    Args:
        home: Home directory of the machine; its published snapshot says which versions score.
        stop: Asked after every chunk; True ends the run there, with what is done on the disk.
        progress: Told after every chunk.
        clock: Microseconds since 1970 UTC.

    Raises:
        NotFound: No such deployment, variant or file.
        BadInput: The file lacks a column, or cannot be read.
        Conflict: ``out`` holds another run, or one of another input; or somebody else is at it.
        SeatrialError: A model cannot be loaded, or fails at every row; finished shards stay.
    """
    started = monotonic()
    plan = make_plan(active_snapshot(home, ask.deployment), ask)
    source = open_input(ask.file, Wanted(ask.key, ask.unit, _features(plan)))
    begun = manifest.Begun(
        started_at=clock(),
        deployment=ask.deployment,
        file=str(ask.file),
        digest=digest_of(ask.file),
        key=ask.key,
        unit=ask.unit,
        whose=plan.whose,
        versions=plan.versions,
        routing=plan.routing,
    )
    ask.out.mkdir(parents=True, exist_ok=True)
    with _alone(ask.out):
        before = None if ask.fresh else manifest.read(ask.out)
        if before is not None:
            manifest.check_same(before.begun, begun, ask.out)
        record = before or _begin(ask.out, begun)
        done, ended = record, record.ended
        if ended is None:
            with ExitStack() as stack:
                work = _Run(ask, plan, source, record, stack)
                done = work.shards(stop, progress)
                if work.exhausted:
                    ended = work.end(done, clock())
        state: State = "standing" if record.ended else "finished" if ended else "interrupted"
        return _summary(ask, source, done, record.rows, ended, state, monotonic() - started)


class _Run:
    """The files and models of a run that is under way; ``stack`` closes them."""

    def __init__(self, ask: Ask, plan: Plan, source: Input, record: manifest.Record, stack: ExitStack) -> None:
        self._ask, self._plan, self._source, self._record = ask, plan, source, record
        self._scorers = {slot.variant: Scorer(slot, _opened(slot, stack)) for slot in plan.slots}
        transform = plan.snapshot.transform
        self._feeder = None if transform is None else Feeder(plan.snapshot, transform, PATIENCE, stack)
        self._schema = shard_schema(list(self._scorers.values()), units=ask.unit is not None)
        versions = list(dict.fromkeys(slot.model_version for slot in plan.slots))
        self._table = stack.enter_context(TableWriter(ask.out, versions, fresh=not record.shards))
        self._rejects = Rejects(ask.out, record.rejects_bytes)
        stack.callback(self._rejects.close)
        self._input = _stamp(ask.file)
        self.exhausted = False

    def shards(self, stop: Callable[[], bool], progress: Callable[[Progress], None]) -> manifest.Record:
        """Write shards until the input or the patience is at its end."""
        done = self._record
        size = min(CHUNK_ROWS, self._ask.shard_rows)
        chunks = self._source.chunks(done.rows, size)
        while not stop() and not self.exhausted:
            shard = self._shard(done, chunks, stop, progress)
            if shard is not None:
                done = done._replace(shards=(*done.shards, shard))
        return done

    def end(self, done: manifest.Record, now: int) -> manifest.Ended:
        """Publish the table, where anything was scored, and say that the run is over."""
        slots = {slot.model_version: slot for slot in self._plan.slots}
        held = {version: Held(slot.digest, self._table.rows(version)) for version, slot in slots.items()}
        about = About(
            deployment=self._ask.deployment,
            key=self._ask.key,
            started_at=done.begun.started_at,
            versions=held,
        )
        table = self._table.publish(about) if any(one.rows for one in held.values()) else ""
        ended = manifest.Ended(ended_at=now, table=table)
        manifest.write(self._ask.out, ended)
        self._table.discard()
        return ended

    def _shard(
        self,
        done: manifest.Record,
        chunks: Iterator[Chunk],
        stop: Callable[[], bool],
        progress: Callable[[Progress], None],
    ) -> manifest.Shard | None:
        """One shard; None when the input has no more rows."""
        writer = ShardWriter(self._ask.out, len(done.shards), self._schema)
        tally = _Tally()
        set_aside = sum(shard.rejected for shard in done.shards)
        try:
            while tally.rows < self._ask.shard_rows and not (tally.rows and stop()):
                chunk = next(chunks, None)
                if chunk is None:
                    self.exhausted = True
                    break
                self._chunk(chunk, writer, tally)
                progress(Progress(self._source.share, done.rows + tally.rows, set_aside + tally.rejected))
        except BaseException:
            writer.abandon()
            raise
        if not tally.rows:
            writer.abandon()
            return None
        return self._finish(writer, done.rows, tally)

    def _finish(self, writer: ShardWriter, start: int, tally: "_Tally") -> manifest.Shard:
        if _stamp(self._ask.file) != self._input and digest_of(self._ask.file) != self._record.begun.digest:
            writer.abandon()
            raise Conflict(f"{self._ask.file} was changed while it was read; begin anew with --fresh")
        writer.finish()
        shard = manifest.Shard(
            file=f"{SHARDS}/{writer.file.name}",
            start=start,
            rows=tally.rows,
            scored=tally.scored,
            rejected=tally.rejected,
            rejects_bytes=self._rejects.keep(),
        )
        manifest.write(self._ask.out, shard)
        return shard

    def _chunk(self, chunk: Chunk, writer: ShardWriter, tally: "_Tally") -> None:
        fed = self._fed(chunk)
        aside = [(place, "", reason) for place, reason in {**chunk.unreadable, **fed.rejected}.items()]
        for variant, places in self._places(chunk, list(fed.rows)).items():
            scorer = self._scorers[variant]
            scores = scorer.score([fed.rows[place] for place in places], places, chunk.start)
            keys = [chunk.keys[place] for place in scores.places]
            stands = self._table.put(scorer.slot.model_version, keys, scores.kept)
            aside += [(place, variant, reason) for place, reason in scores.rejected.items()]
            aside += [
                (place, variant, f"key {key!r} has an answer already, of an earlier row")
                for place, key, stand in zip(scores.places, keys, stands, strict=True)
                if not stand
            ]
            written = writer.write(scorer, scores, stands, chunk.start, chunk.keys, chunk.units)
            tally.scored[variant] = tally.scored.get(variant, 0) + written
        for place, variant, reason in sorted(aside):
            self._rejects.add(chunk.start + place, chunk.keys[place], variant, reason, chunk.rows[place])
        tally.rejected += len(aside)
        tally.rows += len(chunk.keys)

    def _fed(self, chunk: Chunk) -> Fed:
        """The rows as the variants take them."""
        if self._feeder is not None:
            return self._feeder.feed(chunk)
        return Fed({place: row for place, row in enumerate(chunk.rows) if place not in chunk.unreadable}, {})

    def _places(self, chunk: Chunk, places: Sequence[int]) -> Mapping[str, Sequence[int]]:
        """Which rows each variant scores."""
        if self._plan.whose != "own":
            return dict.fromkeys(self._scorers, places)
        found: dict[str, list[int]] = {}
        for place in places:
            found.setdefault(self._plan.router.decide(chunk.units[place]).variant, []).append(place)
        return found


class _Tally:
    """Counts of a shard under way."""

    def __init__(self) -> None:
        self.rows = 0
        self.rejected = 0
        self.scored: dict[str, int] = {}


def _opened(slot: Slot, stack: ExitStack) -> Runtime:
    runtime = load(slot, timeout=PATIENCE)
    stack.callback(runtime.close)
    return runtime


def _features(plan: Plan) -> Mapping[str, Feature]:
    """Every feature that a variant takes, or the transform before it; one that any cannot miss may not be missing."""
    transform = plan.snapshot.transform
    given = frozenset[str]() if transform is None else {name for names in transform.gives.values() for name in names}
    found = {} if transform is None else wanted_by(plan.snapshot, transform)
    for slot in plan.slots:
        for feature in slot.signature.features:
            if feature.name not in given and (feature.name not in found or not feature.nullable):
                found[feature.name] = feature
    return found


def _begin(out: Path, begun: manifest.Begun) -> manifest.Record:
    """Clear away what an earlier run left, but not the tables, which are served until there is a new one."""
    (out / manifest.FILE).unlink(missing_ok=True)
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    (out / REJECTS).unlink(missing_ok=True)
    manifest.write(out, begun)
    return manifest.Record(begun)


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the directory; raises Conflict when another run has it."""
    descriptor = os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another run is writing to {out}; wait for it, or give another --out") from None
        yield
    finally:
        os.close(descriptor)


def _summary(
    ask: Ask,
    source: Input,
    done: manifest.Record,
    before: int,
    ended: manifest.Ended | None,
    state: State,
    seconds: float,
) -> Summary:
    scored: dict[str, int] = {}
    for shard in done.shards:
        for variant, count in shard.scored.items():
            scored[variant] = scored.get(variant, 0) + count
    return Summary(
        deployment=ask.deployment,
        state=state,
        out=str(ask.out),
        rows=done.rows,
        before=before,
        scored=scored,
        rejected=sum(shard.rejected for shard in done.shards),
        rejects=str(ask.out / REJECTS),
        shards=len(done.shards),
        absent=source.absent,
        table=ended.table if ended is not None else "",
        seconds=seconds,
    )
