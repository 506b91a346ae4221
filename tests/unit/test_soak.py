"""What the soak would say: leaks are found, and what is none is not."""

import random

import pytest

from tests.soak.judge import MIB, Sample, judge


def samples(per_minute: float, *, handles: float = 0.0, seconds: int = 600, noise: float = 2.0) -> list[Sample]:
    chosen = random.Random(7)
    return [
        Sample(
            at, int((200 + per_minute * at / 60 + chosen.gauss(0, noise)) * MIB), 40 + int(handles * at / 60)
        )
        for at in range(seconds)
    ]  # fmt: skip


def test_a_line_is_measured_as_the_line_that_it_is() -> None:
    (found,) = judge({"w0": samples(5.0, noise=0.0)})
    assert found.slope == pytest.approx(5.0, abs=0.01)
    assert found.growth == pytest.approx(5.0 * 600 * 0.7 * 0.8 / 60, abs=0.1)
    assert "5.0 MiB a minute" in found.wrong


@pytest.mark.parametrize(("per_minute", "wrong"), [(0.0, False), (1.0, False), (6.0, True), (60.0, True)])
def test_memory(per_minute: float, wrong: bool) -> None:
    (found,) = judge({"w0": samples(per_minute)})
    assert bool(found.wrong) is wrong


def test_a_short_look_judges_no_memory() -> None:
    (found,) = judge({"w0": samples(60.0, seconds=30)})
    assert found.slope > 30
    assert not found.wrong


def test_file_handles() -> None:
    (found,) = judge({"w0": samples(0.0, handles=4.0)})
    assert "file handles" in found.wrong


def test_a_start_that_fills_caches_is_no_leak() -> None:
    warm = [s._replace(resident=s.resident if s.at > 150 else int(s.at) * MIB) for s in samples(0.0)]
    (found,) = judge({"w0": warm})
    assert not found.wrong
