"""Quarantined messages once more, with the present code: what decodes now becomes rows and is marked replayed."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.opening import Opener
from jtgate.codecs.parts import REFUSED_NUMBER, REFUSED_TOTAL, Complete, PartBuffer
from jtgate.pipeline import quarantine
from jtgate.pipeline.arrived import Arrived, Origin
from jtgate.pipeline.steps import Decoder
from jtgate.profiles import Assignments
from jtgate.storage.model import StoreBatch
from jtgate.storage.store import Row, Store

#: Its name at the cursor of the store; the number says nothing.
CONSUMER: Final = "replay"
#: Rows looked at in one transaction.
PAGE_ROWS: Final = 500
PARTS_BYTES_MAX: Final = 64 << 20


@dataclass(slots=True)
class ReplayReport:
    """What became of a replay."""

    tried: int = 0
    replayed: int = 0
    still_held: Counter[str] = field(default_factory=Counter)  # by code of the present fault
    rows_new: int = 0
    rows_repeated: int = 0

    def as_json(self) -> dict[str, object]:
        """The report for people and programs."""
        return {
            "tried": self.tried,
            "replayed": self.replayed,
            "still_held": dict(self.still_held),
            "rows_new": self.rows_new,
            "rows_repeated": self.rows_repeated,
        }


def replay_quarantine(
    store: Store,
    ids: Collection[int] | None,
    now_ms: int,
    *,
    assignments: Assignments | None = None,
    opener: Opener | None = None,
) -> ReplayReport:
    """Decode held messages again.

    Rows come before the mark, each in its own transaction, and every row has a natural key: a crash between
    the two only makes the next replay find rows that are there. Flag edges are left to the pipeline, which
    knows the newest report of every terminal.

    Args:
        store: migrated.
        ids: of quarantine rows; None for all that are held.
        now_ms: time of the replay, milliseconds since 1970.
        assignments: which terminal has which profile now.
        opener: decrypts bodies; None where there is no key.

    Raises:
        StoreError: the store failed; what was replayed before stays so.
    """
    replay = _Replay(store, assignments, opener)
    for page in _pages(store, ids):
        replay.page(page, now_ms)
    return replay.finished()


class _Replay:
    """A replay under way.

    Args:
        store: migrated.
        assignments: which terminal has which profile now.
        opener: decrypts bodies.
    """

    def __init__(self, store: Store, assignments: Assignments | None, opener: Opener | None) -> None:
        self._store = store
        self._decoder = Decoder(
            store, parts_bytes_max=PARTS_BYTES_MAX, live=False, assignments=assignments, opener=opener
        )
        self._parts = PartBuffer(PARTS_BYTES_MAX, requests_max=0)
        self._waiting = 0  # parts whose message is not complete
        self._report = ReplayReport()

    def page(self, rows: Sequence[Row], now_ms: int) -> None:
        """Decode some rows, write what comes of them and mark them."""
        batch = self._decoder.begin()
        done: list[int] = []
        for row in rows:
            self._report.tried += 1
            done += self._row(row, batch)
        self._decoder.finish(batch)
        written = self._store.write(batch, consumer=CONSUMER, seq=0)
        self._report.rows_new += written.new
        self._report.rows_repeated += written.repeated
        self._report.replayed += self._store.mark_replayed(done, now_ms)

    def finished(self) -> ReplayReport:
        """The report, with the parts that found no whole."""
        if self._waiting:
            self._report.still_held[quarantine.INCOMPLETE] += self._waiting
        return self._report

    def _row(self, row: Row, batch: StoreBatch) -> list[int]:
        """One quarantined payload; ids of the rows that are decoded with it."""
        payload = cast("bytes", row["payload"])
        code = cast("str", row["code"])
        row_id = cast("int", row["id"])
        origin = Origin(cast("int", row["received_us"]), cast("int", row["session_id"]), cast("int", row["spool_seq"]))
        if code == quarantine.UNREADABLE_GROUP:
            return self._hold(code)
        try:
            header, body = parse_header(payload)
        except ProtocolError as error:
            return self._hold(error.code)
        if not header.terminal:
            return self._hold(quarantine.NO_PHONE)
        ids, parts = [row_id], 1
        if header.is_part and code in (quarantine.INCOMPLETE, quarantine.ENCRYPTED):
            outcome = self._parts.add(header.terminal, header, body, origin.received_us / 1e6, token=row_id)
            self._waiting += 1
            if not isinstance(outcome, Complete):
                return []
            header, body, parts = outcome.header, outcome.body, outcome.parts
            ids = cast("list[int]", list(outcome.tokens))
            self._waiting -= len(ids)
        elif header.is_part:
            if code in (REFUSED_NUMBER, REFUSED_TOTAL):
                return self._hold(code)
            body, parts = payload[header.size :], header.packet_total or 1
        return self._message(header, body, parts, origin, ids, batch)

    def _message(
        self, header: Header, body: bytes, parts: int, origin: Origin, ids: list[int], batch: StoreBatch
    ) -> list[int]:
        terminal_id = self._decoder.terminal_id(header.terminal, origin.received_ms)
        self._decoder.message(Arrived(terminal_id, header, body, parts, origin), b"", batch)
        if not batch.quarantine:
            return ids
        return self._hold(batch.quarantine.pop().code, len(ids))

    def _hold(self, code: str, rows: int = 1) -> list[int]:
        self._report.still_held[code] += rows
        return []


def _pages(store: Store, ids: Collection[int] | None) -> Iterator[list[Row]]:
    """Held rows, oldest first, a page at a time."""
    wanted = None if ids is None else frozenset(ids)
    after_id = 0
    while page := store.quarantine(held_only=True, after_id=after_id, limit=PAGE_ROWS):
        after_id = cast("int", page[-1]["id"])
        yield page if wanted is None else [row for row in page if row["id"] in wanted]
