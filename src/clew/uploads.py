"""What is sent to the served site, in a folder of its own while it is read and its sender chooses from it."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clew import flow
from clew.config import Config
from clew.errors import ClewError, InputError
from clew.model import Capture
from clew.reading import Reading

_HELD = 8  # senders who may be choosing at once; the one who waits longest makes room
_PATIENCE = 3600.0  # seconds that a sender has to choose


class Upload:
    """A file or a paste that was sent. Close it."""

    def __init__(self, author: str, published: str, config: Config) -> None:
        self._author, self._published, self._config = author, published, config
        self._folder = tempfile.TemporaryDirectory(prefix="clew-upload-")
        self._given: Path | Capture = Path(self._folder.name) / "upload"

    def paste(self, capture: Capture) -> Upload:
        """Take a pasted text."""
        self._given = capture
        return self

    def file(self, sent: BinaryIO, name: str) -> Upload:
        """Take a file; of its name only what is harmless is kept."""
        harmless = re.sub(r"[^A-Za-z0-9._-]+", "-", name.replace("\\", "/").rpartition("/")[2])
        self._given = Path(self._folder.name) / (harmless.lstrip(".-")[-80:] or "upload")
        with self._given.open("wb") as file:
            shutil.copyfileobj(sent, file)
        return self

    @contextmanager
    def opened(self) -> Iterator[Reading]:
        """Read it. Errors name the file, but not where it lies on this machine."""
        try:
            with flow.opened(
                self._given, author=self._author, published=self._published, config=self._config
            ) as reading:
                yield reading
        except ClewError as error:
            error.subject = error.subject.replace(f"{self._folder.name}/", "")
            raise

    def close(self) -> None:
        """Remove it from the disk."""
        self._folder.cleanup()


class Uploads:
    """Uploads whose senders are choosing among their threads, by a token that only the sender knows."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[float, Upload]] = OrderedDict()
        self._lock = threading.Lock()

    def hold(self, upload: Upload) -> str:
        """Keep an upload and return its token."""
        token, now = secrets.token_urlsafe(24), time.monotonic()
        with self._lock:
            self._held[token] = (now, upload)
            late = [old for old, (since, _) in self._held.items() if now - since > _PATIENCE]
            late = late or list(self._held)[:-_HELD]
            gone = [self._held.pop(old)[1] for old in late]
        for old_upload in gone:
            old_upload.close()
        return token

    @contextmanager
    def taken(self, token: str) -> Iterator[Upload]:
        """Give the upload back, for the last time.

        Raises:
            InputError: it is not held any more.
        """
        with self._lock:
            found = self._held.pop(token, None)
        if found is None:
            raise InputError("The file is not held any more", "", "Send it again")
        try:
            yield found[1]
        finally:
            found[1].close()

    def close(self) -> None:
        """Remove all that is held."""
        with self._lock:
            gone = [upload for _, upload in self._held.values()]
            self._held.clear()
        for upload in gone:
            upload.close()
