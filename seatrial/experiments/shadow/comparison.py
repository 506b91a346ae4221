"""What is known of two versions that answered the same requests, as frozen values to store, show and replay."""

import msgspec

from seatrial.stats.interval import TestResult
from seatrial.stats.stratified import Weighted
from seatrial.stats.verdict import Verdict


class Ends(msgspec.Struct, frozen=True):
    """An interval, for one look."""

    lower: float
    upper: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Between which bounds the answers of two regressions to one input differ, 95 times in 100 (Bland and Altman).

    Attributes:
        pairs: Independent pairs that both answered with a number.
        bias: Mean difference, challenger less champion, in the unit of the answers.
        lower, upper: The limits of agreement.
        lower_ends, upper_ends: Of each limit, its interval.
    """

    pairs: int
    bias: float
    lower: float
    upper: float
    lower_ends: Ends
    upper_ends: Ends


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """How alike the lists are that two versions gave to the same request; nothing of which is the better one.

    Attributes:
        pairs: Independent pairs of two lists, the newest ones where there are more than are read.
        k: Places that ``overlap`` looks at; of lists that are both shorter, all.
        overlap: Mean share of those places whose items stand in both lists, 0 to 1.
        overlap_ends: Its interval; None where all pairs are alike.
        persistence: The chance that a reader goes on to the next place.
        rank_biased_overlap: Mean overlap at every depth, weighted by how many readers get there, 0 to 1.
        rank_biased_ends: Its interval; None likewise.
    """

    pairs: int
    k: int
    overlap: float
    persistence: float
    rank_biased_overlap: float
    overlap_ends: Ends | None = None
    rank_biased_ends: Ends | None = None


class PairedMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of answers of two versions on the same labelled pairs.

    Attributes:
        name: As declared in the file, or its kind.
        kind: What it is.
        pairs: Independent labelled pairs that it can be told of.
        champion, challenger: Its value; None where it is not defined, as a precision without positive answers.
        difference: Challenger less champion, for one look (``fixed``).
    """

    name: str
    kind: str
    pairs: int
    champion: float | None
    challenger: float | None
    difference: TestResult


class DifferingPair(msgspec.Struct, frozen=True, kw_only=True):
    """One request that two versions answered differently.

    Attributes:
        request_id, row: Which.
        champion, challenger: What each answered, as text; of lists the first items.
        truth: Its label; None while it has none.
        gap: How far apart: the difference of numbers; the largest difference of a class's score (without scores 1);
            of lists 1 less their rank-biased overlap.
    """

    request_id: str
    row: int
    champion: str
    challenger: str
    gap: float
    truth: str | None = None


class JudgedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the pairs that people judged say of one model, weighed to all pairs.

    Attributes:
        accuracy: Share of pairs that it got right.
        precision, recall: By label.
    """

    accuracy: Weighted
    precision: dict[str, Weighted]
    recall: dict[str, Weighted]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What people judged of a sample that was drawn for them, for one look.

    Attributes:
        review: Which sample: when it was drawn, and with which seed.
        drawn: Pairs of it; 0 where only the labels are known.
        labelled: Of these, pairs with a label.
        pairs: Independent pairs that they stand for.
        champion, challenger: Each model.
        difference: Accuracy of the challenger less the champion's.
        sentence: One plain sentence.
    """

    review: str
    drawn: int
    labelled: int
    pairs: int
    champion: JudgedModel
    challenger: JudgedModel
    difference: Weighted
    sentence: str


class ShadowComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The challenger beside the champion on the same requests.

    Attributes:
        pairs: Requests that both were given.
        inputs: Independent pairs among them: the first of each cluster.
        clustered_by: What makes pairs one observation: ``input`` (the same features) or ``unit``.
        failures: Pairs in which the challenger failed.
        agreement: Share of pairs with the same answer; None for numbers and lists, or with no pairs.
        agreement_ends: Its interval.
        kappa: Cohen's kappa of the two labels, likewise.
        kappa_ends: Its interval.
        labelled: Independent pairs with a label.
        champion_accuracy, challenger_accuracy: Among those; None without labels.
        only_champion_right, only_challenger_right: Discordant independent pairs.
        verdict: By the sequence on discordant pairs, which holds at every look; for numbers and lists None.
        fixed: For one look: McNemar's tests, or the paired differences of regression.
        limits: Of the answers of two regressions.
        likeness: Of lists.
        judged: What people judged of the newest review that was imported, weighed to all its pairs.
        metrics: Metrics of answers on the labelled pairs, for one look; only of a judgement that was asked for.
        differ_most: The pairs whose answers differ most, the furthest first; likewise.
        sentence: One plain sentence.
    """

    pairs: int
    inputs: int
    clustered_by: str
    failures: int
    agreement: float | None = None
    agreement_ends: Ends | None = None
    kappa: float | None = None
    kappa_ends: Ends | None = None
    labelled: int = 0
    champion_accuracy: float | None = None
    challenger_accuracy: float | None = None
    only_champion_right: int = 0
    only_challenger_right: int = 0
    verdict: Verdict | None = None
    fixed: tuple[TestResult, ...] = ()
    limits: Limits | None = None
    likeness: Likeness | None = None
    judged: Review | None = None
    metrics: tuple[PairedMetric, ...] = ()
    differ_most: tuple[DifferingPair, ...] = ()
    sentence: str
