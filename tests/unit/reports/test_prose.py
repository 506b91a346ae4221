import pytest

from seatrial.reports.prose import GAP, count, figures, prose


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("1,503 rows, 2 000 000 units and 3126 answers", "1_503 rows, 2_000_000 units and 3_126 answers"),
        ("champion 3721 (expected 3722).", "champion 3_721 (expected 3_722)."),
        ("66.92 % against 100.0% (0.00%)", "66.92_% against 100.0_% (0.00_%)"),
        ("slower than 21.5 ms by +0.3 points", "slower than 21.5_ms by +0.3_points"),
        ("at 2026-11-25 18:10:00, port 127.0.0.1:9180, churn:1234", None),
        ("0.12345 and 1234.5678, r1234 and 12 of 345", None),
        ("items 1,2,3 and 12 7", None),
    ],
)
def test_numbers_have_one_format_and_names_keep_theirs(said: str, shown: str | None) -> None:
    assert figures(said) == (said if shown is None else shown.replace("_", GAP))


def test_whole_numbers_are_counted_as_sentences_show_them() -> None:
    assert [count(n) for n in (0, 999, 1503)] == ["0", "999", f"1{GAP}503"]


def test_backticks_are_code_letter_by_letter_and_everything_is_escaped() -> None:
    assert prose("`a<b` is 1500 <i>") == f"<code>a&lt;b</code> is 1{GAP}500 &lt;i&gt;"
    assert prose("run `seatrial --port 8082`") == "run <code>seatrial --port 8082</code>"
    assert prose("a lone ` stays") == "a lone ` stays"
