"""Does the store have everything that the spool has? Both are compared row by row, by natural key.

    spool ─ groups up to the store's cursor ─► decoder ─► rows ─► Store.stored ─► those that are missing
                                                                                   │
             known reason (retention, quarantine, still open …): counted  ◄────────┤
             no reason: a difference, told with its frame, stored again on wish ◄──┘

Not compared: alarm edges (they follow from the positions and from the state before the spool begins), sessions, and
what is made of facts later. The decoder is not live: it writes nothing and knows no state but what the spool tells.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from jtgate.codecs.opening import Opener
from jtgate.codecs.timebase import TIME_GOOD
from jtgate.pipeline import CONSUMER, quarantine
from jtgate.pipeline.arrived import Arrived
from jtgate.pipeline.compared import MISSING, Difference, Fact, StoreAsRead, facts_of
from jtgate.pipeline.explained import Frames, stored_otherwise
from jtgate.pipeline.steps import Decoder
from jtgate.pipeline.subpackages import KEEP_S
from jtgate.profiles import Assignments
from jtgate.storage.model import RESEND_WINDOW_MS, PartRow, StoreBatch, TerminalUpdate
from jtgate.storage.spool import Group, SpoolReader
from jtgate.storage.store import Key, Store
from jtgate.storage.tables import BY_KEY

#: Its name at the cursor of the store, for rows stored again; the number says nothing.
REPAIR_CONSUMER: Final = "repair"

READ_GROUPS: Final = 1024
READ_BYTES: Final = 4 << 20
#: Groups decoded together lie within this: the pipeline gives up sub-packages about once a second.
SPAN_US: Final = 1_000_000
#: Keys asked for together.
KEYS_PER_QUESTION: Final = 5000
#: Missing rows remembered, so that a repetition of one is not told again.
LOST_MAX: Final = 100_000
#: Looks at the cursor and the open sub-packages until both belong together.
SNAPSHOT_TRIES: Final = 10

# Why a row of the spool may be missing without being lost.
RETENTION: Final = "deleted by retention"
QUARANTINED: Final = "in quarantine"
REPEATED: Final = "repeats a missing row"
BEFORE_SPOOL: Final = "sub-package of a message that may have begun before the spool"
OTHER_READING: Final = "stored by another reading"
OTHER_ZONE: Final = "stored with the times of another zone"

#: Group, terminal id, received_ms.
Whence = tuple[int, int, int]


class OtherSpool(Exception):
    """The store has followed a spool that is longer than this one: another one stands in its place."""

    def __init__(self, stored_seq: int, last_seq: int) -> None:
        super().__init__(f"the store has followed a spool up to group {stored_seq:,}; this one ends at {last_seq:,}")


@dataclass(slots=True)
class Report:
    """What a comparison has found.

    Args:
        shown_max: differences kept; the others are counted.
    """

    shown_max: int
    first_seq: int = 0
    last_seq: int = 0
    first_us: int = 0
    last_us: int = 0
    groups: int = 0
    frames: int = 0
    damaged: int = 0  # parts of the spool that cannot be read
    parts_compared: bool = True
    compared: Counter[str] = field(default_factory=Counter)  # rows of the spool, by table
    differences: Counter[str] = field(default_factory=Counter)  # by table
    explained: Counter[str] = field(default_factory=Counter)  # by reason
    shown: list[Difference] = field(default_factory=list)
    repaired: int = 0  # rows stored again
    scanned: int = 0  # positions of the store looked at, for the other direction
    scanned_from_ms: int = 0
    scanned_to_ms: int = 0

    @property
    def total(self) -> int:
        """Differences of all tables."""
        return self.differences.total()

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it while there is room."""
        self.differences[difference.table] += 1
        if len(self.shown) < self.shown_max:
            self.shown.append(difference)


@dataclass(frozen=True, slots=True)
class Setup:
    """How the pipeline reads frames.

    Args:
        parts_bytes_max: memory for incomplete messages.
        assignments: which terminal has which profile.
        opener: decrypts bodies; None where there is no key.
        kept_from_ms: what was received before may have been deleted by retention.
    """

    parts_bytes_max: int
    assignments: Assignments | None = None
    opener: Opener | None = None
    kept_from_ms: int = 0

    def decoder(self, store: StoreAsRead) -> "NotingDecoder":
        """A decoder that is not live."""
        return NotingDecoder(
            cast("Store", store),
            parts_bytes_max=self.parts_bytes_max,
            live=False,
            assignments=self.assignments,
            opener=self.opener,
        )


class NotingDecoder(Decoder):
    """Notes under which key a whole message would be quarantined that came in several parts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: By group, terminal id and received_ms; whoever reads it clears it.
        self.wholes: dict[Whence, list[Key]] = {}

    def message(self, arrived: Arrived, payload: bytes, batch: StoreBatch) -> None:
        """See Decoder."""
        if arrived.parts > 1:
            origin = arrived.origin
            keys = self.wholes.setdefault((origin.spool_seq, arrived.terminal_id, origin.received_ms), [])
            keys.append((origin.received_us, quarantine.fingerprint(payload)))
        super().message(arrived, payload, batch)


def verify(
    store: Store,
    reader: SpoolReader,
    setup: Setup,
    *,
    shown_max: int,
    repair: bool = False,
    tell: Callable[[int, int], None] = lambda _seq, _last: None,
) -> Report:
    """Compare what the spool holds up to the store's cursor with the store.

    Args:
        store: migrated.
        reader: the spool.
        setup: how the pipeline reads frames.
        shown_max: differences kept in the report.
        repair: store missing rows again.
        tell: called with the group reached and the last one to be read.

    Raises:
        OtherSpool: the store has followed another spool.
        SpoolError, StoreError: one of them cannot be read.
    """
    return _Verifier(store, reader, setup, Report(shown_max), repair=repair).run(tell)


class _Verifier:
    """A comparison under way."""

    def __init__(self, store: Store, reader: SpoolReader, setup: Setup, report: Report, *, repair: bool) -> None:
        self._store = store
        self._reader = reader
        self._setup = setup
        self._report = report
        self._repair = repair
        self._seen = StoreAsRead(store, make_terminals=repair)
        self._decoder = setup.decoder(self._seen)
        self._frames = Frames(reader)
        self._facts: list[Fact] = []  # decoded, not yet asked for
        self._updates: list[TerminalUpdate] = []  # of the same frames
        self._open: dict[Key, PartRow] = {}  # parts of incomplete messages
        self._lost: dict[tuple[str, Key], int] = {}  # missing rows -> received_ms

    def run(self, tell: Callable[[int, int], None]) -> Report:
        report = self._report
        report.last_seq, stored_parts = self._snapshot()
        last_seq = self._reader.last_seq()
        if report.last_seq > last_seq:
            raise OtherSpool(report.last_seq, last_seq)
        for span in self._spans():
            self._span(span)
            tell(span[-1].seq, report.last_seq)
        self._ask()
        self._ask_open(stored_parts)
        report.damaged = self._reader.damaged_count
        report.explained[OTHER_ZONE] += self._decoder.events["stored_in_another_zone"]
        report.explained += Counter()  # without those that are 0
        return report

    def _snapshot(self) -> tuple[int, set[Key]]:
        """The store's cursor, and keys of the open sub-packages at that cursor."""
        seq = self._store.cursor(CONSUMER)
        for _ in range(SNAPSHOT_TRIES):
            keys: set[Key] = {row[:4] for row in self._store.open_parts()}
            seq, before = self._store.cursor(CONSUMER), seq
            if seq == before:
                return seq, keys
        self._report.parts_compared = False
        return seq, set()

    def _spans(self) -> Iterator[list[Group]]:
        """Groups up to the cursor, those of about a second together."""
        report, seq = self._report, 0
        while groups := self._reader.read(seq, groups_max=READ_GROUPS, bytes_max=READ_BYTES):
            seq = groups[-1].seq
            span: list[Group] = []
            for group in groups:
                if group.seq > report.last_seq:
                    break
                if span and abs(group.at_us - span[0].at_us) > SPAN_US:
                    yield span
                    span = []
                span.append(group)
            if span:
                yield span
            if seq >= report.last_seq:
                return

    def _span(self, span: Sequence[Group]) -> None:
        report = self._report
        if not report.groups:
            report.first_seq, report.first_us = span[0].seq, span[0].at_us
        elif span[0].at_us - report.last_us > SPAN_US and (idle := self._decoder.idle(span[0].at_us)) is not None:
            self._take(idle)
        report.groups += len(span)
        report.frames += sum(group.frames for group in span)
        report.last_us = span[-1].at_us
        while span:
            batch, taken = self._decoder.decode(span)
            span = span[taken:]
            self._take(batch)

    def _take(self, batch: StoreBatch) -> None:
        """Rows of a batch wait until there are enough for a question."""
        self._facts += facts_of(batch)
        if self._repair:
            self._updates += batch.terminals
        self._open |= {row[:4]: row for row in batch.parts}
        for key in batch.parts_done:
            self._open.pop(key, None)
        for terminal, at_ms in self._seen.news:
            named = {"terminal": terminal}
            self._report.add(Difference(MISSING, "terminals", named, terminal, None, None, None, at_ms))
            self._report.repaired += self._repair
        self._seen.news.clear()
        if len(self._facts) >= KEYS_PER_QUESTION:
            self._ask()

    def _ask(self) -> None:
        """Ask the store for all waiting rows; missing ones are explained, or told and repaired."""
        facts, self._facts = self._facts, []
        lost: list[Fact] = []
        for table in BY_KEY:
            mine = [fact for fact in facts if fact.table == table]
            self._report.compared[table] += len(mine)
            missing = set(self._absent(table, {fact.key for fact in mine}))
            lost += [fact for fact in mine if fact.key in missing]
        if lost:
            self._tell_lost(lost, facts)
        self._updates.clear()
        self._decoder.wholes.clear()

    def _absent(self, table: str, keys: Collection[Key]) -> Iterator[Key]:
        """Those of the keys that the store does not have."""
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_PER_QUESTION):
            page = wanted[start : start + KEYS_PER_QUESTION]
            known = [key for key in page if table == "quarantine" or key[0] > 0]
            stored = self._store.stored(table, known) if known else set()
            yield from (key for key in page if key not in stored)

    def _tell_lost(self, lost: Sequence[Fact], facts: Sequence[Fact]) -> None:
        """Explain missing rows, or tell them and store them again.

        Args:
            lost: the missing ones.
            facts: all that they were decoded with.
        """
        first_parts = _first_parts(facts)
        frames = {fact: self._frame_keys(fact) for fact in sorted(lost, key=lambda fact: fact.get("spool_seq"))}
        held = set()
        asked = list({key for keys in frames.values() for key in keys})
        for start in range(0, len(asked), KEYS_PER_QUESTION):
            held |= self._store.stored("quarantine", asked[start : start + KEYS_PER_QUESTION])
        unexplained = []
        for fact, keys in frames.items():
            reason = QUARANTINED if not held.isdisjoint(keys) else self._reason(fact, first_parts)
            if reason:
                self._report.explained[reason] += 1
                continue
            if len(self._lost) >= LOST_MAX:
                self._lost.clear()
            self._lost[fact.table, _repeatable(fact)] = fact.received_ms
            self._report.add(fact.missing(self._terminal_of(fact)))
            unexplained.append(fact)
        if unexplained and self._repair:
            self._store_again(unexplained)

    def _frame_keys(self, fact: Fact) -> list[Key]:
        """Under which keys the frame of a row of another table would be in quarantine."""
        if fact.table == "quarantine" or self._is_retained(fact):
            return []
        terminal_id, seq = fact.get("terminal_id"), fact.get("spool_seq")
        whole = self._decoder.wholes.get((seq, terminal_id, fact.received_ms), [])
        return [*self._frames.quarantine_keys(fact, self._seen.name_of(terminal_id)), *whole]

    def _terminal_of(self, fact: Fact) -> str:
        return str(fact.get("terminal")) if fact.table == "quarantine" else self._seen.name_of(fact.get("terminal_id"))

    def _reason(self, fact: Fact, first_parts: dict[tuple[str, int | None], int]) -> str:
        """Why a row may be missing, other than that its frame is in quarantine; "" for no reason."""
        if self._is_retained(fact):
            return RETENTION
        lost_ms = self._lost.get((fact.table, _repeatable(fact)))
        if lost_ms is not None and (fact.table != "messages" or fact.received_ms - lost_ms <= RESEND_WINDOW_MS):
            return REPEATED
        if fact.table != "quarantine":
            return ""
        if fact.get("code") == quarantine.INCOMPLETE:
            return BEFORE_SPOOL if self._is_early(first_parts[fact.get("terminal"), fact.get("msg_id")]) else ""
        return OTHER_READING if stored_otherwise(self._store, fact) else ""

    def _is_retained(self, fact: Fact) -> bool:
        """Whether retention may have deleted a row; positions go by device time where that is good."""
        at_ms = fact.received_ms
        if fact.table == "positions" and fact.get("time_state") == TIME_GOOD:
            at_ms = fact.get("device_time_ms")
        return at_ms < self._setup.kept_from_ms

    def _is_early(self, received_us: int) -> bool:
        """Whether a message may have had parts that the spool does not hold any more."""
        return received_us <= self._report.first_us + int(KEEP_S * 1e6)

    def _store_again(self, facts: Sequence[Fact]) -> None:
        batch = StoreBatch(terminals=list(self._updates))
        for fact in facts:
            getattr(batch, fact.table).append(fact.row)
        self._report.repaired += self._store.write(batch, consumer=REPAIR_CONSUMER, seq=0).new

    def _ask_open(self, stored: set[Key]) -> None:
        """Compare the sub-packages whose messages are incomplete where the comparison ends."""
        report = self._report
        report.compared["parts"] += len(self._open)
        if not report.parts_compared:
            return
        missing = [row for key, row in self._open.items() if key not in stored]
        given_up = {row[:4]: (row.received_us, quarantine.fingerprint(row.payload)) for row in missing}
        held = self._store.stored("quarantine", set(given_up.values())) if given_up else set()
        first_us: dict[tuple[int, int], int] = {}
        for row in self._open.values():
            key = (row.terminal_id, row.msg_id)
            first_us[key] = min(row.received_us, first_us.get(key, row.received_us))
        lost = StoreBatch()
        for row in missing:
            if given_up[row[:4]] in held:
                report.explained[QUARANTINED] += 1
            elif self._is_early(first_us[row.terminal_id, row.msg_id]):
                report.explained[BEFORE_SPOOL] += 1
            else:
                report.add(_missing_part(row, self._seen.name_of(row.terminal_id)))
                lost.parts.append(row)
        if lost.parts and self._repair:
            self._store.write(lost, consumer=REPAIR_CONSUMER, seq=0)
            report.repaired += len(lost.parts)


def _repeatable(fact: Fact) -> Key:
    """What a repetition of the row has too; a message that comes again has another time of receipt."""
    return fact.key[:4] if fact.table == "messages" else fact.key


def _first_parts(facts: Iterable[Fact]) -> dict[tuple[str, int | None], int]:
    """Of parts given up together: time of receipt of the first one, by terminal and message."""
    found: dict[tuple[str, int | None], int] = {}
    for fact in facts:
        if fact.table == "quarantine" and fact.get("code") == quarantine.INCOMPLETE:
            key = (fact.get("terminal"), fact.get("msg_id"))
            found[key] = min(fact.get("received_us"), found.get(key, fact.get("received_us")))
    return found


def _missing_part(row: PartRow, terminal: str) -> Difference:
    key = dict(zip(PartRow._fields[:4], row[:4], strict=True))
    received_ms = row.received_us // 1000
    return Difference(MISSING, "parts", key, terminal, row.msg_id, row.serial, row.spool_seq, received_ms)
