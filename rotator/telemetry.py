"""The log: structlog, one JSON object a line on standard error, an event name and fields, never a sentence.

The scrubber is the last net, not the first: it takes out of every line whatever has the shape of a key of ours, and every value that is
sealed in memory at that moment. Standard library logs (the SDKs') pass through the same net.
"""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import structlog

from rotator.core.keyshape import CURRENT, LEGACY, MARK, without_encoded
from rotator.core.sealed import alive

__all__ = ["MARK", "around_stories", "logged", "scrub", "scrubber", "start_logging", "story", "told"]

BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/-]{16,}=*")
IDENTIFIERS = frozenset({"version", "operation", "request_id", "incident", "fingerprint", "new_fingerprint", "hash", "previous", "head"})
"""Fields whose values are ids of ours or Azure's: a vault's version id has the shape of a legacy key."""


def scrub(text: str, *, identifier: bool = False) -> str:
    """`text` without anything that is, or looks like, a key or a token."""
    for value in alive():
        if value.occurs_in(text):
            text = value.cut_from(text, MARK)
    text = BEARER.sub(rf"\1{MARK}", without_encoded(CURRENT.sub(MARK, text)))
    return text if identifier else LEGACY.sub(MARK, text)


def _scrubbed(value: Any, *, identifier: bool = False) -> Any:
    match value:
        case str():
            return scrub(value, identifier=identifier)
        case bool() | int() | float() | None:
            return value
        case dict():
            return {scrub(str(name)): _scrubbed(inner, identifier=name in IDENTIFIERS) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_scrubbed(inner, identifier=identifier) for inner in value]
        case _:
            return scrub(str(value), identifier=identifier)


def scrubber(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The net, as the last processor before a line is made."""
    return {name: _scrubbed(value, identifier=name in IDENTIFIERS) for name, value in event.items()}


def start_logging(level: str = "warning") -> None:
    """Log to standard error from now on (nowhere, if it is closed); also what the standard library's loggers say."""
    stream = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as the process lives
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    line: list[structlog.typing.Processor] = [scrubber, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *line],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *line]))
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    if threshold > logging.INFO:
        logging.getLogger("azure").setLevel(logging.ERROR)  # its warnings repeat what our faults say better


def logged(event: str, **fields: Any) -> None:
    """Fulfils the engine's `Watch`: every event of a run is a line of the log."""
    structlog.get_logger().info(event, **fields)


@contextlib.contextmanager
def story(**fields: str) -> Iterator[None]:
    """Every line that is said inside carries these fields: so one rotation's lines can be told from all others. Traces are told, too."""
    told = {name: value for name, value in fields.items() if value}
    with structlog.contextvars.bound_contextvars(**told), _around(**told) if _around else contextlib.nullcontext():
        yield


def told(name: str) -> str:
    """A field of the story that is being told here and now, or nothing."""
    return str(structlog.contextvars.get_contextvars().get(name, ""))


_around: Callable[..., AbstractContextManager[None]] | None = None


def around_stories(around: Callable[..., AbstractContextManager[None]] | None) -> None:
    """From now on every story is told inside this, too."""
    global _around
    _around = around
