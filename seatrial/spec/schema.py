"""The deployment file as JSON Schema (draft 2020-12), for editors; it accepts the shapes that the reader accepts."""

from typing import Any

from seatrial.spec.grammar.whole import DEPLOYMENT


def json_schema() -> dict[str, Any]:
    """The schema; checks across parts (names declared, shares that add up) are the reader's alone."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seatrial deployment",
        **DEPLOYMENT.schema(),
    }
