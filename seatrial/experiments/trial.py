"""A trial: what was known of every unit, which variant chance gave it, and what it earned; from the ledger or a file.

Each unit once, by its first row since the variants are what they are now; matured units only. Columns are those of that
row: ``context.<key>`` and ``features.<name>``, as rules name them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

from seatrial.bandits.logged import Logged
from seatrial.bandits.policy_tree import Column
from seatrial.experiments.rewards import read_rewards
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.routing.rules.expression import Kind
from seatrial.spec.deployment import Deployment, MetricSpec, RewardSpec
from seatrial.spec.errors import BadInput

_CHANCE = "reason IN ('split', 'canary', 'bandit') AND contested AND unit_named AND role IN ('answer', 'app')"
_MINE = f"""entry = $entry AND {_CHANCE} AND epoch_us("at") <= $now"""
_SINCE = f"""SELECT coalesce(max(epoch_us("at")), -1) AS since FROM rows
WHERE {_MINE} AND NOT concat_ws(' ', variant, assigned_version) IN (SELECT unnest($ours))"""
_FIRST_ROWS = f"""SELECT unit, sampled, reason = 'bandit' AS learned, {{columns}} FROM rows
WHERE {_MINE} AND epoch_us("at") > $since
QUALIFY row_number() OVER (PARTITION BY unit ORDER BY "at", request_id, "row") = 1"""
_EXPERIMENTS = f"""SELECT entry, list(DISTINCT variant ORDER BY variant) AS variants FROM rows
WHERE {_CHANCE} AND concat_ws(' ', variant, assigned_version) IN (SELECT unnest($ours))
GROUP BY entry HAVING count(DISTINCT variant) > 1 ORDER BY entry"""
_SPACES = {"context": "context.", "features": "feature."}
_WORDS = frozenset(["unit", "variant", "reward", "propensity"])


@dataclass(frozen=True, eq=False)
class Trial:
    """What is known of n units.

    Attributes:
        variants: Those that chance chose from; arms in ``logged`` are their numbers.
        logged: Without contexts; rewards as the metric has them, whether or not more is better.
        columns: Each [n].
        kinds: Of every column, as rules take it.
        units: Their names.
        learned: How many of them a bandit gave their variant: by chances that followed from earlier units' rewards,
            which intervals for independent units do not allow for.
    """

    variants: tuple[str, ...]
    logged: Logged
    columns: tuple[Column, ...]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    learned: int = 0


def experiments(source: Source, versions: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Entries in which chance once chose between variants as they are now, and those variants.

    Args:
        versions: The version of each variant.
    """
    ours = [f"{variant} {version}" for variant, version in versions.items()]
    found = source.sql(_EXPERIMENTS, {"ours": ours}).to_pylist()
    return {row["entry"]: tuple(row["variants"]) for row in found}


def read_trial(
    source: Source,
    entry: str,
    deployment: Deployment,
    metric: str,
    versions: Mapping[str, str],
    now: int,
    known: Mapping[str, Kind],
) -> Trial:
    """What the ledger knows.

    Args:
        source: The ledger.
        entry: The routing entry in which chance chose.
        deployment: Declares the metric.
        metric: Of kind ``proportion`` or ``mean``, of an outcome that is no label.
        versions: The version of each variant that may be chosen. Units that came before the last row of another
            version met another trial.
        now: Nothing later is seen, microseconds since 1970 UTC.
        known: What rules may read, as they name it, and its kind. What is logged otherwise (as a hash, say) is not
            among it.
    """
    given: dict[str, object] = {"entry": entry, "now": now}
    ours = [f"{variant} {version}" for variant, version in versions.items()]
    since = int(source.sql(_SINCE, given | {"ours": ours})["since"][0].as_py())
    reward = reward_of(deployment, metric)
    seen = read_rewards(source, entry, reward, versions, since=0, now=now, prior=True)
    logged_names = set(source.sql("SELECT * FROM rows LIMIT 0", {}).column_names)
    names = {name: _in_ledger(name) for name in known if _in_ledger(name) in logged_names}
    picked = ", ".join(quoted(name) for name in names.values()) or "NULL AS nothing"
    rows = source.sql(_FIRST_ROWS.format(columns=picked), given | {"since": since})
    place = {unit: at for at, unit in enumerate(rows["unit"].to_pylist())}
    full = rows["sampled"].to_pylist()
    kept: list[int] = []
    where: list[int] = []
    for number, unit in enumerate(seen.units):
        at = place.pop(unit, None) if seen.at[number] > since else None
        if at is not None and full[at]:
            kept.append(number)
            where.append(at)
    variants = tuple(versions)
    rewards = seen.values[kept]
    cap = deployment.metrics[metric].cap
    logged = Logged(
        np.arange(len(kept)),
        np.array([variants.index(seen.arms[number]) for number in kept], dtype=np.int64),
        rewards if cap is None else np.minimum(rewards, cap),
        seen.propensities[kept],
    )
    taken = rows.take(pa.array(where, pa.int64()))
    columns = _columns({name: taken[column] for name, column in names.items()}, known)
    learned = sum(taken["learned"].to_pylist())
    return Trial(variants, logged, columns, dict(known), tuple(seen.units[number] for number in kept), learned)


def trial_of_file(table: pa.Table) -> Trial:
    """Anybody's data: a row a unit, with the ``variant`` that chance gave it and the ``reward`` that it earned.

    Args:
        table: Every column but these two, ``propensity`` and ``unit`` is something known of the unit; ``context.`` and
            ``features.`` before a name say where rules find it, and without either it is a feature. ``propensity`` is
            the chance of the variant that the unit got; where there is none, the variants' shares in the file.

    Raises:
        BadInput: A column is missing or no numbers, a unit has two rows.
    """
    for name in ("variant", "reward"):
        if name not in table.column_names:
            raise BadInput(f"the file has no column {name!r}, only {', '.join(table.column_names)}: rename or add it.")
    units = table.num_rows
    if "unit" in table.column_names and len(set(table["unit"].to_pylist())) < units:
        raise BadInput("a unit has several rows in the file; keep the first of each.")
    given = table["variant"].to_pylist()
    if None in given:
        raise BadInput(f"row {given.index(None) + 1} of the file has no variant; leave it out or fill it in.")
    variants = tuple(sorted({str(one) for one in given}))
    arms = np.array([variants.index(str(one)) for one in given], dtype=np.int64)
    shares = np.bincount(arms, minlength=len(variants)) / max(units, 1)
    chances = _numbers(table, "propensity") if "propensity" in table.column_names else shares[arms]
    logged = Logged(np.arange(units), arms, _numbers(table, "reward"), chances)
    known = {_said(name): kind for name in table.column_names if (kind := _kind_of(name, table)) is not None}
    columns = _columns({_said(name): table[name] for name in table.column_names if _said(name) in known}, known)
    names = table["unit"].to_pylist() if "unit" in table.column_names else range(units)
    return Trial(variants, logged, columns, known, tuple(map(str, names)))


def reward_of(deployment: Deployment, metric: str) -> RewardSpec:
    """A metric as a sum of outcomes a unit; raises BadInput where it is none."""
    found = deployment.metrics.get(metric)
    if found is None:
        known = ", ".join(deployment.metrics) or "none"
        raise BadInput(f"deployment {deployment.deployment!r} has no metric {metric!r}; it declares {known}.")
    outcome = deployment.outcomes.get(found.outcome or "")
    if found.kind not in ("proportion", "mean") or found.outcome is None or found.within is None or outcome is None:
        raise BadInput(f"{metric!r} is a {found.kind}; rules are suggested by a proportion or a mean of an outcome.")
    if outcome.label:
        raise BadInput(f"{metric!r} is of the label {found.outcome!r}, which not every unit gets; name another metric.")
    return _reward(found, found.outcome, found.within)


def _reward(metric: MetricSpec, outcome: str, within: float) -> RewardSpec:
    if metric.kind == "proportion":
        span = None if metric.value is None else (0.0, 1.0)
        return RewardSpec(outcome=outcome, within=within, grace=metric.grace, value=metric.value, range=span)
    return RewardSpec(outcome=outcome, within=within, grace=metric.grace, value=metric.value, kind="normal")


def _in_ledger(name: str) -> str:
    space, _, bare = name.partition(".")
    return _SPACES[space] + bare


def _said(name: str) -> str:
    """A file's column as rules name it."""
    return name if name.startswith(("context.", "features.")) else f"features.{name}"


def _kind_of(name: str, table: pa.Table) -> Kind | None:
    """Of a file's column; None: rules read no such values, or it is none of the unit's."""
    kind = table.schema.field(name).type
    if name in _WORDS:
        return None
    if kinds.is_boolean(kind):
        return "bool"
    if kinds.is_integer(kind):
        return "int"
    if kinds.is_floating(kind):
        return "double"
    return "string" if _is_text(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_dictionary(kind))


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    kind = table.schema.field(name).type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)):
        raise BadInput(f"the column {name!r} of the file holds {kind}, not numbers: convert it.")
    found: NDArray[np.float64] = table[name].cast(pa.float64()).to_numpy().astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(found))
    if bad.size:
        raise BadInput(
            f"row {int(bad[0]) + 1} of the file has the {name} {found[bad[0]]:g}; a unit that earned nothing has 0, "
            "and one of which nothing is known is left out."
        )
    return found


def _columns(found: Mapping[str, pa.ChunkedArray], known: Mapping[str, Kind]) -> tuple[Column, ...]:
    """Those whose values are of the kind that rules take them for; infinite numbers are missing, as to rules."""
    columns: list[Column] = []
    for name, values in found.items():
        numeric = kinds.is_integer(values.type) or kinds.is_floating(values.type)
        if known[name] in ("int", "double") and numeric:
            numbers = values.cast(pa.float64()).to_numpy().astype(np.float64)
            columns.append(Column(name, np.where(np.isfinite(numbers), numbers, np.nan)))
        elif known[name] == "bool" and kinds.is_boolean(values.type):
            columns.append(Column(name, _levels(values.to_pylist())))
        elif known[name] == "string" and _is_text(values.type):
            columns.append(Column(name, _levels(values.cast(pa.string()).to_pylist())))
    return tuple(columns)


def _levels(values: Sequence[object]) -> NDArray[np.object_]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
