"""Another deployment file's routing as a policy: what it would have done with every record of a bandit.

Its entries decide by the gateway's own router, over what the ledger holds of each record: unit, context and features. A
variant is the arm that has its model, whatever the file calls it; one of another model is an arm that nobody got.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.control.contextual import as_declared, columns_of
from seatrial.control.crowds import read_lists
from seatrial.control.site import Site
from seatrial.releases.records import BanditRun, DeploymentState
from seatrial.routing.contexts import Encoder
from seatrial.routing.crowds import Asks, hash_unit
from seatrial.routing.router import Router, carried
from seatrial.routing.rules.conditions import check_typed, conditions, load_checked
from seatrial.routing.rules.expression import Expression, asked_of
from seatrial.routing.rules.naming import names_of
from seatrial.routing.seen import FEATURE
from seatrial.routing.snapshot import Arm, Crowd, Entry, Snapshot
from seatrial.spec.deployment import Deployment, EntrySpec, VariantSpec
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]
_KINDS = {"boolean": "boolean", "integer": "integer", "number": "number", "time": "number"}
"""How the ledger holds a feature, by its kind; all others are strings."""
_MOST_KEYS = 40
"""So many of what the rules read make up the outcome model's context; a wrong model costs precision, not truth."""


@dataclass(frozen=True, eq=False)
class OtherRouting:
    """What a file would do.

    Attributes:
        source: The file's name.
        reads: What it is decided by: context keys, and features with ``features.`` before their names; the kind of
            each, as the ledger holds it.
        entries: Its entries, in order.
        learned: Those whose weights were learned in the running deployment.
    """

    source: str
    reads: Mapping[str, str]
    entries: tuple[str, ...]
    learned: tuple[str, ...]
    _router: Router
    _keys: tuple[str, ...]

    def chances(
        self, units: Sequence[str], values: Sequence[tuple[Any, ...]], arms: Sequence[str]
    ) -> tuple[tuple[str, ...], Floats, dict[str, float]]:
        """What it would have done with records.

        Args:
            units: Who; length n.
            values: Of what it reads, in order; length n.
            arms: Those that units were drawn from.

        Returns:
            The arms, then variants of the file that are none of them but would have got units; the chances of each,
            shape [n, K]; the share of the records that each entry takes ("" for what no entry does).
        """
        known = {arm: place for place, arm in enumerate(arms)}
        decided, taken = [], dict[str, int]()
        for unit, given in zip(units, values, strict=True):
            said = dict(zip(self.reads, given, strict=True))
            features = {key.removeprefix(FEATURE): value for key, value in said.items() if key.startswith(FEATURE)}
            entry, chances = self._router.chances(unit, [said.get(key) for key in self._keys], features)
            taken[entry] = taken.get(entry, 0) + 1
            decided.append(chances)
            for variant, chance in chances.items():
                if chance > 0:
                    known.setdefault(variant, len(known))
        found = np.zeros((len(decided), len(known)))
        for row, chances in enumerate(decided):
            for variant, chance in chances.items():
                if chance > 0:
                    found[row, known[variant]] = chance
        shares = {entry: taken.get(entry, 0) / max(len(decided), 1) for entry in self.entries}
        return tuple(known), found, shares | ({"": taken[""] / len(decided)} if "" in taken else {})

    def check_logged(self, snapshots: Collection[Snapshot], arms: Collection[str]) -> None:
        """Raise BadInput where records do not hold what it is decided by.

        Args:
            snapshots: Those that drew them.
            arms: From which.
        """
        for snapshot in snapshots:
            for key, kind in self.reads.items():
                why = _unlogged(key, kind, snapshot, arms)
                if why:
                    raise BadInput(
                        f"{self.source} decides by `{key}`, which the records of revision {snapshot.revision} do not "
                        f"hold: {why}; evaluate a file that does not read it, or wait for records that hold it."
                    )

    def contexts(self, values: Sequence[tuple[Any, ...]]) -> Floats | None:
        """What it decides by as numbers for an outcome model, shape [n, d]; None: it decides by nothing."""
        kinds = dict(list(self.reads.items())[:_MOST_KEYS])
        if not kinds:
            return None
        optional = {key: f"optional {kind}" for key, kind in kinds.items()}
        given = as_declared(optional, [one[: len(kinds)] for one in values])
        encoder = Encoder(columns_of(optional, given), tuple(optional))
        return np.array([encoder.encode(one)[1:] for one in given]).reshape(len(given), encoder.width - 1)


def read_other_routing(
    site: Site, running: Deployment, state: DeploymentState, text: str, source: str = "the other file"
) -> OtherRouting:
    """The routing of another file for the units of a deployment.

    Args:
        running: The deployment's file in force.
        state: What came of it.
        text, source: The other file.

    Raises:
        SpecError: It is no deployment file.
        BadInput: What its routing would have done cannot be known.
        NotFound: It names a model that does not exist.
    """
    spec = load_checked(text, source)
    _check(spec, running, source)
    served = site.publication.read(running.deployment, state.revision)
    rules = conditions(spec, names_of(carried(served), spec.context))
    check_typed(rules)
    called = {name: _called(site, name, said, running, state) for name, said in spec.variants.items()}
    lists = read_lists(spec, site.home)
    files = {name: file for name, (file, _) in lists.items()}
    entries = tuple(
        _entry(entry, rules.get(entry.name), spec, running, state.bandits, called, files) for entry in spec.routing
    )
    reads = _reads(entries, rules, spec, served, running, source)
    unserved = set(called.values()) - {slot.variant for slot in served.slots}
    slots = tuple(msgspec.structs.replace(served.slots[0], variant=name) for name in sorted(unserved))
    policy = msgspec.structs.replace(
        served, slots=(*served.slots, *slots), default=called[spec.default], entries=entries, shadows=()
    )
    crowds = {file: _holds(hashes) for file, hashes in lists.values()}
    return OtherRouting(
        source,
        reads,
        tuple(entry.name for entry in spec.routing),
        tuple(entry.name for entry in spec.routing if entry.bandit is not None),
        Router(policy, crowds=crowds),
        tuple(key.name for key in served.context),
    )


def _check(spec: Deployment, running: Deployment, source: str) -> None:
    if spec.deployment != running.deployment:
        raise BadInput(f"{source} is of the deployment {spec.deployment!r}, not of {running.deployment!r}; give its.")
    if spec.unit.source != running.unit.source:
        raise BadInput(
            f"{source} takes its units from `{spec.unit.source or 'unit'}` and the running deployment from "
            f"`{running.unit.source or 'unit'}`: who would have been drawn is not known; make `unit` the same."
        )
    if spec.transform != running.transform:
        raise BadInput(
            f"{source} has another `transform` than the running deployment: its variants would have answered something "
            "else; make `transform` the same."
        )
    if spec.release is not None:
        raise BadInput(
            f"{source} has a release, whose shares of `{spec.release.into}` change by stage: what it would have done "
            "is not known; leave `release` out and write the split."
        )
    for entry in spec.routing:
        if entry.cold_start is not None:
            raise BadInput(
                f"entry `{entry.name}` of {source} takes newcomers, and who was one at the time is not known; leave it "
                "out."
            )


def _called(site: Site, name: str, said: VariantSpec, running: Deployment, state: DeploymentState) -> str:
    """The running variant that a variant of the file is; one that none is goes by its model too."""
    own = running.variants.get(name)
    if own is not None and _terms(own) == _terms(said):
        return _heir(name, state)
    for other, theirs in running.variants.items():
        if _terms(theirs) == _terms(said):
            return _heir(other, state)
    if said.model is None:
        return f"{name} ({said.reference or ', '.join(said.ensemble)})"
    model, version = site.registry.resolve(said.model)
    for pin in state.pins:
        if pin.slot is not None and (pin.slot.model, pin.slot.version) == (model, version):
            return pin.variant
    return f"{name} ({model}:{version})"


def _terms(said: VariantSpec) -> tuple[object, ...]:
    return said.reference, said.ensemble, said.combine, tuple(said.weights.items())


def _heir(variant: str, state: DeploymentState) -> str:
    pin = state.pin(variant)
    return pin.heir if pin is not None and pin.slot is None else variant


def _entry(
    entry: EntrySpec,
    when: Expression | None,
    spec: Deployment,
    running: Deployment,
    runs: Mapping[str, BanditRun],
    called: Mapping[str, str],
    files: Mapping[str, str],
) -> Entry:
    if entry.to is not None:
        crowd = Crowd(files[entry.name]) if entry.units_from is not None else None
        return Entry(name=entry.name, when=when, crowd=crowd, to=called[entry.to], reason="rule")
    if entry.split is not None:
        return Entry(name=entry.name, when=when, arms=_arms(entry.split, called))
    run = runs.get(entry.name)
    theirs = next((one for one in running.routing if one.name == entry.name), None)
    same = theirs is not None and theirs.bandit == entry.bandit
    if run is None or not same or any(called[arm] != arm for arm in run.weights):
        raise BadInput(
            f"the bandit `{entry.name}` is not one that {spec.deployment!r} runs as the file has it, so its weights "
            "are not known; write a `split`."
        )
    return Entry(
        name=entry.name, when=when, arms=_arms(run.weights, called), by_context=run.by_context, reason="bandit"
    )


def _arms(shares: Mapping[str, float], called: Mapping[str, str]) -> tuple[Arm, ...]:
    """Weights; two names of one version are one arm."""
    weights: dict[str, float] = {}
    for variant, share in shares.items():
        weights[called[variant]] = weights.get(called[variant], 0.0) + share
    return tuple(Arm(variant, weight) for variant, weight in weights.items())


def _reads(
    entries: Sequence[Entry],
    rules: Mapping[str, Expression],
    spec: Deployment,
    served: Snapshot,
    running: Deployment,
    source: str,
) -> dict[str, str]:
    """What a file's routing is decided by, and how the ledger holds it."""
    features = {feature.name: feature.kind for feature in carried(served)}
    asked = [f"{FEATURE}{name}" for rule in rules.values() for name in sorted(asked_of(rule, "features"))]
    asked += [name for rule in rules.values() for name in sorted(asked_of(rule, "context"))]
    asked += [column.key for one in entries if one.by_context is not None for column in one.by_context.columns]
    found: dict[str, str] = {}
    for key in asked:
        if key.startswith(FEATURE):
            found[key] = _KINDS.get(features.get(key.removeprefix(FEATURE), "text"), "string")
            continue
        field, theirs = spec.context.get(key), running.context.get(key)
        if theirs is None or (field is not None and field.kind != theirs.kind):
            raise BadInput(
                f"{source} decides by `context.{key}`, which {spec.deployment!r} does not declare so: no record holds "
                "it; declare it in the running file first."
            )
        found[key] = theirs.kind
    return found


def _unlogged(key: str, kind: str, snapshot: Snapshot, arms: Collection[str]) -> str:
    """Why the records that a snapshot drew do not hold a value; "": they do."""
    if not key.startswith(FEATURE):
        kinds = {one.name: one.kind for one in snapshot.context}
        return "" if kinds.get(key) == kind else f"it is no context key of the kind {kind} there"
    name, log = key.removeprefix(FEATURE), snapshot.log
    if snapshot.transform is not None:
        return "the transform changes features before they are logged"
    if name in log.redact:
        return "it is logged as a hash (`log.redact`)"
    if log.sample < 1:
        return "only a sample of rows has its features logged (`log.sample`)"
    takes = [slot for slot in snapshot.slots if slot.variant in arms]
    if name not in log.features:
        return "it is not logged (`log.features`)"
    if any(name not in {feature.name for feature in slot.signature.features} for slot in takes):
        return "not every arm takes it"
    return ""


def _holds(hashes: NDArray[np.uint64]) -> Asks:
    listed = frozenset(hashes.tolist())
    return lambda unit: hash_unit(unit) in listed
