"""Which items are popular: those of which most outcomes of a kind happened lately, or the most of a field came."""

from seatrial.experiments.declared_measures import path
from seatrial.experiments.source import Source
from seatrial.experiments.worth import FIELD, HAPPENED
from seatrial.releases.popular_files import Scored
from seatrial.routing.snapshot import Popular

_POPULAR = """SELECT item, score FROM (
  SELECT {item} AS item, {score} AS score FROM outcomes o
  WHERE o.outcome = $outcome AND epoch_us(o."at") > $since AND epoch_us(o."at") <= $now
  GROUP BY ALL
) WHERE item <> '' AND score > 0 AND isfinite(score) ORDER BY score DESC, item LIMIT $most"""
_COUNT, _SUM = f"sum({HAPPENED})::DOUBLE", f"fsum({FIELD} ORDER BY {FIELD})"
"""Sums are taken in one order, so that they are the same whichever rows come first."""


def popular_items(source: Source, terms: Popular, now: int) -> tuple[Scored, ...]:
    """The most popular items, the best first; of equal ones by name, as their code points order them.

    An outcome counts once, as it was corrected last, and not at all when it was withdrawn, says 0 or false, or names no
    item. With ``value`` what counts is that field; an item whose sum is not above 0 is none.

    Args:
        terms: What counts.
        now: Microseconds since 1970 UTC. Event times after it, and those not after ``now - within``, do not count.
    """
    given: dict[str, object] = {"outcome": terms.outcome, "most": terms.most}
    given |= {"since": now - round(terms.within * 1e6), "now": now}
    if terms.value:
        given["path"] = path(terms.value)
    if terms.item:
        given["named"] = path(terms.item)
    item = 'json_extract_string(o."fields", $named)' if terms.item else "o.item"
    found = source.sql(_POPULAR.format(item=item, score=_SUM if terms.value else _COUNT), given)
    return tuple(Scored(row["item"], row["score"]) for row in found.to_pylist())
