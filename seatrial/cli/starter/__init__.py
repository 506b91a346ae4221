"""What ``seatrial init`` starts with: a small real model, a commented deployment file, a request that works."""

import json
import os
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from seatrial.spec.errors import Conflict

NAME = "iris"
FILES = {"model.onnx": "iris.onnx", "train.csv": "iris-train.csv", "holdout.csv": "iris-holdout.csv"}


class Started(NamedTuple):
    """What was begun.

    Attributes:
        files: What was written.
        said: What else was done, and what comes next, one sentence each.
    """

    files: tuple[Path, ...]
    said: tuple[str, ...]


def start_project(directory: Path, *, bare: bool) -> Started:
    """Write the files, then register the model and apply the deployment.

    Raises:
        Conflict: The directory already holds a deployment file of that name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    deployment = directory / f"{NAME}.yaml"
    if deployment.exists():
        raise Conflict(f"{deployment} is already there; remove it, or start in another directory: seatrial init PATH")
    written = _write_files(directory, deployment)
    if bare:
        return Started(tuple(written), ())
    lines = _register_and_apply(directory, deployment)
    where = "" if directory.resolve() == Path.cwd() else f"cd {directory} && "
    return Started(tuple(written), (*lines, f"next: {where}seatrial up"))


def _write_files(directory: Path, deployment: Path) -> list[Path]:
    from seatrial.spec.template import render

    sample = directory / "sample"
    sample.mkdir(exist_ok=True)
    written = []
    for target, source in FILES.items():
        with as_file(files("seatrial.cli.starter").joinpath(source)) as path:
            (sample / target).write_bytes(path.read_bytes())
        written.append(sample / target)
    deployment.write_text(render(NAME, "classification"), "utf-8")
    return [deployment, *written]


def _register_and_apply(directory: Path, deployment: Path) -> list[str]:
    from seatrial.cli.deployments import outcome_line
    from seatrial.control.apply import apply
    from seatrial.models.register import register
    from seatrial.models.registry import Registry
    from seatrial.processes.home import is_up
    from seatrial.spec.settings import load_settings

    settings = load_settings(os.environ, directory)
    lines = []
    if not Registry(settings).exists(NAME):
        sample = directory / "sample"
        registered = register(
            NAME,
            str(sample / "model.onnx"),
            data=sample / "train.csv",
            target="species",
            holdout=sample / "holdout.csv",
            settings=settings,
        )
        lines.append(f"registered {NAME}:{registered.version}, a sample model that tells three kinds of iris apart")
    applied = apply(deployment.read_text("utf-8"), settings, actor="seatrial init")
    return [*lines, outcome_line(applied, up=is_up(settings.home))]


def sample_request(home: Path, deployment: str, address: str) -> str:
    """A ``curl`` line that works: a real row of the reference data for what the deployment serves now."""
    from seatrial.releases.publication import Publication

    publication = Publication(home)
    revision = publication.active(deployment)
    features: object = {}
    if revision is not None:
        snapshot = publication.read(deployment, revision)
        transform, parts = snapshot.transform, snapshot.slot(snapshot.default).parts
        if transform is not None and transform.slot is not None:
            parts = (transform.slot, *parts)
        rows = [
            json.loads(samples.read_text("utf-8"))[0]
            for part in parts
            if part.path and (samples := Path(part.path) / "samples.json").exists()
        ]
        carried = None if transform is None else {feature.name for feature in transform.signature.features}
        features = {
            name: value for row in reversed(rows) for name, value in row.items() if carried is None or name in carried
        }
    body = json.dumps({"unit": "somebody", "features": features}, ensure_ascii=False)
    quoted = body.replace("'", "'\\''")
    return f"curl -s http://{address}/v1/deployments/{deployment}/predict -w '\\n' -d '{quoted}'"
