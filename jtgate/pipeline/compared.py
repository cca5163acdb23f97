"""What a comparison of spool and store needs: rows told by name, and a store in which looking makes nothing."""

from collections.abc import Callable, Collection, Iterable
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import Header, parse_header
from jtgate.storage.model import QuarantineRow, StoreBatch
from jtgate.storage.store import Key, Store
from jtgate.storage.tables import BY_KEY, QUARANTINE, Table

AnyRow = tuple[Any, ...]

#: In a comparison: the store does not have what the spool has, or has under a group what is not in it.
MISSING: Final = "missing"
FOREIGN: Final = "foreign"

_CARD_MESSAGE: Final = 0x0702
_KEYS: Final[dict[str, Callable[[AnyRow], Key]]] = {
    table.name: itemgetter(*(table.columns.index(name) for name in table.key)) for table in BY_KEY.values()
}
_COLUMNS: Final = {table.name: {name: at for at, name in enumerate(table.columns)} for table in BY_KEY.values()}


class Difference(NamedTuple):
    """One row that is in the spool or in the store alone.

    Args:
        what: MISSING or FOREIGN.
        table: of the store.
        key: natural key of the row, by name.
        terminal: digits without leading zeros, "" when nobody knows.
        msg_id: of the message, None where the row does not tell.
        serial: of its header 消息流水号, None where the row does not tell.
        spool_seq: group of the spool, None for a terminal.
        received_ms: time of receipt.
    """

    what: str
    table: str
    key: dict[str, Any]
    terminal: str
    msg_id: int | None
    serial: int | None
    spool_seq: int | None
    received_ms: int


class Fact:
    """A row with the name of its table.

    Args:
        table: one of `tables.BY_KEY`.
        row: in the order of its columns.
    """

    __slots__ = ("row", "table")

    def __init__(self, table: str, row: AnyRow) -> None:
        self.table = table
        self.row = row

    @property
    def key(self) -> Key:
        """Natural key."""
        return _KEYS[self.table](self.row)

    def get(self, column: str) -> Any:
        """Value of a column, None when there is no such column."""
        at = _COLUMNS[self.table].get(column)
        return None if at is None else self.row[at]

    @property
    def received_ms(self) -> int:
        """Time of receipt."""
        received_us = self.get("received_us")
        return int(self.get("received_ms") if received_us is None else received_us // 1000)

    @property
    def header(self) -> Header | None:
        """Header of a quarantined message, where it can be read."""
        if self.table != QUARANTINE.name:
            return None
        try:
            return parse_header(cast("QuarantineRow", self.row).payload)[0]
        except ProtocolError:
            return None

    def missing(self, terminal: str) -> Difference:
        """As a difference: the store does not have it."""
        table: Table = BY_KEY[self.table]
        header = self.header
        msg_id = _CARD_MESSAGE if self.table == "card_events" else self.get("msg_id")
        return Difference(
            what=MISSING,
            table=table.name,
            key=dict(zip(table.key, self.key, strict=True)),
            terminal=terminal,
            msg_id=msg_id,
            serial=header.serial if header else self.get("serial"),
            spool_seq=self.get("spool_seq"),
            received_ms=self.received_ms,
        )


def facts_of(batch: StoreBatch) -> list[Fact]:
    """Rows of a batch that have a natural key by which the store can be asked."""
    found = [Fact("positions", row) for row in batch.all_positions()]
    for name in BY_KEY:
        if name != "positions":
            found += [Fact(name, row) for row in getattr(batch, name)]
    return found


class StoreAsRead:
    """The part of a store that a decoder uses, without what it would write.

    Args:
        store: the store.
        make_terminals: whether terminals that the store does not know are made; else they get numbers below 0.
        ask_zones: whether `stored` is asked; False: rows stored with the times of another zone are decoded too.
    """

    def __init__(self, store: Store, *, make_terminals: bool = False, ask_zones: bool = True) -> None:
        self._store = store
        self._make_terminals = make_terminals
        self._ask_zones = ask_zones
        self._names: dict[int, str] = {}
        self._unknown: dict[str, int] = {}
        #: Terminals that the store did not know, with the time of the frame that showed it; the caller takes them.
        self.news: list[tuple[str, int]] = []

    def __len__(self) -> int:
        """Terminals that are remembered."""
        return len(self._names)

    def terminal_ids(self, phones: Iterable[str], now_ms: int) -> dict[str, int]:
        """See Store.terminal_ids."""
        wanted = list(phones)
        rows = self._store.terminals(terminals=wanted, limit=len(wanted))
        found = {str(row["terminal"]): cast("int", row["terminal_id"]) for row in rows}
        for phone in wanted:
            if phone not in found and phone in self._unknown:
                found[phone] = self._unknown[phone]
            elif phone not in found:
                self.news.append((phone, now_ms))
                found[phone] = self._made(phone, now_ms)
        self._names |= {terminal_id: phone for phone, terminal_id in found.items()}
        return found

    def _made(self, phone: str, now_ms: int) -> int:
        if self._make_terminals:
            return self._store.terminal_ids([phone], now_ms)[phone]
        return self._unknown.setdefault(phone, -1 - len(self._unknown))

    def name_of(self, terminal_id: int) -> str:
        """Digits of a terminal whose id was given out here; "" for another one."""
        return self._names.get(terminal_id, "")

    def models(self) -> dict[int, tuple[str, str]]:
        """See Store.models."""
        return self._store.models()

    def zones(self) -> dict[int, frozenset[int]]:
        """See Store.zones."""
        return self._store.zones()

    def stored(self, table: str, keys: Collection[Key]) -> set[Key]:
        """See Store.stored."""
        return self._store.stored(table, keys) if self._ask_zones else set()

    def transport_of(self, session_id: int) -> str:
        """See Store.transport_of."""
        return self._store.transport_of(session_id)
