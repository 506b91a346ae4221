"""The shape of a ledger row: a fixed envelope, then typed context, feature and prediction columns.

One row per instance and role. ``row_id`` is ``f"{request_id}/{row}/{role}/{variant}"`` (the assigned variant; for a
shadow its own), and duplicates after a crash are removed by it.
"""

from typing import Literal, NamedTuple

Role = Literal["answer", "shadow", "app"]
AnsweredBy = Literal["assigned", "default", "fallback", "cache", "none"]
Status = Literal["ok", "error", "timeout", "shed", "miss", "breaker", "quarantine"]


class Envelope(NamedTuple):
    """The columns every row has, in the order in which they are written.

    Attributes:
        request_id: Identity of the request (a UUIDv7 in hex unless the caller gave one).
        row: Index of the instance in the request, from 0.
        role: ``answer``, ``shadow`` or ``app`` (computed by the application after ``assign``).
        key: The caller's key for the instance, or None.
        at: Server time of the decision, microseconds since 1970 UTC.
        unit: Who was randomised; a random one when none was named.
        unit_named: False when the unit was random: never evidence.
        entry: Routing entry that decided.
        reason: Why this variant.
        variant: The variant assigned (for a shadow row: the shadow).
        assigned_version: ``name:version`` in that variant's slot.
        answered_by: How it was answered (``none``: nobody answered).
        answered: Variant that answered, or "" for the fallback and for none.
        version: ``name:version`` that answered, or "".
        propensity: P(this variant) under the policy; 0 for shadows.
        contested: At least two variants had a chance above zero.
        release: Release that owned the entry's weights, or "".
        phase: Period of constant weights within it.
        revision: Snapshot revision.
        status: Of the assigned variant's own attempt (a timeout that the default answered is ``timeout``; a lookup that
            had no score is ``miss``, which is no failure when the default answered; ``breaker`` and ``quarantine``:
            it was not asked, because it kept failing, or because workers crashed under it).
        error: Short reason when status is not ``ok``, else "".
        latency_us: Microseconds from decision to answer, as the caller saw it (for a shadow: its own run).
        chances: Of every arm of the entry that decided, in its order, where they depend on the context; else empty.
    """

    request_id: str
    row: int
    role: Role
    key: str | None
    at: int
    unit: str
    unit_named: bool
    entry: str
    reason: str
    variant: str
    assigned_version: str
    answered_by: AnsweredBy
    answered: str
    version: str
    propensity: float
    contested: bool
    release: str
    phase: int
    revision: int
    status: Status
    error: str
    latency_us: int
    chances: tuple[float, ...] = ()


ColumnType = Literal["number", "integer", "boolean", "string", "numbers"]
"""Logical type of a typed column: float64, int64, bool, string, list of float64."""


class RowSchema(NamedTuple):
    """Which typed columns rows of one deployment and signature carry beside the envelope.

    A row is appended as ``(envelope, context, numbers, texts, vectors, prediction)`` with values in these orders.

    Attributes:
        deployment: The table.
        context: ``(name, type)`` of each declared context key → columns ``context.<name>``.
        numbers: ``(name, type)`` of each logged numeric feature; given as one float64 row, NaN is missing
            (type ``integer`` and ``boolean`` are written as such; ``number`` as float64) → ``feature.<name>``.
        number_index: Positions, in the float64 row that serving has, of the features in ``numbers``.
        texts: Names of the logged string features → ``feature.<name>``.
        text_index: Positions, in the list of strings that serving has, of the features in ``texts``.
        vectors: Names of logged list features → ``feature.<name>`` as list of float64.
        prediction: ``(name, type)`` of the prediction columns → ``prediction.<name>``:
            classification ``label`` (string, integer or boolean), ``score`` (two classes) or ``score.<class>`` (more,
            at most 100); regression ``value``; ranking and raw ``json``.
        chances: Whether there is a column of the envelope's chances (null where those are empty).
    """

    deployment: str
    context: tuple[tuple[str, ColumnType], ...]
    numbers: tuple[tuple[str, ColumnType], ...]
    number_index: tuple[int, ...]
    texts: tuple[str, ...]
    text_index: tuple[int, ...]
    vectors: tuple[str, ...]
    prediction: tuple[tuple[str, ColumnType], ...]
    chances: bool = False


ALIAS = "$alias"
"""The outcome by which a person's other name is kept (``ledger.persons``); none can be declared by this name."""


class Outcome(NamedTuple):
    """What happened afterwards, as it is stored.

    Attributes:
        outcome: Its declared name.
        id: Identity: the caller's, or derived (see ``ledger.outcomes``).
        deployment: "" when it belongs to every deployment of that unit name which declares it.
        unit, request_id, row, key, item: Join keys; at least one of unit, request_id, key is set.
        value: number, boolean, string or None; ``withdrawn`` marks ``"value": null``.
        fields: Extra typed fields.
        at: Event time, microseconds since 1970 UTC.
        received_at: Arrival, likewise.
    """

    outcome: str
    id: str
    deployment: str
    unit: str | None
    request_id: str | None
    row: int | None
    key: str | None
    item: str | None
    value: float | bool | str | None
    withdrawn: bool
    fields: dict[str, float | int | bool | str | None]
    at: int
    received_at: int
