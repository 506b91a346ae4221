"""Judging a release again with a shelf: the judgement is the one without, and pieces at rest are left alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from seatrial.experiments import remembered
from seatrial.experiments.answer_measures import error_measures
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.narrowed import shared_ids
from seatrial.experiments.question import outcomes_of
from seatrial.experiments.remembered import Known, Limits, read_again
from seatrial.experiments.shelf import Piece
from seatrial.experiments.source import TableSource
from seatrial.experiments.unit_shelf import DiskShelf, DiskShelves
from seatrial.releases.run import ReleaseRun
from tests import worlds
from tests.laws.test_sums import assert_alike

SECOND = worlds.SECOND
WINDOW = {"within": 20.0, "grace": 5.0}
DEPLOYMENT = worlds.deployment(
    context={"age": {"kind": "number", "optional": True}},
    outcomes={"buy": {}},
    metrics={
        "revenue": {"kind": "mean", "outcome": "buy", "cap": 3.0, **WINDOW},
        "adjusted": {"kind": "mean", "outcome": "buy", "covariates": ["context.age"], **WINDOW},
        "median": {"kind": "quantile", "outcome": "buy", "quantile": 0.5, **WINDOW},
        "bounded": {"kind": "mean", "outcome": "buy", "range": [0.0, 4.0], **WINDOW},
        "conversion": {"kind": "proportion", "outcome": "buy", **WINDOW},
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "conversion", "minimum_effect": {"relative": 0.1}},
        "guardrails": {"errors": {"absolute": 0.01}},
    },
)
RUN = worlds.release((0.5, 0.0), (0.4, 150.0))
LIMITS = Limits(lag=SECOND, least=0, part=1000, piece=200)


def traffic(second: int, late: Sequence[int] = (), back: Sequence[int] = ()) -> TableSource:
    """Four units a second for 300 seconds, each with one purchase or none three seconds later, as read at ``second``.

    ``late``: units that buy once more, told at 200 s. ``back``: units that ask again at 200 s.
    """
    rng = np.random.default_rng(1)
    n = 1200
    at = worlds.START + np.arange(n) * SECOND // 4
    names = worlds.unit_names(n)
    age, bought, value = rng.normal(size=n), rng.random(n) < 0.4, rng.integers(1, 5, n).astype(float)
    again = worlds.START + 200 * SECOND
    row_at = np.concatenate([at, np.full(len(back), again)])
    units = [*names, *(names[i] for i in back)]
    asked = worlds.rows(RUN, units, row_at, **{"context.age": np.concatenate([age, np.zeros(len(back))])})
    event = np.concatenate([at[bought] + 3 * SECOND, at[list(late)] + 4 * SECOND])
    came = np.concatenate([event[: bought.sum()], np.full(len(late), again)])
    who = [*(name for name, did in zip(names, bought, strict=True) if did), *(names[i] for i in late)]
    happened = worlds.outcomes(
        "buy", event, received_at=came, unit=who, value_number=np.concatenate([value[bought], np.ones(len(late))])
    )
    parts = (worlds.table(asked), worlds.table(happened))
    moments = (parts[0]["at"], parts[1]["received_at"])
    now = worlds.START + second * SECOND
    seen = (part.filter(pa.array(m.cast(pa.int64()).to_numpy() <= now)) for part, m in zip(parts, moments, strict=True))
    return TableSource(*seen)


@pytest.fixture(autouse=True)
def few_units_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(*given: Any) -> Known:
        return read_again(*given, limits=LIMITS)

    monkeypatch.setattr("seatrial.experiments.judge.read_again", small)


def run_at(second: int) -> ReleaseRun:
    begun = tuple(phase for phase in RUN.phases if phase.started_at <= worlds.START + second * SECOND)
    return msgspec.structs.replace(RUN, phases=begun)


def test_a_judgement_of_what_is_kept_is_the_one_of_everything(tmp_path: Path) -> None:
    for second in (100, 140, 160, 230, 305, 315, 400):  # from 300 s on units mature and nobody comes
        now, run = worlds.START + second * SECOND, run_at(second)
        source = traffic(second, late=[3, 250], back=[10, 700])
        kept = judge(DEPLOYMENT, run, source, now, shelves=DiskShelves(tmp_path))
        plain = judge(DEPLOYMENT, run, source, now)
        assert_alike(kept, plain)
    assert plain.metric("revenue").counts.late == 2


def test_what_shapes_a_metric_and_not_what_is_read_of_units_makes_other_sums(tmp_path: Path) -> None:
    source, now, shelves = traffic(300), worlds.START + 300 * SECOND, DiskShelves(tmp_path)
    spec = DEPLOYMENT.metrics["revenue"]
    lower = DEPLOYMENT.model_copy(
        update={"metrics": DEPLOYMENT.metrics | {"revenue": spec.model_copy(update={"cap": 2.0})}}
    )
    ended = msgspec.structs.replace(RUN, ended_at=now - 10 * SECOND)
    for deployment, run in ((DEPLOYMENT, RUN), (lower, RUN), (lower, ended), (DEPLOYMENT, RUN)):
        kept, plain = judge(deployment, run, source, now, shelves=shelves), judge(deployment, run, source, now)
        assert_alike(kept, plain)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1  # one question


class Counting(DiskShelf):
    """Notes the pieces of which numbers are read."""

    read_of: ClassVar[list[str]] = []

    def read(self, piece: Piece, names: Sequence[str] | None = None) -> pa.Table:
        if names is None or "variant" in names:
            self.read_of.append(piece.name)
        return super().read(piece, names)


def looked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, second: int, late: Sequence[int] = (), back: Sequence[int] = ()
) -> tuple[list[str], list[str]]:
    """Pieces that a look read, and those that there are after it."""
    monkeypatch.setattr("seatrial.experiments.unit_shelf.DiskShelf", Counting)
    Counting.read_of = []
    measures = tuple(m for m in declared_measures(DEPLOYMENT, RUN) if m.name == "revenue")
    measures = (*measures, *error_measures(DEPLOYMENT))
    source, now = traffic(second, late, back), worlds.START + second * SECOND
    shared, names = shared_ids(source, outcomes_of(measures)), [measure.name for measure in measures]
    shelves = DiskShelves(folder)
    known = read_again(source, run_at(300), measures, now, shelves, shared, names, LIMITS)
    assert isinstance(known, remembered.Kept)
    return list(Counting.read_of), [piece.name for piece in known.shelf.pieces()]


def test_a_piece_is_read_when_it_matures_and_then_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, there = looked(tmp_path, monkeypatch, 190)  # 761 units, those of the last 25 s do not count yet
    assert there == ["piece-0", "piece-1", "piece-2", "piece-3"]
    assert read == there
    assert looked(tmp_path, monkeypatch, 190) == ([], there)
    read, there = looked(tmp_path, monkeypatch, 199)
    assert there == ["piece-0", "piece-1", "piece-2", "piece-4"]
    assert set(read) == {"piece-3", "piece-4"}  # the last, and as it is with the new units


def test_a_late_outcome_makes_one_old_piece_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked(tmp_path, monkeypatch, 190, late=[3])
    read, there = looked(tmp_path, monkeypatch, 201, late=[3])
    assert there[1:3] == ["piece-1", "piece-2"]
    assert "piece-0" not in there
    assert not {"piece-1", "piece-2"} & set(read)


def test_who_comes_back_and_changes_nothing_leaves_its_piece_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(tmp_path, monkeypatch, 190, back=[3, 250])
    read, there = looked(tmp_path, monkeypatch, 201, back=[3, 250])
    assert there[:3] == ["piece-0", "piece-1", "piece-2"]
    assert not {"piece-0", "piece-1", "piece-2"} & set(read)


@pytest.mark.parametrize("by", ["key", "request_id"])
@pytest.mark.parametrize(("told", "asked"), [(10, 3000), (189.5, 489), (180, 470), (180, 500)])
def test_who_uses_a_key_again_or_first_changes_what_is_kept_as_what_is_read(
    tmp_path: Path, by: str, told: float, asked: int
) -> None:
    """Purchases by key came before other rows of it: of somebody else, or of the same units, in time or not."""
    n, who = 400, list(range(0, 400, 10))
    at = worlds.START + np.arange(n) * SECOND // 4
    names = worlds.unit_names(n)
    ids = [f"{by}-{i}" for i in range(n)]
    mine = worlds.rows(RUN, names, at, **{by: ids if told == 10 else [f"other-{i}" for i in range(n)]})
    again = [f"clerk-{i}" if told == 10 else names[i] for i in who]
    later = worlds.rows(RUN, again, np.full(len(who), worlds.START + asked * SECOND), reason=["override"] * len(who))
    rows = [mine, later | {by: [ids[i] for i in who]}]
    came = np.full(len(who), worlds.START + round(told * SECOND))
    bought = worlds.outcomes("buy", at[who] + SECOND, received_at=came, value_number=[3.0] * len(who))
    bought[by] = [ids[i] for i in who]
    for second in (190, 1000, 4000):
        now = worlds.START + second * SECOND
        there = [rows[0]] if second < asked else rows
        source = worlds.source(there, [bought])
        kept = judge(DEPLOYMENT, run_at(100), source, now, shelves=DiskShelves(tmp_path))
        assert_alike(kept, judge(DEPLOYMENT, run_at(100), source, now))
    revenue = kept.metric("revenue").counts
    assert revenue.late == (0 if asked > told + 300 or told == 10 else len(who))
