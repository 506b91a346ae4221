"""MLflow, imported late and kept quiet: no telemetry, no banners, no warnings of its dependencies."""

import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BEFORE_IMPORT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def quiet() -> Iterator[None]:
    """Run MLflow's code without the deprecation warnings and migration logs of what it stands on."""
    alembic = logging.getLogger("alembic")
    level = alembic.level
    alembic.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        alembic.setLevel(level)


def load(module: str = "mlflow.tracking") -> Any:
    """Import a module of MLflow (seconds the first time), with its phone-home switched off before."""
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    with quiet():
        return importlib.import_module(module)
