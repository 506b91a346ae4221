"""Where the ledger's files lie under the home directory of one machine.

    ledger/spool/<worker>/<session>/writer.lock              flock held while the writer lives
    ledger/spool/<worker>/<session>/<stream>/<number>.arrow  segments, from 1
    ledger/tables/<deployment>/                              Delta table of rows
    ledger/outcomes/                                         Delta table of outcomes
    ledger/tables.lock                                       held by whoever writes the tables
    ledger/retention.json, ledger/forgotten.json, ledger/redaction.key
    counters/<worker>.counters
    underway/<worker>.underway                               what a worker runs now
    watch/<deployment>/                                      what monitors remember; a cache
    quarantine.json                                          versions that no worker may run

A stream is ``outcomes`` or ``rows.<deployment>.<n>``: one Arrow schema, one sequence of numbers.
"""

import re
from pathlib import Path

OUTCOMES = "outcomes"
UNDERWAY = ".underway"


def spool(home: Path) -> Path:
    """Directory of every writer's segments."""
    return home / "ledger" / "spool"


def table(home: Path, deployment: str) -> Path:
    """Directory of the Delta table of one deployment's rows."""
    return home / "ledger" / "tables" / _escaped(deployment)


def tables(home: Path) -> Path:
    """Directory of the Delta tables of rows, one a deployment."""
    return home / "ledger" / "tables"


def outcomes(home: Path) -> Path:
    """Directory of the Delta table of outcomes."""
    return home / "ledger" / "outcomes"


def counters(home: Path) -> Path:
    """Directory of the memory-mapped counter files."""
    return home / "counters"


def underway(home: Path) -> Path:
    """Directory of the files that say what workers run now."""
    return home / "underway"


def shelf(home: Path, deployment: str) -> Path:
    """Directory of what the monitors of a deployment remember between two readings."""
    return home / "watch" / _escaped(deployment)


def bases(home: Path, deployment: str) -> Path:
    """Directory of the first windows that versions without a holdout are compared with, for good."""
    return home / "bases" / _escaped(deployment)


def units(home: Path, deployment: str) -> Path:
    """Directory of the numbers of a deployment's units that its judgements were made of."""
    return judged(home) / _escaped(deployment)


def judged(home: Path) -> Path:
    """Directory of what judgements remember of all deployments."""
    return home / "judged"


def quarantine(home: Path) -> Path:
    """The file of versions that no worker may run."""
    return home / "quarantine.json"


def rows_stream(deployment: str, index: int) -> str:
    """Name of the ``index``-th stream of rows of a deployment within one session."""
    return f"rows.{_escaped(deployment)}.{index}"


def stream_deployment(stream: str) -> str | None:
    """The deployment whose rows a stream holds; None for outcomes."""
    kind, _, rest = stream.partition(".")
    return _unescaped(rest.rpartition(".")[0]) if kind == "rows" else None


def table_deployment(directory: Path) -> str:
    """The deployment of a directory under ``tables``."""
    return _unescaped(directory.name)


def _escaped(name: str) -> str:
    """A name as a file's: letters, digits, ``-`` and ``_`` stay, other bytes become ``~`` and two hexadecimal digits.

    Not percent-encoding, which libraries that take paths for addresses undo.
    """
    return re.sub(rb"[^A-Za-z0-9_-]", lambda found: b"~%02x" % found[0][0], name.encode()).decode()


def _unescaped(name: str) -> str:
    return re.sub(rb"~(..)", lambda found: bytes([int(found[1], 16)]), name.encode()).decode()
