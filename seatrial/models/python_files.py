"""Files of original models, for the python runtime: which format is safe, how it is written, how it is opened.

format     what it is                          needs trust
skops      scikit-learn, types that are data   no
lightgbm   a LightGBM model text               no
xgboost    an XGBoost model (UBJSON)           no
joblib     a pickle: runs code when loaded     pickle
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from seatrial.models.manifest import Manifest
from seatrial.models.originals import Predicted
from seatrial.spec.errors import BadInput

HARMLESS = ("numpy.dtype",)
"""Types beyond skops's own list that are data and nothing else."""

Answers = Callable[[Any], Predicted]


class OriginalFile(NamedTuple):
    """A model as a file."""

    file: str
    content: bytes
    format: str
    trust: Literal["none", "pickle"]


def write_original(model: Any, *, trusted: bool) -> OriginalFile:
    """The safest file that holds the model; raises BadInput, naming what would run code, when that needs trust."""
    if hasattr(model, "model_to_string") or hasattr(model, "booster_"):
        booster = getattr(model, "booster_", model)
        return OriginalFile("model.txt", booster.model_to_string().encode(), "lightgbm", "none")
    if hasattr(model, "get_booster") or hasattr(model, "save_raw"):
        from seatrial.models.xgboost_models import booster_of  # it is installed where such a model lives

        return OriginalFile("model.ubj", bytes(booster_of(model).save_raw("ubj")), "xgboost", "none")
    unsafe = "its types are not known to be data"
    try:
        import skops.io

        content = skops.io.dumps(model)
        untrusted = untrusted_types(data=content)
        if not untrusted:
            return OriginalFile("model.skops", content, "skops", "none")
        unsafe = f"it holds {', '.join(untrusted[:3])}"
    except Exception as error:  # noqa: BLE001 - what skops cannot write is a case for a pickle, whatever it threw
        unsafe = f"skops cannot write it ({type(error).__name__})"
    if not trusted:
        raise BadInput(
            f"The {type(model).__name__} can only be kept as a pickle ({unsafe}), which runs code when loaded; "
            "if you trust it, add --trust pickle."
        )
    import joblib

    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return OriginalFile("model.joblib", buffer.getvalue(), "joblib", "pickle")


def untrusted_types(**source: Any) -> list[str]:
    """The types in a skops file (``file=``) or its bytes (``data=``) that could run code when loaded."""
    import skops.io

    return [name for name in skops.io.get_untrusted_types(**source) if name not in HARMLESS]


def open_original(path: Path, manifest: Manifest, *, trusted: bool) -> Answers:
    """Open a registered original for answering; raises BadInput for a pickle that is not trusted on both sides."""
    classes = manifest.signature.answer.classes
    if manifest.format == "lightgbm":
        import lightgbm

        from seatrial.models import lightgbm_models

        return lightgbm_models.predictor(lightgbm.Booster(model_str=path.read_text()), classes)
    if manifest.format == "xgboost":
        import xgboost

        from seatrial.models import xgboost_models

        booster = xgboost.Booster()
        booster.load_model(str(path))
        return xgboost_models.predictor(booster, classes)
    from seatrial.models.sklearn_models import is_sklearn, predict_sklearn

    model = _estimator(path, manifest, trusted)
    if not is_sklearn(model):
        raise BadInput(f"{path.name!r} holds a {type(model).__name__}, which is no model; register the version again.")
    return lambda rows: predict_sklearn(model, rows)


def _estimator(path: Path, manifest: Manifest, trusted: bool) -> Any:
    if manifest.format == "skops":
        import skops.io

        return skops.io.load(path, trusted=list(HARMLESS))
    if manifest.format != "joblib":
        raise BadInput(f"{manifest.name} has the format {manifest.format!r}, which the python runtime does not serve.")
    if manifest.trust != "pickle" or not trusted:
        raise BadInput(f"{manifest.name} is a pickle and is not trusted on both sides; it is not loaded.")
    import joblib

    return joblib.load(path)
