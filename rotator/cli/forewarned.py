"""What is well written in the settings and would fail all the same on every run: looked for on this machine, for `config check`."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from rotator.settings import CustomCloud, CustomIdentity, Settings

_OF_AN_EXAMPLE = re.compile(r"(?:/subscriptions/)?00000000-0000-0000-0000-0000000000[0-9]{2}(?:/.*)?")
"""The ids of our own examples, and of nobody."""


def warnings(settings: Settings, directory: Path) -> Iterator[str]:
    """A line each, with the place in the settings first. `directory` is what relative paths start from."""
    cloud, identity = settings.cloud, settings.identity
    if isinstance(cloud, CustomCloud) and cloud.ca_file and not (directory / cloud.ca_file).is_file():
        yield f"cloud.ca_file: there is no file {directory / cloud.ca_file}"
    if isinstance(identity, CustomIdentity) and identity.client_secret.secret.startswith("vault:"):
        yield "identity.client_secret.secret: rotator's own identity cannot come from a vault that it opens; use env: or file:"
    yield from _references(settings.model_dump(by_alias=True), "")
    yield from _windows(settings)


def _references(value: Any, path: str) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _references(inner, f"{path}.{name}" if path else str(name))
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _references(inner, f"{path}[{number}]")
        case str() if value.startswith("env:") and not os.environ.get(value.removeprefix("env:"), "").strip():
            yield f"{path}: the variable {value.removeprefix('env:')} is not set here"
        case str() if value.startswith("file:/") and not os.access(value.removeprefix("file:"), os.R_OK):
            yield f"{path}: the file {value.removeprefix('file:')} cannot be read here"
        case str() if _OF_AN_EXAMPLE.fullmatch(value):
            yield f"{path}: still as in the example; put your own there"


def _windows(settings: Settings) -> Iterator[str]:
    places = [("defaults", settings.defaults), *((f"credentials[{n}]", one) for n, one in enumerate(settings.credentials))]
    for place, policies in places:
        if policies.window is not None and policies.window.for_ == timedelta(0):
            yield f"{place}.window.for: a window of no length never opens, so nothing is ever rotated in it"
