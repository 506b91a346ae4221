"""Words that a reference did not have: the share of each text's tokens that are not in its vocabulary."""

import re
from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

MOST_TOKENS = 5000
"""Tokens kept, the most frequent first (about 40 kilobytes); the rest count as unseen, in the reference too."""

_TOKEN = re.compile(r"\w+")


class Vocabulary(msgspec.Struct, frozen=True):
    """Tokens of reference texts, lower case, in order of the alphabet."""

    tokens: tuple[str, ...] = ()

    @classmethod
    def from_texts(cls, texts: Iterable[str | None], most: int = MOST_TOKENS) -> "Vocabulary":
        """Learn the most frequent tokens, ties by the alphabet; None is no text."""
        found = Counter(token for text in texts if text is not None for token in tokens_of(text))
        ranked = sorted(found, key=lambda token: (-found[token], token))
        return cls(tuple(sorted(ranked[:most])))

    def unseen_shares(self, texts: Iterable[str | None]) -> NDArray[np.float64]:
        """Share of each text's tokens that are not listed: 0 where it has none, NaN of no text; shape [n]."""
        known = frozenset(self.tokens)
        return np.array([_unseen(text, known) for text in texts], dtype=np.float64)


def tokens_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores of any script, in lower case."""
    return _TOKEN.findall(text.lower())


def _unseen(text: str | None, known: frozenset[str]) -> float:
    if text is None:
        return float("nan")
    tokens = tokens_of(text)
    return sum(token not in known for token in tokens) / max(len(tokens), 1)
