"""Old files are deleted: evidence after evidence_days, multimedia that no alarm called for after routine_media_days.

    rows by their time ─► due? ─► wanted by another row? ─► file deleted ─► path of the row emptied, place moved

The rows stay, with the hash of what they were about; a file stays as long as a row that names it and is not due. Each
of three walks goes over the rows once, from the oldest on, and its place is a time in the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jtgate import logs
from jtgate.pipeline.derive import metrics
from jtgate.pipeline.derive.media import NUMBER_PREFIX
from jtgate.storage.files import FileMissing, FileStore, FileStoreError
from jtgate.storage.model import EvidenceFileRow, FaceEventRow, StoreBatch
from jtgate.storage.store import Row, Store
from jtgate.storage.tables import EPISODES, EVIDENCE_FILES, FACE_EVENTS, Table

DAY_MS: Final = 86_400_000
#: Between two looks for old files.
PAUSE_MS: Final = 10 * 60_000
#: Rows of one look, of each walk.
ROWS_MAX: Final = 500
#: Bytes that were kept again so recently belong to a row that is still to be written.
FRESH_MS: Final = 2 * DAY_MS
#: Rows with the same hash, and episodes around a medium, that are looked at.
SAME_MAX: Final = 100
NEAR_MS: Final = DAY_MS

log = logs.get_logger("deriver")


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long files stay, in days."""

    evidence_days: float
    media_days: float

    def evidence_before_ms(self, now_ms: int) -> int:
        """Files of alarms and drivers from before this time are due."""
        return now_ms - int(self.evidence_days * DAY_MS)

    def media_before_ms(self, now_ms: int) -> int:
        """The same for other multimedia."""
        return now_ms - int(min(self.media_days, self.evidence_days) * DAY_MS)


class FileUpkeep:
    """The chore of deleting old files.

    Args:
        store: the rows.
        files: the files.
        keeping: how long they stay.
    """

    name = "files"

    def __init__(self, store: Store, files: FileStore, keeping: Keeping) -> None:
        self._store = store
        self._files = files
        self._keeping = keeping
        self._next_ms = 0

    def step(self, now_ms: int) -> None:
        """Delete some of what is due, every PAUSE_MS, at once when there is more.

        Args:
            now_ms: the present, milliseconds since 1970.

        Raises:
            StoreError: it is away; the same call may be repeated.
        """
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + PAUSE_MS
        try:
            deleted = retain_files(self._store, self._files, now_ms, self._keeping)
        except FileStoreError as error:
            log.warning("files.not_deleted", code=error.code, error=str(error))
            return
        if deleted:
            self._next_ms = now_ms
            log.info("files.deleted", count=deleted)


def retain_files(store: Store, files: FileStore, now_ms: int, keeping: Keeping, *, rows_max: int = ROWS_MAX) -> int:
    """Delete files that are due; how many.

    Args:
        store: the rows; those of deleted files lose their path.
        files: the files.
        now_ms: the present.
        keeping: how long they stay.
        rows_max: rows looked at in each walk.

    Raises:
        StoreError, FileStoreError: one of them is away; what was done is done, the same call may be repeated.
    """
    old_ms = keeping.evidence_before_ms(now_ms)
    wanted = _Wanted(store, now_ms, keeping)
    walks: tuple[tuple[str, Table, int, Callable[[Row], bool]], ...] = (
        ("files.evidence", EVIDENCE_FILES, old_ms, lambda _row: True),
        ("files.media", EVIDENCE_FILES, keeping.media_before_ms(now_ms), wanted.is_routine),
        ("files.faces", FACE_EVENTS, old_ms, lambda _row: True),
    )
    return sum(_walk(store, files, now_ms, wanted, walk, rows_max) for walk in walks)


def _walk(
    store: Store,
    files: FileStore,
    now_ms: int,
    wanted: "_Wanted",
    walk: tuple[str, Table, int, Callable[[Row], bool]],
    rows_max: int,
) -> int:
    place, table, before_ms, is_meant = walk
    path_name = "path" if table is EVIDENCE_FILES else "image_path"
    rows, to_ms = _oldest(store, table, store.cursor(place) + 1, before_ms, rows_max)
    if to_ms is None:
        return 0
    deleted, emptied = 0, list[Row]()
    for row in rows:
        path = row[path_name]
        if not isinstance(path, str) or not is_meant(row):
            continue
        emptied.append(row)
        if not wanted.elsewhere(table, row):
            try:
                deleted += files.delete(path, kept_before_ms=now_ms - FRESH_MS)
            except FileMissing:  # a path that is none of ours
                metrics.EVENTS.labels("file_path_strange").inc()
    batch = StoreBatch()
    target: list[Any] = getattr(batch, table.name)
    target += [_without_path(table, row, now_ms) for row in emptied]
    store.write(batch, consumer=place, seq=to_ms)
    metrics.EVENTS.labels("file_deleted").inc(deleted)
    return deleted


def _oldest(
    store: Store, table: Table, from_ms: int, before_ms: int, rows_max: int
) -> tuple[Sequence[Row], int | None]:
    """About so many of the oldest rows, and the time up to which these are all; None when the walk is at its end."""
    to_ms = before_ms - 1
    while to_ms >= from_ms:
        rows = store.page(table.name, from_ms=from_ms, to_ms=to_ms, limit=rows_max)
        if len(rows) < rows_max:
            return rows, to_ms
        if to_ms == from_ms:  # more than that of one millisecond
            return _all_of(store, table, from_ms, rows), to_ms
        to_ms = from_ms + (to_ms - from_ms) // 2
    return [], None


def _all_of(store: Store, table: Table, at_ms: int, first: Sequence[Row]) -> Sequence[Row]:
    rows, page = list(first), first
    while page:
        last: Any = page[-1]
        page = store.page(table.name, from_ms=at_ms, to_ms=at_ms, before=(at_ms, last["id"]), limit=len(first))
        rows += page
    return rows


class _Wanted:
    """Whether a file is still wanted.

    Args:
        store: the rows.
        now_ms: the present.
        keeping: how long files stay.
    """

    def __init__(self, store: Store, now_ms: int, keeping: Keeping) -> None:
        self._store = store
        self._old_ms = keeping.evidence_before_ms(now_ms)
        self._media_ms = keeping.media_before_ms(now_ms)

    def is_routine(self, row: Row) -> bool:
        """Whether a row is of a medium that no alarm called for."""
        number: Any = row["alarm_number"]
        if not number.startswith(NUMBER_PREFIX):
            return False
        at_ms: Any = row["announced_ms"]
        near = self._store.page(
            EPISODES.name,
            terminals=[str(row["terminal"])],
            from_ms=at_ms - NEAR_MS,
            to_ms=at_ms + NEAR_MS,
            limit=SAME_MAX,
        )
        return len(near) < SAME_MAX and not any(f'"{number}"' in str(one["alarm_numbers"]) for one in near)

    def elsewhere(self, table: Table, row: Row) -> bool:
        """Whether another row names the same bytes and is not due."""
        sha256 = row["sha256"] if table is EVIDENCE_FILES else row["image_sha256"]
        same: Sequence[Any] = self._store.page(EVIDENCE_FILES.name, matching={"sha256": sha256}, limit=SAME_MAX)
        if any(self._stays(one) for one in same if not _is_it(table, EVIDENCE_FILES, one, row)):
            return True
        if len(same) >= SAME_MAX and same[-1]["announced_ms"] >= self._old_ms:  # there may be more that stay
            return True
        faces = self._store.page(
            FACE_EVENTS.name,
            terminals=[str(row["terminal"])],
            from_ms=self._old_ms,
            matching={"image_sha256": sha256},
            limit=2,
        )
        return any(one["image_path"] is not None for one in faces if not _is_it(table, FACE_EVENTS, one, row))

    def _stays(self, row: Row) -> bool:
        at_ms: Any = row["announced_ms"]
        if row["path"] is None or at_ms < self._old_ms:
            return False
        return at_ms >= self._media_ms or not self.is_routine(row)


def _is_it(table: Table, other_table: Table, other: Row, row: Row) -> bool:
    return table is other_table and other["id"] == row["id"]


def _without_path(table: Table, row: Row, now_ms: int) -> EvidenceFileRow | FaceEventRow:
    if table is EVIDENCE_FILES:
        facts: dict[str, Any] = {name: row[name] for name in EvidenceFileRow._fields}
        return EvidenceFileRow(**{**facts, "path": None, "updated_ms": now_ms})
    faces: dict[str, Any] = {name: row[name] for name in FaceEventRow._fields}
    return FaceEventRow(**{**faces, "image_path": None, "updated_ms": now_ms})
