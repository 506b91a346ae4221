"""From a remote variant in the file to a slot: its server is asked what it takes and gives, where the file is silent.

A server of any JSON takes the features, and gives the classes, of the variant it stands beside: the default, else the
first that has a model. An Open Inference server says what it takes; beside another variant, it is held to that one's
features too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from seatrial.models.manifest import read_samples
from seatrial.models.remote import answers_with_scores, terms_of
from seatrial.models.remote_signature import Settled, settle_json, settle_open_inference
from seatrial.routing.snapshot import Remote, Slot
from seatrial.spec.deployment import Deployment, RemoteSpec
from seatrial.spec.errors import BadInput, SeatrialError, Unavailable

ASKED_ROWS = 8


def resolve_remotes(
    spec: Deployment, wanted: Sequence[str], known: Mapping[str, Slot], environ: Mapping[str, str]
) -> dict[str, Slot]:
    """The slots of remote variants.

    Args:
        wanted: Which.
        known: The other variants' slots.
        environ: Where their secrets are found.

    Raises:
        BadInput: What goes where is not clear.
        Unavailable: A server had to be asked and did not answer.
    """
    found: dict[str, Slot] = {}
    for variant in sorted(wanted, key=lambda name: _is_json(spec, name)):
        found[variant] = _resolve(variant, spec, _beside(spec, {**known, **found}), environ)
    return found


def _is_json(spec: Deployment, variant: str) -> bool:
    """A server that says nothing of what it takes; those that do come first."""
    remote = spec.variants[variant].remote
    return remote is not None and remote.url is not None


def _beside(spec: Deployment, known: Mapping[str, Slot]) -> Slot | None:
    names = [spec.default, *(name for name in spec.variants if name != spec.default)]
    slots = [known[name] for name in names if name in known]
    return next((slot for slot in slots if slot.remote is None), slots[0] if slots else None)


def _resolve(variant: str, spec: Deployment, beside: Slot | None, environ: Mapping[str, str]) -> Slot:
    said = spec.variants[variant].remote
    assert said is not None
    try:
        settled = _settled(said, spec, beside, environ)
    except BadInput as error:
        raise BadInput(f"variant `{variant}` is remote, and {error}") from None
    except SeatrialError as error:
        raise Unavailable(f"variant `{variant}` is remote, and {error}; mend that and apply again.") from None
    terms = msgspec.json.encode((settled.remote, settled.signature), order="deterministic")
    return Slot(
        variant=variant,
        model=variant,
        version=0,
        digest=hashlib.sha256(terms).hexdigest(),
        path="",
        runtime="remote",
        trust="none",
        timeout=spec.variants[variant].timeout,
        signature=settled.signature,
        remote=settled.remote,
    )


def _settled(said: RemoteSpec, spec: Deployment, beside: Slot | None, environ: Mapping[str, str]) -> Settled:
    remote = Remote(
        protocol=_protocol(said),
        address=said.address,
        headers=said.headers,
        body=said.body if said.url else "",
        answer=said.answer or "",
        score=said.score or "",
        scores=said.scores or "",
        model=said.model or "",
        version=said.version or "",
    )
    signature = beside.signature if beside is not None else None
    if not said.url:
        return settle_open_inference(remote, terms_of(remote, environ), said.features, signature, spec.task)
    settled = settle_json(remote, signature)
    if remote.score or remote.scores or len(settled.signature.answer.classes) != 2 or beside is None:
        return settled
    rows = next((found for part in beside.parts if part.path and (found := read_samples(Path(part.path)))), [])
    if rows and answers_with_scores(remote, settled.signature, rows[:ASKED_ROWS], environ):
        return settle_json(msgspec.structs.replace(remote, answer="", score=remote.answer), signature)
    return settled


def _protocol(said: RemoteSpec) -> Literal["json", "http", "grpc"]:
    if said.url:
        return "json"
    return "grpc" if said.address.startswith("grpc") else "http"
