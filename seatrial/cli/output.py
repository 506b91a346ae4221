"""What commands print: sentences and tables for people, one JSON document for programs."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import typer

JSON_HELP = "Print one JSON document instead of text."


def print_json(value: object) -> None:
    """Print frozen values (msgspec, pydantic, tuples, dataclasses) as one indented JSON document."""
    typer.echo(json.dumps(_finite(plain(value)), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON cannot write; readers of other languages choke on a bare NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def plain(value: object) -> Any:
    """Turn frozen values into what ``json`` writes."""
    import msgspec

    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # its fields have names, so the document has them too
        value = value._asdict()
    return msgspec.to_builtins(value, enc_hook=_encode, str_keys=True)


def _encode(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    return str(value)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print left-aligned columns, as wide as they need; nothing is cut, so the output can be piped."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *lines]) for i in range(len(header))]
    typer.secho("  ".join(h.ljust(w) for h, w in zip(header, widths, strict=True)).rstrip(), bold=True)
    for line in lines:
        typer.echo("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def cut(text: str, width: int) -> str:
    """A text on one line, of at most so many characters on a terminal; whole where the output goes elsewhere."""
    if not sys.stdout.isatty():
        return " ".join(text.split())
    from textwrap import shorten

    return shorten(text, width, placeholder=" …")


def counted(n: int, what: str) -> str:
    """``1 row``, ``1 234 rows``."""
    from seatrial.spec.units import show_count

    return f"{show_count(n)} {what}{'' if n == 1 else 's'}"


def answer_no(sentence: str) -> NoReturn:
    """Say that the answer is no, and end with exit code 1."""
    typer.echo(sentence)
    raise typer.Exit(1)


def moment(microseconds: int) -> str:
    """Microseconds since 1970 UTC as ``2026-11-23 09:15:02Z``."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
