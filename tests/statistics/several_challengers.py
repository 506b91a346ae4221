"""Three challengers without an effect, from rows to words: how often any of them is told apart from the champion.

``python -m tests.statistics.several_challengers`` prints the table.
"""

import argparse

import numpy as np

from tests.unit.experiments.test_several import judged


def rate(family: str, worlds: int, *, seed: int = 1) -> float:
    """The share of worlds with a claim about any challenger, looked at once."""
    wrong = [
        any(one.metric("spent").verdict.word in ("better", "worse") for one in judged({}, seed + i, family).judgements)
        for i in range(worlds)
    ]
    return float(np.mean(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2000)
    given = parser.parse_args()
    print("| family | worlds with a false claim |\n|---|---|")
    for each in ("holm", "e-bh"):
        print(f"| {each} | {100 * rate(each, given.worlds):.1f} % |", flush=True)
