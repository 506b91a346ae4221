"""Writing a version's directory: the model file, ``manifest.json``, ``samples.json``, ``profile.json``, ``MLmodel``."""

import platform
from pathlib import Path

import msgspec
import numpy as np

from seatrial.drift.profile import Profile
from seatrial.models.artefact import PROFILE, RECIPE, SAMPLES, write_manifest
from seatrial.models.frames import rows_of
from seatrial.models.manifest import Manifest
from seatrial.models.preparing import Ready
from seatrial.models.serving_form import ServingForm

SAMPLE_ROWS = 16


def write_artefact(directory: Path, manifest: Manifest, ready: Ready, profile: Profile) -> None:
    """Write all files of a version; ``samples.json`` is a list of feature objects as requests carry them."""
    form, frame = ready.form, ready.frame
    directory.mkdir(parents=True)
    (directory / form.file).write_bytes(form.content)
    (directory / PROFILE).write_bytes(profile.to_json())
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(SAMPLE_ROWS, len(frame))).astype(int))
    (directory / SAMPLES).write_bytes(msgspec.json.encode(rows_of(frame.iloc[chosen], manifest.signature.features)))
    if form.runtime == "python":
        (directory / RECIPE).write_bytes(msgspec.json.encode(ready.recipe))
    write_manifest(directory, manifest)
    (directory / "MLmodel").write_bytes(msgspec.json.format(msgspec.json.encode(_mlmodel(form, manifest)), indent=2))


def _mlmodel(form: ServingForm, manifest: Manifest) -> dict[str, object]:
    """MLflow's description (JSON is YAML), so that its own loaders open the same files."""
    flavors: dict[str, object] = {"seatrial": {"manifest": "manifest.json"}}
    if form.format == "onnx":
        onnx_flavor = {
            "data": form.file,
            "code": None,
            "providers": ["CPUExecutionProvider"],
            "onnx_session_options": None,
        }
        flavors["onnx"] = onnx_flavor
        flavors["python_function"] = {
            "loader_module": "mlflow.onnx",
            "data": form.file,
            "python_version": platform.python_version(),
        }
    return {"flavors": flavors, "utc_time_created": manifest.lineage.registered_at.rstrip("Z").replace("T", " ")}
