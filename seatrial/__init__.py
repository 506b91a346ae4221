"""Seatrial puts the next version of a machine-learning model into production on evidence.

    import seatrial

    seatrial.register("churn", model, data=train, target="churned", holdout=holdout)
    seatrial.apply("churn.yaml")
    with seatrial.Client("http://127.0.0.1:8080") as client:
        client.predict("churn", {"tenure": 12}, unit="c-7").prediction

Each name is imported when it is first used, so that a program that only predicts loads no registry and no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seatrial.version import __version__

if TYPE_CHECKING:
    from seatrial.analysis.judging import judge
    from seatrial.analysis.lists import judge_lists
    from seatrial.client.asynchronous import AsyncClient
    from seatrial.client.client import Client
    from seatrial.control.from_file import apply
    from seatrial.models.register import register

__all__ = ["AsyncClient", "Client", "__version__", "apply", "judge", "judge_lists", "register"]

_WHERE = {
    "AsyncClient": "seatrial.client.asynchronous",
    "Client": "seatrial.client.client",
    "apply": "seatrial.control.from_file",
    "judge": "seatrial.analysis.judging",
    "judge_lists": "seatrial.analysis.lists",
    "register": "seatrial.models.register",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
