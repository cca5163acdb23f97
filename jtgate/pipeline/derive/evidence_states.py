"""How far the evidence of an episode is, out of the files of its identification numbers.

Episodes and files are written by one thread, one after the other: whoever writes an episode looks at the files, and
whoever writes files looks at the episodes, so none of the two misses the other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from jtgate.pipeline.derive import merging
from jtgate.pipeline.derive.facts import Rows
from jtgate.storage.model import EpisodeRow
from jtgate.storage.store import Store

#: Files of one identification number that are looked at: those of one 0x1210, and the row without a name.
FILES_MAX: Final = 256

#: Identification number -> file name -> state.
States = Mapping[str, Mapping[str, str]]


def joined(states: Iterable[str]) -> str:
    """The state of several files together, as EpisodeRow.evidence_state tells it."""
    found = set(states) - {"withdrawn"}
    if not found:
        return "none"
    if len(found) == 1:
        return found.pop()
    if found & {"arriving", "asked"}:
        return "asked" if found == {"asked", "refused"} else "arriving"
    return "incomplete"


def of_numbers(store: Store, terminal: str, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
    """State of each file of some identification numbers of a terminal, by number and name.

    Raises:
        StoreError: the store cannot be read now.
    """
    found: dict[str, dict[str, str]] = {}
    matching = {"alarm_number": frozenset(numbers)}
    rows = store.page("evidence_files", terminals=[terminal], matching=matching, limit=FILES_MAX * len(numbers))
    for row in rows:
        found.setdefault(str(row["alarm_number"]), {})[str(row["file_name"])] = str(row["state"])
    return found


def of_episode(store: Store, terminal: str, episode: EpisodeRow, fresh: States | None = None) -> str:
    """How far the evidence of an episode is.

    Args:
        store: has the files.
        terminal: digits without leading zeros.
        episode: whose numbers are looked at.
        fresh: files that are about to be written; they count instead of those stored.

    Raises:
        StoreError: the store cannot be read now.
    """
    numbers: list[str] = json.loads(episode.alarm_numbers)
    if not numbers:
        return "none"
    stored = of_numbers(store, terminal, numbers)
    is_wanted = merging.wants_evidence(episode.source, episode.alarm_type, episode.level)
    states: list[str] = []
    for number in numbers:
        files = {**stored.get(number, {}), **(fresh or {}).get(number, {})}
        if files:
            states.append(joined(files.values()))
        elif is_wanted:
            states.append("asked")  # it will be
    return joined(states)


def fill_in(store: Store, name_of: Callable[[int], str], found: Rows) -> None:
    """Fill the state of their evidence in for episodes that are about to be written.

    Args:
        store: has the files.
        name_of: digits of a terminal by its number.
        found: rows to be written.

    Raises:
        StoreError: the store cannot be read now.
    """
    rows = found.tables.get("episodes", {})
    for key, row in rows.items():
        if row.alarm_number is not None and row.state != "withdrawn":
            state = of_episode(store, name_of(row.terminal_id), row, _fresh(found, row.terminal_id))
            if state != row.evidence_state:
                rows[key] = row._replace(evidence_state=state)


def _fresh(found: Rows, terminal_id: int) -> States:
    """Files of a terminal that are about to be written as well: media."""
    fresh: dict[str, dict[str, str]] = {}
    for row in found.tables.get("evidence_files", {}).values():
        if row.terminal_id == terminal_id:
            fresh.setdefault(row.alarm_number, {})[row.file_name] = row.state
    return fresh
