"""What a bandit may choose by, beside context keys: the features of a request, where they are plain and logged."""

from collections.abc import Sequence

from seatrial.control.contextual import OPTIONAL
from seatrial.routing.seen import FEATURE
from seatrial.routing.snapshot import Slot, features_of, never_lacked
from seatrial.spec.deployment import Deployment, LogSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import did_you_mean

_KINDS = {"number": "number", "integer": "integer", "boolean": "boolean", "category": "string"}


def declared(spec: Deployment, slots: Sequence[Slot], key: str, before: str | None = None) -> str:
    """The kind of what a bandit chooses by, ``optional`` before it where a request may lack it.

    A feature that no version takes any more is one that every request lacks, of the kind that it was ``before``: the
    ledger still holds its values.
    """
    if not key.startswith(FEATURE):
        field = spec.context[key]
        return f"{OPTIONAL}{field.kind}" if field.optional else field.kind
    name = key.removeprefix(FEATURE)
    feature = features_of(slots).get(name)
    was = "number" if before is None else before.removeprefix(OPTIONAL)
    kind = was if feature is None else _KINDS.get(feature.kind, was)
    return kind if name in never_lacked(slots, None) else OPTIONAL + kind


def check_chosen_by(spec: Deployment, slots: Sequence[Slot]) -> None:
    """Refuse, when a file is applied, a bandit that would choose by what it can never learn from.

    Raises:
        BadInput: A feature that no version takes, that is no plain value, or that the ledger does not hold as it came.
    """
    for entry in spec.routing:
        for key in entry.bandit.context if entry.bandit is not None else ():
            if key.startswith(FEATURE):
                why = _unfit(spec, slots, key.removeprefix(FEATURE))
                if why:
                    raise BadInput(f"the bandit of `{entry.name}` cannot choose by `{key}`: {why}.")


def _unfit(spec: Deployment, slots: Sequence[Slot], name: str) -> str:
    """Why nothing is learned by a feature; "" where it is."""
    features = features_of(slots)
    if name not in features:
        return f"no version takes such a feature; {did_you_mean(name, features)}"
    if features[name].kind not in _KINDS:
        return f"it is of the kind {features[name].kind}, and lines are learned of {', '.join(_KINDS)}"
    if spec.transform is not None:
        return "the transform changes features before they are logged; declare it as a key of `context`"
    return _unlogged(spec.log, name)


def _unlogged(log: LogSpec, name: str) -> str:
    named = {one.removeprefix(FEATURE) for one in log.features} if not isinstance(log.features, str) else None
    if name in {one.removeprefix(FEATURE) for one in log.redact}:
        return "it is logged as a hash (`log.redact`)"
    if log.features == "none" or (named is not None and name not in named):
        return "it is not logged (`log.features`)"
    if log.sample < 1:
        return "only a sample of rows has its features logged (`log.sample`), and every first row counts"
    return ""
