"""Results as JSON, and as tables between markers of ``bench/README.md``."""

import json
import os
import platform
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("results")
SCRATCH = Path(__file__).resolve().parent.parent / ".cache" / "bench"
PAGE = Path(__file__).with_name("README.md")


def publish(name: str, found: Any, table: str, *, into: Path = FOLDER, page: Path | None = None) -> None:
    """Write ``NAME.json``, print the table, and put it into the page where its markers stand.

    Args:
        page: None: leave the page as it is (a run that is no publication).
    """
    into.mkdir(parents=True, exist_ok=True)
    (into / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"\n{table}\n", flush=True)
    if page is not None:
        page.write_text(filled(page.read_text("utf-8"), name, table), "utf-8")


def filled(text: str, name: str, table: str) -> str:
    """The page with what stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` replaced.

    Raises:
        ValueError: The page has no such markers.
    """
    begin, end = f"<!-- table: {name} -->\n", "\n<!-- end -->"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    if re.search(pattern, text, re.DOTALL) is None:
        raise ValueError(f"the page has no `{begin.strip()}` … `{end.strip()}`")
    return re.sub(pattern, lambda _: begin + table.strip() + end, text, flags=re.DOTALL)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"cores": os.cpu_count(), "cpu": _cpu(), "python": platform.python_version(), "kernel": platform.release()}


def machine_line(found: dict[str, Any]) -> str:
    """The machine in words."""
    return f"{found['cores']} cores ({found['cpu']}), Python {found['python']}, Linux {found['kernel'].split('-')[0]}"


def _cpu() -> str:
    try:
        names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        names = []
    return names[0].strip() if names else platform.machine()


def rows(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines])


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Least, **median** and most."""
    return f"{min(values):{form}}, **{statistics.median(values):{form}}**, {max(values):{form}}"


def run(name: str, given: Any, measure: Callable[[], Any], render: Callable[[Any], str]) -> None:
    """One benchmark as its command line says: ``into``, ``publish``, ``render``."""
    into = given.into or (FOLDER if given.publish else SCRATCH)
    found = json.loads((into / f"{name}.json").read_text("utf-8")) if given.render else measure()
    publish(name, found, render(found), into=into, page=PAGE if given.publish else None)
