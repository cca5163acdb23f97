"""Versions of what a key names: how a new row meets the history that is there. The same for every back end.

The versions of a key do not overlap. A row tells what holds from `valid_from_ms` on, up to the version that begins
next, or up to its own `valid_to_ms` when that is earlier:

    nothing in force at that time    a version begins, between its neighbours when later ones are known
    the same facts in force          nothing is written; but an end that the row names is taken over
    other facts, begun before        that version ends there and a new one begins
    other facts, begun at that time  that version is corrected in place

Rows of one import are taken by key and beginning, whatever their order, so that repeating it changes nothing.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final, Literal

from jtgate.storage.registry.fields import VERSION_COLUMNS, Kind
from jtgate.storage.store import Row, StoreError

Outcome = Literal["new", "changed", "unchanged"]
Key = tuple[Any, ...]
#: A version as the store has it: every column of its kind.
Version = dict[str, Any]
#: Reads the versions of some keys, in any order.
Load = Callable[[Sequence[Key]], Sequence[Version]]
#: Writes versions: first those that are there already and have changed, then those that are new.
Save = Callable[[Sequence[Version], Sequence[Version]], None]

#: Rows in one call: they are one transaction, and all in memory.
ROWS_MAX: Final = 200_000
#: Keys whose history is in memory at a time.
_KEYS_AT_ONCE: Final = 500


def put(kind: Kind, rows: Sequence[Row], now_ms: int, load: Load, save: Save) -> list[str]:
    """Work rows into the histories of their keys.

    Args:
        kind: of the rows.
        rows: field -> value; without `valid_from_ms` they hold from now on.
        now_ms: time of the import.
        load: reads versions.
        save: writes versions.

    Returns:
        For each row its Outcome.

    Raises:
        StoreError: a row has no key, ends before it begins, or there are too many rows.
    """
    if len(rows) > ROWS_MAX:
        raise StoreError(f"{len(rows)} rows of {kind.name} at once, {ROWS_MAX} is the most")
    for row in rows:
        _refuse_impossible(kind, row, now_ms)
    order = sorted(range(len(rows)), key=lambda at: (_key(kind, rows[at]), _begin(rows[at], now_ms), at))
    outcomes = [""] * len(rows)
    groups = groupby(order, key=lambda at: _key(kind, rows[at]))
    while step := [(key, list(members)) for key, members in islice(groups, _KEYS_AT_ONCE)]:
        histories: dict[Key, list[Version]] = {key: [] for key, _ in step}
        for version in load([key for key, _ in step]):
            histories[_key(kind, version)].append(version)
        ended: list[Version] = []
        begun: list[Version] = []
        for key, members in step:
            history = sorted(histories[key], key=lambda version: int(version["valid_from_ms"]))
            before = {version["valid_from_ms"]: dict(version) for version in history}
            for at in members:
                outcomes[at] = _place(kind, history, rows[at], now_ms)
            begun += [version for version in history if version["valid_from_ms"] not in before]
            ended += [
                version
                for version in history
                if (old := before.get(version["valid_from_ms"])) is not None and old != version
            ]
        save(ended, begun)
    return outcomes


def _place(kind: Kind, history: list[Version], row: Row, now_ms: int) -> Outcome:
    """Work one row into a history, which is changed."""
    begin = _begin(row, now_ms)
    wanted_end = row.get("valid_to_ms")
    at = bisect_right(history, begin, key=lambda version: int(version["valid_from_ms"]))
    following = history[at]["valid_from_ms"] if at < len(history) else None
    current = history[at - 1] if at and _is_open_at(history[at - 1], begin) else None
    if current is not None and all(current[name] == row.get(name) for name in kind.compared):
        end = _earlier(wanted_end, following)
        if wanted_end is None or current["valid_to_ms"] == end:
            return "unchanged"
        current["valid_to_ms"] = end
        return "changed"
    if current is not None and wanted_end is None:
        wanted_end = current["valid_to_ms"]
    outcome: Outcome = "changed" if history else "new"
    told = {name: row.get(name) for name in kind.columns}
    told |= dict(zip(VERSION_COLUMNS, (begin, _earlier(wanted_end, following), row.get("source"), now_ms), strict=True))
    if current is not None and current["valid_from_ms"] == begin:
        current.update(told)
        return outcome
    if current is not None:
        current["valid_to_ms"] = begin
    history.insert(at, told)
    return outcome


def _refuse_impossible(kind: Kind, row: Row, now_ms: int) -> None:
    end = row.get("valid_to_ms")
    if any(row.get(name) is None for name in kind.key):
        raise StoreError(f"a row of {kind.name} has no key")
    if isinstance(end, int) and end <= _begin(row, now_ms):
        raise StoreError(f"a row of {kind.name} ends before it begins")


def _key(kind: Kind, row: Mapping[str, object]) -> Key:
    return tuple(row[name] for name in kind.key)


def _begin(row: Row, now_ms: int) -> int:
    begin = row.get("valid_from_ms")
    return begin if isinstance(begin, int) else now_ms


def _is_open_at(version: Version, at_ms: int) -> bool:
    return version["valid_to_ms"] is None or at_ms < version["valid_to_ms"]


def _earlier(one: Any, other: Any) -> Any:
    return min((end for end in (one, other) if end is not None), default=None)
