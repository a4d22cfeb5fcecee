"""JSON-LD in the words of schema.org: the document as an article, each post of it with what it shows and quotes.

The context stands in the file, so that nothing has to be fetched to understand it.
"""

from __future__ import annotations

import json
from typing import Any

from clew.model import Actor, Attachment, Item, Page, Post, Tombstone
from clew.outline import name
from clew.plugins import Exporter

_ADDRESSES = ("url", "contentUrl", "sameAs")
CONTEXT: dict[str, Any] = {"@vocab": "https://schema.org/"} | {key: {"@type": "@id"} for key in _ADDRESSES}
_MEDIA = {"image": "ImageObject", "video": "VideoObject", "audio": "AudioObject", "file": "MediaObject"}
_PLACES = {"image": "image", "video": "video", "audio": "audio", "file": "associatedMedia"}
Node = dict[str, Any]


class JsonLd:
    """Linked data of a thread, also for the head of its page (``embedded``)."""

    name = "jsonld"
    media_type = "application/ld+json"
    suffix = ".jsonld"

    def export(self, page: Page) -> bytes:
        """Return the page as JSON-LD."""
        return json.dumps(described(page), ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


def embedded(page: Page) -> str:
    """Return the same for a ``script`` element: nothing in it ends the element."""
    text = json.dumps(described(page), ensure_ascii=False)
    escaped: dict[str, str | int | None] = {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
    return text.translate(str.maketrans(escaped)).encode("utf-8", "replace").decode()


def described(page: Page) -> Node:
    """Return a page as a tree of schema.org's types, without what is empty."""
    thread, told = page.thread, _Told(page)
    posts = [item for item in thread.items if isinstance(item, Post)]
    runs = (*thread.branches, *thread.asides)
    times = [post.published for post in posts if post.published]
    node = {
        "@context": CONTEXT,
        "@id": page.base_url or f"{thread.id}#document",
        "@type": "Article",
        "url": page.base_url,
        "headline": page.title,
        "author": told.person(thread.attributed_to),
        "datePublished": min(times).isoformat() if times else "",
        "dateModified": max(times).isoformat() if times else "",
        "inLanguage": list(dict.fromkeys(lang for post in posts for lang in post.langs)),
        "articleBody": page.document.text,
        "creativeWorkStatus": thread.certificate.sentence,
        "isBasedOn": [{"@id": post.id} for post in posts],
        "hasPart": [told.item(item) for item in (*thread.items, *(i for run in runs for i in run.items))],
        "citation": [told.item(item) for item in (*thread.context, *(i for run in runs for i in run.answered))],
    }
    return _full(node)


class _Told:
    """Items as nodes, with what they name looked up."""

    def __init__(self, page: Page) -> None:
        self.actors = {actor.id: actor for actor in page.thread.actors}
        self.quoted = {post.id: post for post in page.thread.quoted}

    def person(self, id_: str) -> Node:
        actor = self.actors.get(id_, Actor(id_))
        return _full(
            {
                "@id": actor.id,
                "@type": "Person",
                "name": name(actor),
                "alternateName": actor.preferred_username,
                "url": _web(actor.url),
                "sameAs": list(filter(None, map(_web, actor.also_known_as))),
            }
        )

    def item(self, item: Item) -> Node:
        if isinstance(item, Tombstone):
            return _full(
                {
                    "@id": item.id,
                    "@type": "SocialMediaPosting",
                    "creativeWorkStatus": f"not here: {item.reason}",
                    "description": item.evidence,
                    "author": self.person(item.attributed_to) if item.attributed_to else None,
                }
            )
        return _full({**self.post(item), **_attached(item), "citation": self.quotation(item)})

    def post(self, post: Post) -> Node:
        return {
            "@id": post.id,
            "@type": "Article" if post.name else "SocialMediaPosting",
            "identifier": post.id,
            "url": _web(post.url),
            "headline": post.name,
            "author": self.person(post.attributed_to),
            "datePublished": post.published.isoformat() if post.published else "",
            "dateModified": post.updated.isoformat() if post.updated else "",
            "inLanguage": list(post.langs),
            "text": post.content,
            "abstract": post.summary,
            "mentions": [
                _full(
                    {
                        "@type": "WebPage",
                        "url": facet.href,
                        "name": facet.label or post.content[facet.start : facet.end],
                    }
                )
                for facet in post.facets
                if _web(facet.href)
            ],
        }

    def quotation(self, post: Post) -> Node | None:
        """Return what a post quotes: its words and whose they are, or only where they were."""
        if post.quote is None:
            return None
        quoted = self.quoted.get(post.quote.id)
        if quoted is None:
            state = f"not here: {post.quote.state}"
            return {"@type": "Quotation", "isBasedOn": {"@id": post.quote.id}, "creativeWorkStatus": state}
        return {
            "@type": "Quotation",
            "text": quoted.content,
            "spokenByCharacter": self.person(quoted.attributed_to),
            "datePublished": quoted.published.isoformat() if quoted.published else "",
            "isBasedOn": _full({"@id": quoted.id, "url": _web(quoted.url)}),
            **_attached(quoted),
        }


def _attached(post: Post) -> Node:
    """Return what hangs on a post: pictures and recordings with their descriptions, cards as what it shares."""
    node: dict[str, list[Node]] = {}
    for attachment in post.attachments:
        node.setdefault(_PLACES.get(attachment.type, "sharedContent"), []).append(_full(_attachment(attachment)))
    if post.poll:
        options = [_full({"@type": "Answer", "text": o.name, "upvoteCount": o.votes}) for o in post.poll.options]
        node["mainEntity"] = [{"@type": "Question", "suggestedAnswer": options}]
    return node


def _attachment(attachment: Attachment) -> Node:
    if attachment.type == "card":
        words = {"name": attachment.name, "description": attachment.summary}
        return {"@type": "WebPage", "url": _web(attachment.url), **words}
    return {
        "@type": _MEDIA[attachment.type],
        "contentUrl": _web(attachment.url),
        "encodingFormat": attachment.media_type,
        "caption": attachment.alt,
        "name": attachment.name,
        "description": attachment.summary,
        "width": attachment.width,
        "height": attachment.height,
        "sha256": attachment.sha256,
    }


def _web(address: str) -> str:
    """Return an address of the web; nothing for what a reader should not follow."""
    return address if address.startswith(("https://", "http://")) else ""


def _full(node: Node) -> Node:
    return {
        key: _full(value) if isinstance(value, dict) else value for key, value in node.items() if _is_told(value)
    }


def _is_told(value: Any) -> bool:
    return value is not None and value not in ("", [], {})


EXPORTER: Exporter = JsonLd()
