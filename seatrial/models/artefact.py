"""The files of one version in a directory, addressed by their content."""

import hashlib
from pathlib import Path

import msgspec

from seatrial.models.manifest import Manifest

MANIFEST = "manifest.json"
PROFILE = "profile.json"
SAMPLES = "samples.json"
RECIPE = "frame.json"
NOT_HASHED = frozenset({"MLmodel"})
"""The registry's own description of the files: it carries times and ids, and nothing that serving reads."""


def digest_of(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below a directory, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        name = path.relative_to(directory).as_posix()
        if name in NOT_HASHED:
            continue
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``."""
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
