"""``python -m bench``: the gateway beside bare servers, in one interleaved run; prints the tables."""

import argparse
from pathlib import Path

from bench.serving import measure, table

RESULTS = Path(__file__).with_name("results")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds at each number of connections")
    parser.add_argument("--seconds", type=int, default=4, help="length of one turn")
    parser.add_argument("--connections", type=int, nargs="+", default=[4, 32])
    arguments = parser.parse_args()
    found = table(measure(arguments.rounds, arguments.seconds, tuple(arguments.connections)))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "serving.md").write_text(found, "utf-8")
    print(found)


if __name__ == "__main__":
    main()
