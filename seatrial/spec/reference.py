"""The reference of the deployment file and the settings as Markdown tables, made from the grammar.

``python -m seatrial.spec.reference docs/*.md`` writes them into the docs; a test says when that is due.
"""

import re

from seatrial.spec.check_metrics import BUILT_IN
from seatrial.spec.events import EVENTS
from seatrial.spec.features import FEATURE
from seatrial.spec.grammar.bandit import BANDIT, REWARD
from seatrial.spec.grammar.climbing import CALENDAR, CANARY, CHALLENGE, HOLDOUT
from seatrial.spec.grammar.experiment import EXPERIMENT
from seatrial.spec.grammar.measures import METRIC, OUTCOME, SOURCE
from seatrial.spec.grammar.monitors import (
    ARRIVAL,
    CONCEPT,
    CONSTRAINT,
    DATA,
    FAIRNESS,
    MONITORS,
    MULTIVARIATE,
    PERFORMANCE,
    SHADOW_GAP,
    SKEW,
)
from seatrial.spec.grammar.people import UNIT
from seatrial.spec.grammar.release import METHOD, PRIMARY, PRIOR, RELEASE, SHADOW, STAGE, TEST
from seatrial.spec.grammar.remote import REMOTE
from seatrial.spec.grammar.routing import COLD_START, ENTRY
from seatrial.spec.grammar.variants import BATCH, BREAKER, CACHE, LOOKUP, POPULAR, TRANSFORM, VARIANT
from seatrial.spec.grammar.watching import ACTION, AFTER, ALERT, ALERTING, LOG
from seatrial.spec.grammar.whole import DEPLOYMENT
from seatrial.spec.grammar.words import MARGIN
from seatrial.spec.settings import SETTINGS
from seatrial.spec.shapes import Either, Listed, Named, Record, Shape

SECTIONS: dict[str, Record] = {
    "deployment": DEPLOYMENT,
    "unit": UNIT,
    "variants": VARIANT,
    "lookup": LOOKUP,
    "breaker": BREAKER,
    "remote": REMOTE,
    "popular": POPULAR,
    "batch": BATCH,
    "cache": CACHE,
    "transform": TRANSFORM,
    "routing": ENTRY,
    "cold-start": COLD_START,
    "bandit": BANDIT,
    "reward": REWARD,
    "outcomes": OUTCOME,
    "outcome-source": SOURCE,
    "metrics": METRIC,
    "margins": MARGIN,
    "release": RELEASE,
    "stages": STAGE,
    "shadow": SHADOW,
    "canary": CANARY,
    "test": TEST,
    "calendar": CALENDAR,
    "challenge": CHALLENGE,
    "holdout": HOLDOUT,
    "primary": PRIMARY,
    "method": METHOD,
    "prior": PRIOR,
    "experiment": EXPERIMENT,
    "monitors": MONITORS,
    "data": DATA,
    "constraints": CONSTRAINT,
    "arrival": ARRIVAL,
    "performance": PERFORMANCE,
    "concept": CONCEPT,
    "fairness": FAIRNESS,
    "multivariate": MULTIVARIATE,
    "shadow-gap": SHADOW_GAP,
    "skew": SKEW,
    "log": LOG,
    "alerts": ALERT,
    "alerting": ALERTING,
    "after": AFTER,
    "actions": ACTION,
}
"""Every record of the file, by the name of its section in the reference."""


def table(record: Record) -> str:
    """Key, default and meaning of a record, as a Markdown table."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, key in record.keys.items():
        default = "**required**" if key.required else f"`{key.default}`" if key.default else ""
        rows.append(f"| `{name}` | {default} | {key.doc} |")
    return "\n".join(rows)


def not_built_yet() -> str:
    """What the file's design has and this version refuses by name, as a Markdown list."""
    lines = []
    for section, record in SECTIONS.items():
        where = "at the top" if section == "deployment" else f"in {record.what}"
        lines += [f"- `{key}` {where}: {instead}." for key, instead in record.later.items()]
        for name, key in record.keys.items():
            later = getattr(key.shape, "later", {}) if not isinstance(key.shape, Record) else {}
            groups: dict[str, list[str]] = {}
            for word, instead in later.items():
                groups.setdefault(instead, []).append(word)
            for instead, words in groups.items():
                lines.append(f"- `{name}:` {', '.join(f'`{word}`' for word in words)} in {record.what}: {instead}.")
    return "\n".join(lines)


def settings_table() -> str:
    """Every setting, its variable, default and meaning."""
    rows = ["| setting | environment | default | meaning |", "|---|---|---|---|"]
    for name, setting in SETTINGS.items():
        rows.append(f"| `{name}` | `SEATRIAL_{name.upper()}` | {setting.default} | {setting.doc} |")
    return "\n".join(rows)


def events_table() -> str:
    """Every event that an alert can ask for."""
    return "\n".join(["| event | when |", "|---|---|", *(f"| `{name}` | {when} |" for name, when in EVENTS.items())])


def built_in_table() -> str:
    """The metrics that are always there."""
    return "\n".join(["| metric | what |", "|---|---|", *(f"| `{name}` | {what} |" for name, what in BUILT_IN.items())])


def records(shape: Shape) -> list[Record]:
    """Every record that a shape reaches, itself included."""
    if isinstance(shape, Record):
        return [shape, *(found for key in shape.keys.values() for found in records(key.shape))]
    if isinstance(shape, Listed | Named):
        return records(shape.item)
    return records(shape.other) if isinstance(shape, Either) else []


def blocks() -> dict[str, str]:
    """Every generated block of the docs by name."""
    return {
        **{section: table(record) for section, record in SECTIONS.items()},
        "features": table(FEATURE),
        "not-built-yet": not_built_yet(),
        "events": events_table(),
        "built-in": built_in_table(),
        "settings": settings_table(),
    }


def fill(document: str) -> str:
    """A document with what stands between ``<!-- table: name -->`` and ``<!-- end -->`` made anew.

    Raises:
        KeyError: The document asks for a block that there is not.
    """
    made = blocks()

    def one(match: "re.Match[str]") -> str:
        return f"<!-- table: {match.group(1)} -->\n{made[match.group(1)]}\n<!-- end -->"

    return re.sub(r"<!-- table: ([a-z-]+) -->\n.*?<!-- end -->", one, document, flags=re.DOTALL)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    for name in sys.argv[1:]:
        Path(name).write_text(fill(Path(name).read_text(encoding="utf-8")), encoding="utf-8")
