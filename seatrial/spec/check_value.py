"""Checks of a metric of value: its terms are declared outcomes and numbers, its costs are of declared variants."""

from typing import Any

from seatrial.spec.declared import declared_outcome
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import Findings, did_you_mean
from seatrial.spec.units import show
from seatrial.spec.value_terms import Term, terms_of

Values = dict[str, Any]


def check_value(metric: Values, path: str, values: Values, found: Findings) -> None:
    """Notes terms that name no outcome or no number, and costs of variants that there are not."""
    text = metric.get("of")
    if isinstance(text, str):
        try:
            terms = terms_of(text)
        except BadInput:
            return  # noted when it was read
        for term in terms:
            _term(term, f"{path}.of", values, found)
    costs, variants = metric.get("cost"), values.get("variants")
    if not isinstance(costs, dict) or not isinstance(variants, dict):
        return
    for variant in costs:
        if variant not in variants:
            message = f"{show(variant)} is not a declared variant; {did_you_mean(variant, variants)}"
            found.add(f"{path}.cost.{variant}", variant, message)


def _term(term: Term, path: str, values: Values, found: Findings) -> None:
    outcome = declared_outcome(term.outcome, values, path, found)
    if not isinstance(outcome, dict):
        return
    if outcome.get("label") is True:
        message = f"`{term.outcome}` is a label, which not every unit gets; name outcomes that simply happen or do not"
        found.add(path, term.outcome, message)
    fields = outcome.get("fields", {})
    if not isinstance(fields, dict):
        return
    if term.field is None and fields:
        mend = did_you_mean("", [name for name, kind in fields.items() if kind != "string"])
        found.add(path, term.outcome, f"`{term.outcome}` has fields, so the sum needs one of them; {mend}")
    elif term.field is not None and term.field not in fields:
        mend = did_you_mean(term.field, fields) if fields else f"add `fields: {{{term.field}: number}}` to it"
        found.add(path, term.field, f"{show(term.field)} is not a field of the outcome `{term.outcome}`; {mend}")
    elif term.field is not None and fields[term.field] == "string":
        message = f"the field `{term.field}` of `{term.outcome}` is a string, and a sum needs numbers; name another"
        found.add(path, term.field, message)
