"""A remote variant scores a file like any other; rows that it fails at are set aside."""

from pathlib import Path
from typing import Any

from seatrial.batch.job import run
from seatrial.batch.plan import Ask
from tests.batches import answers, model, publish, rows, write_parquet
from tests.gateways import CLOCK
from tests.remotes import json_slot, remote_server, says


def test_a_remote_variant_scores_a_file(tmp_path: Path) -> None:
    def score(row: dict[str, Any]) -> dict[str, Any]:
        return {"label": int(row["feature_0"] > 0), "score": 0.75 if row["feature_0"] < 2 else "broken"}

    home, columns = tmp_path / "home", rows(50)
    columns["feature_0"][7] = 3.0
    file = write_parquet(tmp_path / "in.parquet", columns)
    with remote_server(says(score)) as server:
        champion = model(home, "champion", 1)
        publish(home, {"legacy": 1.0}, slots=(champion, json_slot("legacy", server.url, champion.signature)))
        ask = Ask("churn", file, "id", tmp_path / "scores")
        run(home, ask, stop=lambda: False, progress=lambda _: None, clock=lambda: CLOCK, monotonic=lambda: 0.0)
    found = answers(tmp_path / "scores")
    broken = {place for place, value in enumerate(columns["feature_0"]) if value >= 2}
    assert 7 in broken
    assert [row["key"] for row in found] == [name for place, name in enumerate(columns["id"]) if place not in broken]
    assert {row["version"] for row in found} == {"legacy"}
    rejects = (tmp_path / "scores" / "rejects.ndjson").read_text("utf-8").splitlines()
    assert len(rejects) == len(broken)
    assert "answered 'broken' where a number is expected" in rejects[0]
