"""What waits in a worker now, written into its counter file every second, so that any worker can tell it of all."""

from collections.abc import Mapping

from seatrial.ledger.counters import CALLS_HELD, SHADOW_WAITING, UNDER_WAY, WAITING_BYTES, series
from seatrial.serving.deployed import Deployed
from seatrial.serving.recording import Recorder


class Gauges:
    """The gauges of one worker.

    Args:
        recorder: Whose counter file they stand in.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: dict[str, int] = {}

    def note(self, deployments: Mapping[str, Deployed]) -> None:
        """Write down what is; what was and is no more becomes 0."""
        found = {WAITING_BYTES: self._recorder.rows.held}
        for name, deployed in deployments.items():
            found[series(UNDER_WAY, deployment=name)] = deployed.pending
            for variant, one in deployed.variants.items():
                found[series(CALLS_HELD, deployment=name, variant=variant)] = one.engine.held
            for variant, lane in deployed.lanes.items():
                found[series(SHADOW_WAITING, deployment=name, variant=variant)] = lane.waiting
        counters = self._recorder.counters
        for text in found.keys() - self._known.keys():
            self._known[text] = counters.slot(text)
        for text, slot in list(self._known.items()):
            counters.put(slot, found.get(text, 0))
