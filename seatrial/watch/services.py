"""Tells one of the services that Apprise knows. Its libraries set their own limits or none, so it runs as a process.

``python -m seatrial.watch.services`` reads what to say from its input as JSON (an address may hold a secret, which no
list of processes may show), prints why it was not taken, "" when it was, and ends by itself when its time is over, also
where nobody waits for it any more.
"""

import json
import math
import signal
import sys

APPRISE = "alerts to other services than webhooks need Apprise: pip install 'seatrial[alerts]'"


def notify(to: str, title: str, body: str, kind: str) -> str:
    """Tell a service once; why it did not take it, "" when it did.

    Args:
        to: The address, its secrets put in.
        title: One line.
        body: The rest.
        kind: ``failure``, ``warning`` or ``info``.
    """
    try:
        import apprise  # an extra: a hundred services, for whoever wants one of them
    except ModuleNotFoundError:
        return APPRISE
    said = apprise.Apprise()
    if not said.add(to):
        return f"Apprise does not know an address of {to.partition('://')[0]}:// like this"
    return "" if said.notify(title=title, body=body, notify_type=kind) else "the service did not take it"


def main() -> None:
    asked = json.load(sys.stdin)
    signal.alarm(math.ceil(asked.pop("seconds")))
    json.dump(notify(**asked), sys.stdout)


if __name__ == "__main__":
    main()
