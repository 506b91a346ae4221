"""What a holdout taught about when a version is right: made at registration, stored with it, small.

A classifier with scores is known by what its scores are worth; a regressor, and a classifier without scores, by a tree
of where its answers were wrong, and how far.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift import columns
from seatrial.drift.estimates.accuracy import Calibrator, calibrate, estimate_accuracy
from seatrial.drift.estimates.estimate import Estimate
from seatrial.drift.estimates.known import KNOWN_KINDS, known_rows
from seatrial.drift.estimates.loss import estimate_loss
from seatrial.drift.estimates.loss_tree import LEAST, LossTree
from seatrial.drift.feature import FeatureProfile

LEAST_ROWS = 2 * LEAST
"""Rows of a holdout below which nothing is learnt from it."""

_SLACK = 1e-6
"""Scores may be out of [0, 1] by as much as single precision rounds."""


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What the holdout taught; one of the two is there.

    Attributes:
        calibrator: What a score is worth: with two classes P(positive), with more P(right) of the largest score.
        tree: Where errors are: absolute ones of a regressor; 1 where wrong of a classifier without scores.
        features: What the tree's rows are made of, in order; only names, kinds and categories, no counts.
        answer: The answer, which is the last column of the tree's rows.
    """

    calibrator: Calibrator | None = None
    tree: LossTree | None = None
    features: tuple[FeatureProfile, ...] = ()
    answer: FeatureProfile | None = None

    def rows(self, values: Mapping[str, columns.Values], answers: columns.Values) -> NDArray[np.float64]:
        """The tree's rows: features by name, each [n], and what was answered [n]; shape [n, columns + 1]."""
        assert self.answer is not None
        return np.column_stack(
            [known_rows(self.features, values), known_rows([self.answer], {self.answer.name: answers})]
        )


def lesson_of_scores(scores: ArrayLike, happened: ArrayLike) -> Lesson | None:
    """What scores [n] are worth, from whether it happened [n]; None of too few rows, or where scores are no chances."""
    table, truth = np.asarray(scores, dtype=np.float64), np.asarray(happened, dtype=np.bool_)
    known = ~np.isnan(table)
    table, truth = table[known], truth[known]
    if table.size < LEAST_ROWS or table.min() < -_SLACK or table.max() > 1 + _SLACK:
        return None
    return Lesson(calibrator=calibrate(np.clip(table, 0.0, 1.0), truth))


def lesson_of_errors(
    features: Sequence[FeatureProfile],
    answer: FeatureProfile,
    values: Mapping[str, columns.Values],
    answers: columns.Values,
    errors: ArrayLike,
) -> Lesson | None:
    """Where errors [n] are large; None of too few rows.

    Args:
        features: Profiles of features; those of kinds that are no numbers, or without values, are left out.
        answer: Profile of the answer.
        values: Features on the holdout, by name, each [n].
        answers: What was answered there, shape [n].
        errors: At least 0; NaN where not known.
    """
    losses = np.asarray(errors, dtype=np.float64)
    usable = np.isfinite(losses)
    if usable.sum() < LEAST_ROWS:
        return None
    told = tuple(_bare(profile) for profile in features if profile.kind in KNOWN_KINDS and profile.name in values)
    lesson = Lesson(features=told, answer=_bare(answer))
    tree = LossTree.fit(lesson.rows(values, answers)[usable], losses[usable])
    return msgspec.structs.replace(lesson, tree=tree)


def estimate_by_scores(
    calibrator: Calibrator, scores: ArrayLike, positive: ArrayLike | None = None, level: float = 0.95
) -> Estimate | None:
    """Accuracy of a window [n]; rows without a score are left out; None when no row has one."""
    table = np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(table)
    if not known.any():
        return None
    answers = None if positive is None else np.asarray(positive, dtype=np.bool_)[known]
    return estimate_accuracy(calibrator, np.clip(table[known], 0.0, 1.0), answers, level)


def estimate_by_tree(
    lesson: Lesson, values: Mapping[str, columns.Values], answers: columns.Values, level: float = 0.95
) -> Estimate:
    """Mean error of a window with these columns [n]: absolute, or the share of wrong answers."""
    assert lesson.tree is not None
    counted = lesson.answer is not None and lesson.answer.form == "category"
    return estimate_loss(lesson.tree, lesson.rows(values, answers), level, counted=counted)


def as_accuracy(wrong: Estimate) -> Estimate:
    """The share of right answers, of an estimated share of wrong ones."""
    lower, upper = max(0.0, 1 - wrong.upper), min(1.0, 1 - wrong.lower)
    return msgspec.structs.replace(wrong, value=1 - wrong.value, lower=lower, upper=upper)


def _bare(profile: FeatureProfile) -> FeatureProfile:
    return FeatureProfile(name=profile.name, kind=profile.kind, categories=profile.categories)
