"""The model registry: MLflow's own names, versions and aliases, with our files as their artefacts.

Whoever speaks MLflow reads the same registry: ``models:/name@champion`` means to them what it means here. A version's
artefact is a directory with ``manifest.json`` (ours) and ``MLmodel`` (MLflow's) side by side; its digest is a tag, and
is checked whenever the files are brought to a host.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from seatrial.models import mlflow_client
from seatrial.models.artefact import MANIFEST, digest_of
from seatrial.models.manifest import Manifest, read_manifest
from seatrial.spec.errors import BadInput, NotFound, SeatrialError, Unavailable

DIGEST_TAG = "seatrial.digest"
EXPERIMENT = "seatrial"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")
_ALIAS = re.compile(r"(?!(?i:latest$|v\d+$))[A-Za-z0-9_-]{1,255}")
LATEST = "latest"
"""In a URI's place for the version: the newest there is, in MLflow's own words."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class RegistrySettings(Protocol):
    """What the registry needs of the machine's settings."""

    @property
    def home(self) -> Path: ...
    @property
    def registry_url(self) -> str | None: ...


class Version(NamedTuple):
    """One registered version, as the registry tells it.

    Attributes:
        created_at: Microseconds since 1970 UTC.
        digest: Of its files; "" when it was not registered by us.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    digest: str
    created_at: int
    tags: Mapping[str, str]


class Registry:
    """A connection to the registry; made cheaply, MLflow is imported at the first call."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._home = Path(settings.home).absolute()
        self._url = settings.registry_url or f"sqlite:///{self._home / 'registry.db'}"
        self._serves_files = self._url.startswith(("http://", "https://", "databricks"))
        self._connected: Any = None

    @property
    def url(self) -> str:
        return self._url

    def resolve(self, uri: str) -> tuple[str, int]:
        """``models:/name@alias``, ``models:/name/7`` or ``models:/name/latest`` to a name and a version number.

        Raises:
            BadInput: The URI has another form.
            NotFound: The name, alias or version does not exist; the message says what does.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise BadInput(f"{uri!r} names no model; write models:/name@alias or models:/name/7.")
        name, alias, version = match["name"], match["alias"], match["version"]
        if alias is not None:
            return name, self._aliased(name, alias)
        if version == LATEST:
            return name, self._newest(name)
        if not version.isdigit():
            raise BadInput(
                f"{uri!r} names no version; write a number, models:/{name}/7, an alias, models:/{name}@champion, or "
                f"the newest, models:/{name}/{LATEST}."
            )
        self._version(name, int(version))
        return name, int(version)

    def materialise(self, name: str, version: int, store: Path) -> tuple[str, Path]:
        """Bring a version's files to ``store/<digest>`` and give digest and directory; files already there are kept.

        Nothing of the model is loaded. Raises NotFound, BadInput for a version without our manifest, and SeatrialError
        for files that are not those that were registered.
        """
        found = self._version(name, version)
        if not found.digest:
            raise BadInput(
                f"models:/{name}/{version} was not registered by seatrial, so nobody proved what it does; "
                f"run: seatrial register {name} models:/{name}/{version} --data reference.parquet"
            )
        directory = store / found.digest
        if (directory / MANIFEST).exists():
            return found.digest, directory
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix=".coming-") as temporary:
            came = self.download(f"models:/{name}/{version}", Path(temporary))
            if digest_of(came) != found.digest:
                raise SeatrialError(
                    f"The files of models:/{name}/{version} are not those that were registered (digest "
                    f"{digest_of(came)[:12]}, registered {found.digest[:12]}); register the model again."
                )
            _move(came, directory)
        return found.digest, directory

    def list(self) -> tuple[Version, ...]:
        """Every version of every model, names in order, newest version first."""
        with self._client() as client:
            models = _all_pages(client.search_registered_models)
            found = [v for model in models for v in _all_pages(client.search_model_versions, f"name='{model.name}'")]
            aliases = {model.name: _by_version(model.aliases) for model in models}
        versions = [_told(v, aliases[v.name].get(int(v.version), ())) for v in found]
        return tuple(sorted(versions, key=lambda v: (v.name, -v.version)))

    def show(self, name: str, version: int) -> tuple[Version, Manifest]:
        """One version with its manifest (its files are brought to ``home/store``)."""
        _, directory = self.materialise(name, version, self._home / "store")
        return self._version(name, version), read_manifest(str(directory))

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a model and the versions they stand on; raises NotFound for an unknown model."""
        with self._client() as client:
            found = _all_pages(client.search_registered_models, f"name='{_checked(name)}'")
        if not found:
            raise NotFound(f"There is no model called {name!r} in the registry.{self._known()}")
        return {alias: int(version) for alias, version in found[0].aliases.items()}

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version; raises NotFound, BadInput for what cannot be one."""
        check_alias(alias)
        self._version(name, version)
        with self._client() as client:
            client.set_registered_model_alias(name, alias, str(version))

    def exists(self, name: str) -> bool:
        """Whether any version of that name is registered."""
        return bool(self.versions(name))

    def versions(self, name: str) -> tuple[int, ...]:
        """The version numbers of a name, oldest first; none when it is unknown."""
        with self._client() as client:
            found = _all_pages(client.search_model_versions, f"name='{_checked(name)}'")
        return tuple(sorted(int(v.version) for v in found))

    def add(
        self,
        name: str,
        directory: Path,
        *,
        digest: str,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> int:
        """Store an artefact directory as the next version of a name, with a run that carries its lineage."""
        with self._client() as client:
            run = client.create_run(self._experiment(client), run_name=name, tags={"seatrial.model": name})
            run_id = run.info.run_id
            for key, value in parameters.items():
                client.log_param(run_id, key, value)
            for key, number in metrics.items():
                client.log_metric(run_id, key, number)
            client.log_artifacts(run_id, str(directory), "model")
            client.set_terminated(run_id)
            if not _all_pages(client.search_registered_models, f"name='{_checked(name)}'"):
                client.create_registered_model(name)
            made = client.create_model_version(
                name, source=f"{run.info.artifact_uri}/model", run_id=run_id, tags={**tags, DIGEST_TAG: digest}
            )
        return int(made.version)

    def download(self, uri: str, into: Path) -> Path:
        """Bring the files behind ``models:/…`` or ``runs:/…`` to a directory, as they are.

        Raises:
            NotFound: The registry has nothing there, or the files are gone.
        """
        if uri.startswith("models:"):
            name, version = self.resolve(uri)
            with self._client() as client:
                uri = client.get_model_version_download_uri(name, str(version))
        with self._client():
            artefacts = mlflow_client.load("mlflow.artifacts")
            exceptions = mlflow_client.load("mlflow.exceptions")
            try:
                return Path(artefacts.download_artifacts(artifact_uri=uri, dst_path=str(into), tracking_uri=self._url))
            except (OSError, exceptions.MlflowException) as error:
                raise NotFound(
                    f"There are no files at {uri!r} (registry {self._url}); register the model again."
                ) from error

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        location = None if self._serves_files else (self._home / "registry").as_uri()
        return str(client.create_experiment(EXPERIMENT, artifact_location=location))

    def _aliased(self, name: str, alias: str) -> int:
        there = self.aliases(name)
        if alias not in there:
            known = ", ".join(f"{a} (version {v})" for a, v in sorted(there.items())) or "none"
            raise NotFound(f"The model {name!r} has no alias {alias!r}; it has: {known}.")
        return there[alias]

    def _newest(self, name: str) -> int:
        there = self.versions(name)
        if not there:
            raise NotFound(f"The model {name!r} has no version yet; register one.")
        return there[-1]

    def _version(self, name: str, version: int) -> Version:
        aliases = _by_version(self.aliases(name))
        there = self.versions(name)
        if version not in there:
            newest = f"its newest is {there[-1]}" if there else "it has none"
            raise NotFound(f"The model {name!r} has no version {version}; {newest}.")
        with self._client() as client:
            return _told(client.get_model_version(name, str(version)), aliases.get(version, ()))

    def _known(self) -> str:
        names = sorted({v.name for v in self.list()})
        return (
            f" It has: {', '.join(names[:10])}."
            if names
            else " It is empty; run: seatrial register NAME MODEL --data …"
        )

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        tracking = mlflow_client.load()
        exceptions = mlflow_client.load("mlflow.exceptions")
        with mlflow_client.quiet():
            try:
                if self._connected is None:
                    if not self._serves_files:
                        self._home.mkdir(parents=True, exist_ok=True)
                    self._connected = tracking.MlflowClient(tracking_uri=self._url, registry_uri=self._url)
                yield self._connected
            except exceptions.MlflowException as error:
                raise Unavailable(f"The registry {self._url} did not answer: {error.message}") from error


def _all_pages(search: Any, filter_string: str | None = None) -> list[Any]:
    found: list[Any] = []
    token: str | None = None
    while True:
        page = search(filter_string=filter_string, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _by_version(aliases: Mapping[str, str | int]) -> dict[int, tuple[str, ...]]:
    turned: dict[int, tuple[str, ...]] = {}
    for alias, version in sorted(aliases.items()):
        turned[int(version)] = (*turned.get(int(version), ()), alias)
    return turned


def _told(version: Any, aliases: tuple[str, ...]) -> Version:
    return Version(
        name=version.name,
        version=int(version.version),
        aliases=aliases,
        digest=version.tags.get(DIGEST_TAG, ""),
        created_at=int(version.creation_timestamp) * 1000,
        tags=dict(version.tags),
    )


def check_alias(alias: str) -> None:
    """Raises BadInput for what cannot be an alias."""
    if not _ALIAS.fullmatch(alias):
        raise BadInput(
            f"{alias!r} cannot be an alias; use letters, digits, dashes and underscores, and neither latest nor v7."
        )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot name a model; use letters, digits, dots, dashes and underscores.")
    return name


def _move(came: Path, directory: Path) -> None:
    """Into place in one step; another process may have been first, with the same content."""
    try:
        os.rename(came, directory)
    except OSError:
        if not (directory / MANIFEST).exists():
            shutil.rmtree(directory, ignore_errors=True)
            os.rename(came, directory)
