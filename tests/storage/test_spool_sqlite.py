"""What the embedded spool does on a disk that fails and in a process that is killed."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from jtgate.storage.spool import Group, SpoolFailed
from jtgate.storage.sqlite.progress import FileSpoolProgress
from jtgate.storage.sqlite.segments import list_segments, open_segment
from jtgate.storage.sqlite.spool import DAMAGE_LEAP, LEAP, SqliteSpoolWriter
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader

NOW_US = 1_790_000_000_000_000
KEEP_US = 10**15

#: Appends groups that hold their own number, tells each number when it is safe, tidies beside it, until killed.
WRITER = """
import os, random, sys, threading, time
from pathlib import Path
from jtgate.storage.sqlite.spool import LEAP, SqliteSpoolWriter
writer = SqliteSpoolWriter(Path(sys.argv[1]), bytes_max=1 << 40, keep_us=10**15, segment_bytes_max=20_000)
rng = random.Random(int(sys.argv[2]))
def tidy():
    while True:
        writer.retain(0, 1_790_000_000_000_000)
        time.sleep(0.003)
threading.Thread(target=tidy, daemon=True).start()
seq = writer.info().last_seq
while True:
    data = str(seq + 1).encode() * rng.choice((1, 50, 5000))
    seq = writer.append(data, 1, 1_790_000_000_000_000)
    os.write(1, b"%d\\n" % seq)
"""

READER = """
import json, sys, time
from pathlib import Path
from jtgate.storage.sqlite.spool_reader import SqliteSpoolReader
reader, seen, deadline = SqliteSpoolReader(Path(sys.argv[1])), [], time.monotonic() + 20
while len(seen) < int(sys.argv[2]) and time.monotonic() < deadline:
    groups = reader.read(seen[-1][0] if seen else 0, groups_max=5)
    seen += [(group.seq, len(group.data)) for group in groups]
    if not groups:
        time.sleep(0.001)
print(json.dumps(seen))
"""

#: Tidies where no file may grow. A process of its own, because the limit holds for whatever else its process writes
#: meanwhile, such as captured output, and for its other threads.
TIDY_ON_A_FULL_DISK = """
import resource, sys
from contextlib import closing, contextmanager
from pathlib import Path
from jtgate.storage.spool import SpoolFailed
from jtgate.storage.sqlite.spool import SqliteSpoolWriter
NOW_US = 1_790_000_000_000_000
@contextmanager
def file_size_limit(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
def open_writer():
    return closing(SqliteSpoolWriter(Path(sys.argv[1]), bytes_max=1 << 30, keep_us=0, segment_bytes_max=4096))
with open_writer() as writer:
    for number in range(20):
        writer.append(b"x" * 1000, 1, NOW_US + number)
    before = writer.info()
    writer._disk_full = True
    with file_size_limit(1):
        try:
            writer.retain(20, NOW_US)
        except SpoolFailed as error:
            assert "tidied" in str(error), error
        else:
            raise AssertionError("nothing failed, so nothing was tested")
    after = writer.info()
    assert after.bytes_on_disk < before.bytes_on_disk, (before, after)
    assert writer.append(b"x", 1, NOW_US) == 21
with file_size_limit(40_000), open_writer() as writer:
    assert writer.append(b"x", 1, NOW_US) == 22
"""


def open_writer(folder: Path, *, segment_bytes: int = 4096, keep_us: int = KEEP_US) -> SqliteSpoolWriter:
    """A writer of small segments."""
    return SqliteSpoolWriter(folder, bytes_max=1 << 30, keep_us=keep_us, segment_bytes_max=segment_bytes)


def read_all(folder: Path, after_seq: int = 0) -> list[Group]:
    """Everything in a spool after a number, through a fresh reader."""
    groups: list[Group] = []
    with closing(SqliteSpoolReader(folder)) as reader:
        while found := reader.read(groups[-1].seq if groups else after_seq):
            groups += found
    return groups


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size: a write there fails as on a broken disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_killed_writers_lose_nothing_they_told_of(tmp_path: Path) -> None:
    """Killed 12 times in the middle of appending and changing segments: each told number is there once, and whole."""
    rng = random.Random(20261123)
    told: list[int] = []
    for run in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(run)], stdout=subprocess.PIPE, bufsize=0
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0.005, 0.15))
        process.send_signal(signal.SIGKILL)
        lines = (first + process.stdout.read()).splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        told += [int(line) for line in lines if line.endswith(b"\n")]

    groups = read_all(tmp_path)
    found = [group.seq for group in groups]

    assert told == sorted(set(told))
    assert found == sorted(set(found))
    assert set(told) <= set(found)
    assert len(told) > 100
    assert len(list_segments(tmp_path)) > 12
    for group in groups:
        assert group.data == str(group.seq).encode() * (len(group.data) // len(str(group.seq)))
    with closing(open_writer(tmp_path)) as writer:
        assert writer.append(b"x", 1, NOW_US) == found[-1] + 1


def test_a_reader_in_another_process_follows_the_writer(tmp_path: Path) -> None:
    """A reader started first sees every group once and in order, across segments that are deleted behind it."""
    folder = tmp_path / "spool"
    process = subprocess.Popen([sys.executable, "-c", READER, str(folder), "300"], stdout=subprocess.PIPE)
    with closing(open_writer(folder, keep_us=0)) as writer:
        for number in range(1, 301):
            writer.append(b"x" * (number * 7), 1, NOW_US + number)
            if number % 20 == 0:
                writer.retain(0, NOW_US + 10**9)
        out, _ = process.communicate(timeout=30)
        assert json.loads(out) == [[number, number * 7] for number in range(1, 301)]
        writer.retain(300, NOW_US + 10**9)
        assert writer.info().segments == 1


def test_appending_and_tidying_from_two_threads(tmp_path: Path) -> None:
    """Retention in one thread takes nothing from appends in another."""
    with closing(open_writer(tmp_path, keep_us=0)) as writer:
        stop, failures = threading.Event(), []

        def tidy() -> None:
            while not stop.is_set():
                try:
                    writer.retain(writer.info().last_seq - 30, NOW_US + 10**12)
                except SpoolFailed as error:
                    failures.append(error)

        thread = threading.Thread(target=tidy)
        thread.start()
        numbers = [writer.append(b"x" * 900, 1, NOW_US + number) for number in range(600)]
        stop.set()
        thread.join()

        assert failures == []
        assert numbers == list(range(1, 601))
        left = [group.seq for group in read_all(tmp_path)]
        assert left == list(range(left[0], 601))
        assert 1 < left[0] <= 571


def test_one_writer_only(tmp_path: Path) -> None:
    """A second writer is told that there is one; a lock does not outlive its writer."""
    with closing(open_writer(tmp_path)), pytest.raises(SpoolFailed, match="another gateway"):
        open_writer(tmp_path)
    open_writer(tmp_path).close()


def test_a_closed_spool_says_so(tmp_path: Path) -> None:
    """Closing twice is harmless; appending and tidying afterwards are refused."""
    writer = open_writer(tmp_path)
    writer.append(b"x", 1, NOW_US)
    writer.close()
    writer.close()
    with pytest.raises(SpoolFailed, match="closed"):
        writer.append(b"x", 1, NOW_US)
    with pytest.raises(SpoolFailed, match="closed"):
        writer.retain(1, NOW_US)


def test_leftovers_of_a_half_made_segment_are_swept(tmp_path: Path) -> None:
    """A writer killed while making, renaming or deleting a segment leaves nothing that is taken for data."""
    with closing(open_writer(tmp_path)) as writer:
        for number in range(10):
            writer.append(b"x" * 1000, 1, NOW_US + number)
    for name in ("spool-0000000000000099.tmp", "spool-0000000000000099.tmp-wal", "spare.tmp"):
        (tmp_path / name).write_bytes(b"half")
    for name in ("spool-0000000000000050.db-wal", "spool-0000000000000050.db-shm"):
        (tmp_path / name).write_bytes(b"orphan")

    with closing(open_writer(tmp_path)) as writer:
        assert writer.append(b"x", 1, NOW_US) == 11
        names = {path.name for path in tmp_path.iterdir()}
        assert not {name for name in names if ".tmp" in name or "0050" in name}
    assert [group.seq for group in read_all(tmp_path)] == list(range(1, 12))


def test_a_segment_without_groups_is_continued(tmp_path: Path) -> None:
    """A writer killed between making a segment and its first group: the number of the file name counts."""
    with closing(open_writer(tmp_path)) as writer:
        for number in range(5):
            writer.append(b"x" * 1000, 1, NOW_US + number)
        writer._go_on()
    with closing(open_writer(tmp_path)) as writer:
        assert [segment.first_seq for segment in list_segments(tmp_path)][-1] == 6
        assert writer.unread_bytes() == 5000
        assert writer.append(b"x", 1, NOW_US) == 6


def test_numbers_that_a_consumer_has_seen_are_not_used_again(tmp_path: Path) -> None:
    """When segment files are lost, new groups still come after the consumers' place, or nobody would read them."""
    with closing(open_writer(tmp_path)) as writer:
        for number in range(20):
            writer.append(b"x" * 1000, 1, NOW_US + number)
    FileSpoolProgress(tmp_path).set("pipeline", 18)
    for segment in list_segments(tmp_path):
        segment.path.unlink()

    with closing(open_writer(tmp_path)) as writer:
        assert writer.append(b"x", 1, NOW_US) == 18 + LEAP + 1
    assert [group.seq for group in read_all(tmp_path, 18)] == [18 + LEAP + 1]
    with closing(open_writer(tmp_path)) as writer:
        assert writer.append(b"x", 1, NOW_US) == 18 + LEAP + 2


def test_a_torn_progress_file_counts_as_nothing_read(tmp_path: Path) -> None:
    """A number that cannot be read after a power cut only keeps groups longer."""
    progress = FileSpoolProgress(tmp_path)
    progress.set("pipeline", 5)
    (tmp_path / "consumers" / "pipeline").write_bytes(b"")
    assert progress.minimum() == 0


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """When SQLite says that the disk is full nothing of the group is kept, and appends work again afterwards."""
    with closing(open_writer(tmp_path, segment_bytes=1 << 20)) as writer:
        writer.append(b"a" * 10, 1, NOW_US)
        assert writer._current is not None
        connection = writer._current.connection
        connection.execute("PRAGMA max_page_count=10")
        for _ in range(3):
            with pytest.raises(SpoolFailed, match="full"):
                writer.append(b"b" * 200_000, 1, NOW_US)
        connection.execute("PRAGMA max_page_count=1000000")
        last = writer.append(b"c" * 10, 1, NOW_US)

        assert [(group.seq, group.data[:1]) for group in read_all(tmp_path)] == [(1, b"a"), (last, b"c")]
        assert last == 5, "numbers of refused groups are not used again"
        assert writer.failed_count == 3
        assert writer.info().segments == 1


def test_a_full_disk_costs_consumed_groups_their_keep_time(tmp_path: Path) -> None:
    """The flight recorder gives way to new frames."""
    with closing(open_writer(tmp_path)) as writer:
        for number in range(20):
            writer.append(b"x" * 1000, 1, NOW_US + number)
        assert writer.retain(20, NOW_US) == 0
        writer._disk_full = True
        assert writer.retain(20, NOW_US) > 0
        writer.append(b"x", 1, NOW_US)
        assert writer.retain(20, NOW_US) == 0


def test_a_failing_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """After an I/O error groups go to a new segment; nothing acknowledged is lost, no number is used twice."""
    kept: list[int] = []
    with closing(open_writer(tmp_path, segment_bytes=1 << 20)) as writer:
        kept.append(writer.append(b"a" * 10, 1, NOW_US))
        with file_size_limit(100_000):
            for _ in range(5):
                with pytest.raises(SpoolFailed, match="cannot write"):
                    writer.append(b"b" * 300_000, 1, NOW_US)
            kept.append(writer.append(b"c" * 10, 1, NOW_US))
        kept.append(writer.append(b"d" * 300_000, 1, NOW_US))

        assert kept == [1, 7, 8]
        assert len(list_segments(tmp_path)) <= 3
        assert writer.failed_count == 5
    with closing(open_writer(tmp_path)) as writer:
        kept.append(writer.append(b"e", 1, NOW_US))
    assert [group.seq for group in read_all(tmp_path) if group.data[:1] != b"b"] == kept


def test_consumed_groups_are_deleted_on_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """Retention is what makes room, so it needs none: not for folding in a WAL, not for the next segment."""
    process = subprocess.run(
        [sys.executable, "-c", TIDY_ON_A_FULL_DISK, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert process.returncode == 0, process.stderr
    assert [group.seq for group in read_all(tmp_path)][-2:] == [21, 22]


@pytest.mark.parametrize("step", ["make_segment", "sync_folder", "open_segment"])
@pytest.mark.parametrize("by", ["append", "retain"])
def test_a_change_of_segment_that_fails_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, by: str
) -> None:
    """Readers pass a segment that has a successor, so nothing may go to the old one once changing has begun."""
    kept: list[int] = []
    with closing(open_writer(tmp_path, keep_us=80)) as writer, closing(SqliteSpoolReader(tmp_path)) as reader:
        kept += [writer.append(b"x" * 1000, 1, NOW_US + number) for number in range(4)]
        seen = [group.seq for group in reader.read(0)]

        def fail(*_: object, **__: object) -> None:
            raise apsw.FullError("disk full")

        monkeypatch.setattr(f"jtgate.storage.sqlite.spool.{step}", fail)
        if by == "append":
            writer._segment_bytes_max = 10
            with pytest.raises(SpoolFailed):
                writer.append(b"refused", 1, NOW_US + 5)
        else:
            with pytest.raises(SpoolFailed):
                writer.retain(0, NOW_US + 50)
        monkeypatch.undo()
        assert reader.read(seen[-1]) == []
        kept += [writer.append(b"x" * 1000, 1, NOW_US + 100 + number) for number in range(9)]
        while groups := reader.read(seen[-1]):
            seen += [group.seq for group in groups]

        assert seen == kept == sorted(set(kept))
    assert [group.seq for group in read_all(tmp_path)] == kept


def test_a_read_only_folder_is_a_typed_error(tmp_path: Path) -> None:
    """A spool that cannot be made says why."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolFailed, match="cannot be opened"):
        open_writer(tmp_path / "file" / "spool")


def test_a_file_that_is_no_segment_is_a_typed_error(tmp_path: Path) -> None:
    """Rubbish under the name of the only segment is reported by a reader, not taken for an empty one."""
    (tmp_path / "spool-0000000000000001.db").write_bytes(os.urandom(50_000))
    with closing(SqliteSpoolReader(tmp_path)) as reader, pytest.raises(SpoolFailed):
        reader.read(0)


def cut_header(content: bytearray) -> bytes:
    """A segment whose first page is lost."""
    return bytes(100) + bytes(content[100:])


def cut_middle(content: bytearray) -> bytes:
    """A segment with rubbish in a page in the middle."""
    middle = len(content) // 8192 // 2 * 8192
    return bytes(content[:middle]) + b"\xa5" * 8192 + bytes(content[middle + 8192 :])


def cut_end(content: bytearray) -> bytes:
    """A segment that has lost its second half."""
    return bytes(content[: len(content) // 2])


def cut_all(_content: bytearray) -> bytes:
    """A segment of which the name is left."""
    return b""


@pytest.fixture(params=[cut_header, cut_middle, cut_end, cut_all])
def spoil(request: pytest.FixtureRequest) -> Callable[[Path], list[Group]]:
    """Damages a segment; returns the groups that plain SQL can reach from either end."""

    def damage(path: Path) -> list[Group]:
        path.write_bytes(request.param(bytearray(path.read_bytes())))
        copy = path.with_name("copy")
        copy.write_bytes(path.read_bytes())
        good: set[Group] = set()
        for order in ("ASC", "DESC"):
            with suppress(apsw.Error), closing(apsw.Connection(str(copy))) as connection:
                for row in connection.execute(f"SELECT seq, at_us, frames, data FROM groups ORDER BY seq {order}"):
                    good.add(Group._make(row))
        for leftover in path.parent.glob("copy*"):
            leftover.unlink()
        return sorted(good)

    return damage


def fill(folder: Path) -> list[Path]:
    """Groups 1 to 100 of 3 KiB in five segments or more; their paths."""
    with closing(open_writer(folder, segment_bytes=60_000)) as writer:
        for number in range(1, 101):
            writer.append(bytes([number]) * 3000, 1, NOW_US + number)
    return [segment.path for segment in list_segments(folder)]


def read_until_fault(reader: SqliteSpoolReader) -> tuple[list[int], bool]:
    """Numbers that a reader gives in small portions, and whether it failed at the end."""
    found: list[int] = []
    while True:
        try:
            groups = reader.read(found[-1] if found else 0, groups_max=7)
        except SpoolFailed:
            return found, True
        if not groups:
            return found, False
        found += [group.seq for group in groups]


def test_a_reader_passes_a_damaged_old_segment(tmp_path: Path, spoil: Callable[[Path], list[Group]]) -> None:
    """Everything around the fault and everything in other segments is read, and the fault is told once."""
    paths = fill(tmp_path)
    victim, following = (int(path.stem.removeprefix("spool-")) for path in paths[1:3])
    good = [group.seq for group in spoil(paths[1])]

    with capture_logs() as logs, closing(SqliteSpoolReader(tmp_path)) as reader:
        found, failed = read_until_fault(reader)
        assert read_until_fault(reader) == (found, failed)

    assert (found, failed) == ([*range(1, victim), *good, *range(following, 101)], False)
    assert reader.damaged_count == 1
    told = [entry for entry in logs if entry["event"] == "spool.segment_damaged"]
    assert [(entry["segment"], entry["log_level"]) for entry in told] == [(paths[1].name, "error")]


def test_a_writer_goes_on_after_a_damaged_newest_segment(tmp_path: Path, spoil: Callable[[Path], list[Group]]) -> None:
    """The file stays, no number that may have been used in it is used again, and readers get to what follows."""
    paths = fill(tmp_path)
    first = int(paths[-1].stem.removeprefix("spool-"))
    good = [group.seq for group in spoil(paths[-1])]
    content = paths[-1].read_bytes()

    with capture_logs() as logs, closing(SqliteSpoolReader(tmp_path)) as reader:
        found, failed = read_until_fault(reader)
        assert found == [*range(1, first), *good][: len(found)]
        assert len(found) >= first - 1
        assert failed, "there may be more in it, and nothing follows yet"
        with closing(open_writer(tmp_path)) as writer:
            new = writer.append(b"x", 1, NOW_US)
            assert new > first + DAMAGE_LEAP
            assert read_until_fault(reader) == ([*range(1, first), *good, new], False)
            assert writer.append(b"y", 1, NOW_US) == new + 1
            assert (writer.damaged_count, reader.damaged_count) == (1, 1)
    assert [path for path in paths if not path.exists()] == []
    assert len(paths[-1].read_bytes()) >= len(content)
    assert len([entry for entry in logs if entry["event"] == "spool.segment_damaged"]) == 2
    with closing(open_writer(tmp_path)) as writer:
        assert writer.damaged_count == 0
        assert writer.append(b"z", 1, NOW_US) == new + 2


def test_retention_passes_a_damaged_segment(tmp_path: Path, spoil: Callable[[Path], list[Group]]) -> None:
    """It is kept as long as what follows it, and stands in the way of nothing."""
    paths = fill(tmp_path)
    spoil(paths[1])
    with closing(open_writer(tmp_path, keep_us=1000)) as writer:
        writer.retain(100, NOW_US + 500)
        assert writer.unread_bytes() == 0
        assert [path for path in paths if not path.exists()] == []
        writer.retain(30, NOW_US + 10**6)
        assert paths[1].exists()
        writer.retain(100, NOW_US + 10**6)
        assert [path for path in paths[:-1] if path.exists()] == []


@pytest.mark.parametrize("error", [apsw.BusyError, apsw.IOError, apsw.CantOpenError, OSError])
def test_an_error_that_may_pass_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A reader waits at it and then reads everything; a writer refuses to start and leaves the spool as it is."""
    paths = fill(tmp_path)

    def fail(path: Path, **more: bool) -> apsw.Connection:
        if path == paths[place]:
            raise error("for a while")
        return open_segment(path, **more)

    for module in ("spool", "spool_reader", "segments"):
        monkeypatch.setattr(f"jtgate.storage.sqlite.{module}.open_segment", fail)
    place = 1
    with closing(SqliteSpoolReader(tmp_path)) as reader:
        found, failed = read_until_fault(reader)
        assert failed
        assert len(found) < 100
        place = -1
        with pytest.raises(SpoolFailed, match="for a while"):
            open_writer(tmp_path)
        monkeypatch.undo()
        assert read_until_fault(reader) == (list(range(1, 101)), False)
        assert reader.damaged_count == 0
    assert [segment.path for segment in list_segments(tmp_path)] == paths


def test_a_failed_append_is_a_typed_error_even_when_nothing_can_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that turns read-only right after a change of segment: refused, and taken again when it is back."""

    class BrokenCursor:
        def execute(self, *_values: object) -> None:
            raise apsw.IOError("disk I/O error")

    def refuse(_path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, f"read-only {missing_ok}")

    with closing(open_writer(tmp_path)) as writer:
        writer.append(b"a", 1, NOW_US)
        writer._go_on()
        assert writer._current is not None
        writer._current.cursor = BrokenCursor()  # type: ignore[assignment]
        monkeypatch.setattr(Path, "unlink", refuse)
        with pytest.raises(SpoolFailed, match="disk I/O error"):
            writer.append(b"b", 1, NOW_US)
        monkeypatch.undo()
        kept = writer.append(b"c", 1, NOW_US)
    assert [group.seq for group in read_all(tmp_path)] == [1, kept]


def test_a_finished_segment_is_folded_after_a_kill(tmp_path: Path) -> None:
    """Only the newest segment needs a WAL: the next writer folds in what a killed one left."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "1"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(60):
        process.stdout.readline()
    process.kill()
    process.communicate()

    with closing(open_writer(tmp_path)):
        wals = {path.name for path in tmp_path.glob("*-wal") if path.stat().st_size}
        assert wals <= {list_segments(tmp_path)[-1].path.name + "-wal"}


def test_segments_are_synced_and_in_wal_mode(tmp_path: Path) -> None:
    """What durability rests on: WAL, synchronous=FULL, on every segment."""
    with closing(open_writer(tmp_path)) as writer:
        for number in range(10):
            writer.append(b"x" * 1000, 1, NOW_US + number)
            assert writer._current is not None
            assert writer._current.connection.pragma("journal_mode") == "wal"
            assert writer._current.connection.pragma("synchronous") == 2
    assert apsw.sqlite_lib_version() >= "3.51.3"
