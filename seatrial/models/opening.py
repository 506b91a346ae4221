"""Opening what a user calls MODEL: a live object, a file, or an MLflow URI. Nothing untrusted is unpickled.

.onnx                      ONNX, taken as it is
.skops                     scikit-learn; types that are not data need --trust pickle
.joblib .pkl .pickle       a pickle: only with --trust pickle
.txt .lgb                  a LightGBM model
.json .ubj .model .xgb     an XGBoost model
.pt2                       an exported PyTorch program, which may hold pickles: only with --trust pickle
models:/… runs:/…          whatever of these MLflow keeps there
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from seatrial.models.lightgbm_models import is_lightgbm, lightgbm_original
from seatrial.models.mlflow_models import model_file_in
from seatrial.models.originals import Original
from seatrial.models.python_files import HARMLESS, untrusted_types
from seatrial.models.sklearn_models import is_sklearn, sklearn_original
from seatrial.models.torch_models import is_torch, load_program
from seatrial.models.xgboost_models import is_xgboost, xgboost_original
from seatrial.spec.errors import BadInput, NotFound

Trust = Literal["none", "pickle"]


class Opened(NamedTuple):
    """A model that was opened: exactly one of the three is set.

    Attributes:
        original: A model that converts, or is served by its own library.
        onnx: The bytes of an ONNX file.
        torch: A live PyTorch module or exported program.
    """

    original: Original | None = None
    onnx: bytes | None = None
    torch: Any = None
    name: str = "the model"


class Downloads(Protocol):
    """What an MLflow URI needs: the registry."""

    def download(self, uri: str, into: Path) -> Path: ...


def open_model(model: object, *, trust: Trust, registry: Downloads, work: Path) -> Opened:
    """Open a model; raises BadInput (one clear sentence) for what is not one."""
    if isinstance(model, str) and model.startswith(("models:/", "runs:/")):
        into = work / "downloaded"
        into.mkdir()
        return _open_file(model_file_in(registry.download(model, into), model), trust, shown=model)
    if isinstance(model, str | Path):
        path = Path(model)
        if not path.exists():
            raise NotFound(f"There is no model file at {str(model)!r}.")
        return _open_file(model_file_in(path, str(model)) if path.is_dir() else path, trust, shown=path.name)
    return _live(model)


def _live(model: Any) -> Opened:
    if is_lightgbm(model):
        return Opened(lightgbm_original(model))
    if is_xgboost(model):
        return Opened(xgboost_original(model))
    if is_torch(model):
        return Opened(torch=model)
    if is_sklearn(model):
        return Opened(sklearn_original(model))
    if hasattr(model, "SerializeToString") and hasattr(model, "graph"):
        return Opened(onnx=model.SerializeToString())
    raise BadInput(
        f"A value of type {type(model).__name__!r} is no model that seatrial knows; give a scikit-learn estimator or "
        "pipeline, a LightGBM or XGBoost model, a PyTorch module, an ONNX model, a file of one, or an MLflow URI."
    )


def _open_file(path: Path, trust: Trust, *, shown: str) -> Opened:
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        raise BadInput(f"{shown!r} is no model file that seatrial knows; it knows {', '.join(_OPENERS)}.")
    return opener(path, trust)._replace(name=shown)


def _open_onnx(path: Path, _: Trust) -> Opened:
    return Opened(onnx=path.read_bytes())


def _open_skops(path: Path, trust: Trust) -> Opened:
    import skops.io

    try:
        untrusted = untrusted_types(file=path)
    except Exception as error:
        raise BadInput(f"{path.name!r} is not a skops file ({_first_line(error)}).") from error
    if untrusted and trust != "pickle":
        raise BadInput(
            f"{path.name!r} holds {', '.join(untrusted[:3])}, which could run code when loaded; "
            "if you trust it, add --trust pickle."
        )
    try:
        return _live(skops.io.load(path, trusted=[*HARMLESS, *untrusted]))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{path.name!r} cannot be loaded by skops ({_first_line(error)}).") from error


def _open_pickle(path: Path, trust: Trust) -> Opened:
    if trust != "pickle":
        raise BadInput(f"{path.name!r} is a pickle, which runs code when loaded; if you trust it, add --trust pickle.")
    import joblib

    try:
        return _live(joblib.load(path))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{path.name!r} cannot be unpickled here ({_first_line(error)}).") from error


def _open_lightgbm(path: Path, _: Trust) -> Opened:
    head = path.read_bytes()[:64]
    if not head.startswith(b"tree"):
        raise BadInput(f"{path.name!r} is not a LightGBM model; such a file starts with the word tree.")
    lightgbm = _library("lightgbm")
    try:
        return Opened(lightgbm_original(lightgbm.Booster(model_file=str(path))))
    except lightgbm.basic.LightGBMError as error:
        raise BadInput(f"{path.name!r} is not a LightGBM model ({_first_line(error)}).") from error


def _open_xgboost(path: Path, _: Trust) -> Opened:
    xgboost = _library("xgboost")
    booster = xgboost.Booster()
    try:
        booster.load_model(str(path))
    except (xgboost.core.XGBoostError, UnicodeDecodeError) as error:  # it quotes the file's bytes as if they were text
        raise BadInput(f"{path.name!r} is not an XGBoost model; save one with save_model as .json or .ubj.") from error
    return Opened(xgboost_original(booster))


def _open_torch(path: Path, trust: Trust) -> Opened:
    if trust != "pickle":
        raise BadInput(
            f"{path.name!r} may hold pickles, which run code when loaded; if you trust it, add --trust pickle."
        )
    return Opened(torch=load_program(path))


_OPENERS: dict[str, Callable[[Path, Trust], Opened]] = {
    ".onnx": _open_onnx,
    ".skops": _open_skops,
    ".joblib": _open_pickle,
    ".pkl": _open_pickle,
    ".pickle": _open_pickle,
    ".txt": _open_lightgbm,
    ".lgb": _open_lightgbm,
    ".json": _open_xgboost,
    ".ubj": _open_xgboost,
    ".model": _open_xgboost,
    ".xgb": _open_xgboost,
    ".pt2": _open_torch,
}


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput(
            f"This model needs {name}, which is not installed here; run: pip install 'seatrial[boosters]'"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200].rstrip(".")
