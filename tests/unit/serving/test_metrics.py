"""What `/metrics` tells: every family of the table, as Prometheus reads it; the docs are the table; gauges and lag."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seatrial.ledger.counters import GAUGES, CounterFile, read_counters, retire, series
from seatrial.serving.metric_docs import fill
from seatrial.serving.metric_table import FAMILIES, PREFIX
from seatrial.serving.metrics import exposition
from tests.gateways import CLOCK, GOOD, Bench, Shadow, bench, broken, quick, slot, slow, snapshot
from tests.gateways import Scripted as Model
from tests.waiting import wait_for

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        yield found


def read(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and sorted labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def predict(here: Bench, **more: str) -> None:
    asyncio.run(here.gateway.predict("churn", GOOD, **more))


def labelled(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def test_every_family_is_told_with_its_help_and_type_even_before_anything_happened() -> None:
    told = {family.name: family for family in text_string_to_metric_families(exposition({}, CLOCK))}
    assert len(told) == len(FAMILIES)
    for family in FAMILIES:
        name = f"{PREFIX}{family.name}".removesuffix("_total") if family.kind == "counter" else f"{PREFIX}{family.name}"
        assert (told[name].type, told[name].documentation) == (family.kind, family.doc)


def test_the_docs_have_the_table() -> None:
    page = (DOCS / "metrics.md").read_text("utf-8")
    assert page == fill(page), "run: python -m seatrial.serving.metric_docs docs/metrics.md"


def test_what_is_set_back_with_its_process_is_a_gauge_of_the_table() -> None:
    kinds = {family.source: family.kind for family in FAMILIES}
    assert {kinds[name] for name in GAUGES} == {"gauge"}


def test_nothing_is_counted_that_is_not_in_the_table(here: Bench) -> None:
    shadowed = snapshot({"champion": 0.5, "challenger": 0.5}, shadows=(Shadow(variant="spy", share=1.0, salt="s"),))
    slots = (slot("champion", 1), slot("challenger", 2), slot("spy", 3))
    here.serve(
        snapshot(
            {"champion": 0.5, "challenger": 0.5},
            slots=slots,
            shadows=shadowed.shadows,
            fallback={"prediction": 0, "score": 0.5},
        ),
        challenger=quick(broken()),
        spy=slow(Model()),
    )
    for number in range(40):
        predict(here, unit=f"u{number}")
    predict(here, variant="champion")
    here.gateway.shed("connections")
    here.recorder.rows.flush()
    told = exposition(read_counters(here.recorder.directory), CLOCK)
    assert "untyped" not in told
    known = {f"{PREFIX}{family.name}": set(family.labels) for family in FAMILIES}
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            name = sample.name if sample.name in known else sample.name.rpartition("_")[0]
            assert set(sample.labels) - {"le"} <= known[name], sample


def test_requests_errors_and_latencies_say_why_the_variant_was_assigned(here: Bench) -> None:
    here.serve(snapshot({"champion": 0.5, "challenger": 0.5}), challenger=quick(broken()))
    units = [f"u{number}" for number in range(40)]
    arms = [here.gateway.deployments["churn"].router.decide(unit).variant for unit in units]
    for unit in units:
        predict(here, unit=unit)
    for _ in range(3):
        predict(here, variant="champion")
    told = read(here.gateway.metrics())
    whose = {"deployment": "churn", "variant": "champion"}
    requests = told["seatrial_requests_total"]
    assert requests[labelled(**whose, reason="split", answered_by="assigned", status="ok")] == arms.count("champion")
    assert requests[labelled(**whose, reason="override", answered_by="assigned", status="ok")] == 3
    errors = told["seatrial_request_errors_total"]
    assert sum(errors.values()) == arms.count("challenger") > 0
    assert {(dict(labels)["variant"], dict(labels)["reason"]) for labels in errors} == {("challenger", "split")}
    counts = told["seatrial_request_latency_seconds_count"]
    assert counts[labelled(**whose, reason="override")] == 3
    assert sum(counts.values()) == 43


def test_gauges_say_what_waits_and_are_of_living_workers(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        model, spy = Model(), Model()
        spy.hang()
        slots = (slot("champion", 1), slot("spy", 3))
        shadows = (Shadow(variant="spy", share=1.0, salt="s"),)
        here.serve(snapshot(slots=slots, shadows=shadows), champion=slow(model), spy=slow(spy))
        engine = here.gateway.deployments["churn"].default.engine
        model.hang()
        waiting = engine.submit(lambda: model.run({"X": [0]}))  # type: ignore[dict-item, list-item]
        told = read(here.gateway.metrics())
        assert told["seatrial_calls_held"][labelled(deployment="churn", variant="champion")] == 1
        assert told["seatrial_shadow_waiting"][labelled(deployment="churn", variant="spy")] == 0
        assert told["seatrial_requests_under_way"][labelled(deployment="churn")] == 0
        other = CounterFile.create(here.recorder.directory / "w1.counters")
        other.put(other.slot(series("calls_held", deployment="churn", variant="champion")), 5)
        told = read(here.gateway.metrics())
        assert told["seatrial_calls_held"][labelled(deployment="churn", variant="champion")] == 6
        retire(here.recorder.directory, "w1")  # it died
        model.release()
        spy.release()
        waiting.result(10)
        wait_for(lambda: engine.held == 0)
        told = read(here.gateway.metrics())
        assert told["seatrial_calls_held"][labelled(deployment="churn", variant="champion")] == 0


def test_the_lag_is_an_age() -> None:
    counters = {
        series("ledger_tabled_until_us", deployment="churn", kind="rows"): CLOCK - 2_500_000,
        series("ledger_tabled_until_us", deployment="", kind="outcomes"): 0,  # a slot that is not written yet
    }
    told = read(exposition(counters, CLOCK))
    assert told["seatrial_ledger_lag_seconds"] == {labelled(deployment="churn", kind="rows"): 2.5}


def test_a_counter_of_another_version_is_told_without_a_type() -> None:
    told = exposition({series("wonders_total", deployment="churn"): 3}, CLOCK)
    assert told.endswith('# TYPE seatrial_wonders_total untyped\nseatrial_wonders_total{deployment="churn"} 3\n')
