"""From verdicts to one recommendation per release: a table, read from the top, the first row that applies.

Only ``ship`` lets automation promote; ``stop`` rolls back; everything else waits or asks.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from seatrial.stats.verdict import Word

Recommendation = Literal["withheld", "stop", "ship", "no-difference", "wait"]


class Situation(NamedTuple):
    """All that a recommendation depends on."""

    trusted: bool
    primary: Word
    guardrails: tuple[Word, ...]

    @property
    def any_worse(self) -> bool:
        """The primary or a guardrail is shown to be worse."""
        return self.primary == "worse" or "worse" in self.guardrails

    @property
    def all_hold(self) -> bool:
        """Every guardrail is shown to be no worse than its margin (true when there are none)."""
        return all(word == "non-inferior" for word in self.guardrails)


class Rule(NamedTuple):
    """One row: what is recommended, when, and the same in words."""

    recommendation: Recommendation
    applies: Callable[[Situation], bool]
    words: str


RULES: tuple[Rule, ...] = (
    Rule("withheld", lambda s: not s.trusted, "a check of trust failed"),
    Rule("stop", lambda s: s.any_worse, "the primary or any guardrail is worse"),
    Rule("ship", lambda s: s.primary == "better" and s.all_hold, "the primary is better, every guardrail non-inferior"),
    Rule(
        "no-difference",
        lambda s: s.primary == "equivalent" and s.all_hold,
        "the primary is equivalent, every guardrail non-inferior",
    ),
    Rule("wait", lambda _: True, "anything else"),
)


def recommend(*, primary: Word, guardrails: Iterable[Word] = (), trusted: bool = True) -> Recommendation:
    """The first rule that applies.

    Args:
        primary: The word on the primary metric (``no-data`` when the release has none).
        guardrails: The word on each guardrail.
        trusted: False when a check that withholds verdicts failed.
    """
    situation = Situation(trusted, primary, tuple(guardrails))
    return next(rule.recommendation for rule in RULES if rule.applies(situation))


_PRIMARY_WORDS: tuple[Word, ...] = ("better", "worse", "equivalent", "inconclusive", "no-data")
_GUARDRAIL_CASES: tuple[tuple[str, tuple[Word, ...]], ...] = (
    ("none, or all non-inferior", ("non-inferior",)),
    ("none worse, one undecided or without data", ("non-inferior", "inconclusive")),
    ("one worse", ("non-inferior", "worse")),
)


def rules_table() -> str:
    """The rules as a Markdown table, in order."""
    rows = [f"| {i} | `{rule.recommendation}` | {rule.words} |" for i, rule in enumerate(RULES, start=1)]
    return "\n".join(["| | recommendation | when |", "|---|---|---|", *rows])


def truth_table() -> str:
    """Every combination of words and what is recommended, as a Markdown table."""
    head = "| primary | " + " | ".join(f"guardrails: {name}" for name, _ in _GUARDRAIL_CASES) + " |"
    rows = []
    for primary in _PRIMARY_WORDS:
        cells = (f"`{recommend(primary=primary, guardrails=words)}`" for _, words in _GUARDRAIL_CASES)
        rows.append(f"| {primary} | " + " | ".join(cells) + " |")
    cells = (f"`{recommend(primary='better', guardrails=words, trusted=False)}`" for _, words in _GUARDRAIL_CASES)
    rows.append("| *any, when a check of trust failed* | " + " | ".join(cells) + " |")
    return "\n".join([head, "|---|" + "---|" * len(_GUARDRAIL_CASES), *rows])
