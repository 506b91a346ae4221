"""The application behind the control port: the API under ``/api``, the pages under ``/``."""

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from seatrial.dashboard import api, pages
from seatrial.dashboard.guard import Guard
from seatrial.dashboard.house import House
from seatrial.spec.errors import SeatrialError, Unavailable
from seatrial.version import __version__


def create_app(house: House) -> FastAPI:
    """The application over a house (its state, ledger and settings)."""
    app = FastAPI(
        title="Seatrial control API",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Guard, key=house.settings.key, address=house.settings.control)
    app.state.house = house
    app.include_router(api.router, prefix="/api")
    app.include_router(pages.router)
    app.add_exception_handler(SeatrialError, _seatrial_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


async def _seatrial_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SeatrialError)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else None
    return _told(request, str(error), error.status, headers)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{place}: {first['msg'].lower()}, got {first.get('input')!r}"}, 400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | StarletteHTTPException)
    sentence = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
    return _told(request, sentence, error.status_code, None)


def _told(request: Request, sentence: str, status: int, headers: dict[str, str] | None) -> Response:
    """A page for a person who opened one, JSON for everybody else (the page's own scripts too)."""
    opened = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if opened and not request.url.path.startswith("/api/") and "hx-request" not in request.headers:
        return pages.error_page(sentence, status)
    return JSONResponse({"error": sentence}, status, headers)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"unexpected {type(error).__name__}; see logs/dashboard.log in the home"}, 500)
