"""Labels that people gave to a sample that was drawn for them: what a file of such holds, and how they are told apart.

Most of a review's sample are disagreements, so its labels say something of all pairs only by the sizes of the kinds
that they were drawn from. They carry those into the ledger as fields, and whoever weighs labels alike leaves them out.
"""

from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    "review.id": "review",
    "review.stratum": "stratum",
    "review.pairs": "pairs",
    "review.probability": "probability",
    "review.population": "population",
    "review.disagreements": "disagreements",
}
"""Of a label in the ledger, a field (no declared one has a dot) and the column of the file that it comes from."""

LABEL = "label"
"""The column that people fill in."""

KEYS = ("request_id", "row", "at")

COLUMNS = (*KEYS, *FIELDS.values(), LABEL)
"""By these a file is known as a review's."""

_MARK = """coalesce(contains("fields", '"review.id"'), false)"""

REVIEWED = _MARK
"""SQL of an outcome: whether it is a label of a review."""

WEIGHED_ALIKE = f"NOT {_MARK}"
"""SQL of an outcome: whether it came by itself, and counts like any other."""
