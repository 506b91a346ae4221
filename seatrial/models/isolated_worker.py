"""Starts ``python_worker`` under the interpreter of another environment, which has no seatrial installed.

Run as ``ENV/bin/python -I …/isolated_worker.py DIRECTORY [--trust pickle]``. The package is found by where this file
lies and by nothing else: with its parent on the path the packages around it would be found too, and be no other
environment's.
"""

import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    house = Path(__file__).resolve().parents[1]
    found = importlib.util.spec_from_file_location(
        "seatrial", house / "__init__.py", submodule_search_locations=[str(house)]
    )
    assert found is not None
    assert found.loader is not None
    sys.modules["seatrial"] = package = importlib.util.module_from_spec(found)
    found.loader.exec_module(package)

    from seatrial.models.python_worker import main

    sys.exit(main(sys.argv[1:]))
