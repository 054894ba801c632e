"""The sandbox in a thread of its own, for synchronous tests and for those that start the command line as a subprocess.

Promises: the same names as Sandbox; each is read or called on the sandbox's own loop, so a test never races a request.
Never: another thread's hands on the objects that come back: treat an Account or a Version as a reading, and change
things by the methods.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self

from rotator.sandbox.server import Sandbox

_CALL_S_MAX = 30.0


class SandboxThread:
    def __init__(self, directory: Path, seed: int | None = None, ports: Mapping[str, int] | None = None, host: str = "127.0.0.1") -> None:
        self._sandbox = Sandbox(directory, seed, ports, host)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        try:
            self._run(self._sandbox.start())
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        try:
            self._run(self._sandbox.stop())
        finally:
            self._end()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._run(_read(self._sandbox, name))
        return self._proxy(found) if inspect.ismethod(found) else found

    def _proxy(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return self._run(_call(method, arguments, options))

        return call

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_S_MAX)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S_MAX)
        self._loop.close()


async def _read(sandbox: Sandbox, name: str) -> Any:
    return getattr(sandbox, name)


async def _call(method: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    found = method(*arguments, **options)
    return await found if inspect.isawaitable(found) else found
