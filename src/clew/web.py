"""The served site. Reads go through ``site.render``; the only thing that changes anything is the form at /unroll/.

    GET  /unroll/     the form for a paste or a file
    POST /unroll/     takes it, keeps the thread, leads to its page; of several threads asks which
    GET  everything   what ``clew build`` writes, the same bytes

Who may send the form is the setting ``submit``. "local" means: from this machine, to a name of this machine, from
this site's own form. That keeps out other machines, other sites' scripts and forms (cross-site request forgery) and
names that were pointed at this machine (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from ipaddress import ip_address
from itertools import islice
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clew import captures, flow, pages, site
from clew.config import Config, Limits
from clew.errors import ClewError, InputError, Refused, SourceError, StoreError, ThreadError
from clew.model import Capture
from clew.store import Store
from clew.uploads import Upload, Uploads

_HEADERS = {
    "content-security-policy": pages.CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_NO_STORE = {"cache-control": "no-store"}
_SHOWN_TEXT = 1_000_000  # a longer paste is not sent back with its error
_CHOICES = 200


class NotAllowed(InputError):
    """The form was sent by somebody, or from somewhere, that the operator does not allow."""


class TooLarge(InputError):
    """More was sent than is taken."""


def app(store: Store, config: Config) -> ASGIApp:
    """Return the site as an ASGI application."""
    uploads = Uploads()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        uploads.close()

    served = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/unroll/", _form, methods=["GET"]),
            Route("/unroll/", _submit, methods=["POST"]),
            Route("/unroll", lambda _: RedirectResponse("unroll/", 308)),
            Route("/{path:path}", _show, methods=["GET"]),
        ],
        exception_handlers={ClewError: _failed, HTTPException: _no_such_thing, Exception: _broken},
    )
    served.state.store, served.state.config, served.state.uploads = store, config, uploads
    return _Guarded(served, _most(config))


def serve(store: Store, config: Config, host: str, port: int) -> None:
    """Serve until interrupted; say the address once it answers.

    Raises:
        InputError: the address cannot be listened on.
    """
    listener = _listener(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
    print(f"Clew is at {address}", flush=True)
    if config.submit != "nobody":
        print(f"Paste or upload a thread at {address}unroll/", flush=True)
    with listener, contextlib.suppress(KeyboardInterrupt):
        server(app(store, config)).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        what = f"The address cannot be listened on ({getattr(error, 'strerror', None) or error})"
        raise InputError(what, f"{host}:{port}", "Take another with --port; 0 is any free one") from error


def server(served: ASGIApp) -> uvicorn.Server:
    """Return a server for ``app`` that stops gracefully."""
    settings = uvicorn.Config(
        served,
        proxy_headers=False,  # an address that a header claims proves nothing
        server_header=False,
        access_log=False,
        log_level="warning",
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(settings)


# --- reading -------------------------------------------------------------------------------------------------


def _show(request: Request) -> Response:
    state = request.app.state
    return _response(request, site.render(state.store, state.config.site, f"/{request.path_params['path']}"))


def _response(request: Request, answer: site.Answer) -> Response:
    """Return an answer, or that it is what the reader has already."""
    if answer.location:
        return RedirectResponse(answer.location, answer.status)
    tag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if answer.status == 200 and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(answer.body, answer.status, headers, answer.media_type)


# --- the form ------------------------------------------------------------------------------------------------


def _form(request: Request) -> Response:
    _allow(request)
    return _page(pages.unroll_form(request.app.state.config.site))


async def _submit(request: Request) -> Response:
    _allow(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InputError("This is not the form of this page")
    limits: Limits = request.app.state.config.limits
    try:
        async with request.form(max_files=1, max_fields=_CHOICES + 8, max_part_size=limits.file) as form:
            return await run_in_threadpool(_take, request, form)
    except (MultiPartException, HTTPException) as error:
        why = str(getattr(error, "detail", error))
        if "exceeded" in why:
            raise TooLarge(
                "The text is too large", f"over {limits.file:,} bytes", "Use the command line"
            ) from error
        raise InputError(f"The form cannot be read ({why.rstrip('.')})") from error


def _take(request: Request, form: FormData) -> Response:
    told = {name: _text(form, name) for name in ("text", "author", "published")}
    try:
        return _chosen(request, form) if form.get("token") else _unrolled(request, form, told)
    except ClewError as error:
        if len(told["text"]) > _SHOWN_TEXT:
            told["text"] = ""
        html = pages.unroll_form(request.app.state.config.site, str(error), told)
        return _page(html, status_of(error))


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _unrolled(request: Request, form: FormData, told: Mapping[str, str]) -> Response:
    state = request.app.state
    sent = form.get("file")
    held = Upload(told["author"], told["published"], state.config.limits)
    with contextlib.ExitStack() as stack:
        stack.callback(held.close)
        if isinstance(sent, UploadFile) and sent.filename:
            held.file(sent.file, sent.filename)
        else:
            held.paste(_pasted(told, state.config.limits))
        with held.opened() as reading:
            thread = reading.main()
            if thread is not None:
                return _kept(flow.save(state.store, reading, thread))
            found = list(islice(reading.threads(), _CHOICES + 1))
        stack.pop_all()
    token = state.uploads.hold(held)
    return _page(pages.choice(state.config.site, token, found[:_CHOICES], len(found) > _CHOICES))


def _pasted(told: Mapping[str, str], limits: Limits) -> Capture:
    return captures.paste(told["text"], author=told["author"], published=told["published"], limits=limits)


def _chosen(request: Request, form: FormData) -> Response:
    posts = [post for post in form.getlist("post") if isinstance(post, str)]
    if not posts:
        raise InputError("No thread was chosen", "", "Send the file again and choose")
    state = request.app.state
    with state.uploads.taken(str(form["token"])) as held, held.opened() as reading:
        keys = [flow.save(state.store, reading, reading.thread(post)) for post in posts]
    return _kept(keys[0]) if len(keys) == 1 else RedirectResponse("../", 303)


def _kept(key: str) -> Response:
    return RedirectResponse(f"../t/{key}/", 303)


def _page(html: bytes, status: int = 200) -> Response:
    # Without a referrer the browser would not say which site the form was sent from.
    headers = {"referrer-policy": "same-origin", **_NO_STORE}
    return Response(html, status, headers, "text/html; charset=utf-8")


# --- who may send it -----------------------------------------------------------------------------------------


def _allow(request: Request) -> None:
    """Refuse whom the setting ``submit`` does not let in.

    Raises:
        NotAllowed: always with what is allowed.
    """
    who = request.app.state.config.submit
    if who == "nobody":
        raise NotAllowed("This site takes no threads", "", "They are added on the command line")
    if who == "local" and not _is_local(request):
        hint = "Open it there by the address that clew serve prints"
        raise NotAllowed("This site takes threads from the machine it runs on only", "", hint)
    if request.method == "POST" and not _is_own_form(request):
        raise NotAllowed("This form was not sent from this site", "", "Open the form here and send it again")


def _is_local(request: Request) -> bool:
    relayed = {"forwarded", "x-forwarded-for", "x-real-ip", "via"}.intersection(request.headers.keys())
    host = request.client.host if request.client else ""
    return not relayed and _is_loopback(host) and _is_loopback(_host(f"//{request.headers.get('host', '')}"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_own_form(request: Request) -> bool:
    """Browsers say where a form comes from. What says nothing is no browser's form, and is refused too."""
    origin, site_ = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None and site_ is None:
        return False
    own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    return own and site_ in (None, "same-origin")


# --- errors --------------------------------------------------------------------------------------------------


def status_of(error: ClewError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, StoreError):
        return 404 if error.__cause__ is None else 503  # not there, or the database failed
    kinds: tuple[tuple[type[ClewError], int], ...] = (
        (NotAllowed, 403), (TooLarge, 413), (InputError, 400),
        (SourceError, 422), (ThreadError, 422), (Refused, 451),
    )  # fmt: skip
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClewError)
    return _sentence(request, status_of(error), str(error))


def _no_such_thing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return _sentence(request, status, "This address can only be read.", {"allow": "GET, HEAD"})
    return _sentence(request, status, f"The request cannot be answered: {getattr(error, 'detail', '')}.")


def _broken(request: Request, _: Exception) -> Response:
    return _sentence(request, 500, "Clew failed at this. The log of clew serve says why.")


def _sentence(request: Request, status: int, sentence: str, headers: Mapping[str, str] = _NO_STORE) -> Response:
    answer = site.failure(request.app.state.config.site, status, sentence, request.url.path)
    return Response(answer.body, answer.status, {**_NO_STORE, **headers}, answer.media_type)


# --- around everything ---------------------------------------------------------------------------------------


def _most(config: Config) -> int:
    """Return how many bytes one request may send: strangers no more than one file of text."""
    return config.limits.total if config.submit == "local" else config.limits.file + 1_000_000


class _Guarded:
    """Adds the security headers to each answer, and stops a request that sends too much."""

    def __init__(self, inner: ASGIApp, most: int) -> None:
        self._inner, self._most = inner, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        announced = int(declared) if declared.isdecimal() else 0
        left = self._most

        async def bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0 or announced > self._most:
                raise TooLarge("This is too large to be sent", f"over {self._most:,} bytes", "Use the command line")
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._inner(scope, bounded, guarded)
