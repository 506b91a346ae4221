"""The process of one original model: loads it, rebuilds the rows as it was fitted on them, answers over pipes.

Started by ``python_runtime`` as ``python -m seatrial.models.python_worker DIRECTORY [--trust pickle]``; it ends when
its standard input does. This is the only place of a running system where a model's own library is loaded, and a
pickle is opened only when the version was registered with that trust *and* the deployment says so too.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.models.artefact import RECIPE
from seatrial.models.frames import FrameRecipe, rebuild
from seatrial.models.manifest import Manifest, read_manifest
from seatrial.models.original_outputs import tensors_of
from seatrial.models.originals import Predicted
from seatrial.models.python_files import open_original
from seatrial.models.wire import Call, Reply, own_output, pack_arrays, read_body, unpack_arrays, write_message


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0])
    trusted = "--trust" in arguments and arguments[arguments.index("--trust") + 1] == "pickle"
    replies = own_output()
    manifest = read_manifest(str(directory))
    recipe = msgspec.json.decode((directory / RECIPE).read_bytes(), type=FrameRecipe)
    warnings.simplefilter("ignore")
    try:
        original = open_original(directory / manifest.file, manifest, trusted=trusted)
    except Exception as error:  # noqa: BLE001 - whatever the library throws is told to the server
        write_message(replies, Reply(0, {}, f"The model does not load: {error}"))
        return 3
    write_message(replies, Reply(0, {}))
    while (body := read_body(0)) is not None:
        call = msgspec.msgpack.decode(body, type=Call)
        try:
            frame = rebuild(recipe, manifest.signature.features, unpack_arrays(call.tensors))
            answers = original(recipe.container_of(frame))
            reply = Reply(call.number, pack_arrays(_outputs(manifest, answers)))
        except Exception as error:  # noqa: BLE001 - a model throws whatever it likes
            reply = Reply(call.number, {}, f"{type(error).__name__}: {error}"[:500])
        write_message(replies, reply)
    return 0


def _outputs(manifest: Manifest, answers: Predicted) -> dict[str, NDArray[Any]]:
    return dict(tensors_of(answers, manifest.signature.answer))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
