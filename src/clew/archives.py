"""Files in zips, tars, folders and alone, as chunks of bytes: bounded, forwards, and never written to disk.

What kind a file is tells its first bytes, never its name. Archives are hostile: paths that lead out, links,
sizes that lie, bombs, entries that overlap, and directories larger than what they list are refused or left alone.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clew.config import GIB, KIB, MIB, Limits
from clew.errors import InputError
from clew.text import first_words, printable

CHUNK = MIB
_GRACE = 16 * MIB  # decompressed bytes before the ratio counts
_DIRECTORY = 64 * MIB  # of a zip
_LOCAL_HEADER = 30  # bytes of a zip before each name
_PATH = 4096  # characters
_LEADS_OUT = re.compile(r"/|[A-Za-z]:")
_UNREAD = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
}


def size_of(number: int) -> str:
    """Write a number of bytes for people: "64 MiB"."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if number >= unit:
            return f"{number / unit:.4g} {name}"
    return f"{number} bytes"


@contextmanager
def failures(subject: str) -> Iterator[None]:
    """Turn what libraries raise on files that are missing, damaged or cut off into one ``InputError``."""
    try:
        yield
    except EOFError as error:
        raise InputError("The file breaks off", subject, "Is it complete? Get it again") from error
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise InputError(
            f"The archive is damaged ({error})", subject, "Get it again, or unpack it yourself"
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"The archive cannot be read ({error})", subject, "Unpack it and give the folder"
        ) from error
    except FileNotFoundError as error:
        raise InputError("There is no such file", subject, "Check the path") from error
    except OSError as error:
        raise InputError("The file cannot be read", subject, error.strerror or str(error)) from error


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file; never wait on a pipe or touch a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("This is not a file", str(path), "Give a file or a folder")
    return open(descriptor, "rb")


class Container(ABC):
    """Files under paths. ``entries`` maps each path to why it cannot be opened, empty where it can."""

    base = ""
    """What comes before each path when it is matched: the name of a folder that was given."""
    handle: io.BufferedReader | Stream | None = None
    """What is open."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.entries: dict[str, str] = {}
        self.total = 0

    def __del__(self) -> None:
        self.close()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of one entry in pieces of at most 1 MiB.

        Raises:
            InputError: a link, encrypted, damaged, cut off, or over the limits.
        """
        if why := self.entries[name]:
            raise InputError(f"This entry of the archive {why}", name, "Unpack the archive and give the folder")
        with failures(f"{self.path.name}, {name}" if name != self.path.name else name):
            yield from self.read(name)

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of one entry. May raise what libraries raise."""

    def digest(self) -> str:
        """Return the SHA-256 of the file, as hex."""
        with failures(self.path.name), open_file(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def close(self) -> None:
        if self.handle:
            self.handle.close()
            self.handle = None

    def safe(self, name: str) -> str:
        """Return a path of an archive without empty and "." parts."""
        parts = name.split("/")
        if _LEADS_OUT.match(name) or ".." in parts or "\\" in name or "\0" in name or len(name) > _PATH:
            subject = f"{self.path.name}, {first_words(printable(name))}"
            raise InputError(
                "The archive holds a path that leads out of it", subject, "Get it again from the network"
            )
        return "/".join(part for part in parts if part not in ("", ".")) if "" in parts or "." in parts else name

    def add(self, name: str, why: str = "") -> str:
        """Enter one path."""
        if len(self.entries) >= self.limits.entries:
            raise InputError(
                f"There are more than {self.limits.entries:,} files in it", self.path.name, "Raise limits.entries"
            )
        self.entries[name] = "stands there twice" if name in self.entries else why
        return name

    def spend(self, size: int) -> None:
        self.total += size
        if self.total > self.limits.total:
            raise InputError(
                f"More than {size_of(self.limits.total)} would have to be read",
                self.path.name,
                "Unpack it and give the folder, or raise limits.total",
            )

    def weigh(self, inflated: int, packed: int) -> None:
        """Refuse what grows beyond all measure when it is decompressed."""
        if inflated > _GRACE and inflated > self.limits.ratio * packed:
            raise InputError(
                f"It is packed more than {self.limits.ratio} times smaller than it is, as no export is",
                self.path.name,
                "Do not trust it, or raise limits.ratio",
            )


class Zip(Container):
    """A zip, stored or deflated."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        with failures(path.name):
            self.handle = _Directory(open_file(path), path.name, limits.entries)
            self.zip = zipfile.ZipFile(self.handle)
            self.infos: dict[str, zipfile.ZipInfo] = {}
            for info in self.zip.infolist():
                if not info.is_dir():
                    self.infos[self.add(self.safe(info.orig_filename), _why(info))] = info
            if self.overlaps():
                raise InputError("Entries of the archive lie over each other", path.name, "Do not trust it")

    def overlaps(self) -> bool:
        end = 0
        for info in sorted(self.zip.infolist(), key=lambda i: i.header_offset):
            if info.header_offset < end:
                return True
            end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
        return end > self.zip.start_dir

    def read(self, name: str) -> Iterator[bytes]:
        info, inflated = self.infos[name], 0
        with self.zip.open(info) as file:
            while chunk := file.read(CHUNK):
                inflated += len(chunk)
                self.spend(len(chunk))
                self.weigh(inflated, info.compress_size)
                yield chunk
        if inflated != info.file_size:
            raise EOFError


def _why(info: zipfile.ZipInfo) -> str:
    kind = info.external_attr >> 16
    if kind and stat.S_IFMT(kind) not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that is not read here"
    return ""


class _Directory(io.BufferedReader):
    """Bounds the one read of ``zipfile`` that is as long as the archive says: its directory."""

    def __init__(self, file: io.BufferedReader, subject: str, entries: int) -> None:
        super().__init__(file.detach())
        self.subject, self.entries = subject, entries

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _DIRECTORY:
            hint = f"More than {size_of(_DIRECTORY)} are not read; unpack it and give the folder"
            raise InputError("The directory of the archive is too long", self.subject, hint)
        data = super().read(size)
        # zipfile counts the entries by their signatures, whatever number the archive tells.
        if len(data) > CHUNK and data.count(b"PK\x01\x02") > self.entries:
            raise InputError(
                f"There are more than {self.entries:,} files in it", self.subject, "Raise limits.entries"
            )
        return data


class Stream:
    """A file read forwards, decompressed where it is gzip. Counts what comes out for its container."""

    def __init__(self, container: Container, packed: bool) -> None:
        self.container = container
        self.raw = open_file(container.path)
        self.file: BinaryIO = gzip.GzipFile(fileobj=self.raw) if packed else self.raw  # type: ignore[assignment]
        self.packed, self.position = packed, 0

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        data = self.file.read(size)
        self.position += len(data)
        self.container.spend(len(data))
        if self.packed:
            self.container.weigh(self.position, self.raw.tell())
        return data

    def exactly(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def skip(self, size: int) -> None:
        if not self.packed:
            self.raw.seek(size, os.SEEK_CUR)
            self.position += size
            return
        while size:
            size -= len(self.exactly(min(size, CHUNK)))

    def close(self) -> None:
        self.raw.close()


class Tar(Container):
    """A tar (ustar, GNU or pax), plain or in gzip. Read in its own order it takes one pass."""

    handle: Stream | None = None

    def __init__(self, path: Path, limits: Limits, packed: bool) -> None:
        super().__init__(path, limits)
        self.packed = packed
        self.places: dict[str, tuple[int, int]] = {}
        with failures(path.name):
            stream = Stream(self, packed)
            try:
                for name, why, size in _tar_entries(stream):
                    self.places[self.add(self.safe(name), why)] = stream.position, size
            finally:
                stream.close()

    def read(self, name: str) -> Iterator[bytes]:
        offset, size = self.places[name]
        stream, self.handle = self.handle, None  # nobody else moves it meanwhile
        if stream is None or stream.position > offset:
            if stream:
                stream.close()
            stream = Stream(self, self.packed)
        try:
            stream.skip(offset - stream.position)
            while size:
                chunk = stream.exactly(min(size, CHUNK))
                size -= len(chunk)
                yield chunk
        finally:
            self.close()
            self.handle = stream


_BLOCK = 512
_EXTRA = MIB  # longest long name or pax header
_SPARSE = b"GNU.sparse"
_PAX_LENGTH = re.compile(rb"([0-9]{1,7}) ")
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*\Z")


def is_tar(head: bytes) -> bool:
    """Is this the first block of a tar? By its checksum, which all kinds of tar have."""
    block = head[:_BLOCK]
    stored = _OCTAL.match(block[148:156])
    return (
        len(block) == _BLOCK
        and stored is not None
        and int(stored[1] or b"0", 8) == sum(block[:148]) + sum(b" " * 8) + sum(block[156:])
    )


def _tar_entries(stream: Stream) -> Iterator[tuple[str, str, int]]:
    """Yield path, why it cannot be opened, and size; while it yields, the stream stands at the entry's bytes."""
    extra: dict[bytes, bytes] = {}
    while any(block := stream.exactly(_BLOCK)):
        if not is_tar(block):
            raise ValueError(f"no header at byte {stream.position - _BLOCK:,}")
        kind, size = block[156:157], _tar_number(block[124:136])
        if kind in b"LKxg":
            extra |= _tar_extra(kind, _tar_text(stream, size))
            continue
        if kind == b"S" or _SPARSE in extra:
            raise NotImplementedError("it holds a sparse file")
        size = int(extra.get(b"size", size)) if kind not in b"123456" else 0  # links and folders have no bytes
        name = extra.get(b"path") or _tar_name(block)
        extra = {}
        after = stream.position + -(-size // _BLOCK) * _BLOCK
        if kind != b"5" and not name.endswith(b"/"):
            why = "" if kind in b"0\x007" else "is a link or a device, not a file"
            yield name.decode("utf-8", "replace"), why, size
        stream.skip(after - stream.position)


def _tar_number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    if not (match := _OCTAL.match(field)):
        raise ValueError("a size that is no number")
    return int(match[1] or b"0", 8)


def _tar_name(block: bytes) -> bytes:
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _tar_text(stream: Stream, size: int) -> bytes:
    if size > _EXTRA:
        raise ValueError("a header that is too long")
    return stream.exactly(-(-size // _BLOCK) * _BLOCK)[:size]


def _tar_extra(kind: bytes, data: bytes) -> dict[bytes, bytes]:
    """What a long name or a pax header tells of the next entry: its path and size, and whether it is sparse."""
    if kind == b"L":
        return {b"path": data.split(b"\0")[0]}
    found: dict[bytes, bytes] = {}
    at = 0
    while kind == b"x" and at < len(data):
        match = _PAX_LENGTH.match(data, at)
        if not match or not match.end() < at + int(match[1]) <= len(data):
            raise ValueError("a broken pax header")
        key, _, value = data[match.end() : at + int(match[1]) - 1].partition(b"=")
        at += int(match[1])
        if key == b"path" or (key == b"size" and value.isdigit()):
            found[key] = value
        elif key.startswith(_SPARSE):
            found[_SPARSE] = value
    return found


class Folder(Container):
    """A folder and what is below it. Links are not followed."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        self.base = f"{path.absolute().name}/"
        self.places: dict[str, tuple[Path, int]] = {}
        with failures(str(path)):
            self.scan()

    def scan(self) -> None:
        stack = [(self.path, "")]
        while stack:
            folder, prefix = stack.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = prefix + os.fsencode(entry.name).decode("utf-8", "replace")
                    if entry.is_dir(follow_symlinks=False):
                        stack.append((Path(entry.path), name + "/"))
                    else:
                        self.enter(name, entry)

    def enter(self, name: str, entry: os.DirEntry[str]) -> None:
        regular = entry.is_file(follow_symlinks=False)
        self.add(name, "" if regular else "is a link or a device, not a file")
        self.places[name] = Path(entry.path), entry.stat(follow_symlinks=False).st_size

    def read(self, name: str) -> Iterator[bytes]:
        path = self.places[name][0]
        if not path.resolve(strict=True).is_relative_to(self.path.resolve()):
            raise InputError("This file is not in the folder any more", name, "Try again")
        with open_file(path) as file:
            while chunk := file.read(CHUNK):
                self.spend(len(chunk))
                yield chunk

    def digest(self) -> str:
        """Return the SHA-256 of the list of all files, as hex: lines of size and path, sorted by path."""
        lines = (f"{size} {name}\n" for name, (_, size) in sorted(self.places.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class Lone(Container):
    """One file that is no archive, plain or in gzip: a container with one entry of its name."""

    def __init__(self, path: Path, name: str, limits: Limits, packed: bool) -> None:
        super().__init__(path, limits)
        self.packed, self.name = packed, name
        self.entries[name] = ""

    def read(self, name: str) -> Iterator[bytes]:  # noqa: ARG002  there is only one
        stream = Stream(self, self.packed)
        try:
            while chunk := stream.read(CHUNK):
                yield chunk
        finally:
            stream.close()


def open_container(path: Path, name: str, limits: Limits) -> Container:
    """Return what is at ``path``: an archive, a folder, or a ``Lone`` file called ``name``.

    Raises:
        InputError: missing, empty, not a file, damaged, over the limits, or packed in a way that is not read here.
    """
    with failures(str(path)):
        if path.is_dir():
            return _filled(Folder(path, limits))
        with open_file(path) as file:
            head = file.read(_BLOCK)
    if not head:
        raise InputError("The file is empty", str(path))
    for magic, kind in _UNREAD.items():
        if head.startswith(magic):
            raise InputError(f"The file is packed with {kind}", str(path), "Unpack it and give what is in it")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _filled(Zip(path, limits))
    packed = head.startswith(b"\x1f\x8b")
    name = re.split(r"[/\\]", os.fsencode(name).decode("utf-8", "replace"))[-1]
    lone = Lone(path, name.removesuffix(".gz") if packed else name, limits, packed)
    return _filled(Tar(path, limits, packed)) if is_tar(_head(lone)) else lone


def _filled(container: Container) -> Container:
    if not container.entries:
        raise InputError("There are no files in it", str(container.path), "Is it the right one?")
    return container


def _head(lone: Lone) -> bytes:
    return next(lone.chunks(lone.name), b"")
