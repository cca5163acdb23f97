"""Works bindings out anew for the vehicles of which something has changed that speaks for or against a person.

    trips, stops, faces, fixes of phones, overrides ─ by the time they were written ─┐
    driver cards ─ as they come in ──────────────────────────────────────────────────┼─► vehicle, and since when
    waybills ─ by the time of their import ──────────────────────────────────────────┘          │ due
                                           rows of bindings ◄── recompute ◄─────────────────────┘
                                           episodes, trips, visits since then ◄── filled in again

Where this has come to is kept in the store: a time of writing up to which every change was worked through. So a crash
repeats something, and `recompute` gives nothing when nothing differs.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from jtgate.pipeline.derive import CONSUMER, metrics
from jtgate.pipeline.derive.binding_inputs import Registry
from jtgate.pipeline.derive.binding_rows import persons_elsewhere, recompute
from jtgate.pipeline.derive.crew import Crews, Filler
from jtgate.pipeline.derive.enrich import Plate, Plates
from jtgate.pipeline.derive.facts import Rows
from jtgate.storage.model import StoreBatch
from jtgate.storage.store import Row, Store
from jtgate.storage.tables import CARD_EVENTS, READABLE

#: Its name where the store keeps cursors; the number is a time of writing, milliseconds since 1970.
PLACE: Final = f"{CONSUMER}.bindings"
#: Vehicles that wait; beyond it changes are left where they are until some were worked through.
WAITING_MAX: Final = 50_000
#: Card events that wait to be looked at; of those beyond it, which are counted, the next change of the vehicle tells.
CARDS_MAX: Final = 10_000

_ACTIVE: Final = ("PLANNED", "IN_TRANSIT")  # 待执行, 运输中
_TABLES: Final = ("trips", "stops", "face_events", "phone_fixes", "driver_overrides")


@dataclass(frozen=True, slots=True)
class Limits:
    """Times and sizes of the work; times are milliseconds unless they say otherwise."""

    again_ms: int = 30_000  # between two times that one vehicle is worked out
    slow_ms: int = 300_000  # a trip that goes on, and a phone: what they show takes minutes to show
    overlap_ms: int = 5_000  # a row may be seen so long after its time of writing
    page_rows: int = 1000
    pages_max: int = 5  # of one table, per step
    waybills_ms: int = 60_000  # between looks at the waybills
    cards_back_ms: int = 48 * 3_600_000  # times of cards that may have come while this was down …
    cards_late_ms: int = 3_600_000  # … or so long before, when this was behind
    persons_back_ms: int = 48 * 3_600_000  # how long ago a person was bound to a vehicle whose phone still matters
    work_s: float = 0.5  # per step, seconds


class _Wait(NamedTuple):
    """A vehicle that waits: since when facts of it have changed, when it is due, when the first change was written."""

    from_ms: int
    due_ms: int
    written_ms: int


class BindingWatch:
    """A chore, and a listener to what comes in.

    Args:
        store: facts, rows and bindings.
        plates: which terminal is in which vehicle.
        crews: forgets vehicles whose bindings have changed.
        filler: fills in rows again.
        limits: see Limits.
    """

    name = "bindings"

    def __init__(
        self,
        store: Store,
        plates: Plates,
        crews: Crews,
        filler: Filler,
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._plates = plates
        self._crews = crews
        self._filler = filler
        #: Writes derived rows; whoever writes the others sets it.
        self.write: Callable[[Rows], None] = lambda _: None
        self._limits = limits or Limits()
        self._waiting: dict[Plate, _Wait] = {}
        self._done_ms: dict[Plate, int] = {}
        self._cards: list[tuple[int, int, int]] = []  # terminal, time of the card, time of receipt
        self._marks: dict[str, int] = {}
        self._seen: dict[tuple[str, int], int] = {}  # table and id -> updated_ms, not older than the overlap
        self._waybills: dict[str, tuple[Plate, int]] = {}  # on the way or planned
        self._waybills_ms = 0
        self._waybills_due_ms = 0
        self._saved_ms = 0

    def came(self, batch: StoreBatch) -> None:
        """See Listener."""
        for row in batch.card_events:
            if len(self._cards) >= CARDS_MAX:
                metrics.EVENTS.labels("cards_not_awaited").inc()
                return
            self._cards.append((row.terminal_id, row.device_time_ms or row.received_ms, row.received_ms))

    def wrote(self, batch: StoreBatch) -> None:
        """See Listener: what was written is found by its time of writing."""

    def step(self, now_ms: int) -> None:
        """See Chore.

        Raises:
            StoreError: the store cannot be reached; the same call may be repeated.
        """
        if not self._marks:
            self._begin()
        if len(self._waiting) < WAITING_MAX:
            self._take_cards(now_ms)
            for table in _TABLES:
                self._take_changes(table, now_ms)
            if now_ms >= self._waybills_due_ms:
                self._take_waybills(now_ms)
        started = time.monotonic()
        due = sorted((wait.due_ms, plate) for plate, wait in self._waiting.items() if wait.due_ms <= now_ms)
        for _, plate in due:
            self._work_out(plate, now_ms)
            if time.monotonic() - started > self._limits.work_s:
                break
        metrics.VEHICLES_WAITING.set(len(self._waiting))
        self._save()

    # ------------------------------------------------------------------------------------- what has changed

    def _begin(self) -> None:
        """Go on where this was left; cards have no time of writing, so those received since then are looked at."""
        place_ms = self._store.cursor(PLACE)
        cards: list[Row] = []
        before: tuple[int, int] | None = None
        for _ in range(self._limits.pages_max):
            page = self._store.page(
                CARD_EVENTS.name,
                from_ms=max(0, place_ms - self._limits.cards_back_ms),
                before=before,
                limit=self._limits.page_rows,
            )
            cards += page
            if len(page) < self._limits.page_rows:
                break
            last: Any = page[-1]
            before = last["device_time_ms"], last["id"]
        for row in cards:
            card: Any = row
            if card["received_ms"] >= place_ms - self._limits.cards_late_ms:
                time_ms = card["device_time_ms"] or card["received_ms"]
                self._cards.append((card["terminal_id"], time_ms, card["received_ms"]))
        self._waybills_ms = place_ms
        self._saved_ms = place_ms
        self._marks = dict.fromkeys(_TABLES, place_ms)

    def _take_cards(self, now_ms: int) -> None:
        while self._cards:
            terminal_id, at_ms, received_ms = self._cards[-1]
            self._touch(self._plates.of(terminal_id), at_ms, now_ms, received_ms)
            self._cards.pop()

    def _take_changes(self, table: str, now_ms: int) -> None:
        """Rows of a table that were written since the last look, and a little before it."""
        since_ms, after_id = max(0, self._marks[table] - self._limits.overlap_ms), 0
        for _ in range(self._limits.pages_max):
            page = self._store.changed(table, since_ms=since_ms, after_id=after_id, limit=self._limits.page_rows)
            for found in page:
                row: Any = found
                if self._seen.get((table, row["id"])) != row["updated_ms"]:
                    self._take(table, row, now_ms)
                    self._seen[table, row["id"]] = row["updated_ms"]
                since_ms, after_id = row["updated_ms"], row["id"]
            if len(page) < self._limits.page_rows:  # so there is nothing more that was written before now
                since_ms = max(since_ms, now_ms)
                break
        self._marks[table] = max(self._marks[table], since_ms)
        oldest_ms = self._marks[table] - self._limits.overlap_ms
        self._seen = {key: at for key, at in self._seen.items() if key[0] != table or at >= oldest_ms}

    def _take(self, table: str, row: Any, now_ms: int) -> None:
        at_ms, written_ms = row[READABLE[table].time], row["updated_ms"]
        if table == "driver_overrides":
            self._touch(Plate(row["plate"], row["plate_color"]), at_ms, now_ms, written_ms)
        elif table == "phone_fixes":
            for plate in self._plates_of_person(row["person"], at_ms, now_ms):
                self._touch(plate, at_ms, now_ms, written_ms, slowly=True)
        else:
            goes_on = table == "trips" and row["state"] == "open"
            self._touch(self._plates.of(row["terminal_id"]), at_ms, now_ms, written_ms, slowly=goes_on)

    def _plates_of_person(self, person: str, at_ms: int, now_ms: int) -> Iterator[Plate]:
        """Vehicles that a person has to do with: bound to it of late, on its waybill, or of the same enterprise."""
        since_ms = at_ms - self._limits.persons_back_ms
        for row in self._store.page("bindings", from_ms=since_ms, matching={"person": person}, limit=100):
            bound: Any = row
            yield Plate(bound["plate"], bound["plate_color"])
        on_file = Registry(self._store).person(person, at_ms)
        enterprise = on_file["enterprise"] if on_file is not None else None
        if enterprise:
            matching = {"enterprise": enterprise}
            for vehicle in self._store.registry_rows("vehicles", matching=matching, at_ms=now_ms, limit=1000):
                found: Any = vehicle
                yield Plate(found["plate"], found["plate_color"])

    def _take_waybills(self, now_ms: int) -> None:
        """Waybills that are planned or on the way, by the time of their import; one that is neither any more too."""
        self._waybills_due_ms = now_ms + self._limits.waybills_ms
        found: dict[str, tuple[Plate, int]] = {}
        newest_ms = self._waybills_ms
        for state in _ACTIVE:
            after: tuple[object, ...] = ()
            while True:
                page = self._store.registry_rows(
                    "waybills", at_ms=now_ms, matching={"state": state}, after=after, limit=self._limits.page_rows
                )
                for one in page:
                    row: Any = one
                    plate = Plate(row["plate"], row["plate_color"])
                    begin_ms = row["depart_ms"] or row["plan_depart_ms"] or row["valid_from_ms"]
                    found[row["waybill"]] = plate, begin_ms
                    if row["imported_ms"] > self._waybills_ms - self._limits.overlap_ms:
                        self._touch(plate, begin_ms, now_ms, row["imported_ms"])
                    newest_ms = max(newest_ms, row["imported_ms"])
                if len(page) < self._limits.page_rows:
                    break
                after = (page[-1]["waybill"], page[-1]["valid_from_ms"])
        for waybill in self._waybills.keys() - found.keys():
            plate, begin_ms = self._waybills[waybill]
            self._touch(plate, begin_ms, now_ms, now_ms)
        self._waybills, self._waybills_ms = found, newest_ms

    def _touch(self, plate: Plate | None, at_ms: int, now_ms: int, written_ms: int, *, slowly: bool = False) -> None:
        """Have a vehicle worked out anew from a time on."""
        if plate is None:
            return
        done_ms = self._done_ms.get(plate, 0)
        due_ms = max(now_ms, done_ms + (self._limits.slow_ms if slowly else self._limits.again_ms))
        before = self._waiting.get(plate)
        if before is not None:
            at_ms, due_ms = min(at_ms, before.from_ms), min(due_ms, before.due_ms)
            written_ms = min(written_ms, before.written_ms)
        self._waiting[plate] = _Wait(at_ms, due_ms, written_ms)

    # ------------------------------------------------------------------------------------------------ work

    def _work_out(self, plate: Plate, now_ms: int) -> None:
        """Bindings of a vehicle, and then what is filled in from them."""
        wait = self._waiting[plate]
        terminals = self._plates.terminals_of(plate)
        batch = recompute(self._store, plate.plate, plate.color, wait.from_ms, now_ms, terminals=terminals)
        if batch.bindings or batch.binding_conflicts:
            self._store.write(batch, consumer=PLACE, seq=self._saved_ms)
            metrics.ROWS.labels("bindings").inc(len(batch.bindings))
            metrics.ROWS.labels("binding_conflicts").inc(len(batch.binding_conflicts))
        self._crews.forget(plate)
        from_ms = min([wait.from_ms, *(row.started_ms for row in batch.bindings)])
        again = self._filler.again(plate, terminals, from_ms)
        if again.tables:
            self.write(again)
        for (name, color), since_ms in persons_elsewhere(self._store, batch, now_ms).items():
            self._touch(Plate(name, color), since_ms, now_ms, wait.written_ms)
        del self._waiting[plate]
        self._done_ms[plate] = now_ms
        if len(self._done_ms) > WAITING_MAX:
            longest_ms = now_ms - self._limits.slow_ms
            self._done_ms = {one: at for one, at in self._done_ms.items() if at > longest_ms}

    def _save(self) -> None:
        """Every change that was written before this time has been worked through."""
        written_ms = [*(wait.written_ms for wait in self._waiting.values()), *(card[2] for card in self._cards)]
        place_ms = min([*self._marks.values(), *written_ms])
        if place_ms - self._saved_ms > self._limits.overlap_ms:
            self._store.move_cursors({PLACE: place_ms})
            self._saved_ms = place_ms
