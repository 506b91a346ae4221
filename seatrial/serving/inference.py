"""The Open Inference way into the gateway: an infer request as one part, its outputs as tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.protocol.bodies import check_count, read_name, read_timeout
from seatrial.protocol.features import Row
from seatrial.protocol.inference import (
    PLATFORM,
    BinaryAnswer,
    InferAnswer,
    InferBody,
    answers_out,
    check_forms,
    check_outputs,
    feature_inputs,
    form_of,
    metadata_in,
    metadata_out,
    rows_of,
    tensors_out,
)
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.deployed import Deployed
from seatrial.serving.parts import Part, Pending
from seatrial.serving.shapes import unanswered
from seatrial.serving.variant import Variant
from seatrial.spec.errors import BadInput, NotFound

EXTENSIONS = ("binary_tensor_data", "model_repository")
"""Extensions of the protocol that are served. Loading and unloading are `apply`'s, and are refused with that said."""

CONTEXT = "context."


def given_request_id(body: InferBody) -> str | None:
    """The caller's identity for the request, from its parameters."""
    return read_name(_text(body, "request_id"), "request_id")


class Asked:
    """An infer request, decided unless rules read its features: `rows` may be called in any thread, then `part`.

    What may be asked for is what the default variant gives, or the one that the caller named. A variant that was drawn
    and gives less has failed, so that nobody is turned away for having been drawn into a test; and the default does not
    stand in for a named variant with less than was asked for.

    Args:
        deployed: The deployment; routers belong to the event loop.
        body: The request.
        version: A version that the caller addresses himself.
        request_id: Its identity.
        limit: Rows that it may have.

    Raises:
        BadInput: The tensors, a parameter or the context are wrong; TooLarge for too many rows; NotFound for a version.
    """

    def __init__(self, deployed: Deployed, body: InferBody, version: str | None, request_id: str, limit: int) -> None:
        self.deployed = deployed
        self.body = body
        self.request_id = request_id
        self.shape = Shape(body)
        self._limit = limit
        self._person = _person(deployed, body, request_id)
        self._decision = self._decide(version, _text(body, "variant"))

    def rows(self) -> list[Row]:
        """Its rows. Raises as the class does."""
        deployed, decision = self.deployed, self._decision
        speaker = deployed.default
        if decision is not None:
            _check_asked(self.body, self._agreed(decision))
            speaker = _spoken(self.body, deployed.variants[decision.variant], deployed.default)
        _check_counts(self.body, self._limit)
        rows = _rows(self.body, deployed, speaker)
        check_count(len(rows), self._limit)
        return rows

    def part(self, rows: list[Row]) -> Part:
        """What is to be answered. Raises as the class does."""
        deployed, body = self.deployed, self.body
        decision = self._decision
        if decision is None:
            decision = _by_row(deployed, self._person, rows)
            _check_asked(body, self._agreed(decision))
        key = read_name(_text(body, "key"), "key")
        keys = [key] if len(rows) == 1 else [None] * len(rows)
        variant = deployed.variants[decision.variant]
        found = Part(decision, variant, range(len(rows)), keys, [self._person] * len(rows), rows)
        if variant is not deployed.default:
            found.unable = _unable(body, deployed.default if self._agreed(decision) is variant else variant)
        return found

    def _decide(self, version: str | None, asked: str | None) -> Decision | None:
        """The decision, or None where it depends on the rows."""
        router = self.deployed.router
        if version is not None:
            return router.force(find_version(self.deployed, version).name)
        if asked is not None:
            return router.force(asked)
        return None if router.attributes.features else router.decide(self._person.unit, self._person.context)

    def _agreed(self, decision: Decision) -> Variant:
        """The variant whose outputs may be asked for."""
        deployed = self.deployed
        return deployed.variants[decision.variant] if decision.reason == "override" else deployed.default


def _check_asked(body: InferBody, variant: Variant) -> None:
    """Raises BadInput where a variant does not give an output asked for, or not in that form."""
    check_outputs(body.outputs, variant.slot.signature)
    if variant.only_binary:
        check_forms(variant.only_binary, body)


def _unable(body: InferBody, variant: Variant) -> Mapping[str, BadInput]:
    """Why a variant cannot answer in the way that was asked, by its name; nothing where it can."""
    try:
        _check_asked(body, variant)
    except BadInput as error:
        return {variant.name: error}
    return {}


def _check_counts(body: InferBody, limit: int) -> None:
    """Raises TooLarge, before the rows are made."""
    for tensor in body.inputs:
        if tensor.shape and tensor.shape[0] > 0:
            check_count(tensor.shape[0], limit)


def _by_row(deployed: Deployed, person: Person, rows: Sequence[Row]) -> Decision:
    """The decision where rules read features: one answer is of one version, so all rows must come to the same.

    Raises:
        BadInput: They do not.
    """
    first: Decision | None = None
    for row in rows:
        decision = deployed.router.decide(person.unit, person.context, row)
        if first is not None and decision != first:
            raise BadInput(
                f"the rows of this request go to {first.variant!r} (entry {first.entry!r}) and to {decision.variant!r} "
                f"(entry {decision.entry!r}), because routing rules read their features, and one answer is of one "
                "version; send them in requests of their own, or name a version"
            )
        first = decision
    assert first is not None
    return first


def _rows(body: InferBody, deployed: Deployed, variant: Variant) -> list[Row]:
    """The rows in a variant's words, and what others take beside."""
    return rows_of(body, deployed.asked(variant), deployed.beside[variant.name])


def _spoken(body: InferBody, variant: Variant, default: Variant) -> Variant:
    """Whose tensors a request names: those of a remote variant are its server's own, and few know them."""
    if variant.slot.remote is None:
        return variant
    given = {tensor.name for tensor in body.inputs}
    return variant if given == {tensor.name for tensor in variant.slot.signature.inputs} else default


class Shape:
    """Makes the response to one infer request. Raises BadInput where it asks for a form that is none."""

    def __init__(self, body: InferBody) -> None:
        self._body = body
        self._form = form_of(body)

    def __call__(self, pending: Pending) -> InferAnswer | BinaryAnswer:
        """Raises Unavailable when nobody answered."""
        (only,) = pending.parts
        if only.by == "none":
            raise unanswered(pending)
        attempt, form = only.attempt, self._form
        if attempt.outputs is not None:
            outputs = tensors_out(attempt.outputs, attempt.variant.slot.signature, self._body.outputs, form)
            version: str | None = attempt.variant.version
        else:
            outputs = answers_out([pending.deployed.fallback or {}] * len(only.rows))
            version = None
        answer = InferAnswer(
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
        return answer if form is None else BinaryAnswer(answer, form.write(outputs, attempt.outputs or {}))


def find_version(deployed: Deployed, version: str) -> Variant:
    """The variant that serves a version: ``churn:7``, ``7`` where that is one version only, or the variant's name.

    Raises:
        NotFound: No variant serves it.
        BadInput: The bare number is that of several versions; the message names them.
    """
    variants = deployed.variants.values()
    for variant in variants:
        if version in (variant.version, variant.name):
            return variant
    numbered = {variant.version: variant for variant in variants if version == str(variant.slot.version or "")}
    if len(numbered) > 1:
        raise BadInput(f"version {version!r} of {deployed.name!r} is one of {', '.join(sorted(numbered))}; say which")
    for variant in numbered.values():
        return variant
    served = ", ".join(versions(deployed))
    raise NotFound(f"{deployed.name!r} serves no version {version[:100]!r}; it serves {served}")


def versions(deployed: Deployed) -> list[str]:
    """The versions that may be addressed."""
    return sorted({variant.version for variant in deployed.variants.values()})


def timeout_of(body: InferBody) -> float | None:
    """Seconds within which the caller wants an answer, or None. Raises BadInput: a ``timeout_ms`` that is no time."""
    value = (body.parameters or {}).get("timeout_ms")
    return None if value is None else read_timeout(value, "parameter 'timeout_ms'")


def metadata(deployed: Deployed, version: str | None) -> dict[str, Any]:
    """A model's metadata: tensors of the version named, or of the default variant; and the inputs by feature."""
    variant = deployed.default if version is None else find_version(deployed, version)
    signature = deployed.asked(variant)
    return {
        "name": deployed.name,
        "versions": versions(deployed),
        "platform": PLATFORM,
        "inputs": metadata_in(signature),
        "outputs": metadata_out(signature),
        "parameters": {"task": deployed.snapshot.task, "revision": deployed.revision},
        "features": feature_inputs(signature, deployed.beside[variant.name]),
    }


def _person(deployed: Deployed, body: InferBody, request_id: str) -> Person:
    """Unit and ``context.<name>`` from the parameters; what is not ours belongs to the protocol, or to others."""
    given = body.parameters
    if not given:
        return deployed.people.read(None, None, request_id)
    context = {name.removeprefix(CONTEXT): value for name, value in given.items() if name.startswith(CONTEXT)}
    return deployed.people.read(given.get("unit"), context, request_id)


def _text(body: InferBody, name: str) -> str | None:
    value = (body.parameters or {}).get(name)
    if value is not None and not isinstance(value, str):
        raise BadInput(f"parameter {name!r}: expected a string, got {value!r}")
    return value
