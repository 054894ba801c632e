"""A count on a terminal while something takes its time: one line on standard error, written over, and nothing where nobody looks."""

import sys

import click


class Counter:
    """`counter("keys", 3, 500)`: fulfils what a survey or a doctor tells its progress to."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def __call__(self, what: str, done: int, of: int) -> None:
        if self._shown:
            line = f"{what}: {done} of {of}"
            click.echo(f"\r{line:<{self._width}}", err=True, nl=False)
            self._width = len(line)

    def end(self) -> None:
        """Take the line away."""
        if self._shown and self._width:
            click.echo(f"\r{'':<{self._width}}\r", err=True, nl=False)
            self._width = 0
