"""The other direction: does the spool have what the store says it has from there?

A row names the group it came from, and no index leads from a group to its rows. So the positions whose device times
lie within the time of the spool, and a day around it, are read once, by device time and in pages; of those that name a
group which the spool still holds, that group is decoded again and must contain them. Positions back-filled from longer
ago, positions without a good time, and the other tables are not looked at in this direction.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import parse_header
from jtgate.pipeline.compared import FOREIGN, Difference, StoreAsRead
from jtgate.pipeline.verify import Report, Setup
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.records import FramesRecord, unpack
from jtgate.storage.spool import Group, SpoolReader
from jtgate.storage.store import Row, Store, TimedKey

PAGE_ROWS: Final = 2000
#: How far device times may be from the time of receipt to be looked at.
AROUND_MS: Final = 86_400_000
#: Decoded groups remembered, and read together.
GROUPS_KEPT: Final = 4096
READ_GROUPS: Final = 256
READ_BYTES: Final = 4 << 20
#: A row and its group are received and committed within this; else it names a group of another spool.
COMMIT_MS_MAX: Final = 10 * 60 * 1000

_SPOOL_SEQ: Final = POSITION_COLUMNS.index("spool_seq")

# Why a row may not be in the group that it names.
NOT_HELD: Final = "its group is not in the spool any more"
OTHER_SPOOL: Final = "its group is of another spool"
IN_PARTS: Final = "came in sub-packages"


class _Contents(NamedTuple):
    """What a group decodes to."""

    at_ms: int
    positions: frozenset[tuple[int, int]]  # terminal_id, fingerprint: whatever zone its time is read in
    in_parts: frozenset[tuple[str, int]]  # terminals and messages of sub-packages


def verify_back(
    store: Store,
    reader: SpoolReader,
    setup: Setup,
    report: Report,
    *,
    tell: Callable[[int], None] = lambda _rows: None,
) -> None:
    """Look for positions of the store that are not in the group of the spool that they name.

    Args:
        store: migrated.
        reader: the spool.
        setup: how the pipeline reads frames.
        report: of `verify`, which knows what the spool holds; differences are added to it.
        tell: called with the number of rows looked at.

    Raises:
        SpoolError, StoreError: one of them cannot be read.
    """
    if not report.groups:
        return
    report.scanned_from_ms = max(report.first_us // 1000 - AROUND_MS, 0)
    report.scanned_to_ms = report.last_us // 1000 + AROUND_MS
    contents = _Spool(store, reader, setup)
    after: TimedKey | None = None
    while rows := store.positions(
        from_ms=report.scanned_from_ms, to_ms=report.scanned_to_ms, after=after, limit=PAGE_ROWS
    ):
        _page(rows, contents, report)
        report.scanned += len(rows)
        tell(report.scanned)
        last = rows[-1]
        after = cast("TimedKey", (last["terminal_id"], last["device_time_ms"], last["fingerprint"]))


def _page(rows: Sequence[Row], contents: "_Spool", report: Report) -> None:
    """Compare some rows with the groups they name."""
    named = [(seq, row) for row in rows if isinstance(seq := row["spool_seq"], int) and seq <= report.last_seq]
    held = [(seq, row) for seq, row in named if seq >= report.first_seq]
    contents.fetch({seq for seq, _ in held})
    for seq, row in held:
        group = contents.of(seq)
        reason = NOT_HELD if group is None else _reason(row, group)
        if reason:
            report.explained[reason] += 1
        elif group is not None and (row["terminal_id"], row["fingerprint"]) not in group.positions:
            report.add(_foreign(row))


def _reason(row: Row, group: _Contents) -> str:
    if abs(cast("int", row["received_ms"]) - group.at_ms) > COMMIT_MS_MAX:
        return OTHER_SPOOL
    is_there = (row["terminal_id"], row["fingerprint"]) in group.positions
    return IN_PARTS if not is_there and (row["terminal"], row["msg_id"]) in group.in_parts else ""


def _foreign(row: Row) -> Difference:
    key = {name: row[name] for name in ("terminal_id", "device_time_ms", "fingerprint")}
    msg_id, serial, seq, received_ms = (
        cast("int", row[name]) for name in ("msg_id", "serial", "spool_seq", "received_ms")
    )
    return Difference(FOREIGN, "positions", key, str(row["terminal"]), msg_id, serial, seq, received_ms)


class _Spool:
    """Decoded groups, as many as are remembered."""

    def __init__(self, store: Store, reader: SpoolReader, setup: Setup) -> None:
        self._reader = reader
        self._decoder = setup.decoder(StoreAsRead(store, ask_zones=False))
        self._known: dict[int, _Contents] = {}

    def fetch(self, wanted: Collection[int]) -> None:
        """Decode the groups that are not known yet; at most PAGE_ROWS of them."""
        missing = sorted(seq for seq in wanted if seq not in self._known)
        if len(self._known) + len(missing) > GROUPS_KEPT:
            self._known.clear()
            missing = sorted(wanted)
        reached = 0
        for seq in missing:
            if seq <= reached:
                continue
            groups = self._reader.read(seq - 1, groups_max=READ_GROUPS, bytes_max=READ_BYTES)
            if not groups:
                return
            reached = groups[-1].seq
            self._decode([group for group in groups if group.seq in wanted])

    def of(self, seq: int) -> _Contents | None:
        """What a group decodes to; None when the spool does not hold it."""
        return self._known.get(seq)

    def _decode(self, groups: Sequence[Group]) -> None:
        found: dict[int, set[tuple[int, int]]] = {group.seq: set() for group in groups}
        rest = groups
        while rest:
            batch, taken = self._decoder.decode(rest)
            rest = rest[taken:]
            for row in batch.all_positions():
                terminal_id, _, fingerprint = cast("TimedKey", row[:3])
                found.setdefault(cast("int", row[_SPOOL_SEQ]), set()).add((terminal_id, fingerprint))
        for group in groups:
            self._known[group.seq] = _Contents(group.at_us // 1000, frozenset(found[group.seq]), _in_parts(group))
        self._decoder.wholes.clear()


def _in_parts(group: Group) -> frozenset[tuple[str, int]]:
    """Terminals that sent a sub-package in a group, and of which message."""
    found = set()
    for record in unpack(group.data):
        for payload in record.payloads if isinstance(record, FramesRecord) else ():
            try:
                header, _ = parse_header(payload)
            except ProtocolError:
                continue
            if header.is_part:
                found.add((header.terminal, header.msg_id))
    return frozenset(found)
