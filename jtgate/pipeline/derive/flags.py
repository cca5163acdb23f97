"""Episodes of alarm bits: 报警标志 of 0x0200, 视频相关报警 and 异常驾驶行为 of JT/T 1078, areas of items 0x11 to 0x13.

    held bit (H)       an episode is a run of seconds in which the bit is set; the first one without it ends it
    answered bit (A)   the terminal clears it when it gets the platform's answer (§4.2): clearing ends nothing. It is
                       an instant, what follows within the gap is the same once more
    area, route        bits 1, 20, 21, 22 with their item: one episode for each area and direction. Reports that repeat
                       bit 20, 21 or 22 without the item are about the area that was told last
    driving            bit 5 of item 0x14 with item 0x18, which tells what the driver did: one for each bit of that

Runs no further apart than the gap of their type are one episode, up to its longest. The rules are in merging.toml.

A bit stays as it is until a report says otherwise, but for no longer than the silence of its type. An episode that goes
on is written when it begins, when it ends, and once a minute of its own time.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from jtgate.pipeline.alarms import SOURCE_FLAG, SOURCE_VIDEO
from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episode import TABLE, Episode, Report, begin
from jtgate.pipeline.derive.facts import Rows, Second
from jtgate.pipeline.derive.merging import SOURCE_AREA, SOURCE_DRIVING, Rule

#: Episodes of one terminal that may go on; beyond it the one heard of longest ago does not (counted in Rows.limits).
RUNS_MAX: Final = 128
#: An episode that goes on is written so often, in its own time.
WRITE_MS: Final = 60_000

#: Bits that an item tells more of: 超速 0x11, 进出区域 and 进出路线 0x12, 路段行驶时间 0x13.
_AREA_BITS: Final = 1 << 1 | 1 << 20 | 1 << 21 | 1 << 22
#: 异常驾驶行为 of item 0x14, of which item 0x18 tells more.
_DRIVING_BIT: Final = 1 << 5


class Run(msgspec.Struct, frozen=True):
    """An episode that goes on or may go on."""

    episode: Episode
    is_set: bool  # in the last second
    written: Episode  # as it was written last


class FlagsState(msgspec.Struct, frozen=True):
    """Episodes that go on or may go on, those that began first first."""

    runs: tuple[Run, ...] = ()


class Alarm(NamedTuple):
    """A bit, or a bit with its area."""

    source: str
    alarm_type: int


class FlagMachine:
    """Folds the seconds of one terminal into episodes of its alarm bits."""

    def start(self) -> FlagsState:
        """See Machine."""
        return FlagsState()

    def step(self, state: FlagsState, fact: Second, rows: Rows, terminal_id: int) -> FlagsState:
        """See Machine."""
        if not (state.runs or fact.alarm_flags or fact.video_alarm_flags or fact.abnormal_driving_flags):
            return state
        state = self.settle(state, fact.time_ms, rows, terminal_id)
        alarms = _continued(alarms_of(fact), state.runs)
        runs: list[Run] = []
        for run in state.runs:
            alarm = Alarm(run.episode.source, run.episode.alarm_type)
            rule = merging.rule_of(*alarm)
            if alarm in alarms:
                alarms.discard(alarm)
                after = Run(_again(run.episode, fact, rule), is_set=True, written=run.written)
            elif run.is_set:
                after = Run(_cleared(run.episode, fact.time_ms, rule), is_set=False, written=run.written)
            else:
                after = run
            runs.append(_put(run, after, rows, terminal_id))
        for alarm in sorted(alarms):
            rule = merging.rule_of(*alarm)
            episode = _held(begin(alarm.source, alarm.alarm_type, rule.risk, _report(fact)), rule)
            rows.put(TABLE, episode.key, episode.row(terminal_id))
            runs.append(Run(episode, is_set=True, written=episode))
        return FlagsState(_fewest(runs, rows, terminal_id))

    def settle(self, state: FlagsState, now_ms: int, rows: Rows, terminal_id: int) -> FlagsState:
        """What the passing of time alone decides: runs that cannot go on any more.

        Args:
            state: before.
            now_ms: no earlier than the newest fact, no later than the next one.
            rows: gets what has ended.
            terminal_id: whose.
        """
        kept: list[Run] = []
        for run in state.runs:
            episode = run.episode
            rule = merging.rule_of(episode.source, episode.alarm_type)
            if run.is_set:
                if now_ms - episode.last_ms <= rule.silence_ms:
                    kept.append(run)
                else:
                    _put_silent(run, rows, terminal_id)
            elif (
                now_ms - (episode.ended_ms or episode.last_ms) <= rule.gap_ms
                and now_ms - episode.started_ms <= rule.longest_ms
            ):
                kept.append(run)
        return state if len(kept) == len(state.runs) else FlagsState(tuple(kept))

    def held(self, state: FlagsState, rows: Rows, terminal_id: int) -> None:
        """Rows of what goes on or may go on, as they were written last."""
        for run in state.runs:
            rows.put(TABLE, run.written.key, run.written.row(terminal_id))


def alarms_of(second: Second) -> set[Alarm]:
    """Alarms that are on in a second."""
    found: set[Alarm] = set()
    areas: dict[int, set[str]] = {}
    if second.alarm_flags & _AREA_BITS and second.extra_items is not None:
        areas = _areas(second.extra_items)
    for bit in _bits(second.alarm_flags):
        found.update(Alarm(source, bit) for source in areas.get(bit, (SOURCE_FLAG,)))
    driving = second.abnormal_driving_flags
    found.update(Alarm(SOURCE_DRIVING, bit) for bit in _bits(driving))
    video = second.video_alarm_flags & ~_DRIVING_BIT if driving else second.video_alarm_flags
    found.update(Alarm(SOURCE_VIDEO, bit) for bit in _bits(video))
    return found


def _bits(flags: int) -> Iterator[int]:
    while flags:
        lowest = flags & -flags
        yield lowest.bit_length() - 1
        flags ^= lowest


def _areas(extra_items: str) -> dict[int, set[str]]:
    """Bit -> sources "jt808:area:<kind>:<id>:<direction>" of the items in a report; odd lengths are left to the bit.

    0x11: kind, id (§4.4, none with kind 0). 0x12: kind, id, direction 0 in, 1 out. 0x13: id, time, result.
    Kinds are 1 circle, 2 rectangle, 3 polygon, 4 route (of 0x11 and 0x13: segment). The area stands in the source
    because the key of an episode has no other place for it: in one second a truck may enter several.
    """
    found: dict[int, set[str]] = {}
    for item in json.loads(extra_items):
        raw = bytes.fromhex(item["raw"])
        if item["id"] == "0x11" and len(raw) == 5:
            found.setdefault(1, set()).add(f"{SOURCE_AREA}:{raw[0]}:{int.from_bytes(raw[1:])}")
        elif item["id"] == "0x12" and len(raw) == 6:
            bit = 21 if raw[0] == 4 else 20  # 路线
            found.setdefault(bit, set()).add(f"{SOURCE_AREA}:{raw[0]}:{int.from_bytes(raw[1:5])}:{raw[5]}")
        elif item["id"] == "0x13" and len(raw) == 7:
            found.setdefault(22, set()).add(f"{SOURCE_AREA}:4:{int.from_bytes(raw[:4])}:{raw[6]}")
    return found


def _continued(alarms: set[Alarm], runs: Iterable[Run]) -> set[Alarm]:
    """A bit that waits for its answer, once its area was told, is about that area until it is cleared."""
    for run in reversed(tuple(runs)):
        episode = run.episode
        bit = Alarm(SOURCE_FLAG, episode.alarm_type)
        if run.is_set and bit in alarms and episode.ended_by == "instant" and episode.source != SOURCE_FLAG:
            alarms.discard(bit)
            alarms.add(Alarm(episode.source, episode.alarm_type))
    return alarms


def _report(second: Second) -> Report:
    return Report(
        time_ms=second.time_ms,
        latitude=second.latitude,
        longitude=second.longitude,
        speed_kmh=second.speed_kmh,
        serial=second.serial,
        alarm_event_id=second.alarm_event_id,
    )


def _held(episode: Episode, rule: Rule) -> Episode:
    """A held bit is open as long as it is set, one that waits for its answer is over at once."""
    return episode.end(episode.last_ms, "instant") if rule.answered else episode


def _again(episode: Episode, second: Second, rule: Rule) -> Episode:
    return _held(episode.add(_report(second), is_repeat=rule.answered), rule)


def _cleared(episode: Episode, at_ms: int, rule: Rule) -> Episode:
    return episode if rule.answered else episode.end(at_ms, "cleared")


def _put(before: Run, after: Run, rows: Rows, terminal_id: int) -> Run:
    """Write what changed, unless it just goes on and was written a moment ago."""
    if after is before:
        return after
    episode = after.episode
    if after.is_set and before.is_set and episode.last_ms - before.written.last_ms < WRITE_MS:
        return after
    rows.put(TABLE, episode.key, episode.row(terminal_id))
    return msgspec.structs.replace(after, written=episode)


def _put_silent(run: Run, rows: Rows, terminal_id: int) -> None:
    """Write a run that nothing more is heard of."""
    episode = run.episode
    if episode.ended_ms is None:
        episode = episode.end(episode.last_ms, "silence")
    rows.put(TABLE, episode.key, episode.row(terminal_id))


def _fewest(runs: list[Run], rows: Rows, terminal_id: int) -> tuple[Run, ...]:
    """The runs, without those heard of longest ago when there are too many."""
    too_many = len(runs) - RUNS_MAX
    if too_many <= 0:
        return tuple(runs)
    rows.limits["runs_max"] += too_many
    oldest = sorted(runs, key=lambda run: run.episode.last_ms)[:too_many]
    for run in oldest:
        if run.is_set:
            _put_silent(run, rows, terminal_id)
    gone = {run.episode.key for run in oldest}
    return tuple(run for run in runs if run.episode.key not in gone)
