"""Checks of an experiment against the rest of the file."""

from typing import Any

from seatrial.spec.check_release import check_guardrails, check_primary
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.units import show

Values = dict[str, Any]


def check_experiment(values: Values, found: Findings) -> None:
    """Notes an entry that is no split between the default variant and another, and metrics that nobody declares."""
    experiment = values.get("experiment")
    if not isinstance(experiment, dict):
        return
    _entry(experiment, values, found)
    check_primary(experiment, values, found, "experiment")
    check_guardrails(experiment, values, found, "experiment")
    release = values.get("release")
    if isinstance(release, dict) and isinstance(experiment.get("in"), str) and release.get("into") == experiment["in"]:
        message = f"a release moves the weights of `{experiment['in']}`, so nothing else is judged there; remove one"
        found.add("experiment.in", experiment["in"], message)


def _entry(experiment: Values, values: Values, found: Findings) -> None:
    name, entries = experiment.get("in"), values.get("routing")
    if not isinstance(name, str) or not isinstance(entries, list | type(None)):
        return
    named = {str(entry.get("name")): entry for entry in entries or () if isinstance(entry, dict)}
    if name not in named:
        mend = did_you_mean(name, named) if named else "write `routing:` with a split of several variants"
        found.add("experiment.in", name, f"{show(name)} is not a routing entry; {mend}")
        return
    split, default = named[name].get("split"), values.get("default", "champion")
    if not isinstance(split, dict) or not isinstance(default, str):
        if "split" not in named[name]:
            found.add("experiment.in", name, f"`{name}` has no `split`, so nothing is drawn by lot in it; name another")
        return
    drawn = [variant for variant, share in split.items() if isinstance(share, float) and share > 0]
    if default not in drawn or len(drawn) < 2:
        message = f"the experiment compares with `{default}`, so `{name}` must split between it and others"
        found.add("experiment.in", name, message)
