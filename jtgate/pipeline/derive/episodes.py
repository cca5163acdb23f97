"""Episodes of alarm items (0x64 to 0x71): exact repeats dropped, starts and ends joined, close reports put together.

    repeat           same source, type, phase and identification number: counted in the episode of the first one
    start, instant   joins the episode of its type whose last report is no longer ago than the gap of the type, unless
                     that makes it longer than the longest; else it begins an episode
    end              ends the start that it belongs to (active-safety §1.4): equal alarm id other than 0, else equal
                     identification number, else the newest open start no older than 10 minutes; else it is an instant

An end may show that episodes which looked like others have been part of a longer one: those that began between the
start and the end become part of it, and their rows are withdrawn.

An episode whose starts have not ended is open; nothing heard of it for the silence of its type, it has ended with its
last report. Only its own reports move an episode, and reports come here in the order of their own times, so the
order of arrival never shows.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episode import TABLE, Episode, Report, begin
from jtgate.pipeline.derive.facts import AlarmItem, Rows
from jtgate.pipeline.derive.merging import Rule

#: Starts of one episode that wait for their end; beyond it the oldest waits no more. Both are counted in Rows.limits.
STARTS_MAX: Final = 8
#: Episodes of one terminal that are open or may go on; beyond it the one heard of longest ago does not.
CURRENT_MAX: Final = 64
#: Reports of one episode by which repeats are known.
RECENT_MAX: Final = 32
#: Pairing rule 3 looks back so far (active-safety §1.4).
PAIR_MS: Final = 600_000
#: Digits of an identification number by dialect -> digits of 预留 at its end (active-safety §1.2): none in 38 bytes.
_RESERVED_DIGITS: Final = {32: 2, 78: 2, 80: 4}


class Start(msgspec.Struct, frozen=True):
    """A start that waits for its end."""

    alarm_id: int
    number: str
    time_ms: int


class Current(msgspec.Struct, frozen=True):
    """An episode that is open, may go on, or began within an open one of its type."""

    episode: Episode
    starts: tuple[Start, ...] = ()
    recent: tuple[str, ...] = ()

    def is_of(self, source: str, alarm_type: int) -> bool:
        """Whether it is of this type."""
        return self.episode.alarm_type == alarm_type and self.episode.source == source


class ItemsState(msgspec.Struct, frozen=True):
    """Episodes that may still change, those that began first first."""

    current: tuple[Current, ...] = ()


class ItemMachine:
    """Folds the alarm items of one terminal into episodes."""

    def start(self) -> ItemsState:
        """See Machine."""
        return ItemsState()

    def step(self, state: ItemsState, fact: AlarmItem, rows: Rows, terminal_id: int) -> ItemsState:
        """See Machine."""
        rule = merging.rule_of(fact.source, fact.alarm_type)
        if rule.event:
            return state
        state = self.settle(state, fact.time_ms, rows, terminal_id)
        mine = [one for one in state.current if one.is_of(fact.source, fact.alarm_type)]
        name = repeat_key(fact)
        before = next((one for one in mine if name in one.recent), None)
        gone: list[Current] = []
        if before is not None:
            after = msgspec.structs.replace(before, episode=before.episode.repeat(fact.level))
        else:
            before, start = _start_of(mine, fact) if fact.phase == "end" else (None, None)
            if before is not None and start is not None:
                gone = [one for one in mine if one.episode.started_ms > before.episode.started_ms]
                after = _ended(before, start, gone, fact)
            else:
                before = _neighbour(mine, fact.time_ms, rule)
                after = _joined(before, fact, rule)
            after = _limited(msgspec.structs.replace(after, recent=(*after.recent, name)), rows)
        for one in gone:
            rows.put(TABLE, one.episode.key, one.episode.row(terminal_id)._replace(state="withdrawn"))
        rows.put(TABLE, after.episode.key, after.episode.row(terminal_id))
        current = [after if one is before else one for one in state.current if one not in gone]
        if before is None:
            current.append(after)
        return ItemsState(_fewest(current, rows, terminal_id))

    def settle(self, state: ItemsState, now_ms: int, rows: Rows, terminal_id: int) -> ItemsState:
        """What the passing of time alone decides: starts that nothing was heard of for long have ended.

        Args:
            state: before.
            now_ms: no earlier than the newest fact, no later than the next one.
            rows: gets what has ended.
            terminal_id: whose.
        """
        kept: list[Current] = []
        open_types: set[tuple[str, int]] = set()
        for one in state.current:
            episode = one.episode
            kind = (episode.source, episode.alarm_type)
            rule = merging.rule_of(*kind)
            quiet_ms = now_ms - episode.last_ms
            if one.starts and quiet_ms <= rule.silence_ms:
                kept.append(one)
                open_types.add(kind)
            elif not one.starts and (quiet_ms <= rule.gap_ms or kind in open_types):
                kept.append(one)
            elif one.starts:
                _put_silent(one, rows, terminal_id)
        return state if len(kept) == len(state.current) else ItemsState(tuple(kept))

    def held(self, state: ItemsState, rows: Rows, terminal_id: int) -> None:
        """Rows of what may still change, as they were written last."""
        for one in state.current:
            rows.put(TABLE, one.episode.key, one.episode.row(terminal_id))


def repeat_key(item: AlarmItem) -> str:
    """What makes two reports of a type the same one (active-safety §6.2); without a number, time and bytes do."""
    number = item.alarm_number
    if not number:
        return f"{item.phase}:{item.time_ms}:{item.fingerprint}"
    return f"{item.phase}:{number[: len(number) - _RESERVED_DIGITS.get(len(number), 0)]}"


def _report(item: AlarmItem) -> Report:
    return Report(
        time_ms=item.time_ms,
        latitude=item.latitude,
        longitude=item.longitude,
        speed_kmh=item.speed_kmh,
        level=item.level,
        serial=item.serial,
        alarm_number=item.alarm_number if item.attachment_count else None,
    )


def _start_of(mine: Iterable[Current], item: AlarmItem) -> tuple[Current | None, Start | None]:
    """The start that an end belongs to, and its episode (active-safety §1.4)."""
    starts = [(one, start) for one in mine for start in one.starts]
    starts.sort(key=lambda pair: pair[1].time_ms, reverse=True)
    number = repeat_key(item).partition(":")[2]
    same_id = (pair for pair in starts if item.alarm_id and pair[1].alarm_id == item.alarm_id)
    same_number = (pair for pair in starts if item.alarm_number and pair[1].number == number)
    recent = (pair for pair in starts if item.time_ms - pair[1].time_ms <= PAIR_MS)
    for found in (*same_id, *same_number, *recent):
        return found
    return None, None


def _ended(before: Current, start: Start, gone: Sequence[Current], item: AlarmItem) -> Current:
    """With a start ended, together with what has begun since its episode began."""
    episode = before.episode
    starts = [one for one in before.starts if one is not start]
    recent = list(before.recent)
    for one in gone:
        episode = episode.absorb(one.episode)
        starts += one.starts
        recent += one.recent
    episode = episode.add(_report(item))
    starts.sort(key=lambda one: one.time_ms)
    return Current(episode if starts else episode.end(item.time_ms, "end"), tuple(starts), tuple(recent))


def _neighbour(mine: Iterable[Current], at_ms: int, rule: Rule) -> Current | None:
    """The episode that a report belongs to because it is close, the newest one if there are several."""
    close = (
        one
        for one in mine
        if at_ms - one.episode.last_ms <= rule.gap_ms and at_ms - one.episode.started_ms <= rule.longest_ms
    )
    return max(close, key=lambda one: one.episode.started_ms, default=None)


def _joined(before: Current | None, item: AlarmItem, rule: Rule) -> Current:
    """A start, an instant report or an end without a start: part of an episode, or the first report of another."""
    report = _report(item)
    if before is None:
        before = Current(begin(item.source, item.alarm_type, rule.risk, report))
        episode, ended_by = before.episode, None
    else:
        episode, ended_by = before.episode.add(report), before.episode.ended_by
    starts = before.starts
    if item.phase == "start":
        starts = (*starts, Start(item.alarm_id, repeat_key(item).partition(":")[2], item.time_ms))
    if not starts:
        episode = episode.end(item.time_ms, "end" if ended_by == "end" else "instant")
    return Current(episode, starts, before.recent)


def _limited(one: Current, rows: Rows) -> Current:
    """With no more starts and recent reports than the limits allow; the oldest go."""
    too_many = len(one.starts) - STARTS_MAX
    if too_many > 0:
        rows.limits["starts_max"] += too_many
    return Current(one.episode, one.starts[-STARTS_MAX:], one.recent[-RECENT_MAX:])


def _fewest(current: list[Current], rows: Rows, terminal_id: int) -> tuple[Current, ...]:
    """The episodes, without those heard of longest ago when there are too many."""
    too_many = len(current) - CURRENT_MAX
    if too_many <= 0:
        return tuple(current)
    rows.limits["current_max"] += too_many
    oldest = sorted(current, key=lambda one: one.episode.last_ms)[:too_many]
    for one in oldest:
        if one.starts:
            _put_silent(one, rows, terminal_id)
    gone = {one.episode.key for one in oldest}
    return tuple(one for one in current if one.episode.key not in gone)


def _put_silent(one: Current, rows: Rows, terminal_id: int) -> None:
    """Write an episode whose end did not come."""
    ended = one.episode.end(one.episode.last_ms, "silence")
    rows.put(TABLE, ended.key, ended.row(terminal_id))
