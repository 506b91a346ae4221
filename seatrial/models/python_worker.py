"""The process of one original model: loads it, rebuilds the rows as it was fitted on them, answers over pipes.

Started by ``python_runtime`` as ``python -m seatrial.models.python_worker DIRECTORY [--trust pickle]``; it ends when
its standard input does. This is the only place of a running system where a model's own library is loaded, and a
pickle is opened only when the version was registered with that trust *and* the deployment says so too.
"""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.models.artefact import RECIPE
from seatrial.models.frames import FrameRecipe, rebuild
from seatrial.models.manifest import read_manifest
from seatrial.models.original_outputs import tensors_of
from seatrial.models.python_files import open_original
from seatrial.models.worker import Answering, serve


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0])
    trusted = "--trust" in arguments and arguments[arguments.index("--trust") + 1] == "pickle"

    def load() -> Answering:
        manifest = read_manifest(str(directory))
        recipe = msgspec.json.decode((directory / RECIPE).read_bytes(), type=FrameRecipe)
        warnings.simplefilter("ignore")
        original = open_original(directory / manifest.file, manifest, trusted=trusted)

        def answer(tensors: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
            frame = rebuild(recipe, manifest.signature.features, tensors)
            return tensors_of(original(recipe.container_of(frame)), manifest.signature.answer)

        return answer

    return serve(load, lambda error: f"The model does not load: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
