"""Whether what the settings ask for is installed: said once at the start, not by every process that needs it."""

from importlib.util import find_spec

from seatrial.spec.errors import BadInput
from seatrial.spec.settings import Settings

_EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def require_extras(settings: Settings, exporter: str = _EXPORTER) -> None:
    """Raises BadInput when traces are asked for and their extra is missing."""
    if settings.traces is not None and not _is_there(exporter):
        raise BadInput("traces need an extra package: pip install 'seatrial[telemetry]', or set `traces` to `off`")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent is there
        return False
