"""From a reference in the file to a slot: which version it is, and its verified files in this host's store."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from seatrial.control.ensembles import ensemble_slot
from seatrial.models.environments import environments_beside, interpreter
from seatrial.models.manifest import Manifest, read_manifest
from seatrial.releases.records import DeploymentState
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment, VariantSpec
from seatrial.spec.errors import BadInput


class Registry(Protocol):
    """What control needs of the model registry."""

    def resolve(self, uri: str) -> tuple[str, int]: ...
    def materialise(self, name: str, version: int, store: Path) -> tuple[str, Path]: ...
    def set_alias(self, name: str, alias: str, version: int) -> None: ...
    def aliases(self, name: str) -> dict[str, int]: ...
    def versions(self, name: str) -> tuple[int, ...]: ...


def resolve(variant: str, said: VariantSpec, registry: Registry, store: Path) -> Slot:
    """Look a reference up and bring its files here.

    Raises:
        NotFound: no such model, alias or version.
        BadInput: the variant does not allow what the version needs, or its environment cannot be built here.
    """
    assert said.model is not None
    name, version = registry.resolve(said.model)
    return slot_of(variant, said, name, version, registry, store)


def resolve_all(
    wanted: Iterable[str], spec: Deployment, state: DeploymentState | None, registry: Registry, store: Path
) -> dict[str, Slot]:
    """A slot for each of the variants wanted; an ensemble takes its members as they are pinned, or will be.

    Raises:
        NotFound, BadInput: As ``resolve``; or the members of an ensemble cannot be combined.
    """
    names = list(wanted)
    found = {name: resolve(name, spec.variants[name], registry, store) for name in names if spec.variants[name].model}

    def member(name: str) -> Slot:
        kept = state.slot(name) if state is not None else None
        if name in found or kept is None or kept.ensemble is not None:
            return found.get(name) or resolve(name, spec.variants[name], registry, store)
        return kept

    for name in names:
        said = spec.variants[name]
        if said.ensemble:
            members = {other: member(other) for other in said.ensemble}
            for other, slot in members.items():
                if not slot.has_files:
                    how = "is answered by another server" if slot.remote is not None else "counts outcomes"
                    raise BadInput(
                        f"member `{other}` of `{name}` {how} since {slot.model_version} took command, and members are "
                        "models that answer here; name another member."
                    )
                check_allowed(name, said, slot.model_version, read_manifest(slot.path))
            found[name] = ensemble_slot(name, said, members)
    return found


def slot_of(variant: str, said: VariantSpec, name: str, version: int, registry: Registry, store: Path) -> Slot:
    """The slot of a version that is known by number."""
    digest, directory = registry.materialise(name, version, store)
    manifest = read_manifest(str(directory))
    check_allowed(variant, said, f"{name}:{version}", manifest)
    if manifest.environment is not None:  # now, and not while every worker of this host waits for it
        interpreter(manifest.environment, environments_beside(store))
    return Slot(
        variant=variant,
        model=name,
        version=version,
        digest=digest,
        path=str(directory),
        runtime=manifest.runtime,
        trust=said.trust,
        timeout=said.timeout,
        device=said.device,
        signature=manifest.signature,
    )


def check_allowed(variant: str, said: VariantSpec, model_version: str, manifest: Manifest) -> None:
    """Raise BadInput when the version needs a trust or a runtime that the variant does not give, or has no device."""
    if manifest.trust == "pickle" and said.trust != "pickle":
        raise BadInput(
            f"{model_version} was registered with --trust pickle, so loading it runs code that came with it; "
            f"write `trust: pickle` at variant `{variant}` if you trust it."
        )
    if said.runtime is not None and said.runtime != manifest.runtime:
        raise BadInput(
            f"variant `{variant}` says `runtime: {said.runtime}`, but {model_version} was registered for "
            f"{manifest.runtime}; leave `runtime` out, or register with --runtime {said.runtime}."
        )
    if said.device != "cpu" and manifest.runtime != "onnx":
        raise BadInput(
            f"variant `{variant}` says `device: {said.device}`, which is for ONNX models; {model_version} is served "
            f"by the {manifest.runtime} runtime, where its own code picks one; leave `device` out."
        )
