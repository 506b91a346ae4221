"""The Open Inference way into the gateway: an infer request as one part, its outputs as tensors."""

from typing import Any

from seatrial.protocol.bodies import check_count, read_name
from seatrial.protocol.inference import (
    InferAnswer,
    InferBody,
    answers_out,
    check_outputs,
    feature_inputs,
    metadata_in,
    metadata_out,
    rows_of,
    tensors_out,
)
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.answering import Part, Pending
from seatrial.serving.deployed import Deployed
from seatrial.serving.shapes import unanswered
from seatrial.serving.variant import Variant
from seatrial.spec.errors import BadInput, NotFound

PLATFORM = "seatrial"
_OWN = frozenset(("unit", "variant", "request_id", "key"))


def given_request_id(body: InferBody) -> str | None:
    """The caller's identity for the request, from its parameters."""
    return read_name(_text(body, "request_id"), "request_id")


def part(deployed: Deployed, body: InferBody, version: str | None, request_id: str, limit: int) -> Part:
    """Decide on an infer request and read its rows.

    Raises:
        BadInput: The tensors, a parameter or the context are wrong; TooLarge for too many rows; NotFound for a version.
    """
    person = _person(deployed, body, request_id)
    asked = _text(body, "variant")
    if version is not None:
        decision: Decision = deployed.router.force(find_version(deployed, version).name, "explicit")
    elif asked is not None:
        decision = deployed.router.force(asked, "override")
    else:
        decision = deployed.router.decide(person.unit)
    variant = deployed.variants[decision.variant]
    check_outputs(body.outputs, variant.slot.signature)
    for tensor in body.inputs:
        if tensor.shape and tensor.shape[0] > 0:
            check_count(tensor.shape[0], limit)
    rows = rows_of(body, variant.slot.signature)
    check_count(len(rows), limit)
    key = read_name(_text(body, "key"), "key")
    keys = [key] if len(rows) == 1 else [None] * len(rows)
    return Part(decision, variant, range(len(rows)), keys, [person] * len(rows), rows)


class Shape:
    """Makes the response to one infer request."""

    def __init__(self, body: InferBody) -> None:
        self._body = body

    def __call__(self, pending: Pending) -> InferAnswer:
        """Raises Unavailable when nobody answered."""
        (only,) = pending.parts
        if only.by == "none":
            raise unanswered(pending)
        attempt = only.attempt
        if attempt.outputs is not None:
            outputs = tensors_out(attempt.outputs, attempt.variant.slot.signature, self._body.outputs)
            version: str | None = attempt.variant.version
        else:
            outputs = answers_out([pending.deployed.fallback or {}] * len(only.rows))
            version = None
        return InferAnswer(
            model_name=pending.deployed.name,
            model_version=version,
            outputs=outputs,
            parameters={
                "variant": only.decision.variant,
                "reason": only.decision.reason,
                "request_id": pending.request_id,
                "answered_by": only.by or "none",
            },
            id=self._body.id,
        )


def find_version(deployed: Deployed, version: str) -> Variant:
    """The variant that serves a version, called ``7``, ``churn:7`` or by its variant's name. Raises NotFound."""
    for variant in deployed.variants.values():
        if version in (str(variant.slot.version), variant.version, variant.name):
            return variant
    served = ", ".join(sorted({variant.version for variant in deployed.variants.values()}))
    raise NotFound(f"{deployed.name!r} serves no version {version[:100]!r}; it serves {served}")


def metadata(deployed: Deployed, version: str | None) -> dict[str, Any]:
    """A model's metadata: tensors of the version named, or of the default variant; and the inputs by feature."""
    variant = deployed.default if version is None else find_version(deployed, version)
    signature = variant.slot.signature
    return {
        "name": deployed.name,
        "versions": sorted({str(other.slot.version) for other in deployed.variants.values()}),
        "platform": PLATFORM,
        "inputs": metadata_in(signature),
        "outputs": metadata_out(signature),
        "parameters": {"task": deployed.snapshot.task, "revision": deployed.revision},
        "features": feature_inputs(signature),
    }


def _person(deployed: Deployed, body: InferBody, request_id: str) -> Person:
    """Unit and context from the parameters; what is neither ours nor declared belongs to the protocol, or to others."""
    given = body.parameters or {}
    declared = {key.name for key in deployed.snapshot.context}
    context = {name: value for name, value in given.items() if name in declared and name not in _OWN}
    unit = given.get("unit")
    return deployed.people.read(unit, context, request_id)


def _text(body: InferBody, name: str) -> str | None:
    value = (body.parameters or {}).get(name)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"parameter {name!r}: expected a string, got {value!r}")
    return value
