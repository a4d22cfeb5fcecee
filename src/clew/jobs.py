"""Threads that the served site is fetching, each in a thread of its own, by a token that only its asker knows."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clew.errors import ClewError, InputError

_AT_ONCE = 2
_WAITING = 20  # more are told to come again
_EACH = 4  # of one client, of which one runs: nobody keeps the others waiting
_KEPT = 3600.0  # seconds that an outcome is told
_OUTCOMES = 200  # that are told at most
_log = logging.getLogger(__name__)


class Stopped(ClewError):
    """The server stops, and its jobs with it."""


class Crowded(ClewError):
    """More is being fetched than is taken."""


class Unknown(InputError):
    """There is no such job, or its outcome was told for long enough."""


class Job:
    """One fetch. ``key`` is set when its thread is kept, ``error`` when it cannot be.

    Args:
        url: what is fetched.
        media: with its pictures.
        client: for whom; empty: somebody who is not to be held back.
    """

    def __init__(self, url: str, *, media: bool = False, client: str = "") -> None:
        self.url, self.media, self.client = url, media, client
        self.requests = 0
        self.key = ""
        self.error: ClewError | None = None
        self.begun = False
        self.since = time.monotonic()
        """When it was asked for; when it is over, since when."""

    @property
    def is_over(self) -> bool:
        """Whether it came to an end."""
        return bool(self.key or self.error)

    @property
    def age(self) -> float:
        """Seconds since it was asked for, or came to its end."""
        return time.monotonic() - self.since


class Jobs:
    """All fetches of one server.

    Args:
        work: does one, and returns a key. It is given the job and a function to tell the number of its requests to,
            which ends it when the server stops.
    """

    def __init__(self, work: Callable[[Job, Callable[[int], None]], str]) -> None:
        self._work = work
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._stopped = False

    def start(self, url: str, *, media: bool = False, client: str = "") -> str:
        """Have an address fetched when its turn comes; return a token. What a client is waiting for already is not
        begun again.

        Raises:
            Crowded: too many are waiting.
        """
        job, token = Job(url, media=media, client=client), secrets.token_urlsafe(24)
        with self._lock:
            self._drop_old()
            for held, other in self._jobs.items():
                if not other.is_over and (other.url, other.media, other.client) == (url, media, client):
                    return held
            self._refuse_more(job)
            self._jobs[token] = job
            self._begin()
        return token

    def get(self, token: str) -> Job:
        """Return a job by its token.

        Raises:
            Unknown: there is none.
        """
        with self._lock:
            self._drop_old()
            if token not in self._jobs:
                raise Unknown("This fetch is not known any more", "", "Send the address again")
            return self._jobs[token]

    def counts(self) -> tuple[int, int]:
        """Return how many are being fetched, and how many wait."""
        with self._lock:
            begun = [job.begun for job in self._jobs.values() if not job.is_over]
        return sum(begun), len(begun) - sum(begun)

    @contextmanager
    def keeping(self, job: Job) -> Iterator[None]:
        """Hold while a job writes what it fetched, one at a time: a server that stops waits for the end of that.

        Raises:
            Stopped: it has stopped.
        """
        with self._keeping:
            self._go_on(job)
            yield

    def stop(self) -> None:
        """End each job: at its next request, or after what it is writing. Nothing is written afterwards."""
        self._stopped = True
        with self._keeping:
            pass

    def _drop_old(self) -> None:
        over = [token for token, job in self._jobs.items() if job.is_over]
        kept = {token for token in over[-_OUTCOMES:] if self._jobs[token].age < _KEPT}
        for token in over:
            if token not in kept:
                del self._jobs[token]

    def _refuse_more(self, job: Job) -> None:
        open_ = [other for other in self._jobs.values() if not other.is_over]
        own = [other for other in open_ if other.client and other.client == job.client]
        if len(own) >= _EACH:
            raise Crowded("You have several threads being fetched", job.url, "Send it when one of them is there")
        if len(open_) >= _WAITING:
            raise Crowded("Many threads are being fetched right now", job.url, "Send it again in a minute")

    def _begin(self) -> None:
        """Begin what has waited longest, of a client of whom nothing runs. The lock is held."""
        running = [job for job in self._jobs.values() if job.begun and not job.is_over]
        busy = {job.client for job in running if job.client}
        waiting = (job for job in self._jobs.values() if not (job.begun or job.client in busy))
        job = next(waiting, None)
        if job and len(running) < _AT_ONCE and not self._stopped:
            threading.Thread(target=self._run, args=(job,), name="clew-fetch", daemon=True).start()
            job.begun = True

    def _run(self, job: Job) -> None:
        def told(requests: int) -> None:
            job.requests = requests
            self._go_on(job)

        try:
            job.key = self._work(job, told)
        except ClewError as error:
            job.error = error
        except Exception:  # noqa: BLE001  nobody else would hear of it
            _log.exception("Fetching %r failed", job.url)
            job.error = ClewError("Clew failed at this", job.url, "The log of clew serve says why")
        with self._lock:
            job.since = time.monotonic()
            self._begin()

    def _go_on(self, job: Job) -> None:
        if self._stopped:
            raise Stopped("The server stopped", job.url, "Send it again")
