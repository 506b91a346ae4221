"""The kept corpus of the fuzzer, and some thousands of its neighbours; ``make fuzz`` tries a million, guided."""

import random
from pathlib import Path

import pytest

from tests.fuzz.edge_target import check

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
INPUTS = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
NEIGHBOURS = 4000
TELLING = b"\r\n :;0f\t,\x00"


@pytest.mark.parametrize("data", INPUTS, ids=[path.name for path in sorted(CORPUS.iterdir())])
def test_the_corpus(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_of_the_corpus(seed: int) -> None:
    chosen = random.Random(seed)
    for _ in range(NEIGHBOURS // 4):
        data = neighbour(chosen)
        try:
            check(data)
        except BaseException as error:
            raise AssertionError(f"the edge broke a promise on {data!r}: {error}") from error


def neighbour(chosen: random.Random) -> bytes:
    """An input of the corpus with a few bytes changed, taken out, put in, or a piece of another one put in."""
    data = bytearray(chosen.choice(INPUTS))
    for _ in range(chosen.choice((1, 1, 2, 4))):
        at = chosen.randrange(len(data) + 1)
        kind = chosen.randrange(4)
        if kind == 0:
            data[at : at + 1] = bytes([chosen.choice(TELLING)])
        elif kind == 1:
            del data[at : at + chosen.choice((1, 2, 8))]
        elif kind == 2:
            data[at:at] = bytes([chosen.randrange(256)])
        else:
            other = chosen.choice(INPUTS)
            start = chosen.randrange(len(other))
            data[at:at] = other[start : start + chosen.randrange(60)]
    return bytes(data)
