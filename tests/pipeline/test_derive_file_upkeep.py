"""Old files are deleted, by the rule of each kind, and never one that another row still needs."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jtgate.pipeline.derive.file_upkeep import DAY_MS, FileUpkeep, Keeping, retain_files
from jtgate.storage.files import FileMissing, FileStoreUnavailable
from jtgate.storage.folder import FolderFiles
from jtgate.storage.model import EpisodeRow, EvidenceFileRow, FaceEventRow, StoreBatch
from jtgate.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000
KEEPING = Keeping(evidence_days=190, media_days=30)
ONE, TWO = "13800138000", "13900139000"


@dataclass
class Archive:
    """A store and files of a certain age.

    Args:
        folder: of both.
    """

    folder: Path
    made: int = field(default=0)

    def __post_init__(self) -> None:
        self.store = SqliteStore(self.folder / "store.db")
        self.store.migrate()
        self.files = FolderFiles(self.folder / "files")
        self.ids = self.store.terminal_ids([ONE, TWO], NOW)

    def keep(self, data: bytes, days: float) -> tuple[str, str]:
        """A file that was kept so many days ago."""
        sha256, path = self.files.put(data, ".bin")
        at_s = (NOW - days * DAY_MS) / 1000
        os.utime(self.files.open(path), (at_s, at_s))
        return sha256, path

    def evidence(self, days: float, data: bytes = b"", number: str = "ab", terminal: str = ONE) -> str:
        """A file of evidence that was announced so many days ago; its path."""
        self.made += 1
        sha256, path = self.keep(data or b"%d" % self.made, days)
        at_ms = NOW - int(days * DAY_MS)
        row = EvidenceFileRow(
            terminal_id=self.ids[terminal],
            alarm_number=number,
            file_name=f"{self.made}.bin",
            file_type=0,
            channel=None,
            announced_bytes=1,
            stored_bytes=1,
            sha256=sha256,
            path=path,
            state="complete",
            missing=None,
            announced_ms=at_ms,
            completed_ms=at_ms,
            updated_ms=at_ms,
        )
        self.store.write(StoreBatch(evidence_files=[row]), consumer="tests", seq=self.made)
        return path

    def face(self, days: float, data: bytes, terminal: str = ONE) -> str:
        """A picture of a driver; its path."""
        self.made += 1
        sha256, path = self.keep(data, days)
        at_ms = NOW - int(days * DAY_MS)
        facts = dict.fromkeys(FaceEventRow._fields)
        facts |= {"terminal_id": self.ids[terminal], "event_time_ms": at_ms, "fingerprint": self.made}
        facts |= {"received_ms": at_ms, "kind": "capture", "image_sha256": sha256, "image_path": path}
        row = FaceEventRow(**{**facts, "updated_ms": at_ms})  # type: ignore[arg-type]
        self.store.write(StoreBatch(face_events=[row]), consumer="tests", seq=self.made)
        return path

    def episode(self, days: float, *numbers: str) -> None:
        """An alarm that evidence belongs to."""
        self.made += 1
        at_ms = NOW - int(days * DAY_MS)
        facts = dict.fromkeys(EpisodeRow._fields)
        facts |= {"terminal_id": self.ids[ONE], "source": "flag", "alarm_type": 0, "started_ms": at_ms}
        facts |= {"last_ms": at_ms, "state": "closed", "report_count": 1, "repeat_count": 0, "places": "[]"}
        facts |= {"risk_class": "incident", "risk_started_ms": at_ms, "evidence_state": "complete"}
        facts |= {"alarm_numbers": json.dumps(numbers), "updated_ms": at_ms}
        self.store.write(StoreBatch(episodes=[EpisodeRow(**facts)]), consumer="tests", seq=self.made)  # type: ignore[arg-type]

    def retain(self, **options: int) -> int:
        """Look for old files once."""
        return retain_files(self.store, self.files, NOW, KEEPING, **options)

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        try:
            return self.files.open(path).is_file()
        except FileMissing:
            return False

    def paths(self, table: str = "evidence_files", column: str = "path") -> list[object]:
        """Paths in the rows, newest first."""
        return [row[column] for row in self.store.facts(table)]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty one."""
    made = Archive(tmp_path)
    with closing(made.store):
        yield made


def test_evidence_and_routine_media_have_rules_of_their_own(archive: Archive) -> None:
    """Evidence 190 days, media 30, media of an alarm as long as evidence, pictures of drivers too; rows stay."""
    young = [archive.evidence(189), archive.evidence(29, number="media:1"), archive.face(189, b"face")]
    old = [archive.evidence(191), archive.evidence(31, number="media:2"), archive.face(191, b"other face")]
    young.append(archive.evidence(60, number="media:3"))
    archive.episode(60, "media:3", "ab")
    young.append(archive.evidence(100, number="ab"))
    assert archive.retain() == 3
    assert [archive.has(path) for path in young] == [True] * len(young)
    assert [archive.has(path) for path in old] == [False] * 3
    rows = archive.store.facts("evidence_files")
    assert len(rows) == 6
    assert sorted(str(row["file_name"]) for row in rows if row["path"] is None) == ["4.bin", "5.bin"]
    assert all(row["sha256"] for row in rows), "what it was can still be told"
    assert archive.paths("face_events", "image_path").count(None) == 1
    assert archive.retain() == 0, "once is enough"


def test_a_file_that_another_row_needs_stays(archive: Archive) -> None:
    """The same bytes of an old and a young row, of evidence, media and faces, in every combination."""
    pairs = [
        (archive.evidence(200, b"a"), archive.evidence(10, b"a", terminal=TWO)),
        (archive.evidence(31, b"b", "media:1"), archive.evidence(100, b"b")),
        (archive.face(200, b"c"), archive.evidence(10, b"c")),
        (archive.evidence(200, b"d"), archive.face(10, b"d")),
        (archive.evidence(31, b"e", "media:2"), archive.evidence(10, b"e", "media:3")),
    ]
    for path, same in pairs:
        assert path == same
        os.utime(archive.files.open(path), (1, 1))  # a tree that was copied without its times
    assert archive.retain() == 0
    assert all(archive.has(path) for path, _ in pairs)


def test_the_last_row_that_falls_due_takes_the_file_along(archive: Archive) -> None:
    """Both rows old: one file is deleted, once."""
    path = archive.evidence(200, b"a")
    archive.evidence(195, b"a")
    assert archive.retain() == 1
    assert not archive.has(path)
    assert archive.paths() == [None, None]


def test_bytes_that_were_just_kept_again_stay(archive: Archive) -> None:
    """A row that needs them may be on its way: the file is younger than the rule's margin."""
    path = archive.evidence(200, b"a")
    archive.keep(b"a", 0.5)
    assert archive.retain() == 0
    assert archive.has(path)


def test_many_rows_in_small_steps(archive: Archive) -> None:
    """Also when many have the same time; each look is short and all of them together find everything."""
    old = [archive.evidence(200 + number // 20) for number in range(40)]
    young = [archive.evidence(100 - number) for number in range(10)]
    counts: list[int] = []
    while len(counts) < 60 and any(archive.has(path) for path in old):
        counts.append(archive.retain(rows_max=8))
    assert sum(counts) == 40
    assert max(counts) <= 20
    assert all(archive.has(path) for path in young)


def test_the_chore_rests_and_forgives(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ten minutes; when files cannot be deleted the rows keep their paths until they can."""
    path = archive.evidence(200)
    chore = FileUpkeep(archive.store, archive.files, KEEPING)

    def away(_path: str, *, kept_before_ms: int | None = None) -> bool:
        raise FileStoreUnavailable("read-only")

    with monkeypatch.context() as broken:
        broken.setattr(archive.files, "delete", away)
        chore.step(NOW)
    assert archive.paths() == [path]
    chore.step(NOW + 1000)
    assert archive.has(path), "it rests"
    chore.step(NOW + 700_000)
    assert not archive.has(path)
    assert archive.paths() == [None]


def test_a_strange_path_is_left_alone(archive: Archive) -> None:
    """A row whose path is none of ours deletes nothing outside of the tree."""
    archive.evidence(200)
    row = archive.store.facts("evidence_files")[0]
    facts = {name: row[name] for name in EvidenceFileRow._fields} | {"path": "../store.db", "updated_ms": NOW}
    archive.store.write(StoreBatch(evidence_files=[EvidenceFileRow(**facts)]), consumer="tests", seq=9)  # type: ignore[arg-type]
    assert archive.retain() == 0
    assert (archive.folder / "store.db").exists()
