"""How a store keeps its positions: `positions`, `positions_all` and `position_hours`, by days.

    PlainLayout (partitions.py)      daily partitions; needs nothing but PostgreSQL
    TimescaleLayout (timescale.py)   a hypertable with what version and licence of TimescaleDB allow

Which one is decided when a store is made and remembered in it, for ever.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from jtgate.storage.postgres.connection import Connection
from jtgate.storage.postgres.days import remembered_layout
from jtgate.storage.postgres.partitions import PlainLayout
from jtgate.storage.postgres.timescale import TimescaleLayout, available, install, unfit
from jtgate.storage.store import StoreError

_NO_EXTENSION: Final = (
    "this database has no TimescaleDB: CREATE EXTENSION timescaledb in it, or use postgresql:// for plain partitions"
)


class Layout(Protocol):
    """Interface of both. The first schema of the connection's search_path is the store's."""

    @property
    def name(self) -> str:
        """What `facts_of_store` calls it: "partitions" or "hypertable"."""
        ...

    @property
    def needs_hours(self) -> bool:
        """Whether writes have to note the hours they change in `hours_due`, for `roll_up`."""
        ...

    def create(self, connection: Connection) -> None:
        """Make the tables after 0001, inside a transaction of the caller."""
        ...

    def window(self, now_ms: int) -> tuple[int, int]:
        """Device times that go into `positions`, [from_ms, to_ms); all others go into `positions_misdated`."""
        ...

    def forget(self) -> None:
        """Forget what is remembered of the days, as another process may have made or dropped some."""
        ...

    def ensure_days(self, connection: Connection, days_ms: Sequence[int]) -> int:
        """Make room for days; how many were made. For a connection in autocommit, before the transaction that writes.

        Costs nothing for days seen before. Two processes may do it at the same time.

        Args:
            connection: of the writer.
            days_ms: beginnings of UTC days, inside the window.
        """
        ...

    def prepare(self, connection: Connection, now_ms: int) -> int:
        """Make room for today and the days to come; how many were made. For a connection in autocommit."""
        ...

    def drop_before(self, connection: Connection, before_ms: int) -> int:
        """Drop the oldest whole day before a time that has rows, and the empty ones before it; rows dropped.

        To be called until it returns 0. For a connection in autocommit. The day is given up for good: a row that comes
        for it later is misdated. An interrupted call is finished by the next.
        """
        ...

    def roll_up(self, connection: Connection, now_ms: int, hours_max: int) -> int:
        """Make the oldest due hours of `position_hours` anew; how many. For a connection in autocommit."""
        ...

    def facts(self, connection: Connection) -> dict[str, Any]:
        """What to tell an operator: layout, versions, features with the reason why one is off, days, bytes."""
        ...

    def bytes_on_disk(self, connection: Connection) -> int:
        """Bytes of all tables and indexes of the store."""
        ...


def probe(connection: Connection, timescale: bool | None) -> Layout:
    """Find out how this store keeps its positions, or is to keep them when it is not made yet.

    Args:
        connection: in autocommit; its search_path begins with the schema of the store, which may not exist yet.
        timescale: None uses TimescaleDB when the database has it, True wants it, False leaves it alone.

    Raises:
        StoreError: the store is made otherwise, or TimescaleDB is wanted and not to be had.
    """
    remembered = remembered_layout(connection)
    if remembered == PlainLayout.name:
        if timescale:
            raise StoreError("this store was made with plain partitions: open it with postgresql://")
        plain = PlainLayout()
        plain.load(connection)
        return plain
    if remembered == TimescaleLayout.name:
        if timescale is False:
            raise StoreError("this store was made with TimescaleDB: open it with timescaledb:// or postgresql://")
        server = available(connection)
        if server is None:
            raise StoreError("this store was made with TimescaleDB, and the database has it no more")
        hypertable = TimescaleLayout(server)
        hypertable.load(connection)
        return hypertable
    if timescale:
        install(connection)
    server = available(connection) if timescale is not False else None
    if server is None:
        if timescale:
            raise StoreError(_NO_EXTENSION)
        return PlainLayout()
    reason = unfit(server)
    if not reason:
        return TimescaleLayout(server)
    if timescale:
        raise StoreError(reason)
    return PlainLayout(without_timescale=reason)
