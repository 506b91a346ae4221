"""A reference column of any kind, and the plain columns that it is watched by.

    kind                                 watched by
    number, integer, boolean, category   the column itself
    text                                 its length, `.empty` or written, `.unseen`: the share of its tokens that are
                                         not in the vocabulary
    list                                 `.length`, its number of elements
    embedding                            its Euclidean norm, `.along` and `.residual` (``drift.clouds``); where rows
                                         of the reference are at hand, all dimensions by ``drift.domain_classifier``
    id                                   missing values, and the share of new ids, which is shown and not judged
    time                                 missing values, and `.hour` of the day, in UTC or its zone

A vocabulary is learnt on one half of the reference, and its unseen words are measured on the other: none of its own are
unseen, and those of a window would look like drift.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift import columns
from seatrial.drift.clouds import Cloud
from seatrial.drift.feature import FeatureProfile, profile_of_window
from seatrial.drift.hours import hours
from seatrial.drift.identifiers import KnownIds, NewIds
from seatrial.drift.texts import Vocabulary
from seatrial.spec.signature import Feature

Profiles = tuple[FeatureProfile, ...]


class ColumnReference(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a reference.

    Attributes:
        feature: Name and kind.
        profiles: Of the plain columns that it is watched by.
        vocabulary: Of texts.
        ids: Of an id column.
        cloud: Of an embedding with enough vectors.
    """

    feature: Feature
    profiles: Profiles
    vocabulary: Vocabulary | None = None
    ids: KnownIds | None = None
    cloud: Cloud | None = None

    @classmethod
    def from_values(cls, feature: Feature, values: columns.Values, *, seed: int = 0) -> "ColumnReference":
        """Learn from a column, shape [m].

        Args:
            feature: Name, kind and, for a category, the known values.
            values: See ``drift.columns``.
            seed: Of the halves.
        """
        if feature.kind == "text":
            return _text_reference(feature, columns.strings(values), seed)
        if feature.kind == "id":
            profile = FeatureProfile.from_values(feature, values)
            return cls(feature=feature, profiles=(profile,), ids=KnownIds.from_ids(columns.strings(values)))
        if feature.kind == "embedding":
            return _embedding_reference(feature, values, seed)
        plain = _plain(feature, values)
        return cls(feature=feature, profiles=tuple(FeatureProfile.from_values(f, v) for f, v in plain))

    def count(self, values: columns.Values) -> Profiles:
        """A window's column, shape [n], in the cells of ``profiles`` and in their order."""
        plain = _plain(self.feature, values)
        if self.vocabulary is not None:
            plain.append((_unseen(self.feature), self.vocabulary.unseen_shares(columns.strings(values))))
        if self.cloud is not None:
            plain += zip(_of_cloud(self.feature), self.cloud.of(values), strict=True)
        return tuple(profile_of_window(p, v) for p, (_, v) in zip(self.profiles, plain, strict=True))

    def new_ids(self, values: columns.Values) -> NewIds | None:
        """The share of a window's ids that are new; None for other kinds, and where none can be looked up."""
        return None if self.ids is None else self.ids.new(columns.strings(values))


def _text_reference(feature: Feature, texts: list[str | None], seed: int) -> ColumnReference:
    learnt = np.random.default_rng(seed).random(len(texts)) < 0.5
    vocabulary = Vocabulary.from_texts(text for text, mine in zip(texts, learnt, strict=True) if mine)
    measured = [text for text, mine in zip(texts, learnt, strict=True) if not mine]
    profiles = [FeatureProfile.from_values(f, v) for f, v in _plain(feature, texts)]
    unseen = FeatureProfile.from_values(_unseen(feature), vocabulary.unseen_shares(measured))
    return ColumnReference(feature=feature, profiles=(*profiles, unseen), vocabulary=vocabulary)


def _embedding_reference(feature: Feature, values: columns.Values, seed: int) -> ColumnReference:
    norm = FeatureProfile.from_values(feature, values)
    made = Cloud.from_vectors(values, seed=seed)
    if made is None:
        return ColumnReference(feature=feature, profiles=(norm,))
    cloud, *measured = made
    more = [FeatureProfile.from_values(f, v) for f, v in zip(_of_cloud(feature), measured, strict=True)]
    return ColumnReference(feature=feature, profiles=(norm, *more), cloud=cloud)


def _of_cloud(feature: Feature) -> tuple[Feature, Feature]:
    return _named(feature, "along", "number"), _named(feature, "residual", "number")


def _plain(feature: Feature, values: columns.Values) -> list[tuple[Feature, columns.Values]]:
    """The plain columns that need nothing learnt."""
    if feature.kind == "text":
        lengths = columns.lengths(values)
        empty = msgspec.structs.replace(_named(feature, "empty", "category"), categories=("written", "empty"))
        return [(feature, lengths), (empty, _emptiness(lengths))]
    if feature.kind == "list":
        return [(_named(feature, "length", "integer"), columns.sizes(values))]
    if feature.kind == "time":
        return [(feature, values), (_named(feature, "hour", "category"), hours(columns.numbers(values), feature.zone))]
    return [(feature, values)]


def _unseen(feature: Feature) -> Feature:
    return _named(feature, "unseen", "number")


def _named(feature: Feature, aspect: str, kind: Any) -> Feature:
    return Feature(name=f"{feature.name}.{aspect}", kind=kind, nullable=True)


def _emptiness(lengths: NDArray[np.float64]) -> list[str | None]:
    return [None if np.isnan(length) else "empty" if length == 0 else "written" for length in lengths]
