"""The table of metrics for the docs.

``python -m seatrial.serving.metric_docs docs/metrics.md`` writes it into the page; a test says when that is due.
"""

import re

from seatrial.serving.metric_table import FAMILIES, PREFIX


def table() -> str:
    """All metrics as a Markdown table."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        rows.append(f"| `{PREFIX}{family.name}` | {family.kind} | {labels} | {family.doc} |")
    return "\n".join(rows)


def fill(document: str) -> str:
    """A document with the table between ``<!-- table: every-metric -->`` and ``<!-- end -->`` made anew."""
    begin, end = "<!-- table: every-metric -->\n", "\n<!-- end -->"
    return re.sub(f"{begin}.*?{end}", lambda _: begin + table() + end, document, flags=re.DOTALL)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    for name in sys.argv[1:]:
        Path(name).write_text(fill(Path(name).read_text(encoding="utf-8")), encoding="utf-8")
