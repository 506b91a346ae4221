"""Checks of bandits: declared arms and outcomes, floors that leave something to learn, rewards with a range, and what
those that choose by context need."""

from typing import Any

from seatrial.spec.declared import declared_outcome
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show, show_share

Values = dict[str, Any]
MOST_ARMS = 50
MOST_KEYS = 30
BY_CONTEXT = ("squarecb", "linear-thompson")
_FLOOR = 0.01
_FEATURE = "features."


def check_bandits(values: Values, found: Findings) -> None:
    """Notes what contradicts itself or the rest of the file in every `bandit`."""
    routing = values.get("routing")
    for position, entry in enumerate(routing if isinstance(routing, list) else ()):
        bandit = entry.get("bandit") if isinstance(entry, dict) else None
        if isinstance(bandit, dict):
            path = f"routing[{position}].bandit"
            _arms(bandit, path, values, found)
            _floor(bandit, path, found)
            _reward(bandit, path, values, found)
            _sticky(bandit, path, found)
            _by_context(bandit, path, values, found)


def _arms(bandit: Values, path: str, values: Values, found: Findings) -> None:
    arms, variants = bandit.get("arms"), values.get("variants")
    if not isinstance(arms, list):
        return
    if len(arms) > MOST_ARMS:
        found.add(f"{path}.arms", len(arms), f"a bandit of {len(arms)} arms is too large; name at most {MOST_ARMS}")
    for position, arm in enumerate(arms):
        if arm in arms[:position] and arm is not BAD:
            found.add(f"{path}.arms[{position}]", arm, f"the arm {show(arm)} stands twice; name it once")
        elif isinstance(variants, dict) and arm is not BAD and arm not in variants:
            message = f"{show(arm)} is not a declared variant; {did_you_mean(arm, variants)}"
            found.add(f"{path}.arms[{position}]", arm, message)
    penalties = bandit.get("penalty")
    for arm in penalties if isinstance(penalties, dict) else ():
        if arm not in arms:
            found.add(f"{path}.penalty.{arm}", arm, f"{show(arm)} is not an arm of it; {did_you_mean(arm, arms)}")


def _floor(bandit: Values, path: str, found: Findings) -> None:
    arms, floor, policy = bandit.get("arms"), bandit.get("floor", _FLOOR), bandit.get("policy", "thompson")
    if not isinstance(arms, list) or not isinstance(floor, float):
        return
    taken = floor * len(arms)
    if taken > 1 + 1e-9 or (taken > 0.5 + 1e-9 and bandit.get("force", False) is False):
        end = "lower it" if taken > 1 else "lower it, or write `force: true`"
        message = (
            f"a floor of {show_share(floor)} for each of {len(arms)} arms takes {100 * taken:g}% of the traffic from "
            f"what is learned; {end}"
        )
        found.add(f"{path}.floor" if "floor" in bandit else path, show_share(floor), message)
    if floor == 0 and policy in ("ucb1", "ucb-tuned"):
        message = f"`{policy}` sends everything to one arm within an epoch, so it needs a floor; write `floor: 5%`"
        found.add(f"{path}.floor", "0%", message)


def _reward(bandit: Values, path: str, values: Values, found: Findings) -> None:
    reward = bandit.get("reward")
    if not isinstance(reward, dict):
        return
    name = reward.get("outcome")
    outcome = declared_outcome(name, values, f"{path}.reward.outcome", found)
    if isinstance(name, str) and isinstance(outcome, dict):
        if outcome.get("label") is True:
            message = (
                f"the outcome `{name}` is a label, and an absent label is missing, not a reward of 0; reward "
                "another outcome"
            )
            found.add(f"{path}.reward.outcome", name, message)
        _field(reward, f"{path}.reward.value", name, outcome.get("fields", {}), found)
    _range(bandit, reward, f"{path}.reward", found)


def _field(reward: Values, path: str, outcome: str, fields: Any, found: Findings) -> None:
    field = reward.get("value")
    if not isinstance(field, str) or not isinstance(fields, dict):
        return
    if field not in fields:
        mend = did_you_mean(field, fields) if fields else f"add `fields: {{{field}: number}}` to it"
        found.add(path, field, f"{show(field)} is not a field of the outcome `{outcome}`; {mend}")
    elif fields[field] == "string":
        found.add(path, field, f"the field `{field}` of `{outcome}` is a string, but a reward is a number")


def _range(bandit: Values, reward: Values, path: str, found: Findings) -> None:
    given, kind = reward.get("range"), reward.get("kind", "binary")
    if isinstance(given, list) and BAD not in given and (len(given) != 2 or not given[0] < given[1]):
        message = f"the range {show(given)} is not two numbers, the lowest and the highest; write `range: [0, 100]`"
        found.add(f"{path}.range", given, message)
    ucb = bandit.get("policy") in ("ucb1", "ucb-tuned")
    plain = kind == "binary" and "value" not in reward
    if "range" in reward or plain or BAD in (given, kind):
        return
    if kind == "normal" and bandit.get("policy") == "squarecb":
        found.add(path, "range", "`squarecb` needs the `range` of a reward, like `range: [0, 100]`")
        return
    if kind == "binary":
        message = "a `binary` reward with a `value` needs its `range`, like `range: [0, 100]`, or another `kind`"
        found.add(path, "range", message)
    elif ucb or bandit.get("change_reset") is True:
        who = bandit["policy"] if ucb else "change_reset"
        found.add(path, "range", f"`{who}` needs the `range` of a reward, like `range: [0, 100]`")


def _sticky(bandit: Values, path: str, found: Findings) -> None:
    if bandit.get("sticky") == "for-ever":
        message = (
            "a bandit draws units anew each epoch; one that is sticky for ever is a split, not a bandit: use `split`"
        )
        found.add(f"{path}.sticky", "for-ever", message)


def _by_context(bandit: Values, path: str, values: Values, found: Findings) -> None:
    keys, policy = bandit.get("context"), bandit.get("policy", "thompson")
    if policy not in BY_CONTEXT:
        if keys is not None and policy is not BAD:
            message = f"`{policy}` chooses alike for every unit; remove `context`, or write `policy: squarecb`"
            found.add(f"{path}.context", "context", message)
        return
    if keys is None:
        message = f"`{policy}` chooses by context; name keys or features, like `context: [country, features.age]`"
        found.add(f"{path}.policy", policy, message)
    elif isinstance(keys, list):
        _keys(keys, f"{path}.context", values, found)
    for name, off in (("change_reset", False), ("penalty", {})):
        if bandit.get(name, off) not in (off, BAD):
            found.add(f"{path}.{name}", name, f"`{name}` does not go with `{policy}`; remove it")
    reward = bandit.get("reward")
    if isinstance(reward, dict) and reward.get("kind") == "hurdle":
        message = f"`{policy}` takes a reward as a line in the context, and `hurdle` is none; write `kind: normal`"
        found.add(f"{path}.reward.kind", "hurdle", message)


def _keys(keys: list[Any], path: str, values: Values, found: Findings) -> None:
    declared, unit = values.get("context", {}), values.get("unit")
    source = unit.get("from") if isinstance(unit, dict) else None
    if len(keys) > MOST_KEYS:
        found.add(path, len(keys), f"{len(keys)} context keys are too many to learn from; name at most {MOST_KEYS}")
    for position, key in enumerate(keys):
        where = f"{path}[{position}]"
        if key is BAD or not isinstance(declared, dict):
            continue
        if key in keys[:position]:
            found.add(where, key, f"the key {show(key)} stands twice; name it once")
        elif isinstance(key, str) and key.startswith(_FEATURE):
            continue  # whether a version takes it is known when the file is applied
        elif key not in declared:
            mend = did_you_mean(key, declared) if declared else f"add `context: {{{key}: optional number}}`"
            found.add(where, key, f"{show(key)} is not a declared context key; {mend}, or write `features.{key}`")
        elif source == f"context.{key}":
            message = f"{show(key)} is who the unit is, of which nothing is learned for others; name other keys"
            found.add(where, key, message)
