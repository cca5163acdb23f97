"""Reads the zones of the registry, and reads them again when they have changed."""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from jtgate import logs
from jtgate.pipeline.derive.zones import ZONES_MAX, ZoneMap, map_of
from jtgate.storage.store import Row, Store

#: Zones are looked at again after this.
EVERY_MS: Final = 30_000
PAGE_ROWS: Final = 500

log = logs.get_logger("deriver")


class ZoneWatch:
    """A chore that brings a new map when zones have changed.

    Args:
        store: whose registry.
    """

    name = "zones"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mark = ""
        self._due_ms = 0
        #: Called with a new map.
        self.changed: Callable[[ZoneMap], None] = lambda _: None

    def read(self) -> ZoneMap:
        """The map of now.

        Raises:
            StoreError: the store cannot be read now.
        """
        rows = self._rows()
        self._mark = _mark(rows)
        zones, bad = map_of(rows)
        if bad:
            log.warning("deriver.zones_unusable", count=len(bad), zones=bad[:10])
        return zones

    def step(self, now_ms: int) -> None:
        """See Chore."""
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + EVERY_MS
        if _mark(self._rows()) != self._mark:
            self.changed(self.read())
            log.info("deriver.zones_changed")

    def _rows(self) -> list[Row]:
        """All versions, up to the limit; what is beyond it is told."""
        found: list[Row] = []
        after: tuple[object, ...] = ()
        while len(found) < ZONES_MAX:
            page = self._store.registry_rows("zones", after=after, limit=min(PAGE_ROWS, ZONES_MAX - len(found)))
            found += page
            if len(page) < PAGE_ROWS:
                return found
            after = (page[-1]["zone"], page[-1]["valid_from_ms"])
        log.warning("deriver.zones_too_many", most=ZONES_MAX)
        return found


def _mark(rows: list[Row]) -> str:
    """Changes when a zone does."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        facts: Any = (row["zone"], row["valid_from_ms"], row["valid_to_ms"], row["geometry"], row["radius_m"])
        digest.update(repr((facts, row["width_m"], row["zone_kind"])).encode())
    return digest.hexdigest()
