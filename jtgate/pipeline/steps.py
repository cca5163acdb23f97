"""One step of the pipeline: groups of the spool become a batch of rows. No clock, no sleeping, no signals.

    group ─ records ┬ frames ┬ 0x0200, 0x0704 in plain form ──► LocationColumns (compiled) ──┐
                    │        └ anything else ─► header ─┬ whole ─► declarations ─► rows ──────┼─► StoreBatch
                    │                                   └ part ──► SubPackages ─► whole ──────┤
                    └ session ────────────────────────────────────────────────────────────────┘

What cannot be decoded, and what makes our own code fail, is quarantined frame by frame; nothing stops here.
"""

import time
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
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
from jtgate.storage.model import POSITION_COLUMNS, PositionRow, QuarantineRow, StoreBatch, TerminalUpdate
from jtgate.storage.records import FramesRecord, Record, SessionRecord, unpack
from jtgate.storage.spool import Group
from jtgate.storage.store import Store, StoreError, TimedKey

_columns = load("columns")

#: A batch ends with the group that reaches either limit.
BATCH_ROWS_MAX: Final = 20_000
BATCH_SECONDS_MAX: Final = 0.5
#: `last_seen_ms` of a terminal that keeps sending is written this often.
LAST_SEEN_STEP_MS: Final = 60_000
#: Terminals remembered for that.
LAST_SEEN_MAX: Final = 200_000

_WHO_AND_WHEN = itemgetter(POSITION_COLUMNS.index("terminal_id"), POSITION_COLUMNS.index("received_ms"))

log = logs.get_logger("pipeline")

#: A row whose first three values are its key.
R = TypeVar("R", bound=tuple[Any, ...])


class Decoder:
    """Turns groups into batches; what it remembers between them is rebuilt from the store (design D8).

    Throw it away when a batch was not written or an exception left it: the store then knows more than it.

    Args:
        store: where the state comes from and where terminals get their ids.
        parts_bytes_max: memory for incomplete messages.
        live: False for a replay beside a running pipeline: flag edges are left to that one.
        assignments: which terminal has which profile.
        opener: decrypts bodies; None where there is no key.

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
    ) -> None:
        self._store = store
        self._ids = TerminalIds(store)
        self._assigned = Assigned(assignments or Assignments(), store)
        self._opener = opener
        self._columns = _columns.LocationColumns(1024)
        self._judged: set[int] = set()  # rows of the columns that a declaration has read before
        self._read: list[PositionRow] = []  # rows that the columns cannot read
        self._edges = alarms.FlagEdges(store.last_flags()) if live else None
        self._parts = SubPackages(parts_bytes_max, store.open_parts() if live else ())
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
            if len(self._columns) + len(batch.messages) + len(batch.quarantine) >= BATCH_ROWS_MAX:
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
        return batch if batch.quarantine or batch.parts_done or batch.positions else None

    def begin(self) -> StoreBatch:
        """Start a batch by hand, for `message` and `finish`."""
        self._columns.clear()
        self._judged.clear()
        self._read.clear()
        return StoreBatch()

    def terminal_id(self, key: str, now_ms: int) -> int:
        """Id of a terminal by its key, not empty."""
        return self._ids.of_key(key, now_ms)

    def _group(self, group: Group, batch: StoreBatch) -> None:
        """One group; if it is none, or we cannot work through it, it is kept as it is and the next one follows."""
        self._now_us = max(self._now_us, group.at_us)
        try:
            records = list(unpack(group.data))
            self._fetch_ids(records)
            for record in records:
                if isinstance(record, FramesRecord):
                    self._frames(group.seq, record, records, batch)
                elif not sessions.take(record, self._ids, batch):
                    self.events["session_event_unknown"] += 1
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  what we wrote ourselves must not stop us for ever
            log.error("pipeline.group_unreadable", seq=group.seq, **_facts(error))  # noqa: TRY400  see _facts
            origin = Origin(group.at_us, 0, group.seq)
            reason = f"the group cannot be read: {type(error).__name__}"
            batch.quarantine.append(quarantine.row(origin, group.data, quarantine.UNREADABLE_GROUP, reason))

    def _fetch_ids(self, records: Sequence[Record]) -> None:
        """Ids of terminals that come online, all at once: each look into the store may cost a commit."""
        keys = [(sessions.terminal_of(record), record.at_us) for record in records if isinstance(record, SessionRecord)]
        if keys:
            self._ids.fetch((key for key, _ in keys), keys[0][1] // 1000)

    def _id_of(self, phone: bytes, record: FramesRecord, records: Sequence[Record]) -> int | None:
        """Id of a terminal whose reports the columns may read, not met on this header form yet.

        New terminals of its group are asked for together. None for nobody's phone and for a profile that reads
        reports otherwise.
        """
        key = terminal_key(phone)
        if not key:
            return None
        now_ms = record.received_us // 1000
        if not self._ids.knows(key):
            frames = (other.payloads for other in records if isinstance(other, FramesRecord))
            phones = {_columns.location_phone(payload) for payloads in frames for payload in payloads}
            self._ids.fetch(map(terminal_key, phones), now_ms)
        terminal_id = self._ids.of_key(key, now_ms)
        profile = self._assigned.of(terminal_id, key, record.transport, record.session_id)
        if not self._assigned.is_fast(terminal_id, profile):
            return None
        if not self._assigned.rules_listener(record.transport):
            self._ids.remember(phone, terminal_id)
        return terminal_id

    def _frames(self, seq: int, record: FramesRecord, records: Sequence[Record], batch: StoreBatch) -> None:
        received_ms = record.received_us // 1000
        by_wire = {} if self._assigned.rules_listener(record.transport) else self._ids.by_wire
        location_phone = _columns.location_phone
        if self._assigned.header_edition(record.transport) is not None:
            location_phone = _nobody
        add = self._columns.add
        session_id = record.session_id
        for payload in record.payloads:
            phone = location_phone(payload)
            if phone:
                terminal_id = by_wire.get(phone) or self._id_of(phone, record, records)
                if terminal_id and add(payload, terminal_id, received_ms, session_id, seq) > 0:
                    continue
            self._slow(payload, Origin(record.received_us, session_id, seq, record.transport), batch)

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
            if len(self._last_seen) >= LAST_SEEN_MAX:
                self._last_seen.clear()
            self._last_seen[terminal_id] = received_ms
            batch.terminals.append(TerminalUpdate(terminal_id, received_ms, last_seen_ms=received_ms))

    def finish(self, batch: StoreBatch) -> None:
        """Rows of the columns, alarm events, and what has become of sub-packages."""
        batch.positions = self._columns.rows()
        judged = self._judged
        if self._read:
            judged = judged | set(range(len(batch.positions), len(batch.positions) + len(self._read)))
            batch.positions += self._unstored("positions", self._read)
        batch.card_events[:] = self._unstored("card_events", batch.card_events)
        batch.zones.extend(self._assigned.take_zones())
        for terminal_id, received_ms in dict(map(_WHO_AND_WHEN, batch.positions)).items():
            self._seen(terminal_id, received_ms, batch)
        self.deviations.update(self._columns.deviations())
        special = self._assigned.special
        batch.alarm_events.extend(alarms.items(batch.positions, special, self.events, self.deviations, judged))
        if self._edges is not None:
            batch.alarm_events.extend(self._edges.scan(batch.positions))
        self._parts.settle(self._now_us, batch)


def _nobody(_payload: bytes) -> bytes:
    """In place of the columns' look at a phone, where the columns may read nothing."""
    return b""


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
