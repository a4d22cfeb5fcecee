"""Pure: which retrievals a saving keeps, so that asking again and again does not make it grow."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from clew.model import Capture


def thinned(captures: Iterable[Capture]) -> list[Capture]:
    """Return the captures that a saving keeps of these, in the order given.

    Where an address gives the same (body and status) time after time, the first and the last time stay. Answers of
    another media type are apart: the address was asked for something else. A file or a member of an archive stays
    once. Of equals the first given stays, so that a saving's own captures, given first, keep their places.
    """
    given = list(captures)
    addresses: dict[tuple[str, str], list[int]] = {}
    files: dict[tuple[str, str, str], int] = {}
    for place, one in enumerate(given):
        if one.url:
            addresses.setdefault((one.url, one.media_type), []).append(place)
        else:
            files.setdefault((one.sha256, one.archive, one.member), place)
    kept = set(files.values())
    for places in addresses.values():
        places.sort(key=lambda n: (given[n].retrieved, given[n].status, given[n].sha256))
        for _, same in groupby(places, key=lambda n: (given[n].status, given[n].sha256)):
            run = list(same)
            end = given[run[-1]].retrieved
            kept |= {run[0], next(n for n in run if given[n].retrieved == end)}
    return [one for place, one in enumerate(given) if place in kept]
