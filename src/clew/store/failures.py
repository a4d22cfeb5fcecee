"""What a database says when it cannot, as sentences of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from clew.errors import StoreError

_BY_CODE = {  # SQLite's error names and PostgreSQL's SQLSTATE classes, by their start
    "SQLITE_BUSY": ("Another process is using the store", "Try again when it has finished"),
    "SQLITE_LOCKED": ("Another process is using the store", "Try again when it has finished"),
    "55P03": ("Another process is using the store", "Try again when it has finished"),
    "SQLITE_NOTADB": ("This is not a store", "Name the file that Clew made, or a new one"),
    "SQLITE_CORRUPT": ("The store is damaged", "Restore it from a backup"),
    "SQLITE_CANTOPEN": ("The store cannot be opened", "Is it a file, and may you write in its folder"),
    "SQLITE_PERM": ("The store cannot be opened", "Ask for the right to read and write it"),
    "SQLITE_READONLY": ("The store cannot be written", "Ask for the right to write it and its folder"),
    "SQLITE_FULL": ("The disk is full", "Make room and try again"),
    "53100": ("The disk of the database is full", "Make room and try again"),
    "28": ("The database refuses this user", "Check the name and the password in its address"),
    "3D000": ("There is no such database", "Create it, or check its address"),
    "42501": ("The database does not allow this", "Give its user the right to create and write tables"),
}


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises inside into a StoreError about the store at ``where``."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _sentence(error, where) from error


def _sentence(error: SQLAlchemyError, where: str) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")
    for start, (what, hint) in _BY_CODE.items():
        if code.startswith(start):
            return StoreError(what, where, hint)
    if isinstance(error, IntegrityError):
        return StoreError("The store does not hold what this refers to", where, "Put captures first")
    if isinstance(error, OperationalError) and not code.startswith("SQLITE"):
        return StoreError("The database does not answer", where, "Start it, or check its address")
    kind = code or type(cause or error).__name__
    return StoreError(f"The store cannot be used ({kind})", where, "Run clew check")
