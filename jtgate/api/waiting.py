"""Requests that wait for a command to end: one watch of the bus for all, and no thread for any."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from jtgate import logs
from jtgate.api.counters import BUSY, WAITING
from jtgate.storage.commands import Command, CommandBus, CommandError, UnknownCommand, Watch

#: Requests that wait at a time.
WAITS_MAX: Final = 1000

_log = logs.get_logger("api")

Waiter = asyncio.Future[Command | None]


class CommandWaits:
    """Futures of requests by the command they wait for.

    The bus calls back on a thread of its own; one look at the commands waited for follows on a thread of ours, however
    many changes came meanwhile, and the futures are set on the event loop.

    Args:
        bus: gives the bus, or raises what the bus raises.
    """

    def __init__(self, bus: Callable[[], CommandBus]) -> None:
        self._bus = bus
        self._waiters: dict[int, set[Waiter]] = {}
        self._count = 0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="api-waits")
        self._watch: Watch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_rung = False
        self._is_stopped = False

    async def wait(self, command: Command, timeout_s: float) -> Command:
        """The command when it has ended, or as it stands after the time; at once when too many wait already.

        Nothing is raised: the command is in the bus, and who is refused would send it again.

        Args:
            command: as it is known.
            timeout_s: how long to wait, seconds.
        """
        if not command.state.is_open or timeout_s <= 0 or self._is_stopped:
            return command
        if self._count >= WAITS_MAX:
            BUSY.labels("waits").inc()
            return command
        try:
            await self._start()
            return await self._ended(command.command_id, timeout_s) or await self._latest(command)
        except CommandError as error:
            _log.warning("api.commands_unreadable", code=error.code)
            return command

    async def _ended(self, command_id: int, timeout_s: float) -> Command | None:
        """The command when it has ended; None when it has not within the time."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(command_id, set())
        waiters.add(waiter)
        self._count += 1
        WAITING.set(self._count)
        try:
            self._ring()  # it may have ended before it was waited for
            async with asyncio.timeout(timeout_s):
                return await waiter
        except TimeoutError:
            return None
        finally:
            self._count -= 1
            WAITING.set(self._count)
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(command_id, None)

    async def _latest(self, command: Command) -> Command:
        """How a command stands now."""
        if self._is_stopped:
            return command
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: self._bus().get(command.command_id))

    async def _start(self) -> None:
        if self._watch is None:
            self._loop = asyncio.get_running_loop()
            await self._loop.run_in_executor(self._executor, self._start_watch)

    def _start_watch(self) -> None:
        """On the one thread of the executor, so there is one watch however many wanted it."""
        if self._watch is None:
            self._watch = self._bus().watch(self._rung_by_bus)

    def _rung_by_bus(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self._ring)
            except RuntimeError:  # closed in between
                return

    def _ring(self) -> None:
        self._is_rung = True
        if self._looking is None and self._waiters and not self._is_stopped:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Look at what is waited for until nothing has changed since."""
        loop = asyncio.get_running_loop()
        try:
            while self._is_rung and self._waiters:
                self._is_rung = False
                for command in await loop.run_in_executor(self._executor, self._read, tuple(self._waiters)):
                    for waiter in self._waiters.get(command.command_id, ()):
                        if not waiter.done():
                            waiter.set_result(command)
        except CommandError as error:  # who waits gets a 202 when its time is over; the next ring looks again
            _log.warning("api.commands_unreadable", code=error.code)
        finally:
            self._looking = None

    def _read(self, ids: tuple[int, ...]) -> list[Command]:
        bus = self._bus()
        found = []
        for command_id in ids:
            try:
                command = bus.get(command_id)
            except UnknownCommand:  # trimmed
                continue
            if not command.state.is_open:
                found.append(command)
        return found

    def stop(self) -> None:
        """Let everybody go who waits; called on the event loop."""
        self._is_stopped = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def close(self) -> None:
        """Be told no more; safe to call twice."""
        self._is_stopped = True
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
