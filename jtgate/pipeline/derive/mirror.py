"""What the desk of evidence knows is noted in the store: a row for each file, and how far each episode's evidence is.

    desk: changes ─► evidence_files ┐
                     episodes       ┴─► one transaction with the number of the last change

Rows have natural keys, so a crash repeats a step, which changes nothing.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from jtgate.pipeline.derive import asking_metrics as metrics
from jtgate.pipeline.derive import evidence_states, reading
from jtgate.storage.evidence import Ask, AskState, EvidenceDesk, EvidenceFile, FileState
from jtgate.storage.model import EpisodeRow, EvidenceFileRow, StoreBatch
from jtgate.storage.store import Store

#: Asks that one step mirrors.
ASKS_MAX: Final = 100
#: An episode that a report belongs to began at most so long before it, and reports of one alarm are so far apart.
EPISODE_BEFORE_MS: Final = 86_400_000
EPISODE_AFTER_MS: Final = 3_600_000

_CONSUMER: Final = "evidence"
#: `<type>_<channel>_…` (active-safety §4.4).
_NAME: Final = re.compile(r"0?([0-5])_(\d{1,2})_")
_ENDED: Final = (AskState.COMPLETE, AskState.INCOMPLETE, AskState.REFUSED)
_OF_ALL: Final = {
    AskState.WAITING: "asked",
    AskState.ASKED: "asked",
    AskState.ARRIVING: "arriving",
    AskState.COMPLETE: "complete",
    AskState.INCOMPLETE: "incomplete",
    AskState.REFUSED: "refused",
}


class Mirror:
    """Keeps the store's rows of evidence in step with the desk; works in the thread that writes episodes.

    Args:
        desk: knows what was asked for and what has come.
        store: gets the rows.
    """

    name = "mirror"

    def __init__(self, desk: EvidenceDesk, store: Store) -> None:
        self._desk = desk
        self._store = store
        self._change: int | None = None

    def step(self, now_ms: int) -> None:
        """Note what has changed since the last step, ASKS_MAX asks at most.

        Args:
            now_ms: the present, milliseconds since 1970.

        Raises:
            StoreError, EvidenceError: one of them cannot be reached; the same call may be repeated.
        """
        if self._change is None:
            self._change = self._store.cursor(_CONSUMER)
        changed = self._desk.changes(self._change, limit=ASKS_MAX)
        if not changed:
            return
        ids = self._store.terminal_ids({ask.new.terminal for ask, _ in changed}, now_ms)
        batch = StoreBatch()
        fresh: dict[str, dict[str, dict[str, str]]] = {}  # terminal -> number -> file name -> state
        for ask, files in changed:
            rows = file_rows(ask, files, ids[ask.new.terminal], now_ms)
            batch.evidence_files += rows
            of_terminal = fresh.setdefault(ask.new.terminal, {})
            of_terminal.setdefault(ask.new.identification.hex(), {}).update((row.file_name, row.state) for row in rows)
        batch.episodes = [
            row._replace(updated_ms=now_ms)
            for terminal, states in fresh.items()
            for row in self._episodes(terminal, [ask for ask, _ in changed if ask.new.terminal == terminal], states)
        ]
        self._store.write(batch, consumer=_CONSUMER, seq=changed[-1][0].change)
        self._change = changed[-1][0].change
        metrics.MIRRORED.labels("evidence_files").inc(len(batch.evidence_files))
        metrics.MIRRORED.labels("episodes").inc(len(batch.episodes))

    def _episodes(self, terminal: str, asks: Sequence[Ask], fresh: evidence_states.States) -> Iterable[EpisodeRow]:
        """Episodes of a terminal whose evidence is another way along than is written in them."""
        times = [ask.new.alarm_time_ms for ask in asks]
        from_ms, to_ms = min(times) - EPISODE_BEFORE_MS, max(times) + EPISODE_AFTER_MS
        for found in reading.pages(self._store, "episodes", terminal, max(0, from_ms), to_ms):
            facts: dict[str, Any] = {name: found[name] for name in EpisodeRow._fields}
            row = EpisodeRow(**facts)
            if row.state == "withdrawn" or not set(json.loads(row.alarm_numbers)) & fresh.keys():
                continue
            state = evidence_states.of_episode(self._store, terminal, row, fresh)
            if state != row.evidence_state:
                yield row._replace(evidence_state=state)


def file_rows(ask: Ask, files: Sequence[EvidenceFile], terminal_id: int, now_ms: int) -> list[EvidenceFileRow]:
    """Rows of an ask: one without a name for all of it, "withdrawn" as soon as there are files, and one for each file.

    Args:
        ask: what was asked for.
        files: all of it.
        terminal_id: of its terminal, in the store.
        now_ms: the present.
    """
    nameless = EvidenceFileRow(
        terminal_id=terminal_id,
        alarm_number=ask.new.identification.hex(),
        file_name="",
        file_type=None,
        channel=None,
        announced_bytes=None,
        stored_bytes=None,
        sha256=None,
        path=None,
        state="withdrawn" if files else _OF_ALL[ask.state],
        missing=None,
        announced_ms=ask.created_ms,
        completed_ms=None,
        updated_ms=now_ms,
    )
    return [nameless, *(_file_row(nameless, ask, file) for file in files)]


def _file_row(nameless: EvidenceFileRow, ask: Ask, file: EvidenceFile) -> EvidenceFileRow:
    name, size = file.facts.name, file.facts.size
    parts = _NAME.match(name)
    file_type = file.facts.file_type
    if file_type is None and parts is not None:
        file_type = int(parts[1])
    stored = sum(end - start for start, end in file.received)
    missing = None if file.state is FileState.COMPLETE else _missing(file.received, size)
    return nameless._replace(
        file_name=name,
        file_type=file_type,
        channel=int(parts[2]) if parts is not None else None,
        announced_bytes=size or None,
        stored_bytes=stored,
        sha256=file.sha256,
        path=file.path,
        state=_state(ask, file),
        missing=json.dumps(missing) if missing else None,
        announced_ms=file.announced_ms,
        completed_ms=file.completed_ms,
    )


def _state(ask: Ask, file: EvidenceFile) -> str:
    """What is still expected when the ask has ended will not come."""
    if file.state in (FileState.COMPLETE, FileState.INCOMPLETE):
        return file.state.value
    if ask.state in _ENDED:
        return "incomplete" if file.received else "refused"
    return "arriving" if file.state is FileState.ARRIVING else "asked"


def _missing(received: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Stretches of a file that have not come: offset and length."""
    found: list[tuple[int, int]] = []
    at = 0
    for start, end in (*received, (size, size)):
        if start > at:
            found.append((at, start - at))
        at = max(at, end)
    return found
