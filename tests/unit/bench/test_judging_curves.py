"""Tables of what judging costs, made of what was measured."""

from bench.judging_curves import MIDDLE, render, sizes


def test_every_size_varies_one_axis() -> None:
    assert len(sizes()) == len(set(sizes()))
    assert all(sum(a != b for a, b in zip(size, MIDDLE, strict=True)) <= 1 for size in sizes())


def test_each_axis_has_its_sizes_in_order_and_the_middle_one_is_in_all() -> None:
    def one(rows: int, metrics: int, variants: int, *, seconds: float, theirs: bool = True) -> dict[str, object]:
        ours = [{"seconds": seconds * i, "processor": 0.5, "megabytes": 300.0} for i in (1, 2, 9)]
        found: dict[str, object] = {"rows": rows, "metrics": metrics, "variants": variants, "ours": ours}
        return found | ({"theirs": [{"seconds": 3.0}]} if theirs else {})

    some = [one(*MIDDLE, seconds=1.0), one(10_000, 20, 2, seconds=0.1), one(1_000_000, 20, 5, seconds=2, theirs=False)]
    machine = {"cores": 2, "cpu": "a processor", "python": "3.11.7", "kernel": "6.1"}
    text = render({"machine": machine, "turns": 3, "sizes": some})
    lines = [line for line in text.splitlines() if line.startswith(("| 1", "| 2", "| 5"))]
    assert lines == [
        "| 10 000 | 0.20 | 0.50 | 300 | 3.00 |",
        "| 1 000 000 | 2.00 | 0.50 | 300 | 3.00 |",
        "| 20 | 2.00 | 0.50 | 300 | 3.00 |",
        "| 2 | 2.00 | 0.50 | 300 | 3.00 |",
        "| 5 | 4.00 | 0.50 | 300 |  |",
    ]
