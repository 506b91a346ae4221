"""The tables of `bench.serving`, from its JSON."""

import statistics
from typing import Any

from bench.results import machine_line, rows, spread

Pairs = list[dict[str, dict[str, float]]]


def render(found: dict[str, Any]) -> str:
    """A table a load, one of memory, and who could not be measured."""
    measured = {name: rival for name, rival in found["rivals"].items() if "shapes" in rival}
    shapes = list(dict.fromkeys(shape for rival in measured.values() for shape in rival["shapes"]))
    parts = [f"{machine_line(found['machine'])}; turns of {found['seconds']:g} s."]
    parts += [f"**{shape}**\n\n{_shape(shape, measured)}" for shape in shapes]
    parts.append(f"**Memory** after the load, all processes (PSS)\n\n{_memory(found, measured)}")
    failed = [(name, rival["error"]) for name, rival in found["rivals"].items() if "error" in rival]
    if failed:
        told = rows(["not measured", "its last word"], [[name, f"`{error}`"] for name, error in failed])
        parts.append(f"**Not to be had on this machine**\n\n{told}")
    return "\n\n".join(parts)


def _shape(shape: str, measured: dict[str, Any]) -> str:
    pairs: dict[str, Pairs] = {n: r["shapes"][shape] for n, r in measured.items() if r["shapes"].get(shape)}
    own = [pair["ours"] for several in pairs.values() for pair in several]
    lines = [["**seatrial**", "", *_middle(own), "", ""]]
    for name, several in sorted(pairs.items(), key=lambda item: _cpu([pair["theirs"] for pair in item[1]])):
        ratios = [pair["ours"]["cpu_us"] / pair["theirs"]["cpu_us"] for pair in several if pair["theirs"]["cpu_us"]]
        figures = _middle([pair["theirs"] for pair in several])
        ratio = spread(ratios, ".3f") if ratios else ""
        lines.append([name, measured[name].get("version", ""), *figures, ratio, str(len(several))])
    header = ["server", "version", "requests/s per core", "p50 ms", "p99 ms", "CPU µs/request"]
    return rows([*header, "Seatrial's CPU ÷ its (min, **median**, max)", "pairs"], lines)


def _middle(turns: list[dict[str, float]]) -> list[str]:
    """Medians over turns; a load that was not borne is said."""
    middle = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    rate = f"{middle['rate']:,.0f}" + (" (not all answered)" if middle["failed"] else "")
    return [rate, f"{middle['p50_ms']:.2f}", f"{middle['p99_ms']:.2f}", f"{middle['cpu_us']:.1f}"]


def _cpu(turns: list[dict[str, float]]) -> float:
    return statistics.median(turn["cpu_us"] for turn in turns)


def _memory(found: dict[str, Any], measured: dict[str, Any]) -> str:
    lines = [["**seatrial**, with control, compactor and dashboard", f"{found['memory_mib']:,.0f}"]]
    lines += [[name, f"{r['memory_mib']:,.0f}"] for name, r in measured.items() if "memory_mib" in r]
    return rows(["server", "MiB"], lines)
