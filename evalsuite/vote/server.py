"""The vote's web server: one page on the loopback address, for whoever has the token.

Anything else on the machine, or in the browser, is kept out: the Host header must name this machine (against DNS
rebinding), requests from other sites are refused, votes and images need the token of the session, and the page may
load nothing from elsewhere.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socketserver
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, ClassVar, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

from evalsuite.errors import Incomplete, InputError
from evalsuite.vote.service import Refused, VoteService

LOOPBACK = "127.0.0.1"
NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
LARGEST_BODY = 4096
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "interest-cohort=()",
    "Cache-Control": "no-store",
}


Serve: TypeAlias = Callable[[VoteService, dict[str, Any]], Any]


class Answer(NamedTuple):
    """What a request gets."""

    status: HTTPStatus
    kind: str
    body: bytes


class VoteServer(ThreadingHTTPServer):
    """Serves one vote until it is closed.

    Args:
        service: what it serves.
        port: 0 means any that is free.

    Raises:
        InputError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, service: VoteService, port: int = 0) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise InputError(f"--port {port}: {error.strerror}; name another, or leave it out") from error
        self.service = service
        self.token = secrets.token_urlsafe(24)

    def server_bind(self) -> None:
        """Without the look-up of this machine's name that http.server makes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """The page with the token; what follows the # is never sent, so no log has it."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/#{self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no news; everything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: VoteServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "evalsuite", ""
    timeout = 60
    gets: ClassVar[dict[str, Serve]] = {
        "/api/study": VoteService.study,
        "/api/image": VoteService.image,
    }
    posts: ClassVar[dict[str, Serve]] = {
        "/api/enter": VoteService.enter,
        "/api/vote": VoteService.vote,
        "/api/undo": VoteService.undo,
    }

    def do_GET(self) -> None:
        """The page, or what it asks for."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """What changes something."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses have the token."""

    def _get(self) -> Answer:
        address = urlsplit(self.path)
        if address.path in PAGE:
            name, kind = PAGE[address.path]
            return Answer(HTTPStatus.OK, kind, files("evalsuite.vote").joinpath("page", name).read_bytes())
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        serve = self._serve(self.gets, address.path, query.get("token", self.headers.get("X-Vote-Token", "")))
        found = serve(self.server.service, query)
        return Answer(HTTPStatus.OK, "image/png", found) if isinstance(found, bytes) else _json(found)

    def _post(self) -> Answer:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {LARGEST_BODY} bytes")
        body = self.rfile.read(int(length))
        serve = self._serve(self.posts, urlsplit(self.path).path, self.headers.get("X-Vote-Token", ""))
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "not JSON") from error
        if not isinstance(asked, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "not a JSON object")
        return _json(serve(self.server.service, asked))

    def _serve(self, table: dict[str, Serve], path: str, token: str) -> Serve:
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that the terminal printed")
        if path not in table:
            raise Refused(HTTPStatus.NOT_FOUND, "nothing here")
        return table[path]

    def _check_origin(self) -> None:
        """Any port of this machine: the page may be reached through a tunnel, and by a link from elsewhere."""
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in NAMES and host not in NAMES:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server answers to localhost only")
        origin, site = self.headers.get("Origin", f"http://{host}"), self.headers.get("Sec-Fetch-Site", "none")
        elsewhere = origin != f"http://{host}" or site not in ("none", "same-origin")
        if elsewhere and urlsplit(self.path).path not in PAGE:
            raise Refused(HTTPStatus.FORBIDDEN, "requests from other pages are refused")

    def _answer(self, find: Callable[[], Answer]) -> None:
        try:
            self._check_origin()
            answer = find()
        except Refused as reason:
            answer = _json({"error": str(reason)}, reason.status)
        except InputError as error:
            answer = _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        except Incomplete as error:
            answer = _json({"error": str(error)}, HTTPStatus.INSUFFICIENT_STORAGE)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            self.close_connection = True  # its body may not have been read
        self.send_response(answer.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)


def _json(data: Any, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, "application/json; charset=utf-8", json.dumps(data).encode())
