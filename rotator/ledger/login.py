"""Logs in to PostgreSQL: as libpq does by itself (a service file, its environment), or with a password that is asked for at each login.

Such a password is a token that lives for an hour; the server looks at it at the login alone, so a session outlives its token, and each new
one asks anew. It is in no address, no log and no error.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rotator.core.sealed import Sealed

if TYPE_CHECKING:
    import psycopg

Password = Callable[[], Awaitable[Sealed]]
"""Asked at each login. Raises LedgerFault where there is none."""


async def logged_in(address: dict[str, Any], password: Password | None, **options: Any) -> "psycopg.AsyncConnection[Any]":
    """A new session. Raises what psycopg raises, and LedgerFault without a password to try."""
    import psycopg

    said = {} if password is None else {"password": (await password()).reveal()}
    return await psycopg.AsyncConnection.connect(**{**address, **said, **options})
