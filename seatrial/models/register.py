"""Register a trained model: convert it, prove it, profile it, and give it a version."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from seatrial.models.artefact import PROFILE, SAMPLES, digest_of
from seatrial.models.environments import make_environment, read_requirements, with_needed
from seatrial.models.importance import Importance, importance_by_permutation
from seatrial.models.lineage import git_commit
from seatrial.models.manifest import Environment, Lineage, Manifest
from seatrial.models.opening import open_model
from seatrial.models.performance import performance, strangers
from seatrial.models.preparing import Ready, RuntimeName, Wishes, prepare
from seatrial.models.profiling import Holdout, profile_of
from seatrial.models.python_form import prove
from seatrial.models.reference import Reference, read_reference
from seatrial.models.registry import Registry, RegistrySettings, check_alias
from seatrial.models.runtimes import RuntimeFailure, load
from seatrial.models.serving_form import ServingForm
from seatrial.models.writing import write_artefact
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.signature import Task

FIRST_ALIAS = "champion"
"""The very first version of a new name gets this alias, so that ``models:/name@champion`` always means something."""


class Registered(NamedTuple):
    """A version that was registered.

    Attributes:
        digest: SHA-256 of its files.
        aliases: Aliases that this registration put on it.
        notes: What a person should know, one sentence each.
    """

    name: str
    version: int
    digest: str
    aliases: tuple[str, ...]
    manifest: Manifest
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """One line; ``manifest`` and ``notes`` have the rest."""
        aliases = f", aliases={list(self.aliases)!r}" if self.aliases else ""
        return f"Registered({self.uri!r}{aliases}, runtime={self.manifest.runtime!r})"

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"


def register(
    name: str,
    model: object,
    *,
    data: object,
    target: str | None = None,
    holdout: object = None,
    task: Task | None = None,
    schema: object = None,
    trust: Literal["none", "pickle"] | None = None,
    parity: float = 1e-4,
    runtime: RuntimeName | None = None,
    env: str | Path | None = None,
    alias: str | None = None,
    parameters: Mapping[str, object] | None = None,
    example: object = None,
    settings: RegistrySettings | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> Registered:
    """Register a trained model as the next version of a name.

    Args:
        name: Name of the registered model.
        model: A live estimator, pipeline or booster, the path of a model file, or an MLflow URI.
        data: Reference data, the rows it was trained on: a ``.parquet`` or ``.csv`` file, a DataFrame, or ``(X, y)``.
        target: The column of ``data`` that the model predicts.
        holdout: Rows it was not fitted on, with the target; predictions are profiled and performance is measured on
            these only.
        task: What it does, where the model itself does not say.
        schema: Corrections of the inferred features: a mapping, or the path of a YAML file.
        trust: ``pickle`` to allow a model that runs code when loaded.
        parity: How far served probabilities (absolute) and values (relative) may be from the original's.
        runtime: ``onnx`` (tried first) or ``python``, which serves the original in a process of its own.
        env: A requirements file: the ``python`` runtime then serves the original with those packages, in an environment
            that is built for it here, and on every other host.
        alias: An alias to put on the new version; the first version of a new name becomes ``champion`` by itself.
        parameters: Extra parameters for the lineage.
        example: One input of a live PyTorch module, a tensor or a tuple of tensors with rows on the first axis, where
            it takes something else than all features as one float32 [n, features]; several tensors are matched to
            the columns by the names of the arguments of ``forward``.
        settings: Where the registry is; read from the environment and ``seatrial.toml`` when None.
        clock: Microseconds since 1970 UTC.

    Raises:
        BadInput: The model, its data or both are not what they should be; or it does not convert or does not agree,
            and the message names the step and the mend.
    """
    if alias is not None:
        check_alias(alias)
    if not 0 <= parity < 1:
        raise BadInput(f"A parity of {parity} bounds nothing; give a number from 0 to below 1, such as 0.0001.")
    machine = settings or _settings()
    requirements = _requirements(env, runtime)
    registry = Registry(machine)
    environments = machine.home / "environments"
    reference = read_reference(data, target)
    wishes = Wishes(task, schema, trust == "pickle", parity, runtime, example)
    with tempfile.TemporaryDirectory(prefix="seatrial-register-") as temporary:
        work = Path(temporary)
        opened = open_model(model, trust=trust or "none", registry=registry, work=work)
        ready = prepare(opened, reference, wishes)
        held = None if holdout is None else _hold(ready, read_reference(holdout, reference.target_name, "holdout"))
        parent = _parent(registry, name)
        lineage = _lineage(name, reference, ready, held, parent, parameters or {}, clock())
        environment, added = _environment(requirements, ready.form, environments)
        manifest = _manifest(name, ready.form, lineage, environment)
        directory = work / "artefact"
        profile = profile_of(
            ready.form.signature, ready.frame, None if held is None else held.rows, _importance(ready, held)
        )
        write_artefact(directory, manifest, ready, profile)
        _check_start(directory, manifest, ready.form, environments, parity)
        digest = digest_of(directory)
        version = registry.add(
            name,
            directory,
            digest=digest,
            parameters=lineage.parameters,
            metrics=lineage.metrics,
            tags={"seatrial.runtime": manifest.runtime, "seatrial.task": manifest.signature.task},
        )
    aliases = _aliased(registry, name, version, alias, parent is None)
    notes = (
        *ready.notes,
        *ready.form.notes,
        *added,
        *_changes(parent, manifest),
        *_first(name, parent is None, aliases),
    )
    return Registered(name, version, digest, aliases, manifest, notes)


def _requirements(env: str | Path | None, runtime: RuntimeName | None) -> tuple[str, ...]:
    if env is None:
        return ()
    if runtime != "python":
        raise BadInput("An environment is for a model that is served by its own library; add --runtime python.")
    return read_requirements(Path(env))


def _environment(
    requirements: tuple[str, ...], form: ServingForm, root: Path
) -> tuple[Environment | None, tuple[str, ...]]:
    """The environment that the requirements come to, built, and a sentence about it."""
    if not requirements:
        return None, ()
    whole, added = with_needed(requirements, form.format)
    environment = make_environment(whole, root)
    said = f"Served in an environment of its own: {len(environment.packages)} packages, {environment.digest[:12]}"
    return environment, (f"{said}; added to the requirements: {', '.join(added)}." if added else f"{said}.",)


def _check_start(directory: Path, manifest: Manifest, form: ServingForm, environments: Path, tolerance: float) -> None:
    """The original must load where it will be served: in a process of its own, which knows no code but what is
    installed; and answer there as before, when those are other packages. Raises BadInput."""
    if manifest.runtime != "python":
        return
    try:
        runtime = load(directory, manifest.trust, environments=environments)
    except RuntimeFailure as error:
        own = manifest.environment is None
        mend = "put the code that it needs into a module that is installed wherever it is served"
        mend = mend if own else "add the package that has the code which it needs to the requirements"
        raise BadInput(f"The model does not load in a process of its own ({error}); {mend}.") from error
    try:
        if manifest.environment is not None and form.evidence is not None:
            mend = "pin the versions that it was trained with"
            prove(runtime.run, manifest.signature, form.evidence, tolerance, where="in its environment", mend=mend)
    except RuntimeFailure as error:
        raise BadInput(f"The model does not answer in its environment: {error}") from error
    finally:
        runtime.close()


class _Held(NamedTuple):
    """The holdout, and how good the answers on it are."""

    rows: Holdout
    metrics: dict[str, float]


def _hold(ready: Ready, holdout: Reference) -> _Held:
    if holdout.target is None:
        raise BadInput("A holdout needs the true answers; name their column with --target.")
    known = holdout.target.notna().to_numpy()
    truth = holdout.target[known].to_numpy()
    if not len(truth):
        raise BadInput("The holdout has no row with a true answer.")
    signature = ready.form.signature
    if signature.task == "regression" and not pd.api.types.is_numeric_dtype(holdout.target.dtype):
        raise BadInput(f"The holdout's {holdout.target_name!r} holds no numbers, which a regression predicts.")
    if signature.task == "classification" and (foreign := strangers(truth, signature.answer.classes)):
        raise BadInput(
            f"The holdout's {holdout.target_name!r} holds {', '.join(map(repr, foreign))}, and the model answers "
            f"{', '.join(map(repr, signature.answer.classes[:5]))}; write the labels as the model gives them."
        )
    rows = holdout.frame[known].reset_index(drop=True)
    try:
        predicted = ready.predict(rows)
    except BadInput as error:
        raise BadInput(f"The holdout does not fit the model: {error}") from error
    found = performance(signature.task, predicted, truth, signature.answer.classes)
    return _Held(Holdout(rows, predicted, truth), found)


def _importance(ready: Ready, held: _Held | None) -> Importance:
    """As the model says, else as its holdout does."""
    signature = ready.form.signature
    if ready.importance.source or held is None or signature.task not in ("classification", "regression"):
        return ready.importance
    names = [feature.name for feature in signature.features]
    classes = signature.answer.classes if signature.task == "classification" else ()
    return importance_by_permutation(ready.predict, held.rows.frame, held.rows.truth, classes, names)


def _lineage(
    name: str,
    reference: Reference,
    ready: Ready,
    held: _Held | None,
    parent: "_Parent | None",
    parameters: Mapping[str, object],
    now: int,
) -> Lineage:
    return Lineage(
        data_digest=reference.digest,
        data_rows=len(ready.frame),
        holdout_rows=0 if held is None else len(held.rows.truth),
        target=reference.target_name,
        parent=None if parent is None else f"{name}:{parent.version}",
        git_commit=git_commit(Path.cwd()),
        parameters={**ready.parameters, **{key: str(value) for key, value in parameters.items()}},
        metrics={} if held is None else held.metrics,
        framework=ready.framework,
        registered_at=datetime.fromtimestamp(now / 1e6, UTC).isoformat().replace("+00:00", "Z"),
    )


def _manifest(name: str, form: ServingForm, lineage: Lineage, environment: Environment | None) -> Manifest:
    return Manifest(
        name=name,
        file=form.file,
        format=form.format,
        runtime=form.runtime,
        signature=form.signature,
        trust=form.trust,
        parity=form.parity,
        lineage=lineage,
        profile=PROFILE,
        samples=SAMPLES,
        environment=environment,
    )


class _Parent(NamedTuple):
    """The version before this one, with its manifest where it is ours."""

    version: int
    manifest: Manifest | None


def _parent(registry: Registry, name: str) -> _Parent | None:
    there = registry.versions(name)
    if not there:
        return None
    try:
        return _Parent(there[-1], registry.show(name, there[-1])[1])
    except SeatrialError:
        return _Parent(there[-1], None)


def _changes(parent: _Parent | None, manifest: Manifest) -> tuple[str, ...]:
    """A sentence about what is another than in the version before."""
    if parent is None or parent.manifest is None:
        return ()
    before = {f.name: f.kind for f in parent.manifest.signature.features}
    after = {f.name: f.kind for f in manifest.signature.features}
    said = _listed("without", [name for name in before if name not in after])
    said += _listed("new:", [name for name in after if name not in before])
    moved = [name for name in after if name in before and before[name] != after[name]]
    said += _listed("another kind:", [f"{name} ({before[name]} before, {after[name]} now)" for name in moved])
    tasks = parent.manifest.signature.task, manifest.signature.task
    if tasks[0] != tasks[1]:
        said.append(f"the task was {tasks[0]} and is {tasks[1]}")
    return (f"The schema differs from version {parent.version}: {'; '.join(said)}.",) if said else ()


def _listed(word: str, names: list[str], limit: int = 8) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return [f"{word} {', '.join(names[:limit])}{more}"]


def _aliased(registry: Registry, name: str, version: int, alias: str | None, first: bool) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(([FIRST_ALIAS] if first else []) + ([alias] if alias else [])))
    for one in wanted:
        registry.set_alias(name, one, version)
    return wanted


def _first(name: str, first: bool, aliases: tuple[str, ...]) -> tuple[str, ...]:
    if first and FIRST_ALIAS in aliases:
        return (f"{name!r} is a new name, so its first version got the alias {FIRST_ALIAS!r}.",)
    return ()


def _settings() -> RegistrySettings:
    from seatrial.spec.settings import load_settings  # reads files; only when the caller gave no settings

    return load_settings(os.environ, Path.cwd())
