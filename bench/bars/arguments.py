"""The arguments that every one of them takes."""

import argparse
from pathlib import Path


def parser(name: str, doc: str | None, *, seconds: float = 2.0, pairs: int = 9) -> argparse.ArgumentParser:
    """A parser with ``--seconds`` and ``--pairs`` of these defaults, and where the result goes."""
    made = argparse.ArgumentParser(
        prog=f"python -m bench.bars.{name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seconds", type=float, default=seconds, help=f"length of one measurement ({seconds:g})")
    made.add_argument("--pairs", type=int, default=pairs, help=f"how many, interleaved ({pairs})")
    made.add_argument("--into", type=Path, help="folder of the JSON (.cache/bench)")
    made.add_argument("--publish", action="store_true", help="write bench/results and the table of bench/README.md")
    made.add_argument("--render", action="store_true", help="measure nothing: the table of the JSON that is there")
    return made
