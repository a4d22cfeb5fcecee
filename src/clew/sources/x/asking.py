"""The questions Clew asks the API v2 of X, as addresses; and an address as the question it was.

Both are here so that what was asked can be told from a capture alone. The fields and expansions are those that X's
own client allows: since July 2026 ("post") the fields that name other posts and accounts come with the expansions.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from clew.fetch import query
from clew.sources.x.shapes import digits

Kind = Literal["lookup", "recent", "archive", "timeline"]

IDS = 100
"""Posts of one look-up."""
PAGE = 100
"""Posts of one page of the recent search or a timeline; the full archive gives five times as many."""

_PATHS: dict[Kind, str] = {
    "lookup": "/2/tweets",
    "recent": "/2/tweets/search/recent",
    "archive": "/2/tweets/search/all",
    "timeline": "/2/users/{}/tweets",
}
_SEARCHES: dict[str, Kind] = {"recent": "recent", "all": "archive"}
_TIMELINE = re.compile(r"/2/users/([0-9]{1,19})/tweets")
_QUERY = re.compile(r"conversation_id:([0-9]{1,19}) from:([0-9]{1,19})")
_SHARED = "attachments,conversation_id,created_at,entities,lang,possibly_sensitive,public_metrics,scopes,withheld"
_WITH_MEDIA = "attachments.media_keys,attachments.poll_ids,author_id,in_reply_to_user_id"
_WORDS = {
    "post": {
        "post.fields": f"{_SHARED},note_post",
        "expansions": f"{_WITH_MEDIA},edit_history_post_ids,referenced_posts",
    },
    "tweet": {
        "tweet.fields": f"{_SHARED},author_id,edit_history_tweet_ids,in_reply_to_user_id,note_tweet,"
        "referenced_tweets",
        "expansions": f"{_WITH_MEDIA},edit_history_tweet_ids,referenced_tweets.id,referenced_tweets.id.author_id",
    },
}
_FIELDS = {
    "user.fields": "entities,name,protected,url,username",
    "media.fields": "alt_text,height,media_key,preview_image_url,type,url,variants,width",
    "poll.fields": "end_datetime,id,options",
}


class Ask(NamedTuple):
    """One question."""

    kind: Kind
    ids: tuple[str, ...] = ()
    """Numbers of the posts looked up."""
    user: str = ""
    """Number of the account whose posts are asked for."""
    conversation: str = ""
    """Number of the post that began the conversation searched."""
    since: str = ""
    """Older than all posts asked for: a number, or for the full archive a time."""
    until: str = ""
    """Number of a post that is younger than all asked for."""
    page: str = ""
    """Token of a further page."""

    def url(self, base: str, vocabulary: Literal["post", "tweet"]) -> str:
        """Return the address that asks this."""
        values: dict[str, str | int] = {}
        if self.kind == "lookup":
            values["ids"] = ",".join(self.ids)
        elif self.kind == "timeline":
            values |= {"exclude": "retweets", "max_results": PAGE, "since_id": self.since}
        else:
            values["query"] = f"conversation_id:{self.conversation} from:{self.user}"
            values["max_results"] = 5 * PAGE if self.kind == "archive" else PAGE
            if self.since:
                values["start_time"] = self.since
        if self.until:
            values["until_id"] = self.until
        if self.page:
            values["pagination_token"] = self.page
        path = _PATHS[self.kind].format(self.user)
        return query(base.rstrip("/") + path, {**values, **_WORDS[vocabulary], **_FIELDS})

    @classmethod
    def of(cls, url: str) -> Ask | None:
        """Return the question that an address asks; None where it is none of ours."""
        try:
            parts = urlsplit(url)
            told = {name: values[0] for name, values in parse_qs(parts.query).items()}
        except ValueError:
            return None
        page, until = told.get("pagination_token", ""), digits(told.get("until_id"))
        if parts.path.endswith("/2/tweets"):
            return cls("lookup", tuple(filter(None, map(digits, told.get("ids", "").split(",")))))
        if match := _TIMELINE.fullmatch(parts.path[parts.path.rfind("/2/") :]):
            return cls("timeline", (), match.group(1), "", digits(told.get("since_id")), until, page)
        searched = _QUERY.fullmatch(told.get("query", ""))
        if not searched or not (kind := _SEARCHES.get(parts.path.rpartition("/search/")[2])):
            return None
        return cls(kind, (), searched.group(2), searched.group(1), told.get("start_time", ""), until, page)
