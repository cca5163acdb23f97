"""What the terminals of a scenario say, and when it arrives: without a network, and in no time.

Reports come on a grid that begins anew with every move, and at once when an alarm begins or ends. In a blind area
positions are kept, and come as 0x0704 of type 1 later; so an alarm's end may well arrive before its beginning.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from jtgate.codecs.edition import Edition
from jtgate.codecs.fingerprint import fingerprint
from jtgate.codecs.header import encode_frames
from jtgate.codecs.timebase import from_ms
from jtgate.simulators import messages, reports
from jtgate.simulators.alarms import CLEARED_BY_ANSWER, DRIVER_CHANGE, END, INSTANT, START, AlarmKind, item_of
from jtgate.simulators.dice import Purpose
from jtgate.simulators.evidence import EvidenceRules, alarm_number, number_form
from jtgate.simulators.evidence_files import PICTURE, EvidenceFile
from jtgate.simulators.identity import Driver
from jtgate.simulators.roads import RoadGraph, shipped_graph
from jtgate.simulators.scenario_model import ENGINE, PARK, TERMINAL, Alarm, Face, Gap, Scenario, Truck
from jtgate.simulators.scenario_track import Moment, Track

#: Positions in a 0x0704, and seconds between two of them.
BATCH: Final = 10
BATCH_GAP_S: Final = 2.0
#: After a blind area other messages follow so soon.
LATE_MESSAGE_S: Final = 3.0
#: How long a frame is on its way, seconds, and when one comes again whose answer got lost.
LATENCY_S: Final = (0.15, 0.95)
REPEAT_S: Final = 10.0
PICTURE_BYTES: Final = 3000
#: Id and length of an additional item.
ITEM_HEAD_BYTES: Final = 2
#: The code with which terminals authenticate where nobody gives them one.
CODE: Final = "SCENARIO"

LOCATION, BATCH_LOCATION, DRIVER, COMPARISON = 0x0200, 0x0704, 0x0702, 0x0E10
REGISTER, AUTHENTICATE = 0x0100, 0x0102


class What(StrEnum):
    """What a terminal does."""

    LOSE = "lose"  # the network is gone
    LOGIN = "login"  # it is (back) on line
    SAY = "say"


_ORDER: Final = {What.LOSE: 0, What.LOGIN: 1, What.SAY: 2}


class Announced(NamedTuple):
    """An alarm with files.

    Args:
        number: 报警标识号 as it stands in the item.
        item: 0x64 or 0x65.
        kind: type byte.
        at_s: time of the alarm.
        fingerprint: of the value of the item, hexadecimal, as the API tells it.
    """

    number: bytes
    item: int
    kind: int
    at_s: int
    fingerprint: str


class Said(NamedTuple):
    """Something that a terminal does at a moment of the scenario."""

    at_s: float
    what: What
    msg_id: int = 0
    body: bytes = b""
    announced: tuple[Announced, ...] = ()


class Condition(NamedTuple):
    """What really happened, once: an alarm, however often it was reported.

    Args:
        terminal: phone.
        source: as of alarm_events, "jsatl12:0x65" or "jt808:flag".
        alarm_type: type byte, or number of the bit.
        name: of the kind.
        started_ms: when it began.
        ended_ms: of its end; for a moment the last time it was reported.
        report_count: reports that tell of it.
    """

    terminal: str
    source: str
    alarm_type: int
    name: str
    started_ms: int
    ended_ms: int
    report_count: int


class Arrival(NamedTuple):
    """A frame as it arrives.

    Args:
        received_us: when, microseconds since 1970.
        terminal: phone.
        frame: with its flags, escaped.
    """

    received_us: int
    terminal: str
    frame: bytes


@dataclass(slots=True)
class Script:
    """What a terminal does, in order, and what was behind it."""

    truck: Truck
    says: list[Said]
    conditions: list[Condition]
    announced: list[Announced]


@dataclass(slots=True)
class _Told:
    """What is to be said of alarms at each second."""

    items: dict[int, list[tuple[AlarmKind, int, int, int, bool]]] = field(default_factory=dict)
    flags: list[tuple[int, int, int]] = field(default_factory=list)  # bit, from, until

    def item(self, at_s: int, kind: AlarmKind, phase: int, alarm_id: int, level: int, *, files: bool) -> None:
        self.items.setdefault(at_s, []).append((kind, phase, alarm_id, level, files))

    def flags_at(self, at_s: int) -> int:
        flags = 0
        for bit, from_s, until_s in self.flags:
            flags |= (from_s <= at_s < until_s) << bit
        return flags


class Scribe:
    """Writes the script of one vehicle.

    Args:
        scenario: what it is a part of.
        truck: which.
        graph: roads.
        rules: which files alarms announce.

    Raises:
        ScenarioError: its motion makes no sense.
    """

    def __init__(self, scenario: Scenario, truck: Truck, graph: RoadGraph, rules: EvidenceRules) -> None:
        self._scenario = scenario
        self._truck = truck
        self._track = Track(truck, graph)
        self._rules = replace(rules, dialect=truck.dialect)
        self._form = number_form(truck.dialect, truck.edition)
        self._dice = scenario.dice(truck)
        self._sequence = 0
        self._told = _Told()
        self._conditions: list[Condition] = []
        self._announced: list[Announced] = []

    def script(self) -> Script:
        """All of it."""
        truck = self._truck
        says = [Said(truck.from_s, What.LOGIN)]
        for gap in truck.gaps:
            says += [Said(gap.from_s, What.LOSE), Said(gap.until_s, What.LOGIN)]
        times = self._times()
        for number, alarm in enumerate(truck.alarms):
            self._plan(number * 16, alarm, times)
        for face in truck.faces:
            if face.by == ENGINE:
                self._told.item(face.at_s, DRIVER_CHANGE, INSTANT, 0, 0, files=True)
                times.add(face.at_s)
        says += self._reports(sorted(times))
        says += self._others()
        says.sort(key=lambda said: (said.at_s, _ORDER[said.what]))
        self._conditions = [self._counted(condition, times) for condition in self._conditions]
        return Script(truck, says, self._conditions, self._announced)

    # Times and alarms.

    def _times(self) -> set[int]:
        """The grid of reports."""
        truck = self._truck
        times = {truck.until_s}
        moves = [move for move in truck.moves if move.at_s < truck.until_s]
        for move, end_s in zip(moves, [*(move.at_s for move in moves[1:]), truck.until_s], strict=True):
            step_s = truck.parked_s if move.kind == PARK else truck.interval_s
            times.update(at_s for at_s in range(max(move.at_s, truck.from_s), end_s, step_s))
        return times

    def _plan(self, alarm_id: int, alarm: Alarm, times: set[int]) -> None:
        """When and how an alarm is told."""
        truck, kind = self._truck, alarm.kind
        moments = [alarm.at_s, *(alarm.at_s + again_s for again_s in alarm.again_s)]
        if kind.bit is not None:
            is_answered = bool(CLEARED_BY_ANSWER[truck.edition] >> kind.bit & 1)
            end_s = alarm.end_s
            if is_answered:  # it stands until a report that carries it gets its answer
                gap = self._gap_at(alarm.at_s)
                end_s = gap.until_s if gap is not None else alarm.at_s + 1
            self._told.flags.append((kind.bit, alarm.at_s, end_s))
            times.update((alarm.at_s,) if is_answered else (alarm.at_s, end_s))
            self._happened(alarm, "jt808:flag", kind.bit, end_s)
            return
        if alarm.lasts_s:
            self._told.item(alarm.at_s, kind, START, alarm_id, alarm.level, files=alarm.files)
            self._told.item(alarm.end_s, kind, END, alarm_id, alarm.level, files=False)
            moments = [alarm.at_s, alarm.end_s]
        else:
            for number, at_s in enumerate(moments):
                self._told.item(at_s, kind, INSTANT, alarm_id + number, alarm.level, files=alarm.files)
        times.update(moments)
        self._happened(alarm, f"jsatl12:0x{kind.item:02x}", kind.kind, moments[-1], len(moments))

    def _happened(self, alarm: Alarm, source: str, alarm_type: int, end_s: int, count: int = 0) -> None:
        time_ms = self._scenario.time_ms
        self._conditions.append(
            Condition(
                self._truck.phone, source, alarm_type, alarm.kind.name, time_ms(alarm.at_s), time_ms(end_s), count
            )
        )

    def _counted(self, condition: Condition, times: set[int]) -> Condition:
        """With the reports that carry its flag; one that the answer clears ends with the last of them."""
        if condition.report_count:
            return condition
        moments = [self._scenario.time_ms(at_s) for at_s in times]
        carrying = [at_ms for at_ms in moments if condition.started_ms <= at_ms < condition.ended_ms]
        is_answered = CLEARED_BY_ANSWER[self._truck.edition] >> condition.alarm_type & 1
        ended_ms = max(carrying) if is_answered else condition.ended_ms
        return condition._replace(ended_ms=ended_ms, report_count=len(carrying))

    def _gap_at(self, at_s: float) -> Gap | None:
        return next((gap for gap in self._truck.gaps if gap.from_s <= at_s < gap.until_s), None)

    # Messages.

    def _reports(self, times: list[int]) -> Iterator[Said]:
        kept: dict[Gap, list[tuple[bytes, tuple[Announced, ...]]]] = {}
        for count, at_s in enumerate(times):
            body, announced = self._report(at_s, count)
            gap = self._gap_at(at_s)
            if gap is None:
                yield Said(at_s, What.SAY, LOCATION, body, announced)
            else:
                kept.setdefault(gap, []).append((body, announced))
        for gap, bodies in kept.items():
            yield from self._backfill(gap, bodies)

    def _backfill(self, gap: Gap, kept: list[tuple[bytes, tuple[Announced, ...]]]) -> Iterator[Said]:
        """What was kept in a blind area; 2011 has no 0x0704."""
        size = 1 if self._truck.edition is Edition.V2011 else BATCH
        for number, begin in enumerate(range(0, len(kept), size)):
            chosen = kept[begin : begin + size]
            announced = tuple(one for _, each in chosen for one in each)
            at_s = gap.backfill_s + number * BATCH_GAP_S
            if size == 1:
                yield Said(at_s, What.SAY, LOCATION, chosen[0][0], announced)
            else:
                body = messages.batch([body for body, _ in chosen], backfill=True)
                yield Said(at_s, What.SAY, BATCH_LOCATION, body, announced)

    def _report(self, at_s: int, count: int) -> tuple[bytes, tuple[Announced, ...]]:
        moment = self._moment(at_s)
        items, announced = b"", []
        for kind, phase, alarm_id, level, files in self._told.items.get(at_s, ()):
            self._sequence = (self._sequence + 1) & 0xFF
            file_count = self._rules.pictures + self._rules.videos if files else 0
            time = from_ms(self._scenario.time_ms(at_s))
            number = alarm_number(self._form, self._truck.terminal_id, time, self._sequence, file_count)
            item = item_of(kind, phase, alarm_id, number, moment, level=level)
            items += item
            if file_count:
                mark = f"{fingerprint(item[ITEM_HEAD_BYTES:]) & 0xFFFF_FFFF_FFFF_FFFF:016x}"
                announced.append(Announced(number.encode(), kind.item, kind.kind, at_s, mark))
        self._announced += announced
        body = reports.body_of(
            moment,
            self._truck.edition,
            alarm_flags=self._told.flags_at(at_s),
            device_ms=self._scenario.time_ms(at_s),
            dice=self._dice,
            count=count,
            items=items,
        )
        return body, tuple(announced)

    def _moment(self, at_s: float) -> Moment:
        inserted = [card.person for card in self._truck.cards if card.at_s <= at_s]
        return self._track.at(at_s, int(bool(inserted and inserted[-1])))

    def _others(self) -> Iterator[Said]:
        """Cards, and faces that the terminal compares itself."""
        edition, time_ms = self._truck.edition, self._scenario.time_ms
        for card in self._truck.cards:
            if card.person is None:
                if edition is Edition.V2011:  # it tells nothing of it
                    continue
                body = messages.card_removed(edition, time_ms(card.at_s))
            else:
                person = self._scenario.persons[card.person]
                driver = Driver(person.name, person.certificate, person.issuer, person.id_number)
                body = messages.card_read(driver, edition, time_ms(card.at_s))
            yield Said(self._sent_s(card.at_s), What.SAY, DRIVER, body)
        for face in self._truck.faces:
            if face.by == TERMINAL:
                yield Said(self._sent_s(face.at_s), What.SAY, COMPARISON, self._compared(face))

    def _compared(self, face: Face) -> bytes:
        edition = self._truck.edition
        moment = self._moment(face.at_s)
        base = reports.base_of(moment, edition, alarm_flags=0, device_ms=self._scenario.time_ms(face.at_s))
        key = f"{self._truck.phone} {face.at_s}".encode()
        picture = EvidenceFile(PICTURE, 65, "6511", 0, "jpg", PICTURE_BYTES, key).read(0, PICTURE_BYTES)
        return messages.face_compared(
            base, edition, face_id=face.person, score=face.score, threshold=face.threshold, picture=picture
        )

    def _sent_s(self, at_s: int) -> float:
        """When a message other than a position goes out."""
        gap = self._gap_at(at_s)
        return float(at_s) if gap is None else gap.until_s + LATE_MESSAGE_S


def script_of(
    scenario: Scenario, truck: Truck, graph: RoadGraph | None = None, rules: EvidenceRules | None = None
) -> Script:
    """What a vehicle of a scenario says.

    Args:
        scenario: what it is a part of.
        truck: which.
        graph: roads; the shipped ones without.
        rules: which files its alarms announce; their dialect does not count.

    Raises:
        ScenarioError: its motion makes no sense.
    """
    return Scribe(scenario, truck, graph or shipped_graph(), rules or EvidenceRules()).script()


def arrivals(scenario: Scenario, rules: EvidenceRules | None = None) -> Iterator[Arrival]:
    """Every frame of a scenario in the order of arrival, as a gateway would have got them.

    Args:
        scenario: which; its `start_ms` decides the times.
        rules: which files alarms announce.

    Raises:
        ScenarioError: a motion makes no sense.
    """
    scripts = [script_of(scenario, truck, None, rules) for truck in scenario.trucks]
    return heapq.merge(*(_arrivals(scenario, script) for script in scripts))


def conditions(scenario: Scenario) -> list[Condition]:
    """What really happened to all vehicles, in the order of time; every one of them is one episode.

    Raises:
        ScenarioError: a motion makes no sense.
    """
    found = [one for truck in scenario.trucks for one in script_of(scenario, truck).conditions]
    return sorted(found, key=lambda one: (one.started_ms, one.terminal, one.source, one.alarm_type))


def registration(truck: Truck) -> bytes:
    """0x0100 终端注册 of a vehicle."""
    return messages.registration_of(truck.edition, truck.terminal_id, truck.plate, truck.plate_color)


def authentication(truck: Truck, code: str) -> bytes:
    """0x0102 终端鉴权 of a vehicle."""
    return messages.authentication_of(truck.edition, code, f"86{int(truck.phone) % 10**13:013d}")


def _arrivals(scenario: Scenario, script: Script) -> list[Arrival]:
    """The frames of one terminal."""
    sender = _Sender(scenario, script.truck)
    for said in script.says:
        match said.what:
            case What.LOGIN:
                if not sender.found:
                    sender.send(said.at_s, REGISTER, registration(script.truck))
                sender.send(said.at_s, AUTHENTICATE, authentication(script.truck, CODE))
            case What.SAY:
                sender.send(said.at_s, said.msg_id, said.body)
            case What.LOSE:
                pass
    return sorted(sender.found)


class _Sender:
    def __init__(self, scenario: Scenario, truck: Truck) -> None:
        self._scenario = scenario
        self._truck = truck
        self._dice = scenario.dice(truck)
        self._arrived_us = 0
        self._serial = 0
        self.found: list[Arrival] = []

    def send(self, at_s: float, msg_id: int, body: bytes) -> None:
        """Note the frames of a message, each behind the one before, and now and then once more, later (§10.3)."""
        truck = self._truck
        frames = encode_frames(msg_id, body, phone=truck.phone, serial=self._serial & 0xFFFF, edition=truck.edition)
        self._serial += len(frames)
        latency_s = self._dice.between(Purpose.SCENARIO, 2 * self._serial, *LATENCY_S)
        sent_us = self._scenario.start_ms * 1000 + round((at_s + latency_s) * 1e6)
        is_repeated = self._dice.roll(Purpose.SCENARIO, 2 * self._serial + 1) < self._scenario.repeats
        for frame in frames:
            self._arrived_us = max(self._arrived_us + 1, sent_us)
            self.found.append(Arrival(self._arrived_us, truck.phone, frame))
            if is_repeated:
                self.found.append(Arrival(self._arrived_us + round(REPEAT_S * 1e6), truck.phone, frame))
