"""Sentences as a page shows them: numbers in one format that no line breaks, and code as code.

Sentences are made for terminals too, by many rooms; here ``1,503``, ``1 503`` and ``1503`` become the same, and so
do ``12%`` and ``12 %``.
"""

import re

from markupsafe import Markup, escape

GAP = "\u202f"
"""Between thousands, and between a number and its unit: narrow, and no line is broken there."""

_COMMAS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACES = re.compile(r"(?<![\w.,:])\d{1,3}(?: \d{3})+(?!\d)")
_PLAIN = re.compile(r"(?<![\w.,:/-])\d{4,}(?![\w:/-]|[.,]\d)")
_UNIT = re.compile(r"(?<=\d) ?(?=%)|(?<=\d) (?=(?:ms|s|min|h|d|points)\b)")


def count(number: int) -> str:
    """``1 503``: a whole number with its thousands apart."""
    return f"{number:,}".replace(",", GAP)


def figures(text: str) -> str:
    """The text with its numbers in the format of the page."""
    text = _COMMAS.sub(lambda found: found[0].replace(",", GAP), text)
    text = _SPACES.sub(lambda found: found[0].replace(" ", GAP), text)
    text = _PLAIN.sub(lambda found: count(int(found[0])), text)
    return _UNIT.sub(GAP, text)


def prose(text: str) -> Markup:
    """The text as markup: what stands in backticks as code, letter by letter."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without its other
        return escape(figures(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(figures(part)) for i, part in enumerate(parts)
    )
