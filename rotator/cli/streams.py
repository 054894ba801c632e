"""Standard input and output as a command finds them: closed, a pipe that nobody reads any more, a full disk, an encoding of 1968.

Promises that printing never stops an errand: what cannot be written is dropped, and whoever asks afterwards is told why. A character that
the encoding has not is replaced.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Unfailing(io.FileIO):
    """A file descriptor that takes every write. `error` is why the first one was lost."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        if self.error is not None:
            return len(memoryview(data).cast("B"))
        try:
            while (written := super().write(data)) is None:  # somebody made the descriptor non-blocking
                select.select([], [self.fileno()], [])
        except OSError as error:
            self.error = error
            return len(memoryview(data).cast("B"))
        return written


def mend() -> Callable[[], OSError | None]:
    """Make the three streams usable, whatever they are. The answer tells later what of standard output was lost, but for a closed pipe."""
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  # for as long as the process lives
    out, err = _mended(sys.stdout), _mended(sys.stderr)
    sys.stdout, sys.stderr = out, err

    def lost() -> OSError | None:
        for stream in (out, err):
            stream.flush()
        raw = getattr(getattr(out, "buffer", None), "raw", None)
        error = raw.error if isinstance(raw, Unfailing) else None
        return None if error is None or error.errno == errno.EPIPE else error

    return lost


def _mended(stream: Any) -> Any:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # unbuffered, it is the raw one itself
    if isinstance(raw, io.FileIO) and not isinstance(raw, Unfailing):
        buffer = io.BufferedWriter(Unfailing(raw.fileno(), "w", closefd=False))
        return io.TextIOWrapper(buffer, stream.encoding, "replace", line_buffering=stream.line_buffering)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream
