"""The pages: one for all deployments, one per deployment made of parts that refresh themselves."""

from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from seatrial.dashboard.acting import ACTIONS, act
from seatrial.dashboard.house import House, TheHouse
from seatrial.dashboard.parts import PARTS, RANGES, overview
from seatrial.dashboard.watching import cell, cell_values
from seatrial.reports.page import chart_json
from seatrial.reports.prose import count, prose
from seatrial.spec.errors import NotFound, SeatrialError

router = APIRouter(include_in_schema=False)
REFRESH_SECONDS = 3
_KINDS = {".css": "text/css", ".js": "text/javascript"}
_TEMPLATES = Environment(loader=PackageLoader("seatrial.dashboard"), autoescape=True, undefined=StrictUndefined)
_TEMPLATES.globals["chart_json"] = chart_json
_TEMPLATES.filters.update(prose=prose, count=count)


def _page(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(values))


@router.get("/static/{name}")
def static(name: str) -> Response:
    kind = next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), None)
    file = files("seatrial.reports").joinpath("static", name)
    if kind is None or "/" in name or not file.is_file():
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": "max-age=3600"})


@router.get("/")
def index(house: TheHouse) -> HTMLResponse:
    return _page("index.html", title="Deployments", deployments=overview(house))


@router.get("/deployments/{name}")
def deployment(name: str, house: TheHouse, last: str = "") -> HTMLResponse:
    snapshot = house.snapshot(name)
    if snapshot is None:
        known = ", ".join(f"`{one}`" for one in sorted(house.publication.all_active()))
        raise NotFound(
            f"There is no deployment `{name}`; " + (f"there is: {known}." if known else "nothing is deployed.")
        )
    query = f"?last={quote(last)}" if last in RANGES else ""
    parts = {part: _first_sight(part, house, name, last) for part in PARTS}
    return _page("deployment.html", title=name, task=snapshot.task, parts=parts, every=REFRESH_SECONDS, query=query)


def _first_sight(part: str, house: House, name: str, last: str) -> Markup:
    """A part as it stands when the page is opened; one that cannot be told leaves the others standing."""
    try:
        values = PARTS[part](house, name, last)
    except SeatrialError as error:
        return Markup('<section class="card"><h2>{}</h2><p class="bad">{}</p></section>').format(
            part.capitalize(), prose(str(error))
        )
    return Markup(_TEMPLATES.get_template(f"{part}.html").render(values))


@router.get("/deployments/{name}/cell")
def one_cell(name: str, house: TheHouse, monitor: str, variant: str, column: str, start: int) -> HTMLResponse:
    return _page("cell.html", **cell_values(cell(house, name, variant, (monitor, column, start))))


@router.get("/deployments/{name}/{part}")
def part(name: str, part: str, house: TheHouse, last: str = "") -> HTMLResponse:
    describe: Callable[[House, str, str], dict[str, Any]] | None = PARTS.get(part)
    if describe is None or house.snapshot(name) is None:
        raise HTTPException(404)
    return _page(f"{part}.html", **describe(house, name, last))


@router.post("/deployments/{name}/act/{action}")
def act_by_hand(
    name: str,
    action: str,
    house: TheHouse,
    prompt: Annotated[str, Header(alias="HX-Prompt")] = "",
    encoded: Annotated[str, Header(alias="HX-Prompt-URI-AutoEncoded")] = "",
) -> HTMLResponse:
    if action not in ACTIONS:
        raise HTTPException(404)
    # A header carries Latin letters only; htmx percent-encodes any other text, and says so.
    reason = unquote(prompt) if encoded == "true" else prompt
    return HTMLResponse(str(escape(act(house.settings, name, action, actor="dashboard", reason=reason).sentence)))


def error_page(sentence: str, status: int) -> HTMLResponse:
    """An error for a person at a browser."""
    return HTMLResponse(_TEMPLATES.get_template("error.html").render(title="Not this way", sentence=sentence), status)
