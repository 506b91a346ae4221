"""The last days as if a release had drawn them: the champion's rows, for forecasts and for numbers fixed beforehand."""

from collections.abc import Mapping

import pyarrow as pa

from seatrial.experiments.source import Source
from seatrial.ledger.sql import literal
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.snapshot import Arm

LOOK_BACK = 7 * 86_400_000_000
"""Microseconds before now that stand for what is to come."""

SPLITS = "reason NOT IN ('override', 'explicit', 'rule', 'cold-start')"
"""Rows that a split would reach; the others are nobody's to draw."""


class AsIfDrawn:
    """A source in which the champion's rows look as if they had been drawn by a release: only their numbers matter.

    Args:
        view: The ledger.
        champion: Whose rows.
        entry: Only those that this routing entry took, as the release's will; "": whichever did.
    """

    def __init__(self, view: Source, champion: str, entry: str = "") -> None:
        self._view = view
        self._entry = f" AND entry = {literal(entry)}" if entry else ""
        self._champion = champion.replace("'", "''")

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """``query`` over the rows as if drawn."""
        rows = f"""rows AS (SELECT * REPLACE ('foresight' AS release, true AS contested, 'split' AS reason, 1 AS phase)
          FROM rows WHERE variant = '{self._champion}' AND {SPLITS}{self._entry})"""
        body = query.strip()
        asked = f"WITH {rows}, {body[5:]}" if body.startswith("WITH ") else f"WITH {rows} {body}"
        return self._view.sql(asked, parameters)


def past_run(run: ReleaseRun, now: int) -> ReleaseRun:
    """The last days as a release of one phase."""
    return ReleaseRun(
        id="foresight",
        deployment=run.deployment,
        entry=run.entry,
        champion=run.champion,
        challenger=run.challenger,
        champion_version=run.champion_version,
        challenger_version=run.challenger_version,
        salt="",
        stage="test",
        stage_started_at=now - LOOK_BACK,
        phases=(Phase(number=1, arms=(Arm(run.champion, 1.0),), started_at=now - LOOK_BACK, revision=0),),
        alpha=run.alpha,
        plan=run.plan,
        plan_units=run.plan_units,
        caps=run.caps,
        started_at=now - LOOK_BACK,
    )
