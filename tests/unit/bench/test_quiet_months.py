"""Months without a fault find none, and would find one."""

from bench.quiet_months import Month, month, table


def test_three_days_without_a_fault_are_quiet_and_every_monitor_measured() -> None:
    found = month("a day", 1, days=3)
    assert found.alerts == {}
    every = {"data", "prediction", "performance", "estimate", "concept", "fairness", "calibration", "skew"}
    assert {kind for kind, windows in found.windows.items() if windows == 3} == {*every, "shadow_gap"}
    assert found.windows["multivariate"] == 2  # the first day has no day before it


def test_labels_that_turn_round_are_told_by_those_who_read_labels() -> None:
    found = month("a day", 1, days=3, flipped=0.3)
    assert {"performance", "calibration"} <= set(found.alerts)
    assert not {"data", "prediction", "multivariate", "skew", "shadow_gap"} & set(found.alerts)


def test_the_table_counts_months_with_any_alert() -> None:
    months = [Month("a day", seed, {"data": seed}, {"data": 30}) for seed in range(3)]
    assert "| a day | data | 3 | 30 | 1.000 | 2 (" in table(months)
