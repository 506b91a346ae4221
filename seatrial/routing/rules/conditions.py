"""The conditions of a deployment's routing entries: read where the versions are known, checked where they are not."""

from collections.abc import Mapping

from seatrial.routing.rules.expression import AllOf, Among, Expression, Unit, Untypable
from seatrial.routing.rules.kinds import RuleError
from seatrial.routing.rules.naming import context_kinds, guessed_names, read_condition
from seatrial.routing.rules.parsing import Names
from seatrial.spec.deployment import Deployment, EntrySpec
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import Findings, SpecError
from seatrial.spec.read import load_deployment
from seatrial.spec.tree import lines_of, parse


def load_checked(text: str, source: str = "deployment.yaml") -> Deployment:
    """A deployment file with its rules checked as far as that goes without its versions.

    Raises:
        SpecError: With all of the file's problems, in order of lines.
    """
    spec = load_deployment(text, source)
    check_conditions(spec, text, source)
    return spec


def check_conditions(spec: Deployment, text: str, source: str) -> None:
    """Raise SpecError for rules that no model could mend: their syntax, undeclared context, kinds that contradict."""
    if not any(entry.when for entry in spec.routing):
        return
    names = guessed_names((entry.when for entry in spec.routing if entry.when), spec.context)
    unknown = Names(None, context_kinds(spec.context))
    found = Findings(lines_of(parse(text, source, "")))
    for position, entry in enumerate(spec.routing):
        try:
            if entry.when:
                read_condition(entry.when, unknown)  # first what is wrong with the rule by itself
                read_condition(entry.when, names)
        except RuleError as error:
            found.add(f"routing[{position}].when", entry.when, f"`{entry.name}`: {error}")
    if found.problems:
        raise SpecError(source, found.problems)


def conditions(spec: Deployment, names: Names) -> dict[str, Expression]:
    """The condition of every entry that has one, by its name; ``Untypable`` where it does not go with the versions.

    A version may go that a rule speaks of (a rollback, a promotion): that is no reason to keep it. Who applies a file
    asks ``check_typed``.

    Args:
        names: What the versions in force take, and the declared context.
    """
    found: dict[str, Expression] = {}
    for entry in spec.routing:
        try:
            condition = condition_of(entry, names)
        except RuleError as error:
            condition = Untypable(entry.when or "", str(error))
        if condition is not None:
            found[entry.name] = condition
    return found


def condition_of(entry: EntrySpec, names: Names) -> Expression | None:
    """What a request must meet for an entry: its rule, and its ``units``. Raises RuleError."""
    rule = read_condition(entry.when, names) if entry.when else None
    if not entry.units:
        return rule
    listed = Among(Unit(), entry.units)
    return listed if rule is None else AllOf((listed, rule))


def check_typed(found: Mapping[str, Expression | None]) -> None:
    """Raise BadInput, which names the entries, for conditions that do not go with the versions."""
    said = [f"routing entry `{name}`: {when.why}" for name, when in found.items() if isinstance(when, Untypable)]
    if said:
        raise BadInput("\n".join(said))
