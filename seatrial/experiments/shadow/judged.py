"""What pairs that people judged say of all pairs: a sample in strata of what both models said, weighed by its sizes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from seatrial.experiments.labels import plain_label
from seatrial.experiments.sentences import count
from seatrial.experiments.shadow.comparison import JudgedModel, Review
from seatrial.spec.errors import BadInput
from seatrial.stats.stratified import (
    NOTHING,
    Stratum,
    Weighted,
    stratified_difference,
    stratified_part,
    stratified_share,
)


class Judged(NamedTuple):
    """One judged pair.

    Attributes:
        champion, challenger, label: As they are spelt.
        pairs: All pairs on which the two said this.
    """

    champion: str
    challenger: str
    label: str
    pairs: int


class Population(NamedTuple):
    """What a sample was drawn from: independent pairs, and those of different answers among them."""

    pairs: int
    disagreements: int


Kind = tuple[str, str]
"""What champion and challenger said, in one spelling."""


def weigh(
    judged: Sequence[Judged], population: Population, *, review: str, drawn: int = 0, alpha: float = 0.05
) -> Review:
    """The accuracies, their difference, and precision and recall by label.

    A kind of pair without any label keeps its weight: then nothing is said of accuracy, and nothing of the difference
    where that kind is one of different answers.

    Args:
        judged: One at least.
        population: What they stand for.
        review: Which sample it is.
        drawn: Pairs of the sample, labelled or not.
        alpha: Of the intervals.

    Raises:
        BadInput: Sizes that contradict each other.
    """
    by_kind = _by_kind(judged)
    sizes = {kind: _size(kind, members) for kind, members in by_kind.items()}
    apart = sum(size for (ours, theirs), size in sizes.items() if ours != theirs)
    if sum(sizes.values()) > population.pairs or apart > population.disagreements:
        raise BadInput(
            f"the judged kinds hold {sum(sizes.values())} pairs, {apart} of different answers, more than the "
            f"{population.pairs} and {population.disagreements} they were drawn from; leave those columns as written"
        )
    spelt = _spelling(judged)
    known = sum(sizes.values()) == population.pairs
    champion, challenger = (_model(by_kind, sizes, at, spelt, alpha) if known else _UNKNOWN for at in (0, 1))
    difference = _difference(by_kind, sizes, population, alpha) if apart == population.disagreements else NOTHING
    return Review(
        review=review,
        drawn=drawn,
        labelled=len(judged),
        pairs=population.pairs,
        champion=champion,
        challenger=challenger,
        difference=difference,
        sentence=_sentence(len(judged), population, champion, challenger, difference),
    )


_UNKNOWN = JudgedModel(accuracy=NOTHING, precision={}, recall={})


def _by_kind(judged: Iterable[Judged]) -> dict[Kind, list[Judged]]:
    found: dict[Kind, list[Judged]] = {}
    for one in judged:
        found.setdefault((plain_label(one.champion), plain_label(one.challenger)), []).append(one)
    return dict(sorted(found.items()))


def _size(kind: Kind, members: Sequence[Judged]) -> int:
    sizes = {one.pairs for one in members}
    if len(sizes) > 1:
        raise BadInput(
            f"the pairs of {' or '.join(kind)!r} are said to be {sorted(sizes)}; leave the column as written"
        )
    return sizes.pop()


def _spelling(judged: Iterable[Judged]) -> dict[str, str]:
    """How labels are shown: as a model spells them, and only else as people do."""
    spelt: dict[str, str] = {}
    rows = list(judged)
    for word in (*(one.champion for one in rows), *(one.challenger for one in rows), *(one.label for one in rows)):
        spelt.setdefault(plain_label(word), word.strip())
    return spelt


def _model(
    by_kind: Mapping[Kind, Sequence[Judged]], sizes: Mapping[Kind, int], at: int, spelt: Mapping[str, str], alpha: float
) -> JudgedModel:
    """Of the champion (``at`` 0) or the challenger (1)."""

    def strata(kinds: Iterable[Kind], counts: Callable[[Kind, str], bool]) -> list[Stratum]:
        return [
            Stratum(
                sizes[kind],
                len(by_kind[kind]),
                sum(counts(kind, plain_label(one.label)) for one in by_kind[kind]),
            )
            for kind in kinds
        ]

    def right(kind: Kind, label: str) -> bool:
        return kind[at] == label

    precision, recall = {}, {}
    for word, shown in sorted(spelt.items(), key=lambda one: one[1]):
        said = [kind for kind in by_kind if kind[at] == word]
        others = [kind for kind in by_kind if kind[at] != word]
        precision[shown] = stratified_share(strata(said, right), alpha)
        is_word = _same(word)
        recall[shown] = stratified_part(strata(said, is_word), strata(others, is_word), alpha)
    return JudgedModel(accuracy=stratified_share(strata(by_kind, right), alpha), precision=precision, recall=recall)


def _same(word: str) -> Callable[[Kind, str], bool]:
    return lambda _, label: label == word


def _difference(
    by_kind: Mapping[Kind, Sequence[Judged]], sizes: Mapping[Kind, int], population: Population, alpha: float
) -> Weighted:
    """Of accuracy: where both said the same it is 0, whatever the label."""
    apart = [
        Stratum(
            sizes[(ours, theirs)],
            len(members),
            sum((1 + (theirs == plain_label(one.label)) - (ours == plain_label(one.label))) / 2 for one in members),
        )
        for (ours, theirs), members in by_kind.items()
        if ours != theirs
    ]
    return stratified_difference(apart, population.pairs - population.disagreements, alpha)


def _sentence(
    labelled: int, population: Population, champion: JudgedModel, challenger: JudgedModel, difference: Weighted
) -> str:
    by = f"By {count(labelled)} judged pairs, which stand for {count(population.pairs)}, "
    ends = "is not known"
    if difference.value is not None and difference.lower is not None and difference.upper is not None:
        ends = f"{100 * difference.lower:+.2g} to {100 * difference.upper:+.2g} points, one look"
    if challenger.accuracy.value is None or champion.accuracy.value is None:
        return (
            f"{by}how often either is right is not known, for some kind of pair has no label at all: judge some; "
            f"the challenger's accuracy less the champion's: {ends}."
        )
    return (
        f"{by}the challenger is right on {challenger.accuracy.value:.1%} and the champion on "
        f"{champion.accuracy.value:.1%} (difference {ends})."
    )
