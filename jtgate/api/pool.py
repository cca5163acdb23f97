"""Stores for handlers: a few, each for one thread at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jtgate.api.counters import BUSY
from jtgate.settings import Settings
from jtgate.storage.open import open_store
from jtgate.storage.store import Store, StoreError, StoreUnavailable

#: Stores that are open at a time, and how long a handler waits for one.
STORES_MAX: Final = 4
WAIT_S: Final = 5.0


class StorePool:
    """Opens stores as they are needed and keeps them for the next one.

    Args:
        settings: where the store is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(STORES_MAX)
        self._lock = threading.Lock()
        self._idle: list[Store] = []
        self._is_closed = False

    @contextmanager
    def borrowed(self) -> Iterator[Store]:
        """A store for a while; one that failed is not lent again.

        Raises:
            StoreUnavailable: it cannot be opened now, or all are in use for too long.
        """
        if not self._free.acquire(timeout=WAIT_S):
            BUSY.labels("stores").inc()
            raise StoreUnavailable(f"{STORES_MAX} others are reading")
        try:
            store = self._take()
            try:
                yield store
            except StoreError:
                store.close()
                raise
            except BaseException:
                self._give(store)
                raise
            self._give(store)
        finally:
            self._free.release()

    def _take(self) -> Store:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return open_store(self._settings.store, self._settings.data)

    def _give(self, store: Store) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(store)
                return
        store.close()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for store in idle:
            store.close()
