"""Concept drift: detectors that read a stream of errors and say where it changed. Pure, and frozen between readings.

    Adwin         any error; both ways; the default: few false alarms, and it forgets nothing until something changed
    PageHinkley   any error; both ways; a control chart with a threshold in the unit of the errors
    Ddm           mistakes; rises; many false alarms (see docs/drift.md)
    HddmA         mistakes; abrupt changes
    HddmW         mistakes; gradual changes

``detector, changes = detector.read(errors)`` reads the next piece of the stream; ``to_json`` and ``from_json`` keep a
detector from one run of a program to the next.
"""

import msgspec

from seatrial.drift.concept.adwin import Adwin
from seatrial.drift.concept.change import Change, Changes
from seatrial.drift.concept.ddm import Ddm
from seatrial.drift.concept.hddm_a import HddmA
from seatrial.drift.concept.hddm_w import HddmW
from seatrial.drift.concept.page_hinkley import PageHinkley
from seatrial.spec.errors import BadInput

Detector = Adwin | PageHinkley | Ddm | HddmA | HddmW

__all__ = ["Adwin", "Change", "Changes", "Ddm", "Detector", "HddmA", "HddmW", "PageHinkley", "from_json", "to_json"]


def to_json(detector: Detector) -> bytes:
    """A detector with all that it remembers, to the last bit."""
    return msgspec.json.encode(detector)


def from_json(content: bytes) -> Detector:
    """What ``to_json`` wrote; BadInput when it is something else."""
    try:
        found: Detector = msgspec.json.decode(content, type=Detector)
    except msgspec.MsgspecError as error:
        raise BadInput(f"this is not a detector ({error}); start a new one") from None
    return found
