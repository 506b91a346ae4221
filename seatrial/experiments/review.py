"""Pairs of answers for people to judge, a stratified sample of where champion and challenger disagree and some of where
they agree; and what the judged sample says of all pairs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from seatrial.experiments.labels import plain_label
from seatrial.experiments.shadow.comparison import Review
from seatrial.experiments.shadow.judged import Judged, Population, weigh
from seatrial.experiments.shadow.pairs import answered, read_pairs
from seatrial.experiments.source import Source
from seatrial.ledger.reviewed import COLUMNS, LABEL
from seatrial.ledger.sql import quoted
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.stratified import allocate

MOST_STRATA = 400

FEATURE = "feature."

_SHOWN = """
SELECT request_id, "row" AS i, unit, strftime("at", '%Y-%m-%dT%H:%M:%S.%fZ') AS happened {features}
FROM rows JOIN (SELECT unnest($requests) AS request_id, unnest($at) AS "row") USING (request_id, "row")
WHERE role = 'answer'"""


class _Pair(NamedTuple):
    request_id: str
    row: int
    champion: str
    challenger: str

    @property
    def apart(self) -> bool:
        return plain_label(self.champion) != plain_label(self.challenger)

    @property
    def stratum(self) -> str:
        return f"{self.champion} or {self.challenger}" if self.apart else f"both {self.champion}"


def draw(
    view: Source,
    run: ReleaseRun,
    features: Sequence[str],
    *,
    now: int,
    disagreements: int,
    agreements: int,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The rows to judge, in strata of what the two models said, of independent pairs: no input and no unit twice.

    Args:
        view: The ledger.
        run: The two variants and their versions.
        features: Logged columns of ``rows`` (``feature.<name>``) that help to judge.
        now: Microseconds since 1970 UTC; nothing later is drawn.
        disagreements: About how many pairs of different answers; of each kind two at least.
        agreements: About how many pairs of one answer: without any, the accuracy of either model is not known.
        seed: Another one draws another sample.

    Raises:
        BadInput: No pairs, or answers that are no classes.
    """
    strata = _strata(_pairs(view, run, now))
    sizes = {name: len(members) for name, members in strata.items()}
    apart = {name: size for name, size in sizes.items() if strata[name][0].apart}
    same = {name: size for name, size in sizes.items() if name not in apart}
    wanted = allocate(apart, disagreements)
    if agreements:
        wanted |= allocate(same, agreements)
    if not wanted:
        raise BadInput("the two versions agree on every request; there is nothing to review")
    drawn = [one for name, most in sorted(wanted.items()) for one in _drawn(strata[name], most, name, seed)]
    fixed = {
        "review": f"{datetime.fromtimestamp(now // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}/{seed}",
        "population": sum(sizes.values()),
        "disagreements": sum(apart.values()),
    }
    shown = _shown(view, drawn, features)
    return [_row(one, shown[one[:2]], fixed, (sizes[one.stratum], wanted[one.stratum]), features) for one in drawn]


def _pairs(view: Source, run: ReleaseRun, now: int) -> list[_Pair]:
    answer = answered(view, "classification")
    if answer.numbers or answer.sql == "NULL::VARCHAR":
        raise BadInput("no answer with a label has been logged; a review judges classes, so use outcomes for numbers")
    found = read_pairs(view, run, now, answer._replace(sql=f"CAST({answer.sql} AS VARCHAR)"), None, scores=False)
    rows = [] if found is None else found.independent.select(["request_id", "i", "answer", "other"]).to_pylist()
    pairs = [_Pair(*row.values()) for row in rows if row["answer"] is not None and row["other"] is not None]
    if not pairs:
        raise BadInput("no request was answered by both versions; a review needs the `shadow` stage of a release")
    return pairs


def _strata(pairs: Sequence[_Pair]) -> dict[str, list[_Pair]]:
    strata: dict[str, list[_Pair]] = {}
    for pair in pairs:
        strata.setdefault(pair.stratum, []).append(pair)
    if len(strata) > MOST_STRATA:
        raise BadInput(f"the answers fall into {len(strata)} kinds of pairs; a review takes {MOST_STRATA} at most")
    return strata


def _drawn(members: Sequence[_Pair], most: int, name: str, seed: int) -> list[_Pair]:
    """A simple random sample, in the order of its request ids."""
    rng = np.random.default_rng([seed, crc32(name.encode())])
    return sorted(members[at] for at in rng.choice(len(members), most, replace=False).tolist())


def _shown(view: Source, drawn: Sequence[_Pair], features: Sequence[str]) -> dict[tuple[str, int], dict[str, Any]]:
    picked = "".join(f", {quoted(name)}" for name in features)
    given = {"requests": [one.request_id for one in drawn], "at": [one.row for one in drawn]}
    rows = view.sql(_SHOWN.format(features=picked), given).to_pylist()
    return {(row["request_id"], row["i"]): row for row in rows}


def _row(
    pair: _Pair,
    shown: Mapping[str, Any],
    review: Mapping[str, Any],
    sizes: tuple[int, int],
    features: Sequence[str],
) -> dict[str, Any]:
    size, wanted = sizes
    fixed = {
        "request_id": pair.request_id,
        "row": pair.row,
        "unit": shown["unit"],
        "at": shown["happened"],
        "champion": pair.champion,
        "challenger": pair.challenger,
        "stratum": pair.stratum,
        "pairs": size,
        "probability": wanted / size,
        **review,
    }
    named = {_plainly(name, fixed): shown[name] for name in features}
    return {**fixed, **named, LABEL: ""}


def _plainly(name: str, taken: Mapping[str, Any]) -> str:
    """A feature's own name, unless a column of the review has it."""
    short = name.removeprefix(FEATURE)
    return name if short in taken or short == LABEL else short


def assess(rows: Sequence[Mapping[str, str]]) -> Review:
    """What a filled file says of all pairs that it was drawn from.

    Args:
        rows: Of the file, as ``draw`` wrote them, labels filled in where somebody knew. A kind of pair without any
            label keeps its weight: nothing is then said of accuracy.

    Raises:
        BadInput: A column or a size is missing, or no row has a label.
    """
    missing = [name for name in COLUMNS if rows and name not in rows[0]]
    if missing or not rows:
        raise BadInput(f"this is no file that `seatrial review --out` wrote: it has no {', '.join(missing) or 'rows'}")
    filled = [row for row in rows if (row[LABEL] or "").strip()]
    if not filled:
        raise BadInput(f"no row has a {LABEL}; fill the column in and ask again")
    reviews = {row["review"] for row in rows}
    if len(reviews) > 1:
        raise BadInput(f"this file holds {len(reviews)} reviews; each speaks for itself, so give them one by one")
    try:
        population = Population(int(rows[0]["population"]), int(rows[0]["disagreements"]))
        judged = [Judged(row["champion"], row["challenger"], row[LABEL], int(row["pairs"])) for row in filled]
    except ValueError as error:
        raise BadInput(f"a size in the file is no number ({error}); leave those columns as they were written") from None
    return weigh(judged, population, review=rows[0]["review"], drawn=len(rows))
