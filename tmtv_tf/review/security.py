"""Who may ask the server: a browser on this computer that was given the token, and no page of anybody else."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 8 << 20
# Nothing but this server is ever asked: no other script, style or frame. The page makes pictures of bytes.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        *(f"{name} 'none'" for name in ("object-src", "base-uri", "form-action", "frame-ancestors")),
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware. `token` is drawn for each start of the server; `port` is the one it listens to.

    A request needs a Host that names this computer and the port (against DNS rebinding: a foreign name that resolves to
    it), the cookie or `Authorization: Bearer TOKEN`, and an Origin that is this server, where one is sent.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self.cookie = f"tmtv_review_{port}"  # cookies of other ports of this computer are sent too

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        answer = self._refusal(Request(scope))
        if answer is not None:
            await answer(scope, receive, _with_headers(send))
            return
        await self.app(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        """What is answered in place of the page; None: the request may pass."""
        headers = request.headers
        if headers.get("host", "").lower() not in self.hosts or len(headers.getlist("host")) != 1:
            return error(421, "This server answers to the address that it printed only.")
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin):
            return error(403, "The request comes from another page.")
        if (given := request.query_params.get("token")) is not None and request.method == "GET":
            if request.url.path != "/" or not self._is_token(given):
                return error(403, "Wrong token: use the address that tmtv review printed.")
            found = RedirectResponse("/", status_code=303)
            found.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
            return found
        if not (self._is_token(request.cookies.get(self.cookie, "")) or self._is_token(_bearer(headers))):
            return error(401, "No token: use the address that tmtv review printed.")
        if request.method not in ("GET", "HEAD"):
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                return error(415, "Requests that change something are application/json.")
            length = headers.get("content-length", "")
            if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_BYTES:
                return error(413, f"A request holds at most {MAX_BODY_BYTES >> 20} MiB and says its length.")
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _is_own(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme == "http" and parts.netloc.lower() in self.hosts


def new_token() -> str:
    """256 random bits, as text for an address."""
    return secrets.token_urlsafe(32)


def error(status: int, text: str, **more: object) -> JSONResponse:
    """An error as the page expects it."""
    return JSONResponse({"error": text, **more}, status_code=status)


def _bearer(headers: Headers) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name for name, _ in message["headers"]}
            more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in known]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return wrapped
