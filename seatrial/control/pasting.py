"""Rules that were found, as YAML to paste into a deployment file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from seatrial.bandits.policy_tree import Question
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.expression import Expression, Kind, Space

_EXACT = 2**53
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


class Pasted(NamedTuple):
    """One routing entry as it is written.

    Attributes:
        when: Its rule; "" where it has none.
        rest: Its other key and value, as YAML on one line: ``to: champion``.
        whole: All of it as JSON, where it stays as it was written; "" otherwise.
    """

    name: str
    when: str
    rest: str
    whole: str = ""


def written(entries: Iterable[Pasted]) -> str:
    """Entries under ``routing:``."""
    lines = ["routing:"]
    for entry in entries:
        if entry.whole:
            lines.append(f"  - {entry.whole}")
            continue
        lines.append(f"  - name: {plain(entry.name)}")
        if entry.when:
            lines.append(f"    when: {quoted(entry.when)}")
        lines.append(f"    {entry.rest}")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """A name in YAML, quoted where it could be read as something else."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else quoted(text)


def quoted(text: str) -> str:
    """YAML's single quotes, in which nothing is escaped but the quote itself."""
    return "'" + text.replace("'", "''") + "'"


def split_of(shares: Mapping[str, float]) -> str:
    """``split: {a: 90%, b: 10%}``."""
    return f"split: {{{', '.join(f'{plain(name)}: {share * 100:.10g}%' for name, share in shares.items())}}}"


def rounded(shares: Mapping[str, float]) -> dict[str, float]:
    """Shares to a hundredth of a percent that still add up to 1; the largest takes what is left."""
    found = {name: round(share, 4) for name, share in shares.items()}
    largest = max(found, key=lambda name: found[name])
    found[largest] = round(1 - sum(share for name, share in found.items() if name != largest), 4)
    return {name: share for name, share in found.items() if share > 0}


def condition(questions: Sequence[Question], kinds: Mapping[str, Kind]) -> Expression | None:
    """Questions as a rule; None where there are none. Both fail to hold where the value is missing.

    Args:
        kinds: Of what is asked about, as rules take it.
    """
    asked = tuple(_compare(question, kinds[question.name]) for question in questions)
    return None if not asked else asked[0] if len(asked) == 1 else e.AllOf(asked)


def both(outer: Expression | None, inner: Expression | None) -> Expression | None:
    """A rule that holds where both do; None holds always."""
    if outer is None or inner is None:
        return inner if outer is None else outer
    return e.AllOf((outer, *(inner.operands if isinstance(inner, e.AllOf) else (inner,))))


def _compare(question: Question, kind: Kind) -> Expression:
    space, _, name = question.name.partition(".")
    value = question.value
    literal = kind
    if kind in ("int", "double"):
        whole = float(value).is_integer() and abs(value) < _EXACT
        value, literal = (int(value), "int") if whole else (float(value), "double")
    attribute = e.Attribute(cast(Space, space), name, kind)
    return e.Compare(question.relation, attribute, e.Constant(value, literal))
