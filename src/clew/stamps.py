"""Time stamps (RFC 3161): an authority that the operator names signs that a file existed at a time.

The authority sees the hash of the file and nothing else. Its answer stands beside the file, as ``FILE.tsr``, and
``openssl ts -verify`` reads it too. Needs the extra ``timestamps``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from clew.errors import ClewError, InputError, SourceError

ASKS, ANSWERS = "application/timestamp-query", "application/timestamp-reply"
SUFFIX = ".tsr"
_GRANTED = (0, 1)  # PKIStatus


def stamp(data: bytes, ask: Callable[[bytes], bytes]) -> bytes:
    """Return an authority's time stamp of ``data``. That it is signed by whom it should be is for ``moment_of``.

    Args:
        data: a whole file, not empty.
        ask: sends a request (``ASKS``) to the authority and returns the body of the answer (``ANSWERS``).

    Raises:
        InputError: the extra is not installed, or there is nothing to stamp.
        SourceError: the authority refused, or answered something else.
    """
    library = _library()
    if not data:
        raise InputError("There is nothing to stamp", "the file")
    build = library.TimestampRequestBuilder().data(data).hash_algorithm(library.HashAlgorithm.SHA256)
    request = build.nonce(nonce=True).cert_request(cert_request=True).build()
    body = ask(request.as_bytes())
    response = _decoded(body)
    if response.status not in _GRANTED:
        raise SourceError(
            "The authority refused to stamp it", " ".join(response.status_string) or "it does not say why"
        )
    info = response.tst_info
    if info.nonce != request.nonce or info.message_imprint.message != sha256(data).digest():
        raise SourceError("The authority stamped something else", "the file", "Ask another one")
    return body


def moment_of(data: bytes, answer: bytes, roots: Sequence[bytes]) -> datetime:
    """Return when ``data`` was stamped, if one of these authorities signed it.

    Args:
        data: the whole file.
        answer: what ``stamp`` returned.
        roots: certificates in PEM that are trusted.

    Raises:
        InputError: the extra is not installed, or a certificate cannot be read.
        SourceError: the stamp is of something else, by somebody else, or damaged.
    """
    library, response = _library(), _decoded(answer)
    from cryptography.x509 import load_pem_x509_certificates

    builder = library.VerifierBuilder()
    try:
        for certificate in (one for root in roots for one in load_pem_x509_certificates(root)):
            builder = builder.add_root_certificate(certificate)
        verifier = builder.build()
    except ValueError as error:
        raise InputError(
            "The certificates of the authority cannot be read", str(error), "Give them as PEM"
        ) from error
    try:
        verifier.verify_message(response, data)
    except (library.VerificationError, ValueError) as error:
        raise SourceError(f"The time stamp does not hold ({error})", "the file") from error
    time: datetime = response.tst_info.gen_time
    return time.astimezone(UTC)


def beside(path: Path) -> Path:
    """Return where the time stamp of a file stands."""
    return path.with_name(path.name + SUFFIX)


def _decoded(answer: bytes) -> Any:
    try:
        return _library().decode_timestamp_response(answer)
    except ClewError:
        raise
    except ValueError as error:
        raise SourceError("This is not a time stamp", "the answer of the authority") from error


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        hint = "Install it with: pip install 'clew[timestamps]'"
        raise InputError("Time stamps need a library that is not installed", "rfc3161-client", hint) from error
    return rfc3161_client
