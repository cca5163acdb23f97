"""Episodes of alarm bits: 报警标志 of 0x0200, 视频相关报警 of item 0x14, and areas and routes of items 0x11 to 0x13.

    held bit (H)       an episode is a run of seconds in which the bit is set; the first one without it ends it
    answered bit (A)   the terminal clears it when it gets the platform's answer (§4.2): clearing ends nothing, so the
                       episode ends with its last report
    area, route        bits 1, 20, 21, 22 with their item: one episode for each area and direction

Runs no further apart than the gap of their type are one episode: a condition that comes and goes, and bits that are
repeated until they are answered. The rules are in merging.toml.

A bit stays as it is until a report says otherwise. An episode that goes on is written when it begins, when it ends, and
once a minute of its own time.
"""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from jtgate.pipeline.alarms import SOURCE_FLAG, SOURCE_VIDEO
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episode import Episode, Report, begin
from jtgate.pipeline.derive.facts import Rows, Second

TABLE: Final = "episodes"
SOURCE_AREA: Final = "jt808:area"
#: Episodes of one terminal that may go on; beyond it the one heard of longest ago does not.
RUNS_MAX: Final = 128
#: A bit stays as it is until a report says otherwise. An episode that goes on is written so often, in its own time.
WRITE_MS: Final = 60_000

#: Bit -> item that tells its area: 超速 0x11, 进出区域 and 进出路线 0x12, 路段行驶时间 0x13.
_ITEM_OF: Final = {1: "0x11", 20: "0x12", 21: "0x12", 22: "0x13"}
_AREA_BITS: Final = sum(1 << bit for bit in _ITEM_OF)


class Run(msgspec.Struct, frozen=True):
    """An episode that goes on or may go on."""

    episode: Episode
    is_set: bool  # in the last second
    written_ms: int


class FlagsState(msgspec.Struct, frozen=True):
    """Episodes that go on or may go on, the one heard of longest ago first."""

    runs: tuple[Run, ...] = ()


class _Alarm(NamedTuple):
    source: str
    bit: int


class FlagMachine:
    """Folds the seconds of one terminal into episodes of its alarm bits."""

    def start(self) -> FlagsState:
        """See Machine."""
        return FlagsState()

    def step(self, state: FlagsState, fact: Second, rows: Rows, terminal_id: int) -> FlagsState:
        """See Machine."""
        if not (state.runs or fact.alarm_flags or fact.video_alarm_flags):
            return state
        alarms = set(_alarms(fact))
        runs: list[Run] = []
        for run in state.runs:
            alarm = _Alarm(run.episode.source, run.episode.alarm_type)
            is_set = alarm in alarms
            after = _went_on(run, fact) if is_set else _cleared(run, fact.time_ms)
            if after is None:  # over: what is set now is another one
                continue
            alarms.discard(alarm)
            runs.append(_put(run, after, rows, terminal_id))
        for alarm in sorted(alarms):
            risk = merging.rule_of(*alarm).risk
            new = Run(begin(alarm.source, alarm.bit, risk, _report(fact)), is_set=True, written_ms=fact.time_ms)
            rows.put(TABLE, new.episode.key, new.episode.row(terminal_id))
            runs.append(new)
        for lost in runs[:-RUNS_MAX]:
            if lost.is_set:
                ended = lost.episode.end(lost.episode.last_ms, "silence")
                rows.put(TABLE, ended.key, ended.row(terminal_id))
        return FlagsState(tuple(runs[-RUNS_MAX:]))


def _alarms(second: Second) -> Iterator[_Alarm]:
    """Alarms that are on in a second."""
    areas: dict[int, list[str]] = {}
    if second.alarm_flags & _AREA_BITS and second.extra_items is not None:
        areas = _areas(second.extra_items)
    for bit in _bits(second.alarm_flags):
        if bit in areas:
            yield from (_Alarm(source, bit) for source in areas[bit])
        else:
            yield _Alarm(SOURCE_FLAG, bit)
    for bit in _bits(second.video_alarm_flags):
        yield _Alarm(SOURCE_VIDEO, bit)


def _bits(flags: int) -> Iterator[int]:
    while flags:
        lowest = flags & -flags
        yield lowest.bit_length() - 1
        flags ^= lowest


def _areas(extra_items: str) -> dict[int, list[str]]:
    """Bit -> sources "jt808:area:<kind>:<id>:<direction>" of the items in a report; odd lengths are left to the bit.

    0x11: kind, id (§4.3, none with kind 0). 0x12: kind, id, direction 0 in, 1 out. 0x13: id, time, result.
    Kinds are 1 circle, 2 rectangle, 3 polygon, 4 route (of 0x11: 4 segment).
    """
    found: dict[int, list[str]] = {}
    for item in json.loads(extra_items):
        raw = bytes.fromhex(item["raw"])
        number = int.from_bytes(raw[1:5])
        if item["id"] == "0x11" and len(raw) == 5:
            found.setdefault(1, []).append(f"{SOURCE_AREA}:{raw[0]}:{number}")
        elif item["id"] == "0x12" and len(raw) == 6:
            bit = 21 if raw[0] == 4 else 20  # 路线
            found.setdefault(bit, []).append(f"{SOURCE_AREA}:{raw[0]}:{number}:{raw[5]}")
        elif item["id"] == "0x13" and len(raw) == 7:
            found.setdefault(22, []).append(f"{SOURCE_AREA}:4:{int.from_bytes(raw[:4])}:{raw[6]}")
    return found


def _report(second: Second) -> Report:
    return Report(
        time_ms=second.time_ms,
        latitude=second.latitude,
        longitude=second.longitude,
        speed_kmh=second.speed_kmh,
        serial=second.serial,
        alarm_event_id=second.alarm_event_id,
    )


def _went_on(run: Run, second: Second) -> Run | None:
    """The bit is set in this second; None when it was clear for longer than the gap."""
    episode = run.episode
    rule = merging.rule_of(episode.source, episode.alarm_type)
    if not run.is_set and second.time_ms - (episode.ended_ms or episode.last_ms) > rule.gap_ms:
        return None
    return Run(episode.add(_report(second)), is_set=True, written_ms=run.written_ms)


def _cleared(run: Run, at_ms: int) -> Run | None:
    """The bit is clear in this second; None when the episode cannot go on any more."""
    episode = run.episode
    rule = merging.rule_of(episode.source, episode.alarm_type)
    if run.is_set:
        ended = episode.end(episode.last_ms, "instant") if rule.answered else episode.end(at_ms, "cleared")
        return Run(ended, is_set=False, written_ms=run.written_ms)
    return None if at_ms - (episode.ended_ms or episode.last_ms) > rule.gap_ms else run


def _put(before: Run, after: Run, rows: Rows, terminal_id: int) -> Run:
    """Write what changed, unless it just goes on and was written a moment ago."""
    if after is before:
        return after
    at_ms = after.episode.last_ms
    if after.is_set and before.is_set and at_ms - before.written_ms < WRITE_MS:
        return after
    rows.put(TABLE, after.episode.key, after.episode.row(terminal_id))
    return msgspec.structs.replace(after, written_ms=at_ms)
