"""The part that is said to have decided is as the whole rule is, and alone would have decided it alike."""

from hypothesis import given, settings

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import Request, is_there
from seatrial.routing.rules.explaining import explain
from seatrial.routing.rules.expression import attributes, walk
from seatrial.routing.rules.showing import show
from tests.laws.test_rules import CONDITIONS, REQUESTS, ours


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, REQUESTS)
def test_the_part_that_decided(node: e.Expression, request: Request) -> None:
    reason = explain(node, request)
    assert reason.holds is ours(node, request)
    assert (reason.holds is None) == bool(reason.failure)
    part = next(part for part in walk(node) if show(part) == reason.part)
    value = ours(part, request)
    assert (value is None) == (reason.holds is None)
    absent = {show(one) for one in attributes(node) if not is_there(request.space(one.space).get(one.name))}
    assert set(reason.missing) <= absent
    assert not reason.missing or reason.holds is None
    assert reason.holds is not None or reason.missing or not absent or "missing" not in reason.failure
