"""Ids of terminals, kept in memory so that a frame costs one look into a dictionary."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

CACHED_MAX = 200_000


class _Names(Protocol):
    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """See Store.terminal_ids."""
        ...


def terminal_key(phone_bytes: bytes) -> str:
    """Key of a terminal from the phone bytes of a header, as `Header.terminal` gives it."""
    return phone_bytes.hex().upper().lstrip("0")


class TerminalIds:
    """A bounded cache over `Store.terminal_ids`; what was asked for longest ago is forgotten first.

    Args:
        store: gives ids, and makes those that are missing.
        cached_max: terminals kept.
    """

    def __init__(self, store: _Names, cached_max: int = CACHED_MAX) -> None:
        self._store = store
        self._max = cached_max
        self._ids: OrderedDict[str, int] = OrderedDict()
        #: Phone bytes as on the wire -> id; a shortcut for the hot loop, cleared when it is full.
        self.by_wire: dict[bytes, int] = {}

    def remember(self, phone_bytes: bytes, terminal_id: int) -> None:
        """Let the hot loop find an id by the phone bytes of a header."""
        if len(self.by_wire) >= self._max:
            self.by_wire.clear()
        self.by_wire[phone_bytes] = terminal_id

    def forget(self, terminal_id: int) -> None:
        """Let the hot loop ask again for a terminal."""
        for phone in [phone for phone, known in self.by_wire.items() if known == terminal_id]:
            del self.by_wire[phone]

    def knows(self, key: str) -> bool:
        """True when the id of a key is at hand."""
        return key in self._ids

    def of_key(self, key: str, now_ms: int) -> int:
        """Id by key (digits without leading zeros), not empty."""
        if key not in self._ids:
            self.fetch((key,), now_ms)
        self._ids.move_to_end(key)
        return self._ids[key]

    def fetch(self, keys: Iterable[str], now_ms: int) -> None:
        """Ask the store for many at once.

        Raises:
            StoreUnavailable: nothing was learnt.
        """
        missing = sorted({key for key in keys if key and key not in self._ids})
        if not missing:
            return
        self._ids.update(self._store.terminal_ids(missing, now_ms))
        while len(self._ids) > max(self._max, len(missing)):
            self._ids.popitem(last=False)
