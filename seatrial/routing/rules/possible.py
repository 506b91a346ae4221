"""Whether a rule may have held of a request of which not everything is known."""

from collections.abc import Collection

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate
from seatrial.routing.rules.expression import Expression, asked_of


def may_hold(node: Expression, request: Request, unknown: Collection[str]) -> bool:
    """False only where the rule holds of no such request, whatever the unknown features are.

    Args:
        node: A condition.
        request: What is known.
        unknown: Names of features that the request may have carried or not.
    """
    match node:
        case e.AllOf():
            return all(may_hold(operand, request, unknown) for operand in node.operands)
        case e.AnyOf():
            return any(may_hold(operand, request, unknown) for operand in node.operands)
    if not asked_of(node, "features").isdisjoint(unknown):
        return True
    try:
        return evaluate(node, request) is True
    except RuleFailure:
        return False
