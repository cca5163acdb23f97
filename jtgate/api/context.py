"""What handlers work with: stores, directory, command bus, tokens, and what a caller may see."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cached_property
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypeVar

from jtgate.api.counters import BUSY
from jtgate.api.operations import Caller, Page, ProblemError
from jtgate.api.paging import decode_cursor, encode_cursor
from jtgate.api.pool import StorePool
from jtgate.api.waiting import CommandWaits
from jtgate.codecs.timebase import now_ms
from jtgate.profiles import Assignments
from jtgate.profiles import load as load_profiles
from jtgate.settings import Settings
from jtgate.storage.access import Access, AuditEntry
from jtgate.storage.commands import CommandBus
from jtgate.storage.directory import Directory
from jtgate.storage.evidence import EvidenceDesk
from jtgate.storage.files import FileStore
from jtgate.storage.open import open_access, open_commands, open_directory, open_evidence, open_files
from jtgate.storage.store import Store

__all__ = ["Api", "Page", "decode_cursor", "encode_cursor"]

#: Threads for handlers, and calls that may be under way or wait for a thread.
THREADS: Final = 16
CALLS_MAX: Final = 256
#: What may be under way after its answer.
LATER_MAX: Final = 1000
#: How long it is believed which vehicles belong to an enterprise or county, and for how many of those.
VISIBLE_S: Final = 5.0
VISIBLE_MAX: Final = 1000
#: Vehicles that are looked through for it.
VEHICLES_MAX: Final = 500_000

T = TypeVar("T")

#: 车牌号 and 车牌颜色.
Plate = tuple[str, int]


class Visible(NamedTuple):
    """What a caller may see."""

    terminals: frozenset[str]
    plates: frozenset[Plate]


#: Rows that the operation under way has noted in the audit log.
noted: Final[ContextVar[list[int]]] = ContextVar("noted")


class Api:
    """One for the process; what it opens, it opens when it is first needed, and again after a failure.

    Args:
        settings: of this `serve`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = asyncio.Event()  # what streams or waits ends when it is set
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="api")
        self._calls = 0
        self._stores = StorePool(settings)
        self._directory = _Lazy(lambda: open_directory(settings.data))
        self._bus = _Lazy(lambda: open_commands(settings.data))
        self._access = _Lazy(lambda: open_access(settings.data))
        self._desk = _Lazy(lambda: open_evidence(settings.data, asks_max=settings.evidence_asks_max))
        self._files = _Lazy(lambda: open_files(settings.data, settings.evidence_s3))
        self._visible: dict[tuple[str, str], tuple[float, Visible]] = {}
        self._visible_lock = threading.Lock()
        self._later: set[asyncio.Task[None]] = set()
        self.waits = CommandWaits(lambda: self.bus)

    @property
    def directory(self) -> Directory:
        """Who is online.

        Raises:
            DirectoryUnavailable: it cannot be opened now.
        """
        return self._directory.get()

    @property
    def bus(self) -> CommandBus:
        """The command bus.

        Raises:
            CommandsUnavailable: it cannot be opened now.
        """
        return self._bus.get()

    @property
    def access(self) -> Access:
        """Tokens and audit log.

        Raises:
            AccessUnavailable: they cannot be opened now.
        """
        return self._access.get()

    @property
    def desk(self) -> EvidenceDesk:
        """The desk of evidence.

        Raises:
            EvidenceUnavailable: it cannot be opened now.
        """
        return self._desk.get()

    @property
    def files(self) -> FileStore:
        """Files by their hash.

        Raises:
            FileStoreUnavailable: they cannot be reached now.
        """
        return self._files.get()

    @cached_property
    def assignments(self) -> Assignments:
        """Which terminal has which profile."""
        return load_profiles(self.settings.profiles).assignments

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A store for this thread for a while.

        Raises:
            StoreUnavailable: it cannot be opened now, or all are in use for too long.
        """
        with self._stores.borrowed() as store:
            yield store

    async def on_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call what blocks on one of the threads for handlers.

        Raises:
            ProblemError: 503, CALLS_MAX calls are under way.
        """
        if self._calls >= CALLS_MAX:
            BUSY.labels("calls").inc()
            raise ProblemError(503, "busy", "Too many requests at once", "try again in a moment")
        self._calls += 1
        context = copy_context()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, lambda: context.run(function, *args))
        finally:
            self._calls -= 1

    def visible(self, caller: Caller) -> frozenset[str] | None:
        """Terminals that a caller may see and command: those of the vehicles of its enterprise or county now.

        Returns:
            Digits without leading zeros; None for all.
        """
        found = self._visible_to(caller)
        return None if found is None else found.terminals

    def visible_plates(self, caller: Caller) -> frozenset[Plate] | None:
        """Number plates and colours of the same vehicles, also of those that have no terminal; None for all."""
        found = self._visible_to(caller)
        return None if found is None else found.plates

    def _visible_to(self, caller: Caller) -> Visible | None:
        if not caller.is_limited:
            return None
        key = caller.enterprise, caller.county
        known = self._visible.get(key)
        if known is not None and monotonic() < known[0]:
            return known[1]
        with self._visible_lock:  # one looks, the others wait for what it finds
            known = self._visible.get(key)
            if known is not None and monotonic() < known[0]:
                return known[1]
            found = self._assigned(*key)
            if len(self._visible) >= VISIBLE_MAX:
                self._visible.clear()
            self._visible[key] = monotonic() + VISIBLE_S, found
            return found

    def _assigned(self, enterprise: str, county: str) -> Visible:
        with self.store() as store:
            rows = store.registry_rows("vehicles", at_ms=now_ms(), limit=VEHICLES_MAX)
        theirs = [
            row
            for row in rows
            if (not enterprise or row.get("enterprise") == enterprise) and (not county or row.get("county") == county)
        ]
        return Visible(
            frozenset(str(row["terminal"]).lstrip("0") for row in theirs if row.get("terminal")),
            frozenset((str(row["plate"]), int(str(row["plate_color"]))) for row in theirs),
        )

    def may_see(self, caller: Caller, terminal: str) -> bool:
        """Whether a terminal is among those that a caller may see."""
        visible = self.visible(caller)
        return visible is None or terminal.lstrip("0") in visible

    def need_visible(self, caller: Caller, terminal: str) -> None:
        """Refuse what a caller may not see, in the words for what is not there.

        Raises:
            ProblemError: 404.
        """
        if not self.may_see(caller, terminal):
            raise ProblemError(404, "terminal-not-found", "There is no such terminal")

    def note(self, caller: Caller, what: str, subject: str, count: int) -> None:
        """Write into the audit log, before the answer goes out, who asked for personal data.

        Args:
            caller: who asks.
            what: name of the operation.
            subject: what it was asked about, as it was asked: a terminal, a key; no other personal data.
            count: rows that are told.

        Raises:
            AccessUnavailable: it cannot be written, so nothing must be told.
        """
        self.access.note(AuditEntry(now_ms(), caller.name, what, subject, count))
        counts = noted.get(None)
        if counts is not None:
            counts.append(count)

    def later(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do something after the answer, on the event loop; what is not done when the process ends is not done.

        Returns:
            False when LATER_MAX are under way: it is not done.
        """
        if len(self._later) >= LATER_MAX or self.stopping.is_set():
            BUSY.labels("later").inc()
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return True

    def stop(self) -> None:
        """End what waits or streams, so that the process can end."""
        self.stopping.set()
        for task in tuple(self._later):
            task.cancel()
        self.waits.stop()

    def close(self) -> None:
        """Give up what is open; safe to call twice."""
        self.waits.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._stores.close()
        for one in (self._directory, self._bus, self._access, self._desk, self._files):
            one.close()


class _Lazy(Generic[T]):
    """Something that is opened when it is first needed."""

    def __init__(self, opener: Callable[[], T]) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._opened: T | None = None

    def get(self) -> T:
        """It, opened; whatever the opener raises."""
        found = self._opened
        if found is None:
            with self._lock:
                if self._opened is None:
                    self._opened = self._opener()
                found = self._opened
        return found

    def close(self) -> None:
        """Close it if it was opened."""
        with self._lock:
            opened: Any = self._opened
            self._opened = None
            if opened is not None:
                opened.close()
