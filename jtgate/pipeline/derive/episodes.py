"""Episodes of alarm items (0x64 to 0x71): exact repeats dropped, starts and ends joined, close reports put together.

    start, instant   joins the episode of its source and type when that is open, or when its last report is no longer
                     ago than the gap of the type; else it begins an episode
    end              ends the start that it belongs to (active-safety §1.4): equal alarm id other than 0, else equal
                     identification number, else the newest open start no older than 10 minutes; else it is an instant

An episode whose starts have not ended is open; nothing heard of it for the silence of its type, it has ended with its
last report. Only its own reports move an episode, and reports come here in the order of their own times, so the
order of arrival never shows.
"""

from typing import Final

import msgspec

from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.episode import Episode, Report, begin
from jtgate.pipeline.derive.facts import AlarmItem, Rows
from jtgate.pipeline.derive.merging import Rule

TABLE: Final = "episodes"
#: Starts of one episode that wait for their end; beyond it the oldest is taken for ended.
STARTS_MAX: Final = 8
#: Reports of one source and type by which repeats are known.
RECENT_MAX: Final = 32
#: Pairing rule 3 looks back so far (active-safety §1.4).
PAIR_MS: Final = 600_000
#: Digits of an identification number after its sequence and count: 预留 of the dialects is 0 to 2 bytes at the end.
_SHORT_DIGITS: Final = 32  # 16 bytes: the last is 预留


class Start(msgspec.Struct, frozen=True):
    """A start that waits for its end."""

    alarm_id: int
    number: str
    time_ms: int


class Current(msgspec.Struct, frozen=True):
    """The latest episode of one source and type."""

    episode: Episode
    starts: tuple[Start, ...] = ()
    recent: tuple[str, ...] = ()


class ItemsState(msgspec.Struct, frozen=True):
    """The latest episode of every source and type that is open or may go on."""

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
        found = next((one for one in state.current if _is_of(one, fact)), None)
        name = _repeat_key(fact)
        if found is not None and name in found.recent:
            after = msgspec.structs.replace(found, episode=found.episode.repeat())
        else:
            ended = _ended(found, fact) if found is not None and fact.phase == "end" else None
            after = _joined(found, fact, rule) if ended is None else ended
            after = msgspec.structs.replace(after, recent=(*after.recent, name)[-RECENT_MAX:])
        rows.put(TABLE, after.episode.key, after.episode.row(terminal_id))
        others = tuple(one for one in state.current if one is not found)
        return ItemsState((*others, after))

    def settle(self, state: ItemsState, now_ms: int, rows: Rows, terminal_id: int) -> ItemsState:
        """What the passing of time alone decides: starts that nothing was heard of for long have ended.

        Args:
            state: before.
            now_ms: time of the newest fact of the terminal.
            rows: gets what has ended.
            terminal_id: whose.
        """
        kept: list[Current] = []
        for one in state.current:
            rule = merging.rule_of(one.episode.source, one.episode.alarm_type)
            quiet_ms = now_ms - one.episode.last_ms
            if not one.starts:
                if quiet_ms <= rule.gap_ms:
                    kept.append(one)
            elif quiet_ms <= rule.silence_ms:
                kept.append(one)
            else:
                ended = one.episode.end(one.episode.last_ms, "silence")
                rows.put(TABLE, ended.key, ended.row(terminal_id))
        return state if len(kept) == len(state.current) else ItemsState(tuple(kept))


def _is_of(one: Current, item: AlarmItem) -> bool:
    return one.episode.alarm_type == item.alarm_type and one.episode.source == item.source


def _repeat_key(item: AlarmItem) -> str:
    """What makes two reports the same one (active-safety §6.2); without an identification number, their bytes."""
    number = item.alarm_number or f"{item.time_ms}:{item.fingerprint}"
    return f"{item.phase}:{number[:-2] if len(number) == _SHORT_DIGITS else number}"


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


def _ended(found: Current, item: AlarmItem) -> Current | None:
    """With the start ended that this end belongs to; None when it belongs to none."""
    start = _start_of(found.starts, item)
    if start is None:
        return None
    starts = tuple(one for one in found.starts if one is not start)
    episode = found.episode.add(_report(item))
    return msgspec.structs.replace(
        found, episode=episode if starts else episode.end(item.time_ms, "end"), starts=starts
    )


def _start_of(starts: tuple[Start, ...], item: AlarmItem) -> Start | None:
    newest_first = starts[::-1]
    same_id = (one for one in newest_first if item.alarm_id and one.alarm_id == item.alarm_id)
    same_number = (one for one in newest_first if item.alarm_number and one.number == item.alarm_number)
    recent = (one for one in newest_first if item.time_ms - one.time_ms <= PAIR_MS)
    return next(same_id, None) or next(same_number, None) or next(recent, None)


def _joined(found: Current | None, item: AlarmItem, rule: Rule) -> Current:
    """A start, an instant report or an end without a start: part of the episode, or the first report of another."""
    report = _report(item)
    if found is not None and _may_go_on(found, item.time_ms, rule):
        episode, starts, recent = found.episode.add(report), found.starts, found.recent
    else:
        episode, starts, recent = begin(item.source, item.alarm_type, rule.risk, report), (), ()
    if item.phase == "start":
        starts = (*starts, Start(item.alarm_id, item.alarm_number or "", item.time_ms))[-STARTS_MAX:]
    if not starts:
        episode = episode.end(item.time_ms, "instant")
    return Current(episode, starts, recent)


def _may_go_on(found: Current, at_ms: int, rule: Rule) -> bool:
    """An open episode goes on; one of separate reports until it gets too long."""
    if found.starts:
        return True
    return at_ms - found.episode.started_ms <= rule.longest_ms
