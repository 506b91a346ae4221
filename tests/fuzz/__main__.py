"""``python -m tests.fuzz --runs N``: the edge under a coverage-guided fuzzer (atheris, which is libFuzzer's).

It starts from the kept corpus, and an input that breaks a promise is written to ``crash-…`` and ends the run. Inputs
that reach something new are kept in ``--found``; the short ones of them stand in the corpus as ``found-…``.
"""

import argparse
import sys
from pathlib import Path

import atheris

EDGE = ("edge", "arriving", "connection", "heads", "messages", "coding")
"""Modules of the serving room that bytes from outside go through."""

with atheris.instrument_imports(include=[f"seatrial.serving.{name}" for name in EDGE]):
    from tests.fuzz.edge_target import check

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs to try")
    parser.add_argument("--seconds", type=int, default=0, help="stop after so long; 0: never")
    parser.add_argument("--found", type=Path, default=Path(".cache/fuzz"), help="where new inputs go")
    parser.add_argument("--longest", type=int, default=2048, help="bytes of an input")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.found.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-runs={arguments.runs}",
        f"-max_total_time={arguments.seconds}",
        f"-seed={arguments.seed}",
        f"-dict={CORPUS.with_name('http.dict')}",
        f"-max_len={arguments.longest}",
        "-print_final_stats=1",
        str(arguments.found),
        str(CORPUS),
    ]
    atheris.Setup([sys.argv[0], *flags], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
