"""What holds for every error stream and every detector of concept drift."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from seatrial.drift.concept import Adwin, Ddm, Detector, HddmA, HddmW, PageHinkley, from_json, to_json
from seatrial.spec.errors import BadInput

DETECTORS: list[Detector] = [
    Adwin(delta=0.3, clock=4),
    PageHinkley(threshold=3, least=5),
    Ddm(least=5, drift=2.0, warning=1.0),
    HddmA(drift=0.2, warning=0.4, both_sides=True),
    HddmW(drift=0.2, warning=0.4, fading=0.2, both_sides=True),
]
detectors = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: type(detector).__name__)
runs = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 30)), max_size=8)
"""Stretches of the same answer: streams in which something happens."""


def stream_of(stretches: list[tuple[int, int]]) -> list[int]:
    return [answer for answer, length in stretches for _ in range(length)]


@detectors
@given(runs, st.lists(st.integers(0, 240), max_size=4))
def test_a_stream_in_pieces_with_a_restart_between_gives_what_it_gives_whole(
    detector: Detector, stretches: list[tuple[int, int]], cuts: list[int]
) -> None:
    stream = stream_of(stretches)
    whole, changes = detector.read(stream)
    now, drifts, warnings = detector, [], []
    for piece in np.split(np.array(stream, dtype=float), sorted(min(cut, len(stream)) for cut in cuts)):
        now, found = from_json(to_json(now)).read(piece)
        drifts += found.drifts
        warnings += found.warnings
    assert now == whole
    assert (tuple(drifts), tuple(warnings)) == changes
    assert now.seen == len(stream)


@detectors
@given(runs)
def test_alarms_are_in_order_and_none_is_a_warning_too(detector: Detector, stretches: list[tuple[int, int]]) -> None:
    stream = stream_of(stretches)
    _, changes = detector.read(stream)
    at = [change.at for change in changes.drifts]
    assert at == sorted(set(at))
    assert not set(at) & set(changes.warnings)
    assert all(0 <= place < len(stream) for place in (*at, *changes.warnings))
    assert all(0 - 1e-9 <= part <= 1 + 1e-9 for change in changes.drifts for part in change[1:])


@detectors
@pytest.mark.parametrize("answer", [0, 1])
def test_a_stream_that_is_always_the_same_never_changes(detector: Detector, answer: int) -> None:
    _, changes = detector.read(np.full(500, answer))
    assert not changes.drifts


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200))
def test_adwin_remembers_the_sum_of_its_window_in_few_numbers(errors: list[float]) -> None:
    detector, changes = Adwin().read(errors)
    since = errors[changes.drifts[-1].at + 1 :] if changes.drifts else errors
    assert detector.width == len(since)
    assert detector.total == pytest.approx(sum(since), abs=1e-6)
    assert sum(map(sum, detector.levels)) == pytest.approx(detector.total, abs=1e-6)
    assert sum(map(len, detector.levels)) <= 6 * (len(errors).bit_length() + 1)
    if since:
        assert detector.spread == pytest.approx(float(np.var(since)) * len(since), abs=1e-5)


@detectors
def test_what_is_no_error_stream_is_refused(detector: Detector) -> None:
    for wrong in ([0.0, float("nan")], [[0.0, 1.0]]):
        with pytest.raises(BadInput):
            detector.read(wrong)
    if isinstance(detector, Ddm | HddmA | HddmW):
        with pytest.raises(BadInput, match=r"0\.3 is neither 0 nor 1"):
            detector.read([0.0, 0.3])


@pytest.mark.parametrize("detector", [Adwin(delta=0.0), HddmA(warning=1.5), HddmW(fading=2.0)])
def test_a_chance_outside_zero_and_one_is_refused(detector: Detector) -> None:
    with pytest.raises(BadInput, match="write a number between 0 and 1"):
        detector.read([0.0])


def test_something_else_is_not_read_as_a_detector() -> None:
    for content in (b"{}", b"nonsense", b'{"type": "kswin"}'):
        with pytest.raises(BadInput, match="this is not a detector"):
            from_json(content)
