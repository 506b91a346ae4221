"""One request as a story for people: what came, where it went, who answered, what became of it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from seatrial.cli.output import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from seatrial.control.queries import RequestStory

_WIDTH = 12
_DIGEST = 16


def lines_of(story: RequestStory) -> list[str]:
    """The story line by line: a word, then what it says."""
    first = story.rows[0]
    told = [_line("came", f"{_at(first['at'])}, for {_unit(first)}, to {story.deployment}")]
    told += _routed(story)
    several = len({row["row"] for row in story.rows}) > 1
    said: set[tuple[int, str]] = set()
    for row in story.rows:
        number = f"instance {row['row']}: " if several else ""
        asked = _values(row, "feature.") if row["row"] not in {done for done, _ in said} else ""
        if asked:
            told.append(_line("asked", number + asked))
        said.add((row["row"], row["role"]))
        told.append(_line("shadow" if row["role"] == "shadow" else "answered", number + _answer(row)))
    told += _versions(story)
    told += [f"outcome {outcome['outcome']} {_outcome(outcome)} at {_at(outcome['at'])}" for outcome in story.outcomes]
    if not story.outcomes:
        told.append(_line("outcomes", "none so far"))
    return told


def _line(word: str, text: str) -> str:
    return f"  {word:{_WIDTH}} {text}"


def _unit(row: Mapping[str, Any]) -> str:
    return repr(row.get("unit")) if row.get("unit_named") else "nobody in particular (no unit was named)"


def _routed(story: RequestStory) -> list[str]:
    first = story.rows[0]
    if story.entry is None:
        return [_line("routed", f"to `{first['variant']}`: {first.get('reason')}")]
    weights = ", ".join(f"{variant} {100 * weight:.4g}%" for variant, weight in story.weights.items())
    return [_line("routed", f"by entry `{story.entry.name}`, which gave {weights} then")]


def _answer(row: Mapping[str, Any]) -> str:
    who = f"{row.get('version') or row.get('assigned_version') or 'nobody'} ({row.get('answered') or row['variant']})"
    if row["status"] != "ok":
        failed = f"{row.get('assigned_version') or row['variant']} did not answer: {row.get('error') or row['status']}"
        if row["role"] == "shadow":
            return failed
        who = f"{who}, because {failed},"
    values = _values(row, "prediction.")
    took = f", in {row['latency_us'] / 1000:.3g} ms" if "latency_us" in row else ""
    unseen = "; nobody saw this answer" if row["role"] == "shadow" else ""
    return f"{who}{f' said {values}' if values else ''}{took}{unseen}"


def _values(row: Mapping[str, Any], prefix: str) -> str:
    found = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    return ", ".join(f"{name} {_shown(value)}" for name, value in found.items())


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _versions(story: RequestStory) -> Iterable[str]:
    applied = story.applied
    by = f", {applied.action} by {applied.actor} at {moment(applied.at)}" if applied is not None else ""
    yield _line("revision", f"{story.revision} decided{by}; its versions, with the SHA-256 of their files:")
    for variant, version in story.versions.items():
        yield _line("", f"{variant} {version.version} {version.digest[:_DIGEST]}")


def _outcome(outcome: Mapping[str, Any]) -> str:
    """What an outcome says: its plain value, else its fields."""
    told = [outcome.get(column) for column in ("value_number", "value_text", "fields")]
    return next((str(value) for value in told if value is not None), "without a value")


def _at(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
