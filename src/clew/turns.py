"""How many may do something expensive at once, and how many may wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from clew.errors import ClewError


class Busy(ClewError):
    """Too many ask for something expensive at once."""


class Turns:
    """Args: ``at_once`` may do it, ``waiting`` more may wait, each for ``patience`` seconds."""

    def __init__(self, at_once: int = 4, waiting: int = 8, patience: float = 2.0) -> None:
        self._room, self._turns = BoundedSemaphore(at_once + waiting), BoundedSemaphore(at_once)
        self._patience = patience

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a turn.

        Raises:
            Busy: too many wait, or it took too long.
        """
        crowd = Busy("Too many ask this at once", "", "Try again in a moment")
        if not self._room.acquire(blocking=False):
            raise crowd
        try:
            if not self._turns.acquire(timeout=self._patience):
                raise crowd
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._room.release()
