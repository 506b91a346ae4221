"""Who may use the control port: holders of the key where there is one, and never another site's page."""

import hmac
import ipaddress
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp

from seatrial.spec.settings import is_loopback

COOKIE = "seatrial_key"


class Guard(BaseHTTPMiddleware):
    """Checks the key (header, or cookie set by ``/?key=``), the Host of a loopback address, and that writes are ours.

    A foreign page can make a browser post a form here, but not with this content type or header, and a foreign name
    that resolves to 127.0.0.1 is not a name of ours.
    """

    def __init__(self, app: ASGIApp, *, key: str | None, address: str) -> None:
        super().__init__(app)
        self._key = key
        self._loopback = is_loopback(address)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            status, sentence = refusal
            return JSONResponse({"error": sentence}, status)
        response = await call_next(request)
        if self._key is not None and request.query_params.get("key") == self._key:
            response.set_cookie(COOKIE, self._key, httponly=True, samesite="strict")
        return response

    def _refusal(self, request: Request) -> tuple[HTTPStatus, str] | None:
        if self._loopback and not _names_this_machine(request.headers.get("host", "")):
            return HTTPStatus.FORBIDDEN, "this address answers to localhost only; open it by that name"
        if self._key is not None and not self._has_key(request):
            return (
                HTTPStatus.UNAUTHORIZED,
                "the key is missing or wrong; send `Authorization: Bearer KEY`, or open /?key=KEY",
            )
        if request.method not in ("GET", "HEAD") and not _is_ours(request):
            return HTTPStatus.FORBIDDEN, "a change must be sent as JSON or YAML, or by the dashboard's own page"
        return None

    def _has_key(self, request: Request) -> bool:
        assert self._key is not None
        offered = (
            request.headers.get("authorization", "").removeprefix("Bearer "),
            request.cookies.get(COOKIE, ""),
            request.query_params.get("key", ""),
        )
        return any(hmac.compare_digest(text.encode(), self._key.encode()) for text in offered)


def _names_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:  # a name: whoever owns it decides where it leads
        return False


def _is_ours(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    return request.headers.get("hx-request") == "true" or kind in ("application/json", "application/yaml", "text/yaml")
