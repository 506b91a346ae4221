"""The client's half of the HTTP surface, pure: calls out of arguments, values and errors out of replies.

Every call carries an identity made here, so that a repeat after a broken connection changes nothing: rows are known by
their request, outcomes by their id. Only changes of a release are never repeated.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote

import msgspec

from seatrial.client.values import Assignment, Prediction
from seatrial.spec.errors import BadInput, Conflict, NotFound, SeatrialError, TooLarge, Unavailable

Features = Mapping[str, Any]


class RequestFields(TypedDict, total=False):
    """What a prediction may carry beside its features.

    Attributes:
        unit: Who it is for; without one the answer is never evidence.
        context: Declared context.
        variant: Ask for this variant (an override, never evidence).
        request_id: The caller's identity for the request.
    """

    unit: str | int | None
    context: Features | None
    variant: str | None
    request_id: str | None


class OutcomeFields(TypedDict, total=False):
    """What an outcome may carry beside its name.

    Attributes:
        unit, request_id, row, key: Whose it is: a unit, a request (and its row), or a key.
        value: The plain value; None withdraws the outcome of that ``id``.
        fields: Declared fields.
        item: Which item it is about.
        at: When it happened, with an offset; without it: now.
        id: Its identity; the same with other content is a new revision.
        deployment: Where it belongs; without it, to every deployment of that unit which declares it.
    """

    unit: str | int | None
    request_id: str | None
    row: int | None
    key: str | None
    value: Any
    fields: Features | None
    item: str | None
    at: str | datetime | None
    id: str | None
    deployment: str | None


class RowFields(TypedDict, total=False):
    """What a row that an application computed may carry beside its prediction."""

    features: Features | None
    score: float | None
    scores: Mapping[str, float] | None
    key: str | None
    row: int
    at: str | None
    error: str | None
    latency_ms: float | None


class Call(NamedTuple):
    """One request.

    Attributes:
        body: JSON, or None.
        repeatable: Sending it twice is the same as once.
        patient: Worth repeating until the time is up when the other side says "later".
    """

    method: str
    path: str
    body: bytes | None = None
    repeatable: bool = True
    patient: bool = False


class Reply(NamedTuple):
    """One response.

    Attributes:
        retry_after: Seconds after which a repeat makes sense, or None.
    """

    status: int
    body: bytes
    retry_after: float | None = None


def predict(deployment: str, asked: RequestFields, **rows: Features | Sequence[Features]) -> Call:
    """The call that answers one row of ``features`` or several ``instances``; ``asked`` has its ``request_id``.

    Raises:
        BadInput: The rows are something else than one mapping, or a sequence of mappings.
    """
    _check_rows(rows)
    body = _given(**asked, **rows)
    return Call("POST", f"/v1/deployments/{quote(deployment, safe='')}/predict", _encode(body))


def _check_rows(rows: Mapping[str, Any]) -> None:
    features, instances = rows.get("features"), rows.get("instances")
    if "features" in rows and not isinstance(features, Mapping):
        kind = type(features).__name__
        if isinstance(features, list | tuple) or kind == "DataFrame":
            records = "frame.to_dict('records')" if kind == "DataFrame" else "rows"
            mend = f'several rows go to `predict_many`, as [{{"features": row}} for row in {records}]'
        elif hasattr(features, "to_dict"):
            mend = f"write `.to_dict()` after the {kind}"
        else:
            mend = 'send a dict like {"age": 42}'
        raise BadInput(f"features: expected one row as a dict, got {_a(kind)}; {mend}")
    if "instances" in rows and (isinstance(instances, Mapping | str) or type(instances).__name__ == "DataFrame"):
        kind = type(instances).__name__
        mend = 'send [{"features": row} for row in …]' + (", of `.to_dict('records')`" if kind == "DataFrame" else "")
        raise BadInput(f"instances: expected a list of rows, got {_a(kind)}; {mend}")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def assign(
    deployment: str, request_id: str, unit: str | int | None, context: Features | None, features: Features | None
) -> Call:
    """The call that decides and answers nothing else."""
    body = _given(request_id=request_id, unit=unit, context=context, features=features)
    return Call("POST", f"/v1/deployments/{quote(deployment, safe='')}/assign", _encode(body))


def prediction_row(assignment: Assignment, prediction: Any, more: RowFields) -> dict[str, Any]:
    """What ``POST /v1/predictions`` takes: the row that an application computed after ``assign``."""
    return {
        **_given(
            deployment=assignment.deployment,
            request_id=assignment.request_id,
            variant=assignment.variant,
            unit=assignment.unit,
            context=assignment.context,
            reason=assignment.reason,
            propensity=assignment.propensity,
            revision=assignment.revision,
            **{"features": assignment.features, **more},
        ),
        "prediction": prediction,
    }


def outcome(name: str, said: OutcomeFields, *, now: int, fresh_id: str) -> dict[str, Any]:
    """What ``POST /v1/outcomes`` takes.

    With neither ``id`` nor ``at`` it is a new outcome of this moment, and gets an identity; with ``at`` alone the
    gateway derives the identity, so that saying the same twice is saying it once.

    Raises:
        BadInput: Nothing says whose outcome it is, it has what no outcome has, or ``at`` has no offset.
    """
    unknown = [key for key in said if key not in OutcomeFields.__annotations__]
    if unknown:
        known = ", ".join(OutcomeFields.__annotations__)
        raise BadInput(f"{unknown[0]!r} is nothing that an outcome has; beside its name it has {known}")
    if all(said.get(key) is None for key in ("unit", "request_id", "key")):
        raise BadInput(f"the outcome {name!r} names nobody: give it a `unit`, a `request_id` or a `key`")
    body = _given(outcome=name, **{key: value for key, value in said.items() if key not in ("at", "value")})
    if "id" not in body and said.get("at") is None:
        body["id"] = fresh_id
    body["at"] = _instant(said.get("at"), now)
    return {**body, "value": said["value"]} if "value" in said else body


def outcomes(bodies: Sequence[Mapping[str, Any]]) -> Call:
    """The call that hands over outcomes; repeatable only when each can be known again."""
    known = all("id" in body or "at" in body for body in bodies)
    return Call("POST", "/v1/outcomes", _encode(list(bodies)), repeatable=known, patient=True)


def alias(name: str | int, unit: str | int | None, at: datetime | None, now: int) -> dict[str, Any]:
    """What ``POST /v1/units`` takes.

    Raises:
        BadInput: A name is its own alias, or ``at`` has no offset.
    """
    if unit is not None and str(name) == str(unit):
        raise BadInput(f"{name!r} is its own alias; give the name used before, and the one known now")
    return {"alias": name, "unit": unit, "at": _instant(at, now)}


def aliases(bodies: Sequence[Mapping[str, Any]]) -> Call:
    """The call that hands over aliases; saying one twice is saying it once."""
    return Call("POST", "/v1/units", _encode(list(bodies)), repeatable=True, patient=True)


def rows(bodies: Sequence[Mapping[str, Any]]) -> Call:
    """The call that hands over rows which applications computed."""
    return Call("POST", "/v1/predictions", _encode(list(bodies)), patient=True)


def read_json(reply: Reply) -> Any:
    """The content of a good reply.

    Raises:
        BadInput: And its kin, for what the other side refuses.
        Unavailable: The other side cannot now, or does not speak our language.
    """
    if 200 <= reply.status < 300:
        try:
            return msgspec.json.decode(reply.body) if reply.body.strip() else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unavailable("the gateway's answer is not JSON; is this address a gateway's?") from None
    raise _error(reply)


def read_prediction(found: Any, request_id: str) -> Prediction:
    """The answer to ``features``."""
    return _prediction(found, found, request_id)


def read_predictions(found: Any, request_id: str, count: int) -> tuple[Prediction, ...]:
    """The answers to ``instances``, in their order."""
    answers = found.get("predictions") if isinstance(found, dict) else None
    if not isinstance(answers, list) or len(answers) != count:
        raise Unavailable(f"the gateway's answer holds no {count} predictions; is this address a gateway's?")
    return tuple(_prediction(found, answer, request_id) for answer in answers)


def default_prediction(request_id: str, default: Any, error: SeatrialError, key: str | None = None) -> Prediction:
    """The caller's default, flagged."""
    return Prediction(request_id=request_id, prediction=default, answered_by="client", error=str(error), key=key)


def read_assignment(
    found: Any,
    deployment: str,
    request_id: str,
    unit: str | int | None,
    context: Features | None,
    features: Features | None,
) -> Assignment:
    """The decision of ``assign``."""
    decided = found if isinstance(found, dict) else {}
    known = ("request_id", "variant", "model_version", "reason", "propensity", "revision")
    given = {name: decided[name] for name in known if decided.get(name) is not None}
    about = {
        "deployment": deployment,
        "unit": unit,
        "context": None if context is None else dict(context),
        "features": None if features is None else dict(features),
    }
    try:
        return msgspec.convert({"request_id": request_id, **given, **about}, Assignment)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the gateway's answer is no decision ({error}); is this address a gateway's?") from None


_ERRORS: dict[int, type[BadInput]] = {404: NotFound, 409: Conflict, 413: TooLarge}


def _error(reply: Reply) -> SeatrialError:
    try:
        content = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = None
    sentence = content.get("error") if isinstance(content, dict) else None
    # A gateway's refusal says why. One that does not is a proxy's: the gateway is away, or the body is too large.
    refused = isinstance(sentence, str) or reply.status == 413
    message = sentence if isinstance(sentence, str) else f"status {reply.status} came without a reason, by no gateway"
    if refused and 400 <= reply.status < 500 and reply.status not in (408, 429):
        return _ERRORS.get(reply.status, BadInput)(message)
    return Unavailable(message, retry_after=max(1, int(reply.retry_after or 1)))


def _prediction(whole: Any, answer: Any, request_id: str) -> Prediction:
    if not isinstance(whole, dict) or not isinstance(answer, dict) or not ("prediction" in answer or "error" in answer):
        raise Unavailable("the gateway's answer holds no prediction; is this address a gateway's?")
    merged = {name: answer.get(name, whole.get(name)) for name in _SHARED}
    own = {name: answer.get(name) for name in _OWN}
    try:
        return msgspec.convert({**merged, **own, "request_id": whole.get("request_id", request_id)}, Prediction)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the gateway's answer is not a prediction ({error}); is this address a gateway's?") from None


_SHARED = ("variant", "model_version", "reason", "answered_by")
_OWN = ("prediction", "score", "scores", "key", "error")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _encode(body: Any) -> bytes:
    """JSON; NaN becomes ``null``, which is *missing*."""
    try:
        _refuse_infinite(body)
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadInput(f"the request cannot be written as JSON: {error}") from None


def _refuse_infinite(value: Any) -> None:
    """The encoder would write infinity as ``null``, and so turn it into *missing* unseen."""
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError(f"{value} is no number of JSON; send a finite one, or None for missing")
    elif isinstance(value, Mapping):
        for item in value.values():
            _refuse_infinite(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_infinite(item)


def _plain(value: Any) -> Any:
    """Arrays and numbers of numpy and pandas as plain ones, without importing either; mappings as dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        plain = value.tolist()
        _refuse_infinite(plain)
        return plain
    shown = f"{type(value).__name__} {str(value)[:40]!r}"
    raise TypeError(f"{shown} is none of numbers, texts, booleans and lists")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(at: str | datetime | None, now: int) -> str:
    if isinstance(at, str):
        return at
    if at is None:
        at = _EPOCH + timedelta(microseconds=now)
    if at.tzinfo is None:
        raise BadInput(f"`at` is {at.isoformat()} without an offset; use one like datetime.now(timezone.utc)")
    return at.isoformat()
