"""From a popular variant in the file to a slot; pure.

A slot carries all that is counted, so that it goes on being counted wherever the slot goes: in the variant that the
file declares, in the champion's place, or as the version before.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from seatrial.routing.snapshot import Popular, Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.signature import Answer, Signature, Tensor

_ITEM, _SCORE = "item", "score"


def popular_slots(spec: Deployment, wanted: Iterable[str]) -> dict[str, Slot]:
    """The slots of those variants that are popular ones."""
    return {name: _slot(spec, name) for name in wanted if spec.variants[name].popular is not None}


def _slot(spec: Deployment, variant: str) -> Slot:
    said = spec.variants[variant].popular
    assert said is not None
    digest = hashlib.sha256(f"popular {spec.deployment} {{{said.terms}}}".encode()).hexdigest()
    terms = Popular(
        file=f"{spec.deployment}/{digest[:32]}",
        outcome=said.outcome,
        within=said.within,
        item=said.item or "",
        value=said.value or "",
        most=said.most,
    )
    return Slot(
        variant=variant,
        model=variant,
        version=0,
        digest=digest,
        path="",
        runtime="popular",
        timeout=spec.variants[variant].timeout,
        signature=_signature(None),
        popular=terms,
    )


def beside_others(slots: Sequence[Slot], default: str) -> tuple[Slot, ...]:
    """The slots, popular ones with the inputs of the version that they stand beside: the default, else the first.

    They need none, but requests carry them, rows log them, and they are asked in the same words. What they give they
    call as that version does, where it gives items and scores.
    """
    others = sorted((slot for slot in slots if slot.popular is None), key=lambda slot: slot.variant != default)
    signature = _signature(others[0].signature if others else None)
    return tuple(slot if slot.popular is None else msgspec.structs.replace(slot, signature=signature) for slot in slots)


def _signature(beside: Signature | None) -> Signature:
    answer = Answer(prediction=_ITEM, scores=_SCORE)
    if beside is not None and beside.task == "ranking" and beside.answer.scores is not None:
        answer = Answer(prediction=beside.answer.prediction, scores=beside.answer.scores)
    return Signature(
        task="ranking",
        features=beside.features if beside is not None else (),
        inputs=beside.inputs if beside is not None else (),
        outputs=(
            Tensor(name=answer.prediction, datatype="BYTES", shape=(-1, -1)),
            Tensor(name=answer.scores or _SCORE, datatype="FP64", shape=(-1, -1)),
        ),
        answer=answer,
    )
