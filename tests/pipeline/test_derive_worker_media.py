"""Multimedia messages become files and rows of evidence; pictures of drivers become face events."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pipeline_line import PHONE, Line, location, payload, tlv

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames
from jtgate.pipeline.derive import media
from jtgate.pipeline.derive.media import Media
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.timeline import Timeline
from jtgate.pipeline.derive.worker import Deriver
from jtgate.pipeline.derive.zones import ZoneMap
from jtgate.pipeline.following import Follower
from jtgate.storage.files import FileStoreUnavailable
from jtgate.storage.folder import FolderFiles
from jtgate.storage.model import FaceEventRow, StoreBatch

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8 + b"\xff\xd9"
SHA256 = hashlib.sha256(PICTURE).hexdigest()


class Studio:
    """A line and a deriver that keeps media.

    Args:
        folder: for its data.
    """

    def __init__(self, folder: Path) -> None:
        self.line = Line(folder)
        self.line.now_us = 1_763_900_100_000_000  # 20:15 of the day that `location` has
        self.files = FolderFiles(folder / "files")
        self.restart()

    def restart(self, after_seq: int | None = None) -> None:
        """A new deriver; with a number, one that begins anew behind that group."""
        if after_seq is not None:
            self.line.store.write(StoreBatch(), consumer="derive", seq=after_seq)
        store = self.line.store
        follower = Follower(store, self.line.reader, parts_bytes_max=1 << 20)
        timeline = Timeline(store, Machines(ZoneMap([])))
        self.deriver = Deriver(store, follower, timeline, makers=[Media(store, self.files)])

    def send(self, *payloads: bytes) -> None:
        """One group, stored and worked through."""
        self.line.append(payloads)
        self.line.run()
        while self.deriver.step():
            pass

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table, oldest first."""
        return [dict(row) for row in reversed(self.line.store.facts(table))]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """An empty one."""
    made = Studio(tmp_path)
    with closing(made.line):
        yield made


def upload(media_id: int, data: bytes = PICTURE, *, head: bytes | None = None, event: int = 1) -> list[bytes]:
    """0x0801 in sub-packages, with 36 bytes before the medium."""
    facts = media_id.to_bytes(4) + bytes((0, 0, event, 2))
    return in_parts(0x0801, facts + (location() if head is None else head)[:28] + data)


def in_parts(msg_id: int, body: bytes) -> list[bytes]:
    """A message in sub-packages."""
    wire = b"".join(encode_frames(msg_id, body, phone=PHONE, serial=50, edition=Edition.V2013, part_bytes=500))
    return [frame.payload for frame in FrameReader().feed(wire) if isinstance(frame, Frame)]


def test_a_picture_is_kept_without_its_head(studio: Studio) -> None:
    """The file is the picture byte for byte; its row says where it is and what it is."""
    studio.send(*upload(7))
    (row,) = studio.rows("evidence_files")
    assert (row["alarm_number"], row["file_name"], row["state"]) == ("media:7", "7.jpg", "complete")
    assert (row["file_type"], row["channel"], row["stored_bytes"], row["sha256"]) == (0, 2, len(PICTURE), SHA256)
    assert studio.files.open(row["path"]).read_bytes() == PICTURE


def test_a_picture_that_was_told_of_comes_later(studio: Studio) -> None:
    """0x0800 makes a row that waits; the picture completes it, and 0x0800 once more changes nothing."""
    told = payload(0x0800, (7).to_bytes(4) + bytes((0, 0, 0, 2)))
    studio.send(told)
    assert [row["state"] for row in studio.rows("evidence_files")] == ["asked"]
    studio.send(*upload(7))
    studio.send(told)
    (row,) = studio.rows("evidence_files")
    assert (row["state"], row["sha256"]) == ("complete", SHA256)
    assert row["announced_ms"] < row["completed_ms"]


def test_parts_of_a_picture_may_come_in_several_groups_and_over_a_restart(studio: Studio) -> None:
    """Nothing of a message that is half there when the deriver ends is lost."""
    first, *others = upload(7)
    studio.send(first)
    studio.restart()
    assert studio.rows("evidence_files") == []
    studio.send(*others)
    assert [row["sha256"] for row in studio.rows("evidence_files")] == [SHA256]


def test_working_through_it_again_changes_nothing(studio: Studio) -> None:
    """As after a crash behind the keeping of the file and before the row."""
    studio.send(*upload(7), *upload(8, PICTURE[:-2] + b"\x00\xff\xd9"))
    before = studio.rows("evidence_files")
    studio.restart(after_seq=0)
    while studio.deriver.step():
        pass
    assert studio.rows("evidence_files") == before
    assert len(before) == 2


def test_a_number_that_is_used_again_does_not_replace_a_picture(studio: Studio) -> None:
    """Terminals begin to count anew when they start."""
    studio.send(*upload(7))
    studio.send(*upload(7, b"\xff\xd8\xff\xe1another\xff\xd9"))
    names = {row["file_name"]: row["sha256"] for row in studio.rows("evidence_files")}
    assert names.pop("7.jpg") == SHA256
    ((name, sha256),) = names.items()
    assert name == f"7-{sha256[:8]}.jpg"


def test_a_picture_belongs_to_the_alarm_that_caused_it(studio: Studio) -> None:
    """By the flags in its head; the number stays when the episode is written again, also after folding anew."""
    studio.send(payload(0x0200, location("251123201400", alarm=1), serial=1))
    studio.send(*upload(7, head=location("251123201403", alarm=1), event=2))
    (row,) = studio.rows("episodes")
    assert (json.loads(row["alarm_numbers"]), row["evidence_state"]) == (["media:7"], "complete")

    studio.send(payload(0x0200, location("251123201430"), serial=2))
    studio.send(payload(0x0200, location("251123201355"), serial=3))  # late: folded anew
    (row,) = studio.rows("episodes")
    assert (row["state"], json.loads(row["alarm_numbers"])) == ("closed", ["media:7"])


def test_a_picture_of_a_quiet_moment_belongs_to_no_alarm(studio: Studio) -> None:
    """The alarm was over long ago."""
    studio.send(payload(0x0200, location("251123201200", alarm=1), serial=1))
    studio.send(payload(0x0200, location("251123201210"), serial=2))
    studio.send(*upload(7, head=location("251123201400")))
    (row,) = studio.rows("episodes")
    assert json.loads(row["alarm_numbers"]) == []


def test_pieces_of_the_2011_form_are_put_together(studio: Studio) -> None:
    """Each is a message of its own, and tells how many there are; in any order, one of them twice."""
    third = len(PICTURE) // 3
    pieces = [PICTURE[:third], PICTURE[third : 2 * third], PICTURE[2 * third :]]
    facts = (9).to_bytes(4) + bytes((0, 0, 0, 1))
    for number in (2, 1, 1, 3):
        body = facts + (3).to_bytes(4) + number.to_bytes(4) + pieces[number - 1]
        studio.send(payload(0x0801, body, serial=number))
    (row,) = studio.rows("evidence_files")
    assert row["sha256"] == SHA256
    assert studio.files.open(row["path"]).read_bytes() == PICTURE


def comparison(result: int, similarity: int = 9000, threshold: int = 80, picture: bytes = PICTURE) -> bytes:
    """A 0x0E10 body."""
    head = bytes((result, threshold)) + similarity.to_bytes(2) + bytes((0, 2)) + b"P7" + location()[:28]
    return head + (b"\x00" + picture if result < 2 else b"")


@pytest.mark.parametrize(
    ("result", "similarity", "expected"),
    [(0, 9000, "match"), (1, 7700, "near"), (1, 7000, "no_match"), (2, 0, None)],
)
def test_a_comparison_of_the_terminal(studio: Studio, result: int, similarity: int, expected: str | None) -> None:
    """Its result, score and threshold, and its picture where there is one."""
    studio.send(*in_parts(0x0E10, comparison(result, similarity)))
    (row,) = studio.rows("face_events")
    assert (row["kind"], row["engine"], row["result"]) == ("compare", "terminal", expected)
    if expected is None:
        assert (row["score"], row["threshold"], row["image_sha256"]) == (None, None, None)
    else:
        assert (row["score"], row["threshold"]) == (similarity / 10_000, 0.8)
        assert studio.files.open(row["image_path"]).read_bytes() == PICTURE


def dsm(kind: int) -> bytes:
    """A report with a 0x65 item, whose own time is that of the report."""
    when = bytes.fromhex("251123201400")
    number = b"ABCDEFG" + when + bytes((0, 1, 0))
    place = (41_120_000).to_bytes(4) + (122_070_000).to_bytes(4)
    item = (0).to_bytes(4) + bytes((0, kind, 1, 0, 0, 0, 0, 0, 60)) + b"\0\5" + place + when + b"\4\1" + number
    return payload(0x0200, location(items=tlv(0x65, item)), serial=kind)


def test_captures_of_the_driver_wait_to_be_compared(studio: Studio) -> None:
    """What somebody made of one of them meanwhile stays, when it is worked through again."""
    studio.send(dsm(0x10), dsm(0x11), dsm(0x02))
    rows = studio.rows("face_events")
    assert sorted(row["kind"] for row in rows) == ["capture", "driver_change"]
    assert all(row["result"] is None and row["alarm_number"] for row in rows)

    facts = {name: rows[0][name] for name in FaceEventRow._fields}
    judged = FaceEventRow(**facts)._replace(result="match", person="P7", updated_ms=facts["updated_ms"] + 1)
    studio.line.store.write(StoreBatch(face_events=[judged]), consumer="other", seq=1)
    studio.restart(after_seq=0)
    while studio.deriver.step():
        pass
    assert sorted(str(row["result"]) for row in studio.rows("face_events")) == ["None", "match"]


def test_a_disk_that_is_full_is_waited_for(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the row nor the cursor moves before the file is kept."""

    def full(_data: bytes, _suffix: str) -> tuple[str, str]:
        raise FileStoreUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(studio.files, "put", full)
        with pytest.raises(FileStoreUnavailable):
            studio.send(*upload(7))
    assert studio.rows("evidence_files") == []
    while studio.deriver.step():
        pass
    assert [row["sha256"] for row in studio.rows("evidence_files")] == [SHA256]


def test_too_many_pieces_are_not_put_together(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count that a terminal makes up costs nothing."""
    monkeypatch.setattr(media, "PIECES_MAX", 2)
    facts = (9).to_bytes(4) + bytes((0, 0, 0, 1))
    for number in (1, 2, 3):
        studio.send(payload(0x0801, facts + (3).to_bytes(4) + number.to_bytes(4) + b"abc", serial=number))
    assert studio.rows("evidence_files") == []
