"""promote, rollback, pause, resume by hand: one swap each, audited, and possible while control is down.

With a leader alive the wish is a row that the leader answers; with none the caller takes the lock and acts himself.
"""

from collections.abc import Callable

import msgspec

from seatrial.control import perform
from seatrial.control.perform import Done, Saw, Who, seen
from seatrial.control.site import Site, open_site
from seatrial.releases.leadership import Leadership
from seatrial.releases.records import Command, CommandKind
from seatrial.spec.errors import BadInput, Conflict, NotFound, SeatrialError, Unavailable
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings

_POLL_SECONDS = 0.05
_ERRORS: dict[int, type[SeatrialError]] = {400: BadInput, 404: NotFound, 409: Conflict, 503: Unavailable}


class Arguments(msgspec.Struct, frozen=True):
    """What a command carries beside its kind.

    Attributes:
        why: The reason given.
        variant: Which variant to promote, or None.
        saw: What stood there when it was asked for.
    """

    why: str
    variant: str | None = None
    saw: Saw | None = None


def promote(deployment: str, settings: Settings, *, actor: str, why: str, variant: str | None = None) -> Done:
    """Put a challenger in command; the version that was in command stays loaded for the rollback window.

    Args:
        deployment: Which.
        settings: The machine's.
        actor: Who, for the audit.
        why: The reason, for the audit.
        variant: Which variant; None: that of the release, or the only other one.

    Raises:
        NotFound: no such deployment.
        Conflict: there is nothing to promote, or somebody else is changing the deployment.
        Unavailable: a worker could not prepare it (nothing has changed), or the leader does not answer.
    """
    return _with_site(settings, "promote", deployment, actor, Arguments(why, variant))


def rollback(deployment: str, settings: Settings, *, actor: str, why: str) -> Done:
    """Take a challenger out, or put the previous version back in command; errors as ``promote``."""
    return _with_site(settings, "rollback", deployment, actor, Arguments(why))


def pause(deployment: str, settings: Settings, *, actor: str, why: str) -> Done:
    """Leave the release alone, its traffic as it is, until it is resumed; errors as ``promote``."""
    return _with_site(settings, "pause", deployment, actor, Arguments(why))


def resume(deployment: str, settings: Settings, *, actor: str, why: str) -> Done:
    """Look after the release again; errors as ``promote``."""
    return _with_site(settings, "resume", deployment, actor, Arguments(why))


def _with_site(settings: Settings, kind: CommandKind, deployment: str, actor: str, arguments: Arguments) -> Done:
    with open_site(settings, wait_seconds=10.0) as site:
        return ask_or_do(site, kind, deployment, actor, arguments)


def ask_or_do(
    site: Site, kind: CommandKind, deployment: str, actor: str, arguments: Arguments, *, patience: float = 300.0
) -> Done:
    """Have the leader do it, or do it when nobody leads.

    Args:
        patience: Seconds to wait for the leader's answer.
    """
    arguments = msgspec.structs.replace(arguments, saw=_stands(site, deployment))
    with Leadership(site.home, site.state_url) as leadership:
        if leadership.take():
            return do(site, kind, deployment, actor, arguments)
        command = Command(
            id=site.new_id(),
            deployment=deployment,
            at=site.clock(),
            kind=kind,
            actor=actor,
            arguments=msgspec.json.encode(arguments).decode(),
        )
        site.state.commands.ask(command)
        return _answer(_wait_for_answer(site, command, leadership, patience))


def _stands(site: Site, deployment: str) -> Saw:
    """What a person asks about: the release under way and the version in command, however far the release has come."""
    state = site.state.deployments.get(deployment)
    return msgspec.structs.replace(seen(load_deployment(state.text), state), version=None)


def _wait_for_answer(site: Site, command: Command, leadership: Leadership, patience: float) -> Command:
    deadline = site.monotonic() + patience
    while True:
        found = site.state.commands.get(command.id)
        if found.status in ("done", "failed"):
            return found
        if leadership.take():  # the leader is gone: what it left open is ours to do
            answer_commands(site)
            continue
        if site.monotonic() >= deadline:
            raise Unavailable(
                f"the leader has not answered {command.kind} of {command.deployment!r} for {patience:g} s; "
                "it may still do it: look at seatrial history."
            )
        site.sleep(_POLL_SECONDS)


def _answer(command: Command) -> Done:
    if command.status == "done":
        return msgspec.json.decode(command.answer, type=Done)
    raise _ERRORS.get(command.code, SeatrialError)(command.answer)


def answer_commands(site: Site) -> None:
    """Do, and answer, every command that waits; only the leader calls it."""
    for command in site.state.commands.open():
        if command.status == "running":  # taken by a leader that was killed over it: nobody knows how far it came
            site.state.commands.answer(
                command.id,
                at=site.clock(),
                answer=f"the leader ended while it did this; see with seatrial status {command.deployment} what holds.",
                failed=True,
                code=503,
            )
        elif site.state.commands.take(command.id):
            _do_and_answer(site, command)


def _do_and_answer(site: Site, command: Command) -> None:
    arguments = msgspec.json.decode(command.arguments, type=Arguments)
    try:
        done = do(site, command.kind, command.deployment, command.actor, arguments)
    except SeatrialError as error:
        site.state.commands.answer(command.id, at=site.clock(), answer=str(error), failed=True, code=error.status)
    else:
        site.state.commands.answer(command.id, at=site.clock(), answer=msgspec.json.encode(done).decode())


def do(site: Site, kind: CommandKind, deployment: str, actor: str, arguments: Arguments) -> Done:
    """Do it here and now."""
    who = Who(actor, arguments.why, arguments.saw)
    if kind == "promote":
        return perform.promote(site, deployment, who, arguments.variant)
    return _PLAIN[kind](site, deployment, who)


_PLAIN: dict[str, Callable[[Site, str, Who], Done]] = {
    "rollback": perform.rollback,
    "pause": perform.pause,
    "resume": perform.resume,
}
