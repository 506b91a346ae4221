"""The record that travels with a version's files: ``manifest.json`` in the artefact directory."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from seatrial.spec.signature import Signature


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version came from."""

    data_digest: str = ""
    data_rows: int = 0
    holdout_rows: int = 0
    target: str | None = None
    parent: str | None = None
    git_commit: str | None = None
    parameters: dict[str, str] = {}
    metrics: dict[str, float] = {}
    """Performance on the holdout only, e.g. ``accuracy``."""
    framework: str = ""
    registered_at: str = ""


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """How far the served form is from the original, on reference rows and on made rows."""

    rows: int
    made_rows: int
    worst_probability: float = 0.0
    worst_relative: float = 0.0
    label_flips: int = 0
    tolerance: float = 1e-4
    unsafe_features: tuple[str, ...] = ()
    """Features with values that float32 cannot hold."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The packages that the python runtime serves a version with, where they are not the server's own.

    Attributes:
        python: ``cpython-3.11``: which Python they were resolved for.
        packages: All of them, ``name==version``, in order of names.
        digest: SHA-256 of both; the environments of a host are addressed by it.
    """

    python: str
    packages: tuple[str, ...]
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a server and a person need to know about one version's files.

    Attributes:
        file: Model file relative to the artefact directory.
        format: What that file is: ``onnx``, ``skops``, ``joblib``, ...
        trust: ``pickle`` when loading it runs code, and it was registered with that said.
        profile: File of the reference profile, relative, or None.
        samples: File with a few real-shaped rows (JSON), used to warm up, or None.
        environment: What the python runtime serves it with; None: the server's own packages.
    """

    name: str
    file: str
    format: str
    runtime: Literal["onnx", "python"]
    signature: Signature
    trust: Literal["none", "pickle"] = "none"
    parity: Parity | None = None
    lineage: Lineage = Lineage()
    profile: str | None = None
    samples: str | None = None
    environment: Environment | None = None


def read_samples(directory: Path) -> list[dict[str, Any]]:
    """The version's sample rows; empty when it has none."""
    try:
        name = read_manifest(str(directory)).samples
        if name is None:
            return []
        return msgspec.json.decode((directory / name).read_bytes(), type=list[dict[str, Any]])
    except FileNotFoundError:
        return []


def read_manifest(directory: str) -> Manifest:
    """Read ``manifest.json`` from an artefact directory."""
    with open(f"{directory}/manifest.json", "rb") as file:
        return msgspec.json.decode(file.read(), type=Manifest)
