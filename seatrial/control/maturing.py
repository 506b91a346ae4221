"""``outcome maturity``: how long a deployment's outcomes take to arrive."""

import time

from seatrial.control.site import open_site
from seatrial.experiments.maturity import Maturity, maturity
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import did_you_mean
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings

_SECOND = 1_000_000


def maturity_of(settings: Settings, deployment: str, outcome: str | None, seconds: float) -> Maturity:
    """Of the units that came in the last so many seconds.

    Args:
        outcome: Which; None: the only one that the file declares.

    Raises:
        NotFound: There is no such deployment.
        BadInput: It declares no such outcome, or several and none is named.
    """
    with open_site(settings) as site:
        declared = load_deployment(site.state.deployments.get(deployment).text).outcomes
        named = outcome or (next(iter(declared)) if len(declared) == 1 else "")
        if named not in declared:
            wrong = f"no outcome {outcome!r}" if outcome else f"{len(declared)} outcomes"
            raise BadInput(f"deployment {deployment!r} declares {wrong}; {_mend(outcome, tuple(declared))}")
        with Reader(site.home).open(deployment) as view:
            now = time.time_ns() // 1000
            return maturity(view, named, now - round(seconds * _SECOND), now)


def _mend(outcome: str | None, declared: tuple[str, ...]) -> str:
    if not declared:
        return "add it to `outcomes` of its file"
    return did_you_mean(outcome, declared) if outcome else f"name one of {', '.join(declared)} (--outcome)"
