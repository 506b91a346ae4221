"""Checks of ensembles: members that exist and are models, and weights that fit them."""

from typing import Any

from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.shapes import BAD
from seatrial.spec.units import show, show_share

Values = dict[str, Any]


def check_ensembles(values: Values, found: Findings) -> None:
    """Notes what in an ensemble contradicts the rest of the file, and what only an ensemble may say."""
    variants = values.get("variants")
    if not isinstance(variants, dict):
        return
    for name, variant in variants.items():
        if not isinstance(variant, dict):
            continue
        path = f"variants.{name}"
        if "ensemble" in variant:
            _members(name, variant["ensemble"], variants, path, found)
            _vote(variant, values.get("task"), path, found)
            _weights(variant, path, found)
            _runtime(name, variant, path, found)
        else:
            for key in ("combine", "weights"):
                if key in variant and not variant.keys().isdisjoint(("model", "remote", "popular")):
                    message = f"`{key}` is of an ensemble, and `{name}` is one model; remove it, or name an `ensemble`"
                    found.add(f"{path}.{key}", key, message)


def _members(name: str, members: Any, variants: Values, path: str, found: Findings) -> None:
    if not isinstance(members, list):
        return
    for position, member in enumerate(members):
        if not isinstance(member, str):
            continue
        here, said = f"{path}.ensemble[{position}]", show(member)
        variant = variants.get(member)
        if member not in variants:
            mend = did_you_mean(member, [other for other in variants if other != name])
            found.add(here, member, f"{said} is not a declared variant; {mend}")
        elif member in members[:position]:
            found.add(here, member, f"{said} is a member of `{name}` twice; name it once, or use `combine: weights`")
        elif isinstance(variant, dict) and "ensemble" in variant:
            message = f"{said} is an ensemble, and members are models; name its members in `{name}` instead"
            found.add(here, member, message)
        elif isinstance(variant, dict) and "remote" in variant:
            message = f"{said} is a server of its own, and members are models; register its model and name that"
            found.add(here, member, message)
        elif isinstance(variant, dict) and "popular" in variant:
            message = f"{said} counts outcomes, and members are models; name a variant with a `model`"
            found.add(here, member, message)
        elif isinstance(variant, dict) and "lookup" in variant:
            message = f"{said} looks its answers up, and members compute theirs; name a variant without `lookup`"
            found.add(here, member, message)


def _vote(variant: Values, task: Any, path: str, found: Findings) -> None:
    if variant.get("combine") == "vote" and task == "regression":
        message = "a vote is of labels, and the task is regression; write `combine: mean`, or `weights`"
        found.add(f"{path}.combine", "vote", message)


def _weights(variant: Values, path: str, found: Findings) -> None:
    combine, weights, members = variant.get("combine", "mean"), variant.get("weights"), variant["ensemble"]
    if combine == "weights" and weights is None:
        message = "`combine: weights` needs `weights`; add them: `weights: {a: 70%, b: 30%}`"
        found.add(f"{path}.combine", "weights", message)
    if combine in ("mean", "vote") and "weights" in variant:
        message = f"the ensemble has `weights`, which `combine: {combine}` does not use; write `combine: weights`"
        found.add(f"{path}.weights", "weights", message)
    if not isinstance(weights, dict) or not isinstance(members, list) or BAD in members:
        return
    for member in weights:
        if member not in members:
            message = f"{show(member)} has a weight and is no member; {did_you_mean(member, members)}"
            found.add(f"{path}.weights.{member}", member, message)
    for member in members:
        if member not in weights:
            message = f"the member {show(member)} has no weight; add it, or leave it out of the ensemble"
            found.add(f"{path}.weights", member, message)
    shares = list(weights.values())
    if BAD not in shares and abs(sum(shares) - 1) > 1e-9:
        total = show_share(round(sum(shares), 12))
        found.add(f"{path}.weights", total, f"the weights add up to {total}; make them add up to 100%")


def _runtime(name: str, variant: Values, path: str, found: Findings) -> None:
    if "runtime" in variant:
        message = f"`{name}` is an ensemble, whose members have runtimes of their own; write `runtime` at those"
        found.add(f"{path}.runtime", variant["runtime"], message)
