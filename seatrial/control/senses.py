"""What the loop sees of the world: judgements and windows from the ledger. Scenario tests put another world here."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from seatrial.control.contextual import kinds_of
from seatrial.control.requirement import held_back
from seatrial.control.site import Site
from seatrial.drift import Profile
from seatrial.experiments.checks import Losses
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.popularity import popular_items
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.experiments.unit_shelf import DiskShelves
from seatrial.experiments.warmth import warm_units
from seatrial.ledger import layout
from seatrial.ledger.accounting import accounts
from seatrial.ledger.counters import read_counters
from seatrial.ledger.reader import Reader
from seatrial.releases.popular_files import Scored
from seatrial.releases.records import BanditRun, DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Popular, Slot
from seatrial.spec.deployment import ColdStartSpec, Deployment, EntrySpec
from seatrial.spec.errors import BadInput, Unavailable
from seatrial.watch.clock import Watermark
from seatrial.watch.monitor import watch
from seatrial.watch.shelf import DiskShelf
from seatrial.watch.window import Window


class Senses(Protocol):
    """What the loop needs to see."""

    def judge(self, spec: Deployment, run: ReleaseRun, now: int, before: Losses) -> Judgement:
        """What is known about a release; ``before``: rows that were lost before it began."""
        ...

    def watch(
        self, spec: Deployment, state: DeploymentState, since: Watermark, now: int, opened: frozenset[str]
    ) -> tuple[Window, ...]:
        """Windows of monitors that have become complete since the watermark; ``opened``: conditions that are open."""
        ...

    def rewards(self, spec: Deployment, entry: EntrySpec, run: BanditRun, now: int) -> Rewards:
        """What a bandit's units earned."""
        ...

    def warm(self, spec: Deployment, cold: ColdStartSpec, since: int) -> Iterable[str]:
        """Units of which so much has come that they are not cold, and something since (microseconds)."""
        ...

    def items(self, deployment: str, terms: Popular, now: int) -> Sequence[Scored]:
        """The most popular items, the best first."""
        ...

    def held_back(self, site: Site, spec: Deployment, run: ReleaseRun, now: int) -> str:
        """Why a release that waits for evidence may not begin; "" when it may."""
        ...

    def losses(self, deployment: str) -> Losses:
        """Rows of a deployment that were served and never written, since this machine began."""
        ...


class LedgerSenses:
    """The real world: the ledger and the counters under ``home``, profiles in the store."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._reader = Reader(home)

    def judge(
        self, spec: Deployment, run: ReleaseRun, now: int, before: Losses, *, in_detail: bool = False
    ) -> Judgement:
        losses = self.losses(spec.deployment).since(before)
        with self._reader.open(spec.deployment, persons=True) as view:
            shelves = DiskShelves(layout.units(self._home, spec.deployment))
            return judge(spec, run, view, now, losses=losses, shelves=shelves, in_detail=in_detail)

    def watch(
        self, spec: Deployment, state: DeploymentState, since: Watermark, now: int, opened: frozenset[str]
    ) -> tuple[Window, ...]:
        slots = [pin.slot for pin in state.pins if pin.slot is not None]
        profiles = profiles_of(slots)
        if not slots:
            return ()
        versions = {slot.variant: slot.model_version for slot in slots}
        with self._reader.open(spec.deployment) as view:
            shelf = DiskShelf(layout.shelf(self._home, spec.deployment))
            bases = DiskShelf(layout.bases(self._home, spec.deployment), most=None)
            return watch(spec, profiles, view, since, now, versions=versions, shelf=shelf, bases=bases, opened=opened)

    def rewards(self, spec: Deployment, entry: EntrySpec, run: BanditRun, now: int) -> Rewards:
        assert entry.bandit is not None
        bandit = entry.bandit
        prior = bandit.prior == "experiment"
        with self._reader.open(spec.deployment) as view:
            return read_rewards(
                view,
                entry.name,
                bandit.reward,
                run.versions,
                since=run.since,
                now=now,
                prior=prior,
                context=kinds_of(run.context) or None,
            )

    def warm(self, spec: Deployment, cold: ColdStartSpec, since: int) -> Iterable[str]:
        with self._reader.open(spec.deployment) as view:
            yield from warm_units(view, cold.outcome, cold.fewer_than, since)

    def items(self, deployment: str, terms: Popular, now: int) -> Sequence[Scored]:
        with self._reader.open(deployment) as view:
            return popular_items(view, terms, now)

    def held_back(self, site: Site, spec: Deployment, run: ReleaseRun, now: int) -> str:
        return held_back(site, spec, run, now)

    def losses(self, deployment: str) -> Losses:
        account = accounts(read_counters(layout.counters(self._home))).get(deployment)
        if account is None:
            return Losses()
        return Losses(dropped=sum(account.dropped.values()), by_variant=account.arms)


def profiles_of(slots: list[Slot]) -> Mapping[str, Profile]:
    """The reference profile of each variant's version, where it has one that can be read."""
    found: dict[str, Profile] = {}
    for slot in slots:
        if not slot.has_files:
            continue  # nobody knows what another server was trained on, and counts were not trained
        try:
            profiles = [Profile.from_json((Path(part.path) / "profile.json").read_bytes()) for part in slot.parts]
        except (FileNotFoundError, BadInput):
            continue  # a version without a profile is watched by its labels only; `watch` says so
        except OSError as error:
            # Not to be taken for none: its windows would be passed over for ever.
            raise Unavailable(f"the profile of {slot.model_version} cannot be read: {error.strerror}") from error
        found[slot.variant] = profiles[0] if slot.ensemble is None else _together(profiles)
    return found


def _together(profiles: list[Profile]) -> Profile:
    """The features that an ensemble takes; nobody has seen what it predicts."""
    features = {feature.name: feature for profile in reversed(profiles) for feature in profile.features}
    return Profile(rows=profiles[0].rows, features=tuple(features.values()))
