"""Which ids are new? Answered from a sample of the reference's ids that is small and fair."""

from collections.abc import Iterable, Sequence

import msgspec
import xxhash

from seatrial.drift.proportions import wilson

MOST_IDS = 2000
"""Distinct ids kept."""


class NewIds(msgspec.Struct, frozen=True):
    """Share of distinct ids that the reference did not have, with a 99 % interval; ``looked`` were in the sample."""

    share: float
    lower: float
    upper: float
    looked: int


class KnownIds(msgspec.Struct, frozen=True):
    """The reference's distinct ids with the smallest hashes: a random sample of them that merges exactly.

    Attributes:
        hashes: Increasing, at most ``most``.
        most: How many are kept; with fewer, every id of the reference is there.

    References:
        Z. Bar-Yossef et al., Counting Distinct Elements in a Data Stream, RANDOM 2002 (the k smallest hashes).
    """

    hashes: tuple[int, ...] = ()
    most: int = MOST_IDS

    @classmethod
    def from_ids(cls, ids: Iterable[str | None], most: int = MOST_IDS) -> "KnownIds":
        """Of reference ids; None is no id."""
        return cls(tuple(sorted(_hashes(ids))[:most]), most)

    def merge(self, other: "KnownIds") -> "KnownIds":
        """Of both references together; what one of all their ids would be."""
        most = min(self.most, other.most)
        return KnownIds(tuple(sorted({*self.hashes, *other.hashes})[:most]), most)

    def new(self, ids: Sequence[str | None]) -> NewIds | None:
        """The share of new ids among the distinct ones of a window; None when none of them can be looked up.

        An id can be looked up when its hash is below the largest that is kept: there, every id of the reference is.
        """
        limit = self.hashes[-1] if len(self.hashes) == self.most else 1 << 64
        looked = {hashed for hashed in _hashes(ids) if hashed <= limit}
        if not looked:
            return None
        share = len(looked.difference(self.hashes)) / len(looked)
        return NewIds(share, *wilson(share, len(looked), 0.99), len(looked))


def _hashes(ids: Iterable[str | None]) -> set[int]:
    return {xxhash.xxh3_64_intdigest(value.encode("utf-8", "surrogatepass")) for value in ids if value is not None}
