"""Results of measurements: tables from JSON, put between markers; what a run says of who cannot be measured."""

import pytest

from bench.bars.__main__ import NAMES
from bench.results import PAGE, filled
from bench.serving_table import render

TURN = {"rate": 1000.0, "cpu_us": 100.0, "p50_ms": 0.5, "p99_ms": 2.0, "serving_us": 90.0, "failed": 0}
FOUND = {
    "machine": {"cores": 2, "cpu": "a processor", "python": "3.11.9", "kernel": "6.1.0-x"},
    "seconds": 2.0,
    "memory_mib": 400.0,
    "rivals": {
        "slow": {
            "version": "1.2",
            "memory_mib": 1234.5,
            "shapes": {
                "4 connections": [
                    {"ours": TURN, "theirs": {**TURN, "cpu_us": 400.0}},
                    {"ours": TURN, "theirs": {**TURN, "cpu_us": 200.0, "failed": 3}},
                    {"ours": TURN, "theirs": {**TURN, "cpu_us": 1000.0, "failed": 5}},
                ]
            },
        },
        "absent": {"error": "no wheel for this machine"},
    },
}


def test_ratios_are_within_pairs_and_failures_are_told() -> None:
    table = render(FOUND)
    assert "| slow | 1.2 | 1,000 (not all answered) | 0.50 | 2.00 | 400.0 | 0.100, **0.250**, 0.500 | 3 |" in table
    assert "| absent | `no wheel for this machine` |" in table
    assert "| slow | 1,234 |" in table
    assert "2 cores (a processor), Python 3.11.9, Linux 6.1.0; turns of 2 s." in table


def test_a_table_goes_between_its_markers_only() -> None:
    page = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\nkept\n<!-- end -->\n"
    assert filled(page, "x", "new\n") == page.replace("old", "new")
    with pytest.raises(ValueError, match="table: z"):
        filled(page, "z", "new")


def test_the_page_has_a_place_for_every_table() -> None:
    text = PAGE.read_text("utf-8")
    for name in ("serving", *NAMES):
        assert filled(text, name, "found") != text
