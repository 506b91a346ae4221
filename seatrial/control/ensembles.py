"""From an ensemble in the file to a slot: its members as they are pinned when the file is applied; pure.

The members' versions stand in the ensemble's own slot, so that it stays what it was released as, whatever becomes of
the variants whose names it took: promoted, rolled back, or removed from the file.
"""

from collections.abc import Mapping

import msgspec

from seatrial.models.ensemble import ensemble_digest, ensemble_signature
from seatrial.routing.snapshot import Ensemble, Slot
from seatrial.spec.deployment import Deployment, VariantSpec
from seatrial.spec.units import show_share


def reference_of(spec: Deployment, variant: str) -> str:
    """What a variant refers to, as text: while it stays the same, its pin stays."""
    said = spec.variants[variant]
    if not said.ensemble:
        return said.reference
    members = [
        f"{show_share(said.weights[member])} {reference_of(spec, member)}"
        if said.combine == "weights"
        else reference_of(spec, member)
        for member in said.ensemble
    ]
    return f"{said.combine} of {' and '.join(members)}" if said.combine != "weights" else " and ".join(members)


def ensemble_slot(variant: str, said: VariantSpec, members: Mapping[str, Slot]) -> Slot:
    """The slot of an ensemble.

    Args:
        members: A slot for every name in ``said.ensemble``.

    Raises:
        BadInput: The members cannot be combined; the message says which and why.
    """
    slots = tuple(
        msgspec.structs.replace(with_settings(members[name], said), variant=name, lookup=None) for name in said.ensemble
    )
    weights = tuple(said.weights[name] for name in said.ensemble) if said.combine == "weights" else ()
    return Slot(
        variant=variant,
        model=variant,
        version=0,
        digest=ensemble_digest(slots, said.combine, weights),
        path="",
        runtime="ensemble",
        trust=said.trust,
        timeout=said.timeout,
        device=said.device,
        signature=ensemble_signature(variant, slots, said.combine),
        ensemble=Ensemble(members=slots, combine=said.combine, weights=weights),
    )


def with_settings(slot: Slot, said: VariantSpec) -> Slot:
    """The slot with what its variant says beside the model; an ensemble's members say the same."""
    members = slot.ensemble
    if members is not None:
        parts = tuple(with_settings(part, said) for part in members.members)
        members = msgspec.structs.replace(members, members=parts)
    return msgspec.structs.replace(slot, timeout=said.timeout, trust=said.trust, device=said.device, ensemble=members)
