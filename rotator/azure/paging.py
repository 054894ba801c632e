"""The pages of a list, turned one by one: a list that leads back to where it was, or that has no end, is said to be so and not read on.

A part of a list is never given out for all of it: whoever counts on its end would be told an untruth.
"""

from collections.abc import AsyncIterator
from typing import Any

from rotator.core.faults import Rejected

LIST = "the list"


class Pages:
    """Which pages were asked for. Each `turn` is to another one, by whatever the service names it with: a link, a token."""

    def __init__(self, pages_max: int, what: str = LIST) -> None:
        self._pages_max = pages_max
        self._what = what
        self._seen: set[str] = set()

    def turn(self, page: str) -> None:
        """Raises Rejected where the page was given out before, or is one too many."""
        if page in self._seen:
            raise Rejected(f"{self._what} repeats itself: a page of it names one that was there before")
        if len(self._seen) + 1 >= self._pages_max:
            raise Rejected(f"{self._what} has more than {self._pages_max:,} pages")
        self._seen.add(page)


async def pages_of(listed: Any, pages_max: int) -> AsyncIterator[Any]:
    """The pages of what an SDK lists. Raises Rejected, and what the SDK raises."""
    turned, pages = Pages(pages_max), listed.by_page()
    async for page in pages:
        yield page
        following = getattr(pages, "continuation_token", None)
        if following:
            turned.turn(str(following))


async def rows_of(listed: Any, pages_max: int) -> AsyncIterator[Any]:
    """The same, row by row."""
    async for page in pages_of(listed, pages_max):
        async for row in page:
            yield row
