"""Runtimes: a version's files, loaded, behind one blocking call. This is all of ``models`` that a server imports."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from seatrial.models.manifest import Manifest, read_manifest
from seatrial.models.one_row import OneRow, bind_one_row
from seatrial.models.providers import RECORD_ASSIGNMENT, check_started, check_used, providers_for, reason, why_not
from seatrial.routing.snapshot import Device, Slot
from seatrial.spec.errors import BadInput, SeatrialError

Tensors = Mapping[str, NDArray[Any]]
Trust = Literal["none", "pickle"]


class RuntimeFailure(SeatrialError):
    """The model could not answer; the message is the short reason."""


class Runtime(Protocol):
    """A loaded version.

    Attributes:
        out_of_process: Whether a call waits for another process (and so belongs in a thread).
        alone: Whether a call computes in the calling thread and nowhere else, so that the thread's processor time is
            the call's.
    """

    @property
    def out_of_process(self) -> bool: ...

    @property
    def alone(self) -> bool: ...

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Answer a batch: the signature's input tensors by name to its output tensors by name.

        Blocking and safe to call from many threads. Raises RuntimeFailure.
        """
        ...

    def close(self) -> None:
        """Let go of memory and processes; a second call does nothing."""
        ...


class OnnxRuntime:
    """ONNX Runtime on one thread: a worker's cores belong to its requests, not to one of them."""

    out_of_process = False

    def __init__(self, file: Path | bytes, outputs: tuple[str, ...] | None = None, device: Device = "cpu") -> None:
        self._outputs = None if outputs is None else list(outputs)
        self._device = device
        self.alone = device == "cpu"
        self._session: Any = open_session(file, device)

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        session = self._session
        if session is None:
            raise RuntimeFailure("The model was closed.")
        names = self._outputs or [output.name for output in session.get_outputs()]
        try:
            answers = session.run(names, inputs)
        except Exception as error:
            raise RuntimeFailure(f"The model failed: {reason(error)}") from error
        return dict(zip(names, answers, strict=True))

    def one_row(self, given: str, sample: NDArray[Any]) -> OneRow | None:
        """The same model, bound to the memory of one row for one thread; None where that cannot be."""
        if self._session is None or self._outputs is None or self._device != "cpu":
            return None
        return bind_one_row(self._session, self._outputs, given, sample)

    def close(self) -> None:
        self._session = None


def load(
    source: Slot | str | Path,
    trust: Trust | None = None,
    *,
    timeout: float | None = None,
    environments: Path | None = None,
) -> Runtime:
    """Load a materialised version.

    Args:
        source: A snapshot's slot (with a ``lookup``, the table of its answers is what is loaded; with a ``remote``,
            nothing is), or an artefact directory.
        trust: What the deployment file allows; None takes the slot's (a directory's is ``none``).
        timeout: Seconds that one call of an out-of-process model may take; None takes the slot's (a directory's is 30).
        environments: Where environments of models are kept, and built when missing; None: beside the store in which
            the files lie.

    Raises:
        BadInput: The version needs ``trust: pickle`` and the deployment does not say so (or the version was not
            registered with it); its environment cannot be built here; the slot wants a runtime that the version was not
            registered for, or a device that is not there.
        RuntimeFailure: The files do not load.
    """
    if isinstance(source, Slot) and source.lookup is not None:
        from seatrial.models.lookup import LookupRuntime  # only servers of such variants pay for it

        return LookupRuntime(source)
    if isinstance(source, Slot) and source.remote is not None:
        from seatrial.models.remote import RemoteRuntime  # likewise

        return RemoteRuntime(source, timeout=timeout)
    if isinstance(source, Slot) and source.ensemble is not None:
        from seatrial.models.ensemble_runtime import EnsembleRuntime  # likewise

        return EnsembleRuntime(source, [load(member, trust, timeout=timeout) for member in source.ensemble.members])
    directory = Path(source.path if isinstance(source, Slot) else source)
    allowed = trust or (source.trust if isinstance(source, Slot) else "none")
    manifest = read_manifest(str(directory))
    _check(manifest, allowed, source)
    if manifest.runtime == "onnx":
        device = source.device if isinstance(source, Slot) else "cpu"
        return OnnxRuntime(directory / manifest.file, tuple(t.name for t in manifest.signature.outputs), device)
    from seatrial.models.python_runtime import PythonRuntime  # only servers of such models pay for it

    wait = timeout or (source.timeout if isinstance(source, Slot) else 30.0)
    if manifest.environment is None:
        return PythonRuntime(directory, allowed, timeout=wait)
    from seatrial.models.environments import environments_beside, interpreter  # likewise

    python = interpreter(manifest.environment, environments or environments_beside(directory.parent))
    return PythonRuntime(directory, allowed, timeout=wait, interpreter=python)


def open_session(file: Path | bytes, device: Device = "cpu") -> Any:
    """An InferenceSession that is single-threaded, sequential and silent, and that stays on its device.

    Raises:
        BadInput: The device is not there, or computes no part of the model.
        RuntimeFailure: The file is no model, or the device has no room for it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    _silence(onnxruntime)
    providers = providers_for(device, onnxruntime)
    if device != "cpu":
        options.add_session_config_entry(RECORD_ASSIGNMENT, "1")
    try:
        content = file if isinstance(file, bytes) else str(file)
        session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise RuntimeFailure(why_not(device, error)) from error
    check_started(device, session, onnxruntime)
    check_used(device, session)
    return session


def _check(manifest: Manifest, allowed: Trust, source: Slot | str | Path) -> None:
    if isinstance(source, Slot) and source.runtime != manifest.runtime:
        raise BadInput(
            f"{source.model_version} was registered for the {manifest.runtime} runtime and the variant "
            f"{source.variant!r} asks for {source.runtime}; register it with --runtime {source.runtime}."
        )
    if manifest.format == "joblib" and manifest.trust != "pickle":
        raise BadInput(f"{manifest.name} is a pickle and was not registered with --trust pickle; it is not loaded.")
    if manifest.trust == "pickle" and allowed != "pickle":
        raise BadInput(
            f"{manifest.name} is a pickle, which runs code when loaded; if you trust it, "
            "say `trust: pickle` on the variant in the deployment file."
        )


_silenced = threading.Event()


def _silence(onnxruntime: Any) -> None:
    if not _silenced.is_set():
        onnxruntime.set_default_logger_severity(4)
        onnxruntime.disable_telemetry_events()
        _silenced.set()
