"""Reviews by people: what is drawn, with which probability, and what the filled file says of all pairs."""

import csv
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.cli.app import run as cli
from seatrial.experiments.review import assess, draw
from seatrial.experiments.source import TableSource
from seatrial.spec.errors import BadInput
from tests import worlds

SECOND = worlds.SECOND
ASSIGNED = worlds.release((0.5, 0))
RUN = msgspec.structs.replace(ASSIGNED, phases=(), stage="shadow")
N = 4000
NOW = worlds.START + 1_000_000 * SECOND
REVIEW = "2023-11-26T12:00:00Z/0"


def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, champion and challenger; right on 80 % and 90 %."""
    rng = np.random.default_rng(1)
    truth = rng.choice(["cat", "dog"], N, p=[0.3, 0.7])
    other = np.where(truth == "cat", "dog", "cat")
    return truth, np.where(rng.random(N) < 0.8, truth, other), np.where(rng.random(N) < 0.9, truth, other)


def source(champion: np.ndarray, challenger: np.ndarray, **given: Any) -> TableSource:
    at = worlds.START + np.arange(len(champion)) * SECOND
    shared = {"feature.x": np.arange(len(champion), dtype=float), "sampled": [True] * len(champion)} | given
    units = shared.pop("unit", worlds.unit_names(len(champion)))
    rows = [
        worlds.rows(ASSIGNED, units, at, variant=np.full(len(champion), name, dtype=object), role=[role] * len(units),
                    **shared, **{"prediction.label": said})
        for name, role, said in (("champion", "answer", champion), ("challenger", "shadow", challenger))
    ]  # fmt: skip
    return worlds.source(rows)


def test_strata_are_what_the_two_said_and_probabilities_are_the_shares_drawn() -> None:
    _, champion, challenger = answers()
    drawn = draw(source(champion, challenger), RUN, ["feature.x"], now=NOW, disagreements=200, agreements=50)
    kinds = {(row["champion"], row["challenger"]): row for row in drawn}
    assert len(kinds) == 4
    for (ours, theirs), row in kinds.items():
        pairs = int(((champion == ours) & (challenger == theirs)).sum())
        own = [one for one in drawn if one["stratum"] == row["stratum"]]
        assert row["pairs"] == pairs
        assert row["probability"] == pytest.approx(len(own) / pairs)
    assert sum(row["champion"] != row["challenger"] for row in drawn) == pytest.approx(200, abs=2)
    assert len({row["request_id"] for row in drawn}) == len(drawn)
    again = draw(source(champion, challenger), RUN, ["feature.x"], now=NOW, disagreements=200, agreements=50)
    assert again == drawn
    assert {row["review"] for row in drawn} == {REVIEW}
    assert {row["population"] for row in drawn} == {N}
    assert {row["disagreements"] for row in drawn} == {int((champion != challenger).sum())}
    another = draw(source(champion, challenger), RUN, [], now=NOW, disagreements=200, agreements=50, seed=1)
    assert {row["request_id"] for row in another} != {row["request_id"] for row in drawn}


def test_the_filled_sample_tells_accuracy_precision_and_recall_of_all_pairs() -> None:
    truth, champion, challenger = answers()
    drawn = draw(source(champion, challenger), RUN, ["feature.x"], now=NOW, disagreements=300, agreements=200)
    filled = [{k: str(v) for k, v in row.items()} | {"label": truth[int(row["x"])]} for row in drawn]
    found = assess(filled)
    assert (found.drawn, found.labelled, found.pairs) == (len(drawn), len(drawn), N)
    for model, said in ((found.champion, champion), (found.challenger, challenger)):
        known = [(model.accuracy, (said == truth).mean())]
        for label in ("cat", "dog"):
            known.append((model.precision[label], (truth[said == label] == label).mean()))
            known.append((model.recall[label], (said[truth == label] == label).mean()))
        for estimate, true in known:
            assert estimate.value == pytest.approx(true, abs=1.2 * (estimate.upper - estimate.lower))
    true = (challenger == truth).mean() - (champion == truth).mean()
    assert found.difference.lower < true < found.difference.upper
    naive = np.mean([row["challenger"] == row["label"] for row in filled])
    assert abs(naive - (challenger == truth).mean()) > 0.05  # unweighted it misses
    some = assess([row | ({"label": ""} if i % 3 else {}) for i, row in enumerate(filled)])
    assert some.labelled < found.labelled
    assert some.difference.upper - some.difference.lower > found.difference.upper - found.difference.lower


def test_no_input_and_no_unit_is_judged_twice() -> None:
    _, champion, challenger = answers()
    units = [f"u{i % 300}" for i in range(N)]
    drawn = draw(source(champion, challenger, unit=units), RUN, [], now=NOW, disagreements=2000, agreements=2000)
    assert len({row["unit"] for row in drawn}) == len(drawn) == 300
    assert {row["population"] for row in drawn} == {300}
    assert draw(source(champion, challenger), RUN, [], now=NOW, disagreements=9, agreements=0)[0]["review"] == REVIEW
    early = draw(source(champion, challenger), RUN, [], now=NOW - 999_000 * SECOND, disagreements=9, agreements=9)
    assert {row["population"] for row in early} == {1001}, "nothing later than the draw"


def test_features_named_like_a_column_of_the_file_keep_their_prefix() -> None:
    _, champion, challenger = answers()
    own = {"feature.pairs": np.arange(N, dtype=float), "feature.label": np.arange(N, dtype=float)}
    features = ["feature.x", *own]
    row = draw(source(champion, challenger, **own), RUN, features, now=NOW, disagreements=9, agreements=9)[0]
    assert row["label"] == ""
    assert isinstance(row["pairs"], int)
    assert (row["feature.pairs"], row["feature.label"]) == (row["x"], row["x"])


def test_what_cannot_be_reviewed_is_refused() -> None:
    same = np.full(50, "cat")
    with pytest.raises(BadInput, match="agree on every request"):
        draw(source(same, same), RUN, [], now=NOW, disagreements=10, agreements=0)
    with pytest.raises(BadInput, match="no row has a label"):
        assess([{k: str(v) for k, v in row.items()} for row in
                draw(source(same, np.full(50, "dog")), RUN, [], now=NOW, disagreements=10, agreements=0)])  # fmt: skip
    with pytest.raises(BadInput, match="no file that `seatrial review --out` wrote"):
        assess([{"a": "1"}])


def test_the_command_line_reads_a_filled_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, champion, challenger = answers()
    drawn = draw(source(champion, challenger), RUN, ["feature.x"], now=NOW, disagreements=100, agreements=100)
    file = tmp_path / "review.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(drawn[0]))
        writer.writeheader()
        writer.writerows([row | {"label": truth[int(row["x"])]} for row in drawn])
    assert cli(["review", "churn", "--filled", str(file)]) == 0
    told = capsys.readouterr().out
    assert "which stand for 4 000" in told
    assert "precision" in told
    assert cli(["review", "churn"]) == 2
    assert "--filled" in capsys.readouterr().err
    assert cli(["review", "churn", "--out", str(file)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli(["review", "churn", "--filled", str(tmp_path / "nothing.csv")]) == 2


def filled_in(no: str, yes: str, label_no: str, label_yes: str, *, agreements: bool = True) -> list[dict[str, str]]:
    """9 000 agreements, all right, and 1 000 disagreements of which the challenger wins three in five."""
    rows: list[dict[str, str]] = []
    for challenger, pairs, drawn in ((no, 9000, 50), (yes, 1000, 200)):
        stratum = f"both {no}" if challenger == no else f"{no} or {yes}"
        for i in range(drawn):
            truth = label_yes if challenger == yes and i % 10 < 6 else label_no
            fixed = {
                "request_id": f"r{len(rows)}",
                "row": "0",
                "unit": "u",
                "at": "",
                "probability": f"{drawn / pairs}",
                "review": "2026-11-26T12:00:00Z/0",
                "population": "10000",
                "disagreements": "1000",
            }
            told = {"champion": no, "challenger": challenger, "stratum": stratum, "pairs": str(pairs)}
            rows.append({**fixed, **told, "label": truth if agreements or challenger == yes else ""})
    return rows


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        (("false", "true"), ("False", "TRUE")),
        (("0", "1"), ("0.0", "1.0")),
        (("false", "true"), ("0", "1")),
        (("3", "7"), (" 3 ", "7.00")),
        (("no", "yes"), ("no", "yes")),
    ],
)
def test_labels_are_compared_as_the_ledger_compares_them(said: tuple[str, str], labels: tuple[str, str]) -> None:
    found = assess(filled_in(*said, *labels))
    assert found.champion.accuracy.value == pytest.approx(0.94)
    assert found.challenger.accuracy.value == pytest.approx(0.96)
    assert found.difference.value == pytest.approx(0.02)
    assert set(found.champion.recall) == set(said)


def test_a_kind_of_pair_without_a_label_keeps_its_weight_and_hides_accuracy() -> None:
    whole, some = (assess(filled_in("no", "yes", "no", "yes", agreements=given)) for given in (True, False))
    assert some.pairs == whole.pairs == 10_000
    assert some.champion.accuracy.value is None
    assert some.difference == whole.difference
    assert "some kind of pair has no label at all" in some.sentence
    rows = filled_in("no", "yes", "no", "yes")
    nothing = assess([row | ({"label": ""} if row["challenger"] == "yes" else {}) for row in rows])
    assert nothing.difference.value is None
    assert "not known" in nothing.sentence
