"""Durations on the command line are written as in the settings: 90s, 15m, 24h, 30d."""

import re
from datetime import timedelta
from typing import Any

import click

LONGEST = timedelta(days=36_500)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """A number and a unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?[smhd]", str(value)):
            self.fail(f"{value!r} is not a duration; write 90s, 15m, 24h or 30d", param, ctx)
        length = float(value[:-1]) * timedelta(**{_UNITS[value[-1]]: 1}).total_seconds()
        if length > LONGEST.total_seconds():
            self.fail(f"{value!r} is longer than anybody waits", param, ctx)
        return timedelta(seconds=length)


DURATION = Duration()
