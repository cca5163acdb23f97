"""One step of the pipeline: groups of the spool become a batch of rows. No clock, no sleeping, no signals.

    group ─ records ┬ frames ┬ 0x0200, 0x0704 in plain form ──► LocationColumns (compiled) ──┐
                    │        └ anything else ─► header ─┬ whole ─► declarations ─► rows ──────┼─► StoreBatch
                    │                                   └ part ──► SubPackages ─► whole ──────┤
                    └ session ────────────────────────────────────────────────────────────────┘

What cannot be decoded, and what makes our own code fail, is quarantined frame by frame; nothing stops here.
Plain reports of known terminals pass without a line of interpreted code of their own: `groups.split` finds them,
`LocationColumns.add_many` takes them, and what has to be looked at (alarm items, flags that change) is told by number.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from jtgate import logs
from jtgate.codecs import deviations as dev
from jtgate.codecs.errors import ProtocolError, Truncated
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.jt808 import LocationReport
from jtgate.codecs.opening import Opener, plain_body
from jtgate.codecs.parts import Refused
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.twins import load
from jtgate.pipeline import alarms, messages, quarantine, sessions
from jtgate.pipeline.arrived import Arrived, Origin
from jtgate.pipeline.assigned import Assigned
from jtgate.pipeline.positions import row_of
from jtgate.pipeline.subpackages import SubPackages
from jtgate.pipeline.terminals import TerminalIds, terminal_key
from jtgate.profiles import Assignments
from jtgate.storage.model import POSITION_COLUMNS, PartRow, PositionRow, QuarantineRow, StoreBatch, TerminalUpdate
from jtgate.storage.records import FramesRecord, SessionRecord, unpack
from jtgate.storage.spool import Group
from jtgate.storage.store import Store, StoreError, TimedKey

_columns = load("columns")
_groups = load("groups")

#: A batch ends with the group that reaches either limit.
BATCH_ROWS_MAX: Final = 20_000
BATCH_SECONDS_MAX: Final = 0.5
#: `last_seen_ms` of a terminal that keeps sending is written this often.
LAST_SEEN_STEP_MS: Final = 60_000
#: Terminals remembered for that.
LAST_SEEN_MAX: Final = 200_000

_TERMINAL: Final = POSITION_COLUMNS.index("terminal_id")
_RECEIVED: Final = POSITION_COLUMNS.index("received_ms")

log = logs.get_logger("pipeline")

#: A row whose first three values are its key.
R = TypeVar("R", bound=tuple[Any, ...])


@dataclass(frozen=True)
class _Records:
    """A group in work: session records and frames in the order they came.

    Args:
        group: as it was spooled.

    Raises:
        ValueError: the group is not what `records` writes.
    """

    group: Group

    @cached_property
    def parts(self) -> list[tuple[int, Any] | FramesRecord | SessionRecord]:
        """Frames that the compiled lane can take as (transport, index), anything else as a record."""
        found: list[tuple[int, Any] | FramesRecord | SessionRecord] = []
        for part in _groups.split(self.group.data):
            if isinstance(part, bytes):
                found.extend(unpack(part))
            else:
                found.append(part)
        return found

    def frame(self, index: Any, number: int) -> tuple[bytes, int, int]:
        """Payload, receive time in microseconds and session of a frame."""
        at, length, received_us, session_id = index[number * _groups.INDEX_VALUES : (number + 1) * _groups.INDEX_VALUES]
        return self.group.data[at : at + length], received_us, session_id

    def payloads(self) -> Iterator[bytes]:
        """Of all frames."""
        for record in unpack(self.group.data):
            if isinstance(record, FramesRecord):
                yield from record.payloads


class Decoder:
    """Turns groups into batches; what it remembers between them is rebuilt from the store (design D8).

    Two batches may be in use at a time: the columns of one are filled while those of the one before are written.
    Whoever decodes a third has to be done with the first.

    Throw it away when a batch was not written or an exception left it: the store then knows more than it.

    Args:
        store: where the state comes from and where terminals get their ids.
        parts_bytes_max: memory for incomplete messages.
        live: False for a replay beside a running pipeline: flag edges are left to that one.
        assignments: which terminal has which profile.
        opener: decrypts bodies; None where there is no key.
        parts: of incomplete messages, with which one begins that is not live; a live one takes those of the store.

    Raises:
        StoreError: the store cannot be read now.
    """

    def __init__(
        self,
        store: Store,
        *,
        parts_bytes_max: int,
        live: bool = True,
        assignments: Assignments | None = None,
        opener: Opener | None = None,
        parts: Iterable[PartRow] = (),
    ) -> None:
        self._store = store
        self._ids = TerminalIds(store)
        self._assigned = Assigned(assignments or Assignments(), store)
        self._opener = opener
        self._columns = _columns.LocationColumns(1024)
        self._spare = _columns.LocationColumns(1024)  # of the batch before
        self._judged: set[int] = set()  # rows of the columns that a declaration has read before
        self._read: list[PositionRow] = []  # rows that the columns cannot read
        self._edges = alarms.FlagEdges(store.last_flags()) if live else None
        self._parts = SubPackages(parts_bytes_max, store.open_parts() if live else parts)
        self._last_seen: dict[int, int] = {}
        self._now_us = 0
        self.deviations: Counter[str] = Counter()
        self.events: Counter[str] = self._parts.counts

    def decode(self, groups: Sequence[Group]) -> tuple[StoreBatch, int]:
        """Decode groups until a limit of the batch is reached.

        Args:
            groups: in order, at least one.

        Returns:
            The batch, and how many of the groups are in it (at least one).

        Raises:
            StoreError: a new terminal could not get its id.
        """
        batch = self.begin()
        started = time.perf_counter()
        taken = 0
        for whole in self._parts.left_over():
            self._whole(whole, batch)
        for group in groups:
            self._group(group, batch)
            taken += 1
            if len(self._columns) + len(self._read) + len(batch.messages) + len(batch.quarantine) >= BATCH_ROWS_MAX:
                break
            if time.perf_counter() - started >= BATCH_SECONDS_MAX:
                break
        self.finish(batch)
        return batch, taken

    def idle(self, now_us: int) -> StoreBatch | None:
        """What the passing of time alone brings: messages that will never be complete. None for nothing."""
        self._now_us = max(self._now_us, now_us)
        batch = self.begin()
        self.finish(batch)
        return batch if batch.quarantine or batch.parts_done or batch.position_count else None

    def begin(self) -> StoreBatch:
        """Start a batch by hand, for `message` and `finish`."""
        self._columns, self._spare = self._spare, self._columns
        self._columns.clear()
        self._judged.clear()
        self._read.clear()
        return StoreBatch()

    def take_counts(self) -> tuple[Counter[str], Counter[str]]:
        """Deviations and events counted since this was last asked."""
        found = Counter(self.deviations), Counter(self.events)
        self.deviations.clear()
        self.events.clear()
        return found

    def terminal_id(self, key: str, now_ms: int) -> int:
        """Id of a terminal by its key, not empty."""
        return self._ids.of_key(key, now_ms)

    def _group(self, group: Group, batch: StoreBatch) -> None:
        """One group; if it is none, or we cannot work through it, it is kept as it is and the next one follows."""
        self._now_us = max(self._now_us, group.at_us)
        try:
            records = _Records(group)
            self._fetch_ids(records)
            for part in records.parts:
                if isinstance(part, SessionRecord):
                    if not sessions.take(part, self._ids, batch):
                        self.events["session_event_unknown"] += 1
                elif isinstance(part, FramesRecord):
                    for payload in part.payloads:
                        origin = Origin(part.received_us, part.session_id, group.seq, part.transport)
                        self._payload(payload, origin, records, batch)
                else:
                    self._frames(*part, records, batch)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  what we wrote ourselves must not stop us for ever
            log.error("pipeline.group_unreadable", seq=group.seq, **_facts(error))  # noqa: TRY400  see _facts
            origin = Origin(group.at_us, 0, group.seq)
            reason = f"the group cannot be read: {type(error).__name__}"
            batch.quarantine.append(quarantine.row(origin, group.data, quarantine.UNREADABLE_GROUP, reason))

    def _fetch_ids(self, records: _Records) -> None:
        """Ids of terminals that come online, all at once: each look into the store may cost a commit."""
        opened = [part for part in records.parts if isinstance(part, SessionRecord)]
        if opened:
            self._ids.fetch(map(sessions.terminal_of, opened), opened[0].at_us // 1000)

    def _frames(self, transport: int, index: Any, records: _Records, batch: StoreBatch) -> None:
        """Frames of a group that follow each other: all that are plain at once, then one that is not, and so on."""
        group = records.group
        ids = {} if self._assigned.rules_listener(transport) else self._ids.by_wire
        count = len(index) // _groups.INDEX_VALUES
        number = 0
        while (number := self._columns.add_many(group.data, index, number, ids, group.seq)) < count:
            payload, received_us, session_id = records.frame(index, number)
            self._payload(payload, Origin(received_us, session_id, group.seq, transport), records, batch)
            number += 1

    def _payload(self, payload: bytes, origin: Origin, records: _Records, batch: StoreBatch) -> None:
        """A frame that the columns did not take with the others; most often the first one of its terminal."""
        terminal_id = self._id_of(payload, origin, records)
        if terminal_id is not None:
            added = self._columns.add(payload, terminal_id, origin.received_ms, origin.session_id, origin.spool_seq)
            if added > 0:
                return
        self._slow(payload, origin, batch)

    def _id_of(self, payload: bytes, origin: Origin, records: _Records) -> int | None:
        """Id of a terminal whose reports the columns may read; new terminals of its group are asked for together.

        None for what is no plain report, for nobody's phone, and for a profile that reads reports otherwise.
        """
        transport = cast("int", origin.transport)
        phone = _columns.location_phone(payload)
        key = terminal_key(phone)
        if not key or self._assigned.header_edition(transport) is not None:
            return None
        rules_listener = self._assigned.rules_listener(transport)
        if not rules_listener and phone in self._ids.by_wire:
            return self._ids.by_wire[phone]
        if not self._ids.knows(key):
            phones = {_columns.location_phone(other) for other in records.payloads()}
            self._ids.fetch(map(terminal_key, phones), origin.received_ms)
        terminal_id = self._ids.of_key(key, origin.received_ms)
        profile = self._assigned.of(terminal_id, key, transport, origin.session_id)
        if not self._assigned.is_fast(terminal_id, profile):
            return None
        if not rules_listener:
            self._ids.remember(phone, terminal_id)
        return terminal_id

    def _slow(self, payload: bytes, origin: Origin, batch: StoreBatch) -> None:
        """A frame that is not in the fast lane; whatever is wrong with it costs this frame only."""
        edition = None if origin.transport is None else self._assigned.header_edition(origin.transport)
        try:
            header, body = parse_header(payload, edition)
        except ProtocolError as error:
            batch.quarantine.append(quarantine.row_of_error(origin, payload, error, None))
            return
        self.deviations.update(header.deviations)
        if not header.terminal:
            reason = "an all-zero phone number is nobody's"
            batch.quarantine.append(quarantine.row(origin, payload, quarantine.NO_PHONE, reason, header=header))
            return
        terminal_id = self.terminal_id(header.terminal, origin.received_ms)
        if header.is_part and not self._may_open(terminal_id, header, origin):
            self.deviations[dev.BODY_ENCRYPTED] += 1
            batch.quarantine.append(_sealed(origin, payload, header, quarantine.ENCRYPTED))
        elif header.is_part:
            self._part(terminal_id, header, body, payload, origin, batch)
        else:
            self.message(Arrived(terminal_id, header, body, 1, origin), payload, batch)

    def _profile(self, terminal_id: int, header: Header, origin: Origin) -> Profile:
        return self._assigned.of(terminal_id, header.terminal, origin.transport, origin.session_id)

    def _may_open(self, terminal_id: int, header: Header, origin: Origin) -> bool:
        """Whether the whole message of a part can be worth waiting for."""
        if not header.encryption or self._opener is not None:
            return True
        return self._profile(terminal_id, header, origin).encryption_bits == "ignore"

    def _part(
        self, terminal_id: int, header: Header, body: bytes, payload: bytes, origin: Origin, batch: StoreBatch
    ) -> None:
        outcome = self._parts.add(terminal_id, header, body, payload, origin)
        if isinstance(outcome, Refused):
            batch.quarantine.append(quarantine.row(origin, payload, outcome.code, outcome.message, header=header))
        elif outcome is not None:
            self._whole(outcome, batch)

    def _whole(self, whole: Arrived, batch: StoreBatch) -> None:
        self.message(whole, quarantine.whole_payload(whole.header, whole.body), batch)

    def message(self, arrived: Arrived, payload: bytes, batch: StoreBatch) -> None:
        """Decode one whole message into rows; `payload` is what is quarantined when that fails."""
        header = arrived.header
        profile = self._profile(arrived.terminal_id, header, arrived.origin)
        plain, deviation = plain_body(header, arrived.body, profile, self._opener)
        if deviation is not None:
            self.deviations[deviation] += 1
        if plain is None:
            code = quarantine.SEALED if arrived.parts > 1 else quarantine.ENCRYPTED
            batch.quarantine.append(_sealed(arrived.origin, payload, header, code))
            return
        arrived = arrived._replace(body=plain, profile=profile)
        try:
            found = messages.decode(arrived)
            for report, body in found.positions:
                self._position(arrived, report, body, backfill=found.backfill)
        except ProtocolError as error:
            batch.quarantine.append(quarantine.row_of_error(arrived.origin, payload, error, header))
        except Exception as error:  # noqa: BLE001  a bug of ours must not stop the pipeline; the frame is kept
            log.error("pipeline.step_failed", msg_id=header.msg_id, **_facts(error))  # noqa: TRY400  see _facts
            batch.quarantine.append(quarantine.row_of_bug(arrived.origin, payload, error, header))
        else:
            self.deviations.update(found.deviations)
            self._learn(found.terminals)
            self._seen(arrived.terminal_id, arrived.origin.received_ms, batch)
            batch.terminals.extend(found.terminals)
            batch.card_events.extend(found.card_events)
            batch.messages.extend(found.messages)

    def _learn(self, updates: Sequence[TerminalUpdate]) -> None:
        """A registration may change the profile of its terminal from here on."""
        for update in updates:
            told = (update.manufacturer, update.model)
            if told != (None, None) and self._assigned.registered(update.terminal_id, *(word or "" for word in told)):
                self._ids.forget(update.terminal_id)

    def _unstored(self, table: str, rows: Sequence[R]) -> list[R]:
        """Rows that the store does not hold already with the times of another zone (a profile was changed)."""
        others: dict[TimedKey, TimedKey] = {}  # key in another zone -> key of the row
        for row in rows:
            key = terminal_id, time_ms, print_ = cast("TimedKey", row[:3])
            profile = self._assigned.special.get(terminal_id, AUTO)
            for zone in self._assigned.zones_besides(terminal_id, profile) if time_ms else ():
                ahead_ms = (profile.time_zone_minutes - zone) * 60_000
                others[terminal_id, time_ms + ahead_ms, print_] = key
        stored = {others[key] for key in self._store.stored(table, others)} if others else set()
        self.events["stored_in_another_zone"] += len(stored)
        return [row for row in rows if row[:3] not in stored]

    def _position(self, arrived: Arrived, report: LocationReport, body: bytes, *, backfill: bool) -> None:
        """A location out of a message of the slow lane."""
        header, origin = arrived.header, arrived.origin
        is_repaired = any(item.announced is not None for item in report.items)  # what the columns do not see
        if is_repaired or not self._assigned.is_fast(arrived.terminal_id, arrived.profile):
            self._read.append(row_of(report, body, arrived, backfill=backfill))
            return
        at = len(self._columns)
        added = self._columns.add_body(
            body,
            header.msg_id,
            header.serial,
            backfill,
            arrived.terminal_id,
            origin.received_ms,
            origin.session_id,
            origin.spool_seq,
        )
        if added < 0:
            raise Truncated("a location is shorter than its base information", msg_id=header.msg_id, raw=body)
        self._judged.add(at)

    def _seen(self, terminal_id: int, received_ms: int, batch: StoreBatch) -> None:
        """Note that a terminal was heard of, at most once per LAST_SEEN_STEP_MS."""
        if received_ms - self._last_seen.get(terminal_id, 0) >= LAST_SEEN_STEP_MS:
            self._last_seen[terminal_id] = received_ms
            batch.terminals.append(TerminalUpdate(terminal_id, received_ms, last_seen_ms=received_ms))

    def _seen_in_rows(self, batch: StoreBatch) -> None:
        """The same for all terminals with positions."""
        for terminal_id, received_ms in self._columns.heard(self._last_seen, LAST_SEEN_STEP_MS):
            batch.terminals.append(TerminalUpdate(terminal_id, received_ms, last_seen_ms=received_ms))
        for row in batch.positions:
            self._seen(cast("int", row[_TERMINAL]), cast("int", row[_RECEIVED]), batch)
        if len(self._last_seen) > LAST_SEEN_MAX:
            self._last_seen.clear()

    def finish(self, batch: StoreBatch) -> None:
        """Positions, alarm events, and what has become of sub-packages."""
        columns, events = self._columns, self.events
        batch.columns = columns if len(columns) else None
        batch.positions = self._unstored("positions", self._read)
        batch.card_events[:] = self._unstored("card_events", batch.card_events)
        batch.zones.extend(self._assigned.take_zones())
        self._seen_in_rows(batch)
        self.deviations.update(columns.deviations())
        special = self._assigned.special
        for number in columns.alarm_rows():
            counts = None if number in self._judged else self.deviations
            batch.alarm_events.extend(alarms.items(columns.row(number), special, events, counts))
        for row in batch.positions:
            batch.alarm_events.extend(alarms.items(row, special, events))
        if self._edges is not None:
            batch.alarm_events.extend(self._edges.scan_columns(columns))
            batch.alarm_events.extend(self._edges.scan(batch.positions))
        self._parts.settle(self._now_us, batch)


def _sealed(origin: Origin, payload: bytes, header: Header, code: str) -> QuarantineRow:
    """What nobody can open."""
    reason = f"body encrypted with method {header.encryption}"
    return quarantine.row(origin, payload, code, reason, header=header)


def _facts(error: Exception) -> dict[str, object]:
    """What a log may know of an exception: not its message, which can quote a name or a plate."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return {"error": type(error).__name__, "where": where}
