"""How much memory and time a 2 GB archive takes: ``python bench/archive.py``.

Builds zips like an account archive of X in a temporary folder, deleted at the end: 1 GiB of records in parts of
``tweets.js`` of 48 MiB (threads of up to 20 posts), and 1 GiB of media. A child process takes each apart into
captures, another runs ``clew unroll`` on it; peak resident memory is what the operating system counted. Aim: under
300 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from clew.captures import Archive, Member, open_input
from clew.config import GIB, MIB

MEMBERS = (
    Member("data/account.js", "whole"),
    Member("data/tweets*.js", "records"),
    Member("data/tweets_media/*", "media"),
)
WORDS = "the lake was calm and grey when Ada rowed out to look for the lost map of the harbour".split()


def tweets(first: int, size: int, chance: random.Random) -> Iterator[bytes]:
    """One part of about ``size`` bytes, in pieces."""
    yield b"window.YTD.tweets.part0 = [\n"
    number = first
    while size > 0:
        text = " ".join(chance.choices(WORDS, k=30)) + f" {chance.getrandbits(64):x}"
        record = {
            "tweet": {
                "edit_info": {"initial": {"editTweetIds": [str(number)], "editsRemaining": "5"}},
                "entities": {"hashtags": [], "urls": [{"url": "https://t.co/x", "indices": ["0", "9"]}]},
                "id_str": str(number), "id": str(number), "full_text": text, "lang": "en",
                "created_at": "Sun Mar 01 12:00:00 +0000 2026", "favorite_count": "0", "retweeted": False,
                "in_reply_to_status_id_str": str(number - 1) if number % 20 else None,
                "in_reply_to_user_id_str": "7" if number % 20 else None,
                "display_text_range": ["0", str(len(text))],
            }
        }  # fmt: skip
        piece = b",\n" * (number > first) + json.dumps(record, indent=2).encode()
        size -= len(piece)
        number += 1
        yield piece
    yield b"\n]"


def build(path: Path, method: int, records: int, media: int) -> None:
    """Write the archive. Media are random bytes, which do not deflate."""
    chance = random.Random(1)
    part = min(48 * MIB, records)
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as out:
        out.writestr(
            "data/account.js", 'window.YTD.account.part0 = [{"account": {"accountId": "7", "username": "ada"}}]'
        )
        for number in range(-(-records // part)):
            name = f"data/tweets-part{number}.js" if number else "data/tweets.js"
            with out.open(name, "w") as member:
                for piece in tweets(number * 1_000_000 + 1, part, chance):
                    member.write(piece)
        for number in range(media // (4 * MIB)):
            info = zipfile.ZipInfo(f"data/tweets_media/{number}-lake.jpg")
            out.writestr(info, chance.randbytes(4 * MIB))


def take_apart(path: Path, media: bool) -> None:
    """What the child does: every capture, and one pass over the media where asked. Prints what it saw as JSON."""
    count = size = 0
    opened = open_input(path)
    assert isinstance(opened, Archive)
    with opened as archive:
        for capture in archive.captures(MEMBERS):
            count, size = count + 1, size + len(capture.body)
        if media:
            tails = [name for name in archive.names() if name.endswith(".jpg")]
            for capture in archive.media(tails, MEMBERS):
                count, size = count + 1, size + len(capture.body)
    print(json.dumps({"captures": count, "bytes": size}))


def measure(command: list[str]) -> tuple[str, int, float]:
    """Run a command; return its output, its peak resident memory in bytes, and its seconds of processor time."""
    with tempfile.TemporaryFile("w+") as output, subprocess.Popen(command, stdout=output) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(child.returncode)
        output.seek(0)
        return output.read(), usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=float, default=1, help="GiB of records (default 1)")
    parser.add_argument("--media", type=float, default=1, help="GiB of media (default 1)")
    parser.add_argument("--child", nargs=2, metavar=("PATH", "MEDIA"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        take_apart(Path(options.child[0]), options.child[1] == "media")
        return
    print(f"{'archive':<22}{'GiB':>6}{'captures':>12}{'MB/CPU s':>10}{'CPU s':>8}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for label, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
            path = Path(folder) / f"{label}.zip"
            build(path, method, int(options.records * GIB), int(options.media * GIB))
            for media in ("none", "media"):
                output, peak, seconds = measure([sys.executable, __file__, "--child", str(path), media])
                seen = json.loads(output)
                rate = seen["bytes"] / 1e6 / seconds
                name = f"{label}{', media' * (media == 'media')}"
                size = path.stat().st_size / GIB
                print(
                    f"{name:<22}{size:>6.2f}{seen['captures']:>12,}{rate:>10.0f}{seconds:>8.1f}{peak / MIB:>10.0f}"
                )
            _, peak, seconds = measure([sys.executable, "-m", "clew", "unroll", str(path)])
            name, rate = f"{label}, clew unroll", seen["bytes"] / 1e6 / seconds
            print(f"{name:<22}{size:>6.2f}{seen['captures']:>12,}{rate:>10.0f}{seconds:>8.1f}{peak / MIB:>10.0f}")
            path.unlink()


if __name__ == "__main__":
    main()
