"""When a message is tried again, whatever the clock did."""

from typing import Any

import msgspec

from seatrial.control.postman import Postman
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.releases.records import Notice
from seatrial.watch.telling import Told, message_of
from tests.harbour import PLAIN, Harbour


def test_a_message_that_failed_under_a_clock_a_year_ahead_is_tried_again_once_it_is_right(harbour: Harbour) -> None:
    harbour.apply(PLAIN)
    tries: list[int] = []

    def post(*_: Any) -> int:
        tries.append(harbour.clock.now)
        return 503

    def postman() -> Postman:
        return Postman(harbour.site, TellingMetrics(harbour.site.home), post)

    first, right = postman(), harbour.clock.now
    ahead = harbour.clock.forward(days=365)
    message = message_of("n1", "alert", "churn", (), Told("t", "t", ()), ahead)
    harbour.state.notices.add(
        Notice(
            id="n1", deployment="churn", to="json://127.0.0.1:9/x", kind="alert", at=ahead, why="w",
            message=msgspec.json.encode(message).decode(),
        )
    )  # fmt: skip
    first.send(ahead)
    assert tries == [ahead]
    harbour.clock.now = right
    first.send(right)
    assert tries == [ahead, right], "the same process does not let the receiver rest for a year"
    harbour.clock.forward(seconds=1)
    postman().send(harbour.clock.now)
    assert len(tries) == 2, "pauses hold again"
    harbour.clock.forward(seconds=3600)
    postman().send(harbour.clock.now)
    assert len(tries) == 3
