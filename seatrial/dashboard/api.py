"""The control API: what every page shows, and every action, as JSON."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from seatrial.control import heeding
from seatrial.control.apply import apply
from seatrial.control.judging import judge_now
from seatrial.control.queries import explain, history, status
from seatrial.control.site import open_site
from seatrial.dashboard.acting import act
from seatrial.dashboard.house import House, TheHouse
from seatrial.dashboard.watching import cell, decode_window, watched
from seatrial.spec.units import parse_duration

router = APIRouter()


class Reason(BaseModel):
    """Why somebody acts; the audit keeps it."""

    reason: str = Field(min_length=1)
    variant: str | None = None


class Unmuting(BaseModel):
    """What is told again, and why."""

    what: str
    reason: str = Field(min_length=1)


class Muting(Unmuting):
    """What nobody is told of at once, for how long (`30m`, `7d`), and why."""

    duration: str = Field(alias="for")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=str), media_type="application/json")


@router.get("/deployments", summary="Every deployment and how it stands")
def list_deployments(house: TheHouse) -> Response:
    return _json([status(house.settings, name) for name in sorted(house.publication.all_active())])


@router.post("/deployments", summary="Apply a deployment file (YAML text)")
def apply_file(
    house: TheHouse,
    text: Annotated[bytes, Body(media_type="application/yaml")],
    plan: Annotated[bool, Query(description="Only say what would change")] = False,
    retry: Annotated[bool, Query(description="Allow a version that was rolled back")] = False,
) -> Response:
    applied = apply(text.decode("utf-8", "replace"), house.settings, actor="api", plan_only=plan, retry=retry)
    return _json(applied)


@router.get("/deployments/{name}", summary="How a deployment stands")
def get_deployment(name: str, house: TheHouse) -> Response:
    return _json(status(house.settings, name))


@router.get("/deployments/{name}/judge", summary="The judgement of the release, made now")
def get_judgement(name: str, house: TheHouse) -> Response:
    return _json(judge_now(house.settings, name, in_detail=True))


@router.get("/deployments/{name}/verdicts", summary="Judgements over time, oldest first")
def get_verdicts(name: str, house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    house.state.deployments.get(name)
    records = house.state.verdicts.of(name, limit=limit)
    return _json([msgspec.Raw(record.judgement.encode()) for record in records])


@router.get("/deployments/{name}/windows", summary="What the monitors saw")
def get_windows(name: str, house: TheHouse, since: int | None = None) -> Response:
    house.state.deployments.get(name)
    return _json([decode_window(record) for record in house.state.windows.of(name, since=since)])


@router.get("/deployments/{name}/watch", summary="Column × window, performance over time, alerts beside releases")
def get_watch(name: str, house: TheHouse, variant: str | None = None) -> Response:
    return _json(watched(house, name, variant))


@router.get("/deployments/{name}/cell", summary="One column in one window: its numbers, before and after")
def get_cell(name: str, house: TheHouse, monitor: str, variant: str, column: str, start: int) -> Response:
    return _json(cell(house, name, variant, (monitor, column, start)))


@router.get("/deployments/{name}/alerts", summary="Alerts, oldest first")
def get_alerts(name: str, house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    house.state.deployments.get(name)
    return _json(house.state.alerts.of(name, limit=limit))


@router.get("/deployments/{name}/alerts/standing", summary="What is open, what nobody has taken on, what is muted")
def get_standing(name: str, house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    with open_site(house.settings) as site:
        return _json(heeding.standing(site, name, limit=limit))


@router.get("/deployments/{name}/notices", summary="Messages that were or are to be sent, oldest first")
def get_notices(name: str, house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    house.state.deployments.get(name)
    return _json(house.state.notices.of(name, limit=limit))


@router.post("/deployments/{name}/alerts/{alert}/ack", summary="Take an alert on")
def ack_alert(name: str, alert: int, house: TheHouse, why: Reason) -> Response:
    with open_site(house.settings) as site:
        return _json(heeding.acknowledge(site, name, alert, actor="api", why=why.reason))


@router.post("/deployments/{name}/alerts/mute", summary="Tell nobody of something at once for a while")
def mute_alerts(name: str, house: TheHouse, what: Muting) -> Response:
    with open_site(house.settings) as site:
        seconds = parse_duration(what.duration)
        return _json(heeding.mute(site, name, what.what, seconds, actor="api", why=what.reason))


@router.post("/deployments/{name}/alerts/unmute", summary="Tell of it again")
def unmute_alerts(name: str, house: TheHouse, what: Unmuting) -> Response:
    with open_site(house.settings) as site:
        return _json({"ended": heeding.unmute(site, name, what.what, actor="api", why=what.reason)})


@router.post("/deployments/{name}/alerts/test", summary="Send a test to everybody whom the file names")
def test_alerts(name: str, house: TheHouse) -> Response:
    with open_site(house.settings) as site:
        return _json(heeding.try_out(site, name, actor="api"))


@router.get("/deployments/{name}/history", summary="The audit trail, oldest first")
def get_history(name: str, house: TheHouse, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
    return _json(history(house.settings, name, limit=limit))


@router.get("/requests/{request_id}", summary="Everything about one request")
def get_request(request_id: str, house: TheHouse) -> Response:
    return _json(explain(house.settings, request_id))


@router.post("/deployments/{name}/promote", summary="Put the challenger in command")
def promote(name: str, house: TheHouse, why: Reason) -> Response:
    return _act(house, name, "promote", why)


@router.post("/deployments/{name}/rollback", summary="Take the challenger out, or go back to the previous version")
def rollback(name: str, house: TheHouse, why: Reason) -> Response:
    return _act(house, name, "rollback", why)


@router.post("/deployments/{name}/pause", summary="Hold a release where it is")
def pause(name: str, house: TheHouse, why: Reason) -> Response:
    return _act(house, name, "pause", why)


@router.post("/deployments/{name}/resume", summary="Let a paused release go on")
def resume(name: str, house: TheHouse, why: Reason) -> Response:
    return _act(house, name, "resume", why)


def _act(house: House, name: str, action: str, why: Reason) -> Response:
    more: dict[str, Any] = {"variant": why.variant} if action == "promote" and why.variant else {}
    return _json(act(house.settings, name, action, actor="api", reason=why.reason, **more))
