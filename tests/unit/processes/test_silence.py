"""When a worker counts as silent: a pure account of looks at its pulse."""

from hypothesis import given
from hypothesis import strategies as st

from seatrial.processes.silence import LONGEST_LOOK, Silence


def looks(*seen: tuple[int | None, float]) -> list[float]:
    silence = Silence()
    return [silence.look(pulse, now) for pulse, now in seen]


def test_a_pulse_that_stands_still_is_silence_and_one_that_moves_ends_it() -> None:
    assert looks((1, 0.0), (1, 1.0), (1, 2.0), (2, 3.0), (2, 4.0)) == [0.0, 1.0, 2.0, 0.0, 1.0]


def test_a_worker_that_has_not_begun_is_not_silent() -> None:
    assert looks((None, 0.0), (None, 100.0), (1, 101.0)) == [0.0, 0.0, 0.0]


def test_a_pause_of_the_whole_machine_is_no_silence() -> None:
    assert looks((1, 0.0), (1, 3600.0)) == [0.0, LONGEST_LOOK]


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10)), min_size=1))
def test_silence_is_never_longer_than_the_time_since_the_pulse_changed(steps: list[tuple[int, float]]) -> None:
    silence, now, changed, last = Silence(), 0.0, 0.0, None
    for pulse, passed in steps:
        now += passed
        if pulse != last:
            changed, last = now, pulse
        assert 0.0 <= silence.look(pulse, now) <= now - changed + 1e-9
