"""One variant of a deployment, ready to answer, and one attempt at an answer."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import xxhash
from numpy.typing import NDArray

from seatrial.ledger.log import RowBuffer
from seatrial.ledger.rows import ColumnType, Envelope, RowSchema, Status
from seatrial.models.remote import LateAnswer, RemoteRuntime
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.answers import Answers, Prediction, Read, UnreadableAnswer
from seatrial.protocol.features import Encoded, Encoder, Row
from seatrial.protocol.inference import only_binary
from seatrial.routing.people import Person
from seatrial.routing.snapshot import Slot, Snapshot
from seatrial.serving.batch_check import is_fixed
from seatrial.serving.batch_counts import BatchCounts
from seatrial.serving.batching import Batching, Marked
from seatrial.serving.breaker import Breaker
from seatrial.serving.caching import CacheCounts, PredictionCache, add_inputs
from seatrial.serving.engine import Engine
from seatrial.serving.recording import Recorder
from seatrial.serving.threads import Taken
from seatrial.spec.errors import BadInput

MAX_ERROR = 200
"""Characters of a failure's reason that are kept in its row."""

log = logging.getLogger("seatrial.serving")


class Variant:
    """A slot of a snapshot with all that answering takes; immutable but for its counters.

    Args:
        slot: Which version.
        snapshot: The deployment it belongs to.
        engine: The loaded model.
        recorder: Where its rows and counts go.

    Attributes:
        breaker: Whether it is asked at all.
        underway: Where it says that it is being run, in case that ends the process.
    """

    __slots__ = (
        "_append",
        "_has_texts",
        "answers",
        "batching",
        "breaker",
        "buffer",
        "cache",
        "encoder",
        "engine",
        "logs_all_numbers",
        "name",
        "only_binary",
        "pick_vectors",
        "slot",
        "timeout",
        "underway",
        "version",
    )

    def __init__(self, slot: Slot, snapshot: Snapshot, engine: Engine, recorder: Recorder) -> None:
        self.name = slot.variant
        self.version = slot.model_version
        self.timeout = slot.timeout
        self.breaker = Breaker(slot.breaker)
        is_default = slot.variant == snapshot.default
        self.underway = recorder.underway.mark(snapshot.deployment, slot.variant, slot.digest, default=is_default)
        self.slot = slot
        self.engine = engine
        self.encoder = Encoder(slot.signature, strict=snapshot.strict_features)
        self.answers = Answers(slot.signature)
        self.batching = _batching(slot, snapshot.deployment, recorder, self.underway)
        self.cache = _cache(slot, snapshot.deployment, recorder)
        self.only_binary = only_binary(slot.signature)
        schema = row_schema(snapshot, slot, self.answers)
        names = [feature.name for feature in slot.signature.vectors]
        self.pick_vectors = tuple(names.index(name) for name in schema.vectors)
        self.buffer: RowBuffer = recorder.buffer(schema, snapshot.log.redact)
        self._append = self.buffer.append
        self._has_texts = bool(schema.texts)
        numbers = tuple(feature.name for feature in slot.signature.numbers)
        self.logs_all_numbers = tuple(name for name, _ in schema.numbers) == numbers and not snapshot.log.redact

    def submit(self, attempt: "Attempt", seconds: float | None = None) -> Taken[None]:
        """Let the attempt run in one of the model's threads, together with others when the model is busy.

        Args:
            seconds: How long its caller waits; None: for ever.

        Raises:
            Shed: Too many calls wait for the model, or it would wait for longer than its caller.
        """
        encoded, engine = attempt.encoded, self.engine
        if self.batching is None or encoded is None or engine.together is False:
            return engine.submit(attempt.run, seconds)
        return engine.batches.join(self.batching.ticket(attempt, encoded.tensors, len(attempt.rows)), seconds)

    def write(
        self,
        envelope: Envelope,
        person: Person,
        attempt: "Attempt | None",
        position: int,
        *,
        sampled: bool,
        prediction: Prediction | None = None,
    ) -> None:
        """Log one row, with the features and the prediction that an attempt of this variant has of it.

        Args:
            position: The row's place in the attempt.
            sampled: Whether the features are logged.
            prediction: What to log where the attempt has no answer.
        """
        numbers: Any = None
        texts: Any = None
        vectors: Any = None
        if attempt is not None:
            if attempt.read is not None:
                prediction = attempt.read.predictions[position]
            encoded = attempt.encoded
            if sampled and encoded is not None:
                numbers = encoded.numbers[position]
                if self._has_texts:
                    texts = encoded.texts[position]
                if self.pick_vectors:
                    vectors = [encoded.vectors[position][index] for index in self.pick_vectors]
        self._append(envelope, person.context, numbers, texts, vectors, prediction)


def _batching(slot: Slot, deployment: str, recorder: Recorder, underway: Marked) -> Batching | None:
    """How its calls are batched; None: each runs alone."""
    if slot.batch is None or slot.is_ready or slot.remote is not None:
        return None
    fixed = is_fixed(slot.signature)
    if fixed is not None:
        log.warning("calls of %s are not batched: the number of rows of %r is fixed", slot.model_version, fixed)
        return None
    counts = BatchCounts(recorder, {"deployment": deployment, "variant": slot.variant})
    return Batching(slot.batch.rows, slot.batch.delay, slot.timeout, counts, underway)


def _cache(slot: Slot, deployment: str, recorder: Recorder) -> PredictionCache | None:
    """Where its answers are kept; a swap may put the one in place that the revision before has filled."""
    if slot.cache is None or slot.is_ready:
        return None
    return PredictionCache(slot, slot.cache, CacheCounts(recorder, deployment, slot.variant))


def row_schema(snapshot: Snapshot, slot: Slot, answers: Answers) -> RowSchema:
    """Which typed columns the rows of a variant carry: declared context, logged features, its prediction."""
    signature = slot.signature
    logged = frozenset(snapshot.log.features)
    numbers = [(i, f) for i, f in enumerate(signature.numbers) if f.name in logged]
    texts = [(i, f) for i, f in enumerate(signature.texts) if f.name in logged]
    kinds: dict[str, ColumnType] = {"integer": "integer", "boolean": "boolean"}
    return RowSchema(
        deployment=snapshot.deployment,
        context=tuple((key.name, key.kind) for key in snapshot.context),
        numbers=tuple((f.name, kinds.get(f.kind, "number")) for _, f in numbers),
        number_index=tuple(i for i, _ in numbers),
        texts=tuple(f.name for _, f in texts),
        text_index=tuple(i for i, _ in texts),
        vectors=tuple(f.name for f in signature.vectors if f.name in logged),
        prediction=answers.columns,
        chances=any(entry.by_context is not None for entry in snapshot.entries),
    )


class Attempt:
    """One variant's attempt at the rows of a request: run once, by whichever thread.

    Args:
        places: What a refusal calls the rows; None: their positions, and nothing for a single one.

    Attributes:
        encoded: The rows as tensors; None until they were read.
        read: The answers; None when it failed.
        refused: The rows do not fit what the variant takes.
        status, error: How it went.
        queued: The time that it had passed mostly in the queue, and was not the version's.
        probe: A breaker that is not closed let it try.
        retry_after: Seconds after which another attempt makes sense.
        key: What its variant's cache knows the rows by; None where they are not looked for.
        recalled: The answer was not computed for it.
    """

    __slots__ = (
        "encoded",
        "error",
        "key",
        "outputs",
        "places",
        "probe",
        "queued",
        "read",
        "recalled",
        "refused",
        "retry_after",
        "rows",
        "status",
        "variant",
    )

    def __init__(self, variant: Variant, rows: Sequence[Row], places: Sequence[int | None] | None = None) -> None:
        self.variant = variant
        self.rows = rows
        self.places = places
        self.encoded: Encoded | None = None
        self.outputs: Mapping[str, NDArray[Any]] | None = None
        self.read: Read | None = None
        self.refused: BadInput | None = None
        self.status: Status = "ok"
        self.error = ""
        self.probe = False
        self.queued = False
        self.retry_after = 1
        self.key: bytes | None = None
        self.recalled = False

    def run(self, *, measured: bool = True) -> None:
        """Encode, ask the model, read its answer; whatever goes wrong is kept, never raised."""
        variant, n = self.variant, len(self.rows)
        try:
            encoded = self.encoded or self.encode()
            engine = variant.engine
            variant.underway.on()
            try:
                outputs = engine.run(encoded.tensors, n) if measured else engine.runtime.run(encoded.tensors)
            finally:
                variant.underway.off()
            self.read = variant.answers.read(outputs, n)
            self.outputs = outputs
        except Exception as error:  # noqa: BLE001 - a runtime's surprise is that variant's failure, not the request's
            self.broke(error)

    async def ask(self, remote: RemoteRuntime, seconds: float) -> None:
        """As `run`, of a remote model, on its event loop."""
        variant, n = self.variant, len(self.rows)
        try:
            outputs = await remote.ask((self.encoded or self.encode()).tensors, seconds)
            self.read = variant.answers.read(outputs, n)
            self.outputs = outputs
        except Exception as error:  # noqa: BLE001 - as in `run`
            self.broke(error)

    def broke(self, error: Exception) -> None:
        """The attempt came to nothing because of something that was raised."""
        if isinstance(error, BadInput):
            self.refuse(error)
        elif isinstance(error, RuntimeFailure | UnreadableAnswer):
            self.fail("timeout" if isinstance(error, LateAnswer) else "error", str(error))
        else:
            self.fail("error", f"{type(error).__name__}: {error}")

    @property
    def answered(self) -> bool:
        """It has its answer."""
        return self.read is not None

    def take(self, outputs: Tensors, rows: int) -> None:
        """Read the answer out of its rows of a batch's outputs; what is wrong with it is kept, never raised."""
        try:
            self.read = self.variant.answers.read(outputs, rows)
            self.outputs = outputs
        except UnreadableAnswer as error:
            self.fail("error", str(error))
        except Exception as error:  # noqa: BLE001 - as above
            self.fail("error", f"{type(error).__name__}: {error}")

    def blame(self, error: str) -> None:
        """Count a failure of the variant here, though the caller has his answer."""
        self.status = "error"
        self.error = error[:MAX_ERROR]

    def read_rows(self) -> bool:
        """Encode now; False when the rows do not fit, and then the attempt has failed."""
        try:
            self.encode()
        except BadInput as error:
            self.refuse(error)
            return False
        return True

    def encode(self) -> Encoded:
        """Read the rows; raises BadInput."""
        self.encoded = self.variant.encoder.encode(self.rows, self.places)
        return self.encoded

    def digest(self) -> bytes | None:
        """What attempts of equal inputs have in common; None: nobody knows. (XXH3: nobody gains by two alike.)"""
        if self.encoded is None:
            return None
        digest = xxhash.xxh3_128()
        add_inputs(digest, self.encoded.tensors)
        return digest.digest()

    def refuse(self, error: BadInput) -> None:
        """The attempt came to nothing, because the request does not fit this variant."""
        self.refused = error
        self.fail("error", f"refused: {error}")

    def fail(self, status: Status, error: str) -> None:
        """The attempt came to nothing."""
        self.read = None
        self.status = status
        self.error = error[:MAX_ERROR]
