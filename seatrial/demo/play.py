"""The demo, act by act; it raises ActFailed when an act does not come out, so it is also a test."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from seatrial.demo import files
from seatrial.demo.board import ACTS, Board
from seatrial.demo.mail import DEPLOYMENT, Mail
from seatrial.demo.mailroom import (
    DIM,
    SEED,
    TARGET,
    Mailroom,
    mislabelled,
    open_mailroom,
    train_challenger,
    train_champion,
    write,
)
from seatrial.demo.report import on_images, write_report
from seatrial.demo.system import ActFailed, System, until
from seatrial.spec.units import show_count

T = TypeVar("T")
GOAL = 20_000
RATE = 300.0
PATIENCE = 180.0
"""Seconds that one thing may take; a busy machine takes its time."""
_WATCHING = ("data.", "prediction.", "performance.", "quality")


def play(place: Path, *, keep: bool, board: Board) -> Path:
    """Play all three acts in ``place``; gives the path of the report.

    Args:
        place: Directory of the demo's system; files of an earlier demo there must be gone.
        keep: Leave everything running.

    Raises:
        ActFailed: An act did not come out, and which.
    """
    system = System(place)
    with _kept(system, keep):
        with board.act(ACTS[0]):
            mailroom = _set_up(system, board)
        mail = Mail(mailroom, system.url, rate=RATE, seed=SEED)
        with _posting(mail, board):
            with board.act(ACTS[1]):
                _shadow(system, board)
            with board.act(ACTS[2]):
                with ThreadPoolExecutor(1) as workshop:  # the next version is in the making while this one is on trial
                    changed = workshop.submit(_make_bad_version, system, mailroom)
                    _contest(system, board, mail)
                    _bad_version(system, board, changed.result())
                _nothing_was_watched_in_vain(system)
            with board.act(ACTS[3]):
                _dim(system, board, mail)
            until(
                lambda: mail.tally.sent >= GOAL,
                seconds=PATIENCE,
                what=f"request number {show_count(GOAL)}",
                stands=lambda: f"{show_count(mail.tally.sent)} had been sent.",
            )
        _check_mail(mail)
        board.say(
            f"{show_count(mail.tally.sent)} requests, none failed; "
            f"{show_count(mail.tally.reported)} true digits came in late",
            "green",
        )
        report = place / "report.html"
        write_report(report, mailroom, system.settings, [line for line, _ in board.said], mail.tally)
    return report


@contextmanager
def _kept(system: System, keep: bool) -> Iterator[None]:
    """Stop what was started, unless it is to be kept and all went well."""
    try:
        yield
    except BaseException:
        system.seatrial("down")
        raise
    if not keep:
        system.seatrial("down")


@contextmanager
def _posting(mail: Mail, board: Board) -> Iterator[None]:
    """Letters keep coming; the board is told how many, four times a second."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(0.25):
            board.show(mail.tally)

    teller = threading.Thread(target=tell, daemon=True)
    mail.start()
    teller.start()
    try:
        yield
    finally:
        mail.stop()
        over.set()
        teller.join()
        board.show(mail.tally)


def _set_up(system: System, board: Board) -> Mailroom:
    from seatrial.models.register import register

    mailroom = open_mailroom()
    training, holdout = write(mailroom, system.place)
    board.say(
        f"{len(mailroom.training)} real digits to learn from, {len(mailroom.holdout)} held out, "
        f"{len(mailroom.truth)} that will arrive as mail, again and again"
    )
    for made in (train_champion(mailroom.training), train_challenger(mailroom.training)):
        registered = register("digits", made, data=training, target=TARGET, holdout=holdout, settings=system.settings)
        accuracy = registered.manifest.lineage.metrics["accuracy"]
        kind = type(made).__name__
        board.say(f"registered digits:{registered.version} ({kind}), {accuracy:.1%} right on the holdout")
    for name, text in (("alone", files.CHAMPION_ALONE), ("contest", files.FAIR_CONTEST), ("bad", files.BAD_VERSION)):
        (system.place / f"{name}.yaml").write_text(text, "utf-8")
    system.apply("alone.yaml")
    system.seatrial("up", "--detach")
    board.address = system.control
    board.say(f"serving at {system.url}, dashboard at {system.control}", "cyan")
    return mailroom


def _shadow(system: System, board: Board) -> None:
    system.apply("contest.yaml")
    board.say("digits:2 reads every letter too, unseen by anybody")
    entry = _came(system, lambda: _audited(system, "advance"), "the end of the shadow stage")
    seen = [j for j in system.get(f"/deployments/{DEPLOYMENT}/verdicts") if j["stage"] == "shadow" and j["shadow"]]
    if not seen:
        raise ActFailed("the shadow stage ended without a comparison")
    comparison = seen[-1]["shadow"]
    board.say(on_images(comparison["sentence"]), "green")
    if comparison["verdict"]["word"] not in ("better", "equivalent", "inconclusive"):
        raise ActFailed(f"the shadow comparison says {comparison['verdict']['word']}: {comparison['sentence']}")
    board.say(entry["sentence"])


def _contest(system: System, board: Board, mail: Mail) -> None:
    entry = _came(system, lambda: _audited(system, "promote"), "the promotion of digits:2")
    last = _last_judgement(system)
    board.say(last["sentence"], "green")
    board.say(entry["sentence"], "bold green")
    if mail.tally.failed:
        raise ActFailed(f"{mail.tally.failed} requests failed during the promotion, the first: {mail.first_failure}")


def _make_bad_version(system: System, mailroom: Mailroom) -> tuple[int, int]:
    """Register a version that learned from mislabelled digits; gives back how many of how many were."""
    from seatrial.models.register import register

    wrong = mislabelled(mailroom.training)
    holdout = system.place / "holdout.parquet"
    register("digits", train_challenger(wrong), data=wrong, target=TARGET, holdout=holdout, settings=system.settings)
    return int((wrong[TARGET] != mailroom.training[TARGET]).sum()), len(wrong)


def _bad_version(system: System, board: Board, made: tuple[int, int]) -> None:
    changed, digits = made
    board.say(f"registered digits:3, learned from {changed} mislabelled digits of {digits}")
    before = len(_audit(system, "rollback"))
    system.apply("bad.yaml")
    _came(system, lambda: len(_audit(system, "rollback")) > before, "the rollback of digits:3")
    board.say(_last_judgement(system)["sentence"], "red")
    board.say(_audit(system, "rollback")[-1]["sentence"], "bold")
    command = {v["variant"]: v["model_version"] for v in system.get(f"/deployments/{DEPLOYMENT}")["variants"]}
    if command.get("champion") != "digits:2":
        raise ActFailed(f"after the rollback {command.get('champion')} is in command, and not digits:2")


def _nothing_was_watched_in_vain(system: System) -> None:
    alerts = [a for a in _alerts(system) if a["event"].startswith(_WATCHING)]
    if alerts:
        raise ActFailed(f"an alert was sent although nothing had drifted: {alerts[0]['sentence']}")


def _dim(system: System, board: Board, mail: Mail) -> None:
    board.say(
        f"simulated: the lamp goes dim, {DIM:.0%} of the ink is seen (the one thing here that is made up)", "yellow"
    )
    dimmed_at = time.time() * 1e6
    mail.dim = True

    def alert(*events: str) -> dict[str, Any] | None:
        found = [a for a in _alerts(system) if a["event"].startswith(events) and a["at"] >= dimmed_at]
        return found[0] if found else None

    drift = _came(system, lambda: alert("data."), "the alert of data drift")
    board.say(f"{drift['event']}: {drift['sentence']}", "red")
    fall = _came(system, lambda: alert("performance."), "the alert of the fall in accuracy")
    board.say(f"{fall['event']}: {fall['sentence']}", "red")


def _came(system: System, found: Callable[[], T | None], what: str) -> T:
    """What was waited for; raises ActFailed, which says how the deployment stands, when it does not come."""
    return until(found, seconds=PATIENCE, what=what, stands=lambda: _stands(system))


def _stands(system: System) -> str:
    """How the deployment stands, and what was last judged: the end of a sentence, and another."""
    try:
        sentence = system.get(f"/deployments/{DEPLOYMENT}")["sentence"]
        judged = system.get(f"/deployments/{DEPLOYMENT}/verdicts?limit=1")
    except OSError as error:
        return f"the control API did not answer ({error})."
    last = f"Last judged: {judged[-1]['sentence']}" if judged else "Nothing was judged yet."
    return f"{sentence} {last}"


def _check_mail(mail: Mail) -> None:
    if mail.tally.failed:
        raise ActFailed(f"{mail.tally.failed} requests failed, the first: {mail.first_failure}")


def _alerts(system: System) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.get(f"/deployments/{DEPLOYMENT}/alerts")
    return found


def _audit(system: System, action: str) -> list[dict[str, Any]]:
    return [e for e in system.get(f"/deployments/{DEPLOYMENT}/history?limit=1000") if e["action"] == action]


def _audited(system: System, action: str) -> dict[str, Any] | None:
    found = _audit(system, action)
    return found[-1] if found else None


def _last_judgement(system: System) -> dict[str, Any]:
    found: dict[str, Any] = system.get(f"/deployments/{DEPLOYMENT}/verdicts?limit=1")[-1]
    return found
