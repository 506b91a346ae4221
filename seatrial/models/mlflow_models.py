"""Model directories as MLflow keeps them: which file in one is the model."""

from pathlib import Path
from typing import Any

from seatrial.models.artefact import MANIFEST
from seatrial.models.manifest import read_manifest
from seatrial.spec.errors import BadInput

_FILES: dict[str, tuple[str, ...]] = {
    "onnx": ("data",),
    "lightgbm": ("data",),
    "xgboost": ("data",),
    "sklearn": ("pickled_model",),
}
"""Where each flavour's entry in ``MLmodel`` names its file."""


def model_file_in(directory: Path, shown: str) -> Path:
    """The model file in a directory of ours or of MLflow's.

    Raises:
        BadInput: It is neither, or of a flavour that is not known.
    """
    if directory.is_file():
        return directory
    if (directory / MANIFEST).exists():
        return directory / read_manifest(str(directory)).file
    if not (directory / "MLmodel").exists():
        raise BadInput(f"{shown!r} is a directory without a model in it: it has neither MLmodel nor {MANIFEST}.")
    flavors = _flavors(directory)
    for flavor, keys in _FILES.items():
        for key in keys:
            named = flavors.get(flavor, {}).get(key)
            if named and (directory / named).is_file():
                return Path(directory / named)
    raise BadInput(
        f"{shown!r} has the MLflow flavours {', '.join(sorted(flavors)) or 'none'}; seatrial reads {', '.join(_FILES)}."
    )


def _flavors(directory: Path) -> dict[str, dict[str, Any]]:
    from ruamel.yaml import YAML  # a second to import, and only an MLflow directory needs it

    read = YAML(typ="safe").load((directory / "MLmodel").read_text())
    flavors = read.get("flavors") if isinstance(read, dict) else None
    return {str(name): dict(value or {}) for name, value in (flavors or {}).items()}
