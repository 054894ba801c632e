"""The frame of every page: its head, where one is, who looks and since when; and the small pages that say why there is no other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlencode

from htpy import Node, Renderable, a, body, footer, h1, head, header, html, main, meta, p, span, style, title

from rotator.web.page.style import SHEET
from rotator.web.page.words import clock

EVERY_S = 10
"""How often a page that is asked to loads itself anew. Only then: whoever reads, or listens to a page, is not to be interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look. `up` leads from this page to the first one, so that a proxy may put the pages below any path; `query` is what was asked."""

    by: str
    now: datetime
    up: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    again: bool = False

    def to(self, *parts: str, **query: str) -> str:
        """The address of another page."""
        path = self.up + "/".join(quote(part, safe="") for part in parts)
        return (path or "./") + (f"?{urlencode(query)}" if query else "")

    def here(self, **changes: str) -> str:
        """This page, asked otherwise; what is empty is not asked."""
        asked = {**dict(self.query), **changes}
        return "?" + urlencode({name: value for name, value in asked.items() if value})


def framed(visit: Visit, name: str, *content: Node) -> Renderable:
    """A whole page."""
    live = (
        a(href=visit.here(every=""))["Stop reloading"]
        if visit.again
        else a(href=visit.here(every=str(EVERY_S)))[f"Reload every {EVERY_S} s"]
    )
    return _document(
        name,
        header[
            a(class_="home", href=visit.to())["rotator"],
            span["as the ledger has it at ", clock(visit.now), " UTC"],
            span(class_="side")[live],
        ],
        main[content],
        footer[
            p[
                "You look as ",
                span(class_="mono")[visit.by],
                ". This page changes nothing and asks nothing of Azure: what it says to type does.",
            ],
        ],
        refresh=visit.again,
    )


def bare(name: str, *sentences: Node) -> Renderable:
    """A small page: why there is nothing to see."""
    return _document(name, main[h1[name], (p[one] for one in sentences)])


def _document(name: str, *content: Node, refresh: bool = False) -> Renderable:
    return html(lang="en")[
        head[
            meta(charset="utf-8"),
            meta(name="viewport", content="width=device-width, initial-scale=1"),
            meta(name="robots", content="noindex"),
            refresh and meta(http_equiv="refresh", content=str(EVERY_S)),
            title[f"{name} · rotator"],
            style[SHEET],
        ],
        body[content],
    ]
