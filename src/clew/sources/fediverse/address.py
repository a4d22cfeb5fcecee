"""Addresses of posts: the shapes that servers of the fediverse give them, and the ids of posts that they hold."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from clew.sources.fediverse.shapes import host

_USER = r"[^/?#\s]+"
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ULID = r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"
_FLAKE = r"(?=[A-Za-z]*[0-9])[0-9A-Za-z]{18}"
_API_ID = rf"[0-9]+|{_ULID}|{_UUID}|{_FLAKE}"
_MISSKEY = r"(?=[a-z]*[0-9])(?:[0-9a-z]{10}|[0-9a-z]{16}|[0-9a-z]{24})"

# What stands behind the host. A group is the id by which the Mastodon API of that server knows the post.
_PATHS = (
    rf"@{_USER}/({_API_ID})",  # Mastodon and most that look like it; also of a post from elsewhere
    rf"@{_USER}/(?:statuses|posts)/({_API_ID})",  # GoToSocial, Takahe
    rf"(?:ap/)?users/{_USER}/statuses/({_API_ID})(?:/activity)?",  # Mastodon, GoToSocial: the ActivityPub id
    rf"(?:web|deck)/(?:statuses|@{_USER})/({_API_ID})",
    rf"notice/({_API_ID})",  # Pleroma, Akkoma
    rf"p/{_USER}/([0-9]{{15,}})",  # Pixelfed
    r"api/v1/statuses/([^/?#\s]+)",
    r"objects/[\w-]{8,}",  # Pleroma, Mitra, Ktistec
    rf"notes/(?:{_MISSKEY}|{_ULID})",  # Misskey and its forks
    rf"{_USER}/p/[0-9]{{9,}}\.[0-9]+",  # snac
    r"display/[0-9a-f-]{16,}",  # Friendica
    r"o/[0-9a-f]{32}",  # microblog.pub
)
PATTERNS = tuple(rf"https?://[^/?#\s]+/{path}/?(?:[?#]\S*)?\Z" for path in _PATHS)
_LOCAL = tuple(re.compile(path + "/?") for path in _PATHS if re.search(r"\((?!\?)", path))


def local_id(url: str) -> str:
    """Return the id by which the API of its server knows the post at ``url``, where the address holds it; or ""."""
    try:
        path = urlsplit(url).path.removeprefix("/")
    except ValueError:
        return ""
    return next((match[1] for shape in _LOCAL if (match := shape.fullmatch(path))), "")


def is_api_id(text: str) -> bool:
    """Say whether a text has the shape of an id in the Mastodon API."""
    return re.fullmatch(_API_ID, text) is not None


def base(url: str) -> str:
    """Return scheme and host of an http address; "" for anything else."""
    home = host(url)
    return f"{url.partition('://')[0].lower()}://{home}" if home else ""
