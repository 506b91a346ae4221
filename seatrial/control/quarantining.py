"""What control does about versions in quarantine: people are told, and the version is taken out of routing.

Workers obey the quarantine file by themselves, at once; this makes it lasting. A challenger's weight goes to the
champion. A version in command goes back to the one before it, when that is loaded still and no release is under way;
otherwise there is nothing to go to, people are told, and the `fallback` answers.
"""

import logging

import msgspec

from seatrial.control import perform
from seatrial.control.perform import Who
from seatrial.control.site import Site
from seatrial.control.transitions import PREVIOUS
from seatrial.ledger.quarantine import Entries, Quarantined, QuarantineWatch, held_by
from seatrial.releases.records import DeploymentState
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment
from seatrial.watch.alerts import event_alert

log = logging.getLogger("seatrial.control")


class Quarantining:
    """Sees to the quarantine of one machine."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._watch = QuarantineWatch(site.home)
        self._entries: Entries = ()
        self._told: set[Quarantined] = set()

    def look(self) -> None:
        """Read what is in quarantine now."""
        try:
            changed = self._watch.changed()
        except (OSError, msgspec.MsgspecError) as error:
            log.error("the quarantine file cannot be read: %s", error)
            return
        self._entries = self._entries if changed is None else changed

    def see_to(self, spec: Deployment, state: DeploymentState, who: str) -> bool:
        """Tell of a deployment's versions in quarantine and take them out of routing; whether anything was changed."""
        for entry in self._entries:
            for slot in state.slots:
                if held_by((entry,), state.deployment, slot) is not None:
                    self._tell(entry, slot, spec.default)
                    if movable(spec, state, slot.variant):
                        told = Who(who, entry.why, perform.seen(spec, state))
                        perform.quarantine(self._site, state.deployment, told, slot.variant)
                        return True
        return False

    def _tell(self, entry: Quarantined, slot: Slot, default: str) -> None:
        if entry in self._told:
            return
        answers = "the fallback, if there is one" if slot.variant == default else f"`{default}`"
        sentence = (
            f"{slot.model_version} ({slot.variant}) is in quarantine: {entry.why}. {answers} answers in its place; "
            f"to try it again: seatrial apply --retry."
        )
        key = f"quarantine/{entry.digest}/{entry.at}"
        alert = event_alert(
            entry.deployment, "quarantine", key, sentence[:1].upper() + sentence[1:], entry.at, severity="critical"
        )
        self._site.state.alerts.add(alert)
        self._told.add(entry)


def movable(spec: Deployment, state: DeploymentState, variant: str) -> bool:
    """Whether routing can do without a variant."""
    if variant == PREVIOUS:
        return state.previous is not None
    if variant != spec.default:
        return state.pin(variant) is not None
    return state.previous is not None and state.open_run is None
