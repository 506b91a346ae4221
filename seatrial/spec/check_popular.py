"""Checks of popular variants: a ranking, of a declared outcome and its fields, that outlives neither rows nor calls."""

from typing import Any

from seatrial.spec.declared import declared_outcome
from seatrial.spec.deployment import LogSpec
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show, show_duration

Values = dict[str, Any]

KEEP = LogSpec().keep
_OF_A_MODEL = ("lookup", "runtime", "device", "batch", "cache")


def check_populars(values: Values, found: Findings) -> None:
    """Notes what contradicts itself or the rest of the file in every `popular`."""
    variants = values.get("variants")
    for name, variant in variants.items() if isinstance(variants, dict) else ():
        popular = variant.get("popular") if isinstance(variant, dict) else None
        if not isinstance(popular, dict):
            continue
        path = f"variants.{name}"
        for key in _OF_A_MODEL:
            if key in variant and variant[key] != "off":
                message = f"`{key}` is for a registered `model`, and `{name}` counts outcomes; remove one"
                found.add(f"{path}.{key}", key, message)
        _task(name, values, f"{path}.popular", found)
        _default(name, values, f"{path}.popular", found)
        _outcome(popular, values, f"{path}.popular", found)
        _kept(name, popular, values, f"{path}.popular.within", found)


def _task(name: str, values: Values, path: str, found: Findings) -> None:
    task = values.get("task")
    if task not in (None, BAD, "ranking"):
        message = (
            f"`{name}` answers with a list of items, but the task is `{task}`; write `task: ranking`, or remove it"
        )
        found.add(path, task, message)


def _default(name: str, values: Values, path: str, found: Findings) -> None:
    if name == values.get("default", "champion") and "fallback" not in values:
        message = (
            f"`{name}` is the default, which answers what others cannot, but its list is empty until outcomes come; "
            "give a `fallback`, like `{prediction: []}`, or name another `default`"
        )
        found.add(path, name, message)


def _outcome(popular: Values, values: Values, path: str, found: Findings) -> None:
    name = popular.get("outcome")
    outcome = declared_outcome(name, values, f"{path}.outcome", found)
    if not isinstance(name, str) or outcome is None:
        return
    fields = outcome.get("fields", {}) if isinstance(outcome, dict) else BAD
    for key in ("item", "value"):
        field = popular.get(key)
        if isinstance(field, str) and isinstance(fields, dict):
            _field(key, field, name, fields, f"{path}.{key}", found)


def _field(key: str, field: str, outcome: str, fields: Values, path: str, found: Findings) -> None:
    names = key == "item"
    fit = [name for name, kind in fields.items() if (kind == "string") is names]
    if field not in fields:
        kind = "string" if names else "number"
        mend = did_you_mean(field, fit) if fit else f"add `fields: {{{field}: {kind}}}` to it"
        found.add(path, field, f"{show(field)} is not a field of the outcome `{outcome}`; {mend}")
    elif fields[field] is not BAD and field not in fit:
        needed = "a string that names it" if names else "a number, an integer or a boolean"
        message = f"the field `{field}` of `{outcome}` is of kind {fields[field]}, but `{key}` needs {needed}"
        found.add(path, field, message)


def _kept(name: str, popular: Values, values: Values, path: str, found: Findings) -> None:
    log = values.get("log", {})
    keep, within = log.get("keep", KEEP) if isinstance(log, dict) else BAD, popular.get("within")
    if isinstance(keep, float) and isinstance(within, float) and within > keep:
        message = (
            f"`{name}` counts the last {show_duration(within)}, but outcomes are sure to be kept for "
            f"{show_duration(keep)} only; write `log: {{keep: {show_duration(within)}}}`, or a shorter `within`"
        )
        found.add(path, show_duration(within), message)
