"""The loop: observe, decide, act. One leader runs it; whoever else starts it waits for its turn.

    answer commands ─► each deployment: recover ─► judge ─► observe ─► decide ─► record ─► act ─► watch ─► tell ─► react
    then: decide what becomes of alerts ─► begin to send what is due (in threads)

It compares what is with what the file wants, never what changed since: a step that is missed, repeated or cut short by
a kill loses nothing. One deployment's trouble never stops the others.
"""

import logging
from collections.abc import Callable

import msgspec

from seatrial.control import perform
from seatrial.control.actions import answer_commands
from seatrial.control.alerting import tell
from seatrial.control.asking import Asking
from seatrial.control.breaking import Breaking
from seatrial.control.challengers import Challenge, look_for_challenger
from seatrial.control.challenging import challenge
from seatrial.control.change import LOOP, recover
from seatrial.control.counting import Counting
from seatrial.control.crowds import Warming
from seatrial.control.decide import Action, Observed
from seatrial.control.decisions import DECIDED, Decided, decided, decision_of, entry_of
from seatrial.control.digests import Digests
from seatrial.control.fates import AskingAgain, decide_fates
from seatrial.control.learning import reweigh_all
from seatrial.control.losses import note_losses, noted_losses
from seatrial.control.monitoring import Monitoring
from seatrial.control.observe import alias_stands, observe
from seatrial.control.perform import Done, Saw, Who
from seatrial.control.postman import Postman
from seatrial.control.quarantining import Quarantining
from seatrial.control.reactions import Reactions
from seatrial.control.requirement import Weighing
from seatrial.control.senses import Senses
from seatrial.control.site import Site
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.control.transitions import with_caps
from seatrial.experiments.checks import Losses
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.sentences import fixed
from seatrial.ledger.retention import read_retention, write_retention
from seatrial.releases.leadership import Leadership
from seatrial.releases.publication import PreparationFailed
from seatrial.releases.records import AuditEntry, DeploymentState, VerdictRecord
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import Conflict, SeatrialError, Unavailable
from seatrial.spec.read import load_deployment
from seatrial.watch.alerts import event_alert
from seatrial.watch.delivery import Post

log = logging.getLogger("seatrial.control")

_LEARNS = Who(LOOP, "the epoch is over")
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_REGISTRY_EVERY = 30 * _SECOND
_JUDGE_AT_LEAST, _JUDGE_COST, _JUDGE_AGE, _JUDGE_AT_MOST = 1.0, 5.0, 1 / 200, 30.0
"""A judgement is made again after so many seconds, or so many times what the last one cost, or such a part of the
release's age (which is at most so many seconds): a release of days need not be looked at every second."""
_KEEP_SHARE, _KEEP_AT_MOST = 100, 300 * _SECOND
"""A judgement is kept when its recommendation is new, or a hundredth of the release's life has passed."""
_KEEP_NOTICES = 90 * _DAY
"""Messages that were taken or given up are kept so long."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2 * _SECOND, 300 * _SECOND
"""After a failure a deployment is left alone for so long, doubling."""


class Loop:
    """The loop of one machine.

    Args:
        site: What it acts on.
        senses: What it sees.
        leadership: The right to act; without it a step does nothing.
        post: Sends alerts; None: over HTTP.
    """

    def __init__(self, site: Site, senses: Senses, leadership: Leadership, *, post: Post | None = None) -> None:
        self._site = site
        self._senses = senses
        self._leadership = leadership
        self._metrics = TellingMetrics(site.home)
        self._postman = Postman(site, self._metrics, post)
        self._breaking = Breaking(site)
        self._reactions = Reactions(site)
        self._digests = Digests(site)
        self._asking_again = AskingAgain(site, self._metrics)
        self._monitoring = Monitoring(site, senses)
        self._cleared = 0
        self._specs: dict[str, tuple[str, Deployment]] = {}
        self._judge_at: dict[str, int] = {}
        self._registry_at: dict[str, int] = {}
        self._paused_until: dict[str, tuple[int, int]] = {}
        self._reconciled: set[str] = set()
        self._held_up: set[str] = set()
        self._quarantining = Quarantining(site)
        self._weighing = Weighing(site, lambda spec, run, now: senses.held_back(site, spec, run, now))
        self._warming = Warming(site, lambda spec, cold, since: senses.warm(spec, cold, since))
        self._asking = Asking(site)
        self._counting = Counting(site, lambda deployment, terms, now: senses.items(deployment, terms, now))

    def step(self, now: int) -> bool:
        """One pass over everything; False when somebody else leads.

        Args:
            now: Microseconds since 1970 UTC.
        """
        if not self._leadership.holds():
            if not self._leadership.take():
                return False
            self._reconciled.clear()
        answer_commands(self._site)
        self._quarantining.look()
        self._breaking.look(now)
        states = self._site.state.deployments.all()
        for state in states:
            self._guarded(state.deployment, now, lambda state=state: self._one(state, now))  # type: ignore[misc]
        self._keep_retention(states)
        self._send(states, now)
        return True

    def _send(self, states: tuple[DeploymentState, ...], now: int) -> None:
        """Decide what becomes of new alerts, and begin to send what is due; trouble with it does not stop the loop."""
        try:
            specs = {state.deployment: self._spec(state) for state in states if state.text}
            decide_fates(self._site, specs, self._metrics, now)
            self._asking_again.look(specs, now)
            self._digests.look(specs, now)
            self._metrics.waiting(self._postman.send(now))
            if now - self._cleared >= _DAY:
                self._site.state.notices.clear(now - _KEEP_NOTICES)
                self._cleared = now
        except Unavailable:
            raise
        except Exception:
            log.exception("alerts could not be decided or sent; they are kept")

    def _guarded(self, deployment: str, now: int, work: Callable[[], None]) -> None:
        """Do ``work``; when it fails say so and leave the deployment alone for a while."""
        until, failures = self._paused_until.get(deployment, (0, 0))
        if now < until <= now + _LONGEST_PAUSE:  # further away the clock was wrong
            return
        try:
            work()
        except Conflict as error:  # somebody else is changing it: look again when that is done
            log.info("%s: %s", deployment, error)
        except Exception as error:
            # One deployment's trouble must not stop the others.
            log.error("%s: %s", deployment, error, exc_info=not isinstance(error, SeatrialError))
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures)
            self._paused_until[deployment] = (now + pause, failures + 1)
            self._tell_failure(deployment, error, now)
        else:
            self._paused_until.pop(deployment, None)

    def _tell_failure(self, deployment: str, error: Exception, now: int) -> None:
        """An alert a day for each kind of trouble; what was withdrawn is told from the audit already."""
        if isinstance(error, PreparationFailed):
            return
        kind = type(error).__name__
        sentence = str(error) if isinstance(error, SeatrialError) else f"the loop failed over it: {kind}: {error}"
        self._site.state.alerts.add(event_alert(deployment, "failure", f"failure/{kind}/{now // _DAY}", sentence, now))

    def _one(self, state: DeploymentState, now: int) -> None:
        name = state.deployment
        self._recover(state)
        state = self._site.state.deployments.get(name)
        spec = self._spec(state)
        if self._quarantining.see_to(spec, state, LOOP):
            state = self._site.state.deployments.get(name)
        try:
            self._look_after(spec, state, now)
            reweigh_all(self._site, self._senses, spec, self._site.state.deployments.get(name), now, _LEARNS)
            self._warming.look(spec, now)
            self._counting.look(self._site.state.deployments.get(name), now)
            self._asking.look(spec, now)
        except Conflict:
            self._hold_up(state)
            raise
        else:
            self._held_up.discard(name)
        finally:
            self._monitoring.look(spec, state, now)
            self._breaking.see_to(spec, now)
            tell(self._site, name)
            self._reactions.see_to(spec, state)

    def _hold_up(self, state: DeploymentState) -> None:
        """Somebody else is changing it: the release is judged again at the next step, however new its judgement is."""
        self._held_up.add(state.deployment)
        if state.open_run is not None:
            self._judge_at.pop(state.open_run.id, None)

    def _recover(self, state: DeploymentState) -> None:
        """Finish what a killed process left: looked for on taking the lead, and when something is seen unfinished."""
        unfinished = state.alias_due is not None or self._site.state.deployments.pending(state.deployment)
        if state.deployment in self._reconciled and not unfinished:
            return
        with self._site.changing(state.deployment):
            recover(self._site, state.deployment)
        self._reconciled.add(state.deployment)

    def _look_after(self, spec: Deployment, state: DeploymentState, now: int) -> None:
        """Observe, decide, act."""
        run, judgement, trouble = state.open_run, None, ""
        if run is not None and run.status != "pending":
            if now < self._judge_at.get(run.id, 0):
                return
            judgement, trouble = self._judge(spec, run, now)
            if judgement is not None:
                state = self._fix_caps(state, judgement)
                self._keep(run, state.revision, judgement)
        held_back = self._weighing.look(spec, run, now) if run is not None and run.status == "pending" else ""
        looks = self._looks_at_registry(spec, state, now)
        observed = observe(
            spec,
            state,
            now,
            judgement=judgement,
            trouble=trouble,
            alias_stands=alias_stands(state, self._site.registry) if looks else None,
            challenge=self._challenger(spec, state, now) if looks else None,
            held_back=held_back,
        )
        decision = decided(observed)
        saw = perform.seen(spec, state)
        if decision.actions:  # judging took a while, and what was decided holds for what was judged
            perform.check_unchanged(spec, self._site.state.deployments.get(state.deployment), saw)
        self._record(observed, decision)
        for action in decision.actions:
            done = self._act(observed, action, saw)
            if done is None:
                return
            stands = perform.seen(spec, self._site.state.deployments.get(state.deployment))
            saw = msgspec.structs.replace(stands, version=done.version)

    def _judge(self, spec: Deployment, run: ReleaseRun, now: int) -> tuple[Judgement | None, str]:
        began = self._site.monotonic()
        try:
            return self._senses.judge(spec, run, now, self._lost_before(run)), ""
        except SeatrialError as error:
            return None, str(error)
        except Exception as error:  # whatever it is, the judgement could not be made, and that is said aloud
            log.exception("%s: the release could not be judged", spec.deployment)
            return None, f"{type(error).__name__}: {error}"
        finally:
            cost = self._site.monotonic() - began
            by_age = min(_JUDGE_AT_MOST, (now - run.started_at) / _SECOND * _JUDGE_AGE)
            pause = max(_JUDGE_AT_LEAST, _JUDGE_COST * cost, by_age)
            self._judge_at[run.id] = now + round(pause * _SECOND)

    def _lost_before(self, run: ReleaseRun) -> Losses:
        marks = self._site.state.marks
        return noted_losses(marks, run) or note_losses(marks, run, self._senses.losses(run.deployment))

    def _fix_caps(self, state: DeploymentState, judgement: Judgement) -> DeploymentState:
        """Numbers that must not change once they were looked at are kept with the release."""
        run = state.open_run
        if run is None or judgement.caps.keys() <= run.caps.keys():
            return state
        with self._site.changing(state.deployment):
            fresh = self._site.state.deployments.get(state.deployment)
            if fresh.version != state.version:
                raise Conflict(f"{state.deployment!r} was changed while it was judged; it is judged again.")
            entry = AuditEntry(
                deployment=state.deployment,
                at=judgement.at,
                action="fix",
                actor=LOOP,
                why="fixed before the first look",
                sentence=fixed({name: cap for name, cap in judgement.caps.items() if name not in run.caps}),
                revision=state.revision,
                release=run.id,
            )
            return self._site.state.deployments.save(with_caps(fresh, judgement.caps), entry, judgement.at)

    def _keep(self, run: ReleaseRun, revision: int, judgement: Judgement) -> None:
        """Keep the judgement when it says something new, or enough time has passed for the picture."""
        last = self._site.state.verdicts.last(run.deployment, run.id)
        pause = min(_KEEP_AT_MOST, (judgement.at - run.started_at) // _KEEP_SHARE)
        is_new = last is None or (last.recommendation, last.stage) != (judgement.recommendation, judgement.stage)
        if not is_new and last is not None and judgement.at - last.at < pause:
            return
        self._site.state.verdicts.add(
            VerdictRecord(
                deployment=run.deployment,
                release=run.id,
                at=judgement.at,
                revision=revision,
                stage=judgement.stage,
                recommendation=judgement.recommendation,
                judgement=msgspec.json.encode(judgement).decode(),
            )
        )

    def _looks_at_registry(self, spec: Deployment, state: DeploymentState, now: int) -> bool:
        """Whether the registry is asked at this step: now and then, and only for a file that depends on it."""
        asks = state.alias is not None or (spec.release is not None and spec.release.challenge is not None)
        if not asks or now < self._registry_at.get(state.deployment, 0):
            return False
        self._registry_at[state.deployment] = now + _REGISTRY_EVERY
        return True

    def _challenger(self, spec: Deployment, state: DeploymentState, now: int) -> Challenge | None:
        if spec.release is None or spec.release.challenge is None:
            return None
        releases = self._site.state.deployments.releases(state.deployment)
        return look_for_challenger(spec, state, releases, self._site.registry, now)

    def _record(self, observed: Observed, decision: Decided) -> None:
        """Record a decision that acts, or that another row took than the last one of this release."""
        last = self._site.state.audit.last(observed.deployment, DECIDED, observed.release)
        is_new = observed.release and (last is None or decision_of(last).row != decision.row)
        again = observed.deployment in self._held_up and not is_new
        if (decision.actions or is_new) and not again:
            self._site.state.audit.add(entry_of(observed, decision))

    def _act(self, observed: Observed, action: Action, saw: Saw) -> Done | None:
        """Do it; None where it made a deployment of another file of it."""
        who = Who(LOOP, action.why, saw)
        deployment, stands = observed.deployment, observed.alias_stands or 0
        if action.kind == "rollback":
            return perform.rollback(self._site, deployment, who, observed.evidence)
        if action.kind == "tell-alias":
            return perform.tell_alias(self._site, deployment, who, stands)
        if action.kind == "follow-alias":
            return perform.follow_alias(self._site, deployment, who, stands)
        if action.kind == "challenge":
            challenge(self._site, deployment, who, observed.challenger)
            return None
        return _PLAIN[action.kind](self._site, deployment, who)

    def _keep_retention(self, states: tuple[DeploymentState, ...]) -> None:
        """Tell the ledger how long to keep rows."""
        keep = {state.deployment: self._spec(state).log.keep for state in states if state.text}
        if read_retention(self._site.home).keep != keep:
            write_retention(self._site.home, keep)

    def _spec(self, state: DeploymentState) -> Deployment:
        known = self._specs.get(state.deployment)
        if known is None or known[0] != state.text:
            known = (state.text, load_deployment(state.text))
            self._specs[state.deployment] = known
        return known[1]


_PLAIN: dict[str, Callable[[Site, str, Who], Done]] = {
    "begin": perform.begin,
    "bake": perform.bake,
    "advance": perform.advance,
    "promote": perform.promote,
    "propose": perform.propose,
    "reconsider": perform.reconsider,
    "conclude": perform.conclude,
    "unload-previous": perform.unload_previous,
    "alias-back": perform.alias_back,
}
