"""The served site. Reads go through ``site.render``; the only thing that changes anything is the form at /unroll/.

    GET  /unroll/     the form for an address, a paste or a file
    POST /unroll/     takes it, keeps the thread, leads to its page; of several threads asks which
    GET  /unroll/…/   how far the fetch of an address is; leads to the thread's page in the end ("?still": does not
                      look again by itself)
    GET  /search/     what posts say ("?q="), and as a feed
    GET  /api/…       the same for programs, see clew.api
    GET  /health      whether the store answers
    GET  /metrics     figures for a monitor, for this machine unless ``listen.metrics`` opens them
    GET  everything   what ``clew build`` writes, the same bytes

Who may send the form is the setting ``submit``. "local" means: from this machine, to a name of this machine, from
this site's own form. That keeps out other machines, other sites' scripts and forms (cross-site request forgery) and
names that were pointed at this machine (DNS rebinding). Strangers ("anyone") are served one fetch at a time each,
without the operator's access tokens, and without pictures.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import islice

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clew import api, captures, flow, operate, pages, search, senders, sharing, site
from clew.cache import Cache
from clew.conditional import conditional, takes_gzip, unless_had, whole
from clew.config import Config, Limits, Mastodon
from clew.errors import (
    ClewError,
    FetchError,
    InputError,
    LoginRequired,
    RateLimited,
    Refused,
    SourceError,
    StoreError,
    ThreadError,
)
from clew.jobs import Crowded, Job, Jobs, Stopped, Unknown
from clew.model import Capture
from clew.operate import Watch
from clew.store import Store
from clew.text import LINK, first_words
from clew.turns import Busy, Turns
from clew.uploads import Upload, Uploads

_HEADERS = {
    "content-security-policy": pages.CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_EXPENSIVE = re.compile(r"/t/[^/]+/(?:thread\.(?:pdf|epub|wacz|warc\.gz)|card\.png)")
_AROUND = 1000  # bytes that an answer takes beside its body
_NO_STORE = {"cache-control": "no-store"}
_SHOWN_TEXT = 1_000_000  # a longer paste is not sent back with its error
_CHOICES = 200
_LONGEST = 8192  # characters of an address
_HASTE, _PATIENCE = 2, 10  # seconds after which the page of a fetch looks again: at first, and in the end


class NotAllowed(InputError):
    """The form was sent by somebody, or from somewhere, that the operator does not allow."""


class TooLarge(InputError):
    """More was sent than is taken."""


def app(store: Store, config: Config) -> ASGIApp:
    """Return the site as an ASGI application."""
    sharing.draws(config.site)  # what is missing for it is said now
    uploads = Uploads()
    jobs = Jobs(lambda job, told: _fetched(store, _asking(config), jobs, job, told))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        uploads.close()
        await run_in_threadpool(jobs.stop)

    served = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/unroll/", _form, methods=["GET"]),
            Route("/unroll/", _submit, methods=["POST"]),
            Route("/unroll/{token}/", _waiting, methods=["GET"]),
            Route("/unroll", lambda _: RedirectResponse("unroll/", 308)),
            Route("/search/", _search, methods=["GET"]),
            Route("/search/feed.atom", _search_feed, methods=["GET"]),
            Route("/search", lambda request: RedirectResponse(f"search/?{request.url.query}", 308)),
            Mount("/api", app=api.app(store, config)),
            Route("/health", _health, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/{path:path}", _show, methods=["GET"]),
        ],
        exception_handlers={ClewError: _failed, HTTPException: _no_such_thing, Exception: _broken},
    )
    served.state.store, served.state.config, served.state.uploads = store, config, uploads
    served.router.redirect_slashes = False  # it would lead out of a base path
    served.state.jobs, served.state.pages = jobs, Cache[Response](config.listen.cache)
    served.state.searches, served.state.exports = Turns(), Turns(2)
    robots = {} if config.site.indexing else {"x-robots-tag": "noindex"}
    served.state.watch = watch = Watch(_Guarded(served, _most(config), _HEADERS | robots), log=config.listen.log)
    return watch


def serve(store: Store, config: Config, host: str, port: int) -> None:
    """Serve until interrupted; say the address once it answers.

    Raises:
        InputError: the address cannot be listened on.
    """
    listening = listener(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
    print(f"Clew is at {address}", flush=True)
    if config.submit != "nobody":
        print(f"Fetch, paste or upload a thread at {address}unroll/", flush=True)
    operate.log()
    with listening, contextlib.suppress(KeyboardInterrupt):
        server(app(store, config)).run(sockets=[listening])


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the address cannot be listened on.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family)
        # What it accepts has this too. Else an answer's body waits for a sign of life, 40 ms, after its head.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made
    except (OSError, OverflowError, UnicodeError) as error:
        what = f"The address cannot be listened on ({getattr(error, 'strerror', None) or error})"
        raise InputError(what, f"{host}:{port}", "Take another with --port; 0 is any free one") from error


def server(served: ASGIApp) -> uvicorn.Server:
    """Return a server for ``app`` that stops gracefully."""
    settings = uvicorn.Config(
        served,
        loop="asyncio",  # and not what happens to be installed
        http="h11",
        log_config=None,
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
    """Answer with a page or a file, from memory where nothing changed since it was made."""
    state, path = request.app.state, f"/{request.path_params['path']}"
    key, mark = (path, takes_gzip(request)), state.store.mark()
    answer: Response | None = state.pages.get(key, mark)
    if answer is None:
        with state.exports.taken() if _EXPENSIVE.fullmatch(path) else contextlib.nullcontext():
            made = site.render(state.store, state.config.site, path)
        if made.location:
            return RedirectResponse(made.location, made.status)
        answer = whole(made.body, made.media_type, made.status, packed=key[1])
        if made.status == 200:
            state.pages.put(key, mark, answer, len(answer.body) + _AROUND)
    return unless_had(request, answer)


def _search(request: Request) -> Response:
    asked, query, before = _question(request)
    state = request.app.state
    with state.searches.taken():
        results = state.store.search(query, before=before)
    later = before is not None
    html = pages.search(state.config.site, asked, results, query.odd, searched=bool(query), later=later)
    return conditional(request, html, "text/html; charset=utf-8")


def _search_feed(request: Request) -> Response:
    asked, query, before = _question(request)
    state = request.app.state
    with state.searches.taken():
        feed = site.search_feed(state.store, state.config.site, asked, query, before)
    return conditional(request, feed.body, feed.media_type, feed.status)


def _question(request: Request) -> tuple[str, search.Query, int | None]:
    """Return what is asked for, in words and as understood, and where the results go on."""
    asked, before = request.query_params.get("q", "").strip(), request.query_params.get("before", "")
    return asked, search.query(asked), int(before) if before.isdecimal() and len(before) < 12 else None


def _health(request: Request) -> Response:
    try:
        request.app.state.store.count()
    except StoreError as error:
        return Response(f"{error}\n", 503, _NO_STORE, "text/plain")
    return Response("ok\n", 200, _NO_STORE, "text/plain")


def _metrics(request: Request) -> Response:
    state = request.app.state
    if not (state.config.listen.metrics or senders.is_local(_peer(request), request.headers)):
        raise NotAllowed("These figures are for this machine only", "", "listen.metrics opens them")
    running, waiting = state.jobs.counts()
    samples = (
        *state.watch.samples(),
        ("clew_threads", state.store.count(listed_only=False)),
        ('clew_fetches{state="running"}', running),
        ('clew_fetches{state="waiting"}', waiting),
        ("clew_cache_bytes", state.pages.size),
        ('clew_cache_total{held="yes"}', state.pages.hits),
        ('clew_cache_total{held="no"}', state.pages.misses),
    )
    return Response(operate.metrics(samples), 200, {**_NO_STORE, "content-type": operate.MEDIA_TYPE})


# --- the form ------------------------------------------------------------------------------------------------


def _form(request: Request) -> Response:
    _allow(request)
    config: Config = request.app.state.config
    return _page(pages.unroll_form(config.site, pictures=config.submit == "local"))


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
    told = {name: _text(form, name) for name in ("text", "media", "author", "published")}
    try:
        if LINK.match(told["text"]) and not _has_file(form):
            return _begun(request, told["text"].strip(), media=bool(told["media"]))
        return _chosen(request, form) if form.get("token") else _unrolled(request, form, told)
    except ClewError as error:
        if len(told["text"]) > _SHOWN_TEXT:
            told["text"] = ""
        return _form_again(request, error, told)


def _form_again(request: Request, error: ClewError, told: Mapping[str, str], root: str = "../") -> Response:
    """Return the form with what was wrong, and what was told."""
    config = request.app.state.config
    html = pages.unroll_form(config.site, str(error), told, root, pictures=config.submit == "local")
    return _page(html, status_of(error))


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _has_file(form: FormData) -> bool:
    sent = form.get("file")
    return isinstance(sent, UploadFile) and bool(sent.filename)


def _begun(request: Request, url: str, *, media: bool) -> Response:
    """Begin to fetch an address, and lead to the page that waits for it."""
    if len(url) > _LONGEST:
        raise InputError("This is not an address", first_words(url, 80), "It is too long for one")
    state = request.app.state
    local = state.config.submit == "local"
    token = state.jobs.start(
        url, media=media and local, client="" if local else senders.client(_peer(request), request.headers)
    )
    return RedirectResponse(f"./{token}/", 303, _NO_STORE)


def _fetched(store: Store, config: Config, jobs: Jobs, job: Job, told: Callable[[int], None]) -> str:
    """Do a job: fetch its thread, keep it, and return the key."""
    with flow.opened(job.url, config=config, media=job.media, progress=told) as reading:
        thread = reading.one()
        with jobs.keeping(job):
            return flow.save(store, reading, thread)


def _asking(config: Config) -> Config:
    """Return the settings to fetch with: strangers do not see, or spend, what the operator's tokens open."""
    if config.submit == "local":
        return config
    return msgspec.structs.replace(config, mastodon=Mastodon(), x=msgspec.structs.replace(config.x, token=""))


def _waiting(request: Request) -> Response:
    _allow(request)
    state = request.app.state
    job: Job = state.jobs.get(request.path_params["token"])
    if job.error:
        return _form_again(request, job.error, {"text": job.url, "media": "yes" if job.media else ""}, "../../")
    if job.key:
        return RedirectResponse(f"../../t/{job.key}/", 303, _NO_STORE)
    looks = "still" not in request.query_params
    answer = _page(pages.progress(state.config.site, job, looks=looks))
    if looks:  # and not in the page, so that a reader can have one that stays as it is
        answer.headers["refresh"] = str(min(max(_HASTE, int(job.age / 10)), _PATIENCE))
    return answer


def _unrolled(request: Request, form: FormData, told: Mapping[str, str]) -> Response:
    state = request.app.state
    sent = form.get("file")
    held = Upload(told["author"], told["published"], state.config)
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
    if who == "local" and not senders.is_local(_peer(request), request.headers):
        hint = "Open it there by the address that clew serve prints"
        raise NotAllowed("This site takes threads from the machine it runs on only", "", hint)
    if request.method == "POST" and not senders.is_own_form(request.headers):
        raise NotAllowed("This form was not sent from this site", "", "Open the form here and send it again")


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


# --- errors --------------------------------------------------------------------------------------------------


def status_of(error: ClewError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, StoreError):
        return 404 if error.__cause__ is None else 503  # not there, or the database failed
    kinds: tuple[tuple[type[ClewError], int], ...] = (
        (NotAllowed, 403), (TooLarge, 413), (Unknown, 404), (InputError, 400), (Crowded, 503), (Stopped, 503),
        (Busy, 503), (RateLimited, 503), (LoginRequired, 403), (FetchError, 502),
        (SourceError, 422), (ThreadError, 422), (Refused, 451),
    )  # fmt: skip
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClewError)
    status = status_of(error)
    return _sentence(request, status, str(error), {"retry-after": "2"} if status == 503 else _NO_STORE)


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
    """Adds headers to each answer, and stops a request that sends too much."""

    def __init__(self, inner: ASGIApp, most: int, headers: Mapping[str, str]) -> None:
        self._inner, self._most, self._headers = inner, most, headers

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
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._inner(scope, bounded, guarded)
