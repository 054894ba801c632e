"""Durations on the command line are written as in the settings: 90s, 15m, 24h, 30d."""

import re
from datetime import timedelta
from typing import Any

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """A number and a unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if not re.fullmatch(r"\d{1,9}(\.\d+)?[smhd]", str(value)):
            self.fail(f"{value!r} is not a duration; write 90s, 15m, 24h or 30d", param, ctx)
        return timedelta(**{_UNITS[value[-1]]: float(value[:-1])})


DURATION = Duration()
