"""One attachment link without a socket: what is answered, what lies on disk, what harms nothing (active-safety §4)."""

import errno
import hashlib
import os
import random
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from attachment_terminal import NUMBER_SU, PHONE, Answer, Sender, answers
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.timebase import now_ms
from jtgate.gateway.attachments import shelf as shelf_module
from jtgate.gateway.attachments.shelf import STALE_MS, Shelf
from jtgate.gateway.attachments.upload import ISSUED_FOR_MS, OPEN_SOURCE, Upload
from jtgate.storage.evidence import Ask, AskState, EvidenceFile, EvidenceUnavailable, FileState, NewAsk
from jtgate.storage.folder import FolderFiles
from jtgate.storage.sqlite.evidence import SqliteEvidenceDesk

BYTES_MAX = 64 << 20
PICTURE = b"00_64_6401_0_5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4.jpg"
VIDEO = b"02_64_6401_0_5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4.h264"

#: §7.7: what the terminal sends (by its number there), and what it is answered.
ALARM_NUMBER = "5F2A9C0B7E4D41A6B3C8D9E0F1A2B3C4"
_P, _V = PICTURE.hex(), VIDEO.hex()
_LIST = f"{b'A1B2C3DA1B2C3D'.hex()}250612083015000200{ALARM_NUMBER.encode().hex()}"
SESSION = [
    (
        f"7e121000a60138123456780001{_LIST}000231{_P}0000001032{_V}00000020e47e",
        "7e8001000501381234567800010001121000b77e",
    ),
    (f"7e12110037013812345678000231{_P}00000000103c7e", "7e8001000501381234567800020002121100b67e"),
    (f"30316364{_P}000000000000000010ffd8ffe000104a4649467e7d0100ffd9", ""),
    (f"7e12120037013812345678000331{_P}00000000103e7e", f"7e92120035013812345678000331{_P}000000ac7e"),
    (f"7e12110038013812345678000432{_V}0200000020237e", "7e8001000501381234567800040004121100b67e"),
    (f"30316364{_V}00000000000000082021222324252627", ""),
    (f"30316364{_V}0000001000000010303132333435363738393a3b3c3d3e3f", ""),
    (
        f"7e12120038013812345678000532{_V}0200000020217e",
        f"7e9212003e013812345678000532{_V}0201010000000800000008877e",
    ),
    (f"30316364{_V}000000080000000828292a2b2c2d2e2f", ""),
    (f"7e12120038013812345678000632{_V}0200000020227e", f"7e92120036013812345678000632{_V}0200008c7e"),
]
JPEG = bytes.fromhex("ffd8ffe000104a4649467e7d0100ffd9")
H264 = bytes(range(0x20, 0x40))


@dataclass
class Office:
    """Desk, files and shelf of a server, and links to it.

    Args:
        folder: the data folder.
        is_open: take what nobody asked for.
    """

    folder: Path
    is_open: bool = False
    sequence: int = 0
    opened: list[Upload] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = SqliteEvidenceDesk(self.folder / "evidence.db")
        self.files = FolderFiles(self.folder / "files")
        self.shelf = Shelf(self.desk, self.files)

    def ask(self, phone: str = PHONE, *, at_ms: int | None = None) -> Ask:
        """Ask for the evidence of another alarm."""
        self.sequence += 1
        new = NewAsk(phone, "jsatl12:0x64", NUMBER_SU[:-2] + bytes([self.sequence, 0]), now_ms(), 2)
        at_ms = now_ms() if at_ms is None else at_ms
        return self.desk.sent(self.desk.ask(new, at_ms).ask_id, 1, at_ms, 0)

    def link(self) -> Upload:
        """A terminal connects."""
        self.opened.append(Upload(self.shelf, bytes_max=BYTES_MAX, is_open=self.is_open))
        return self.opened[-1]

    def restart(self) -> None:
        """The server crashes and comes again."""
        self.desk.close()
        self.__post_init__()

    def kept(self, ask: Ask) -> dict[str, bytes]:
        """Files of an ask that have a place, by name."""
        rows = self.desk.files(ask.ask_id)
        return {row.facts.name: self.files.open(row.path).read_bytes() for row in rows if row.path is not None}

    def state(self, ask: Ask) -> AskState:
        """How far an ask is."""
        found = self.desk.get(ask.ask_id)
        assert found is not None
        return found.state

    def partial(self) -> list[Path]:
        """Files on their way."""
        return sorted(self.files.arriving.iterdir())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A server without sockets."""
    made = Office(tmp_path)
    yield made
    for link in made.opened:
        link.close()
    made.desk.close()


def say(link: Upload, data: bytes) -> list[Answer]:
    """Send bytes; the answers."""
    return answers(link.feed(data))


def last(link: Upload, data: bytes) -> Answer:
    """Send bytes; the last answer."""
    return say(link, data)[-1]


def numbered(office: Office, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The ask of the worked session."""
    monkeypatch.setattr(secrets, "token_hex", lambda _count: ALARM_NUMBER.lower())
    return office.ask()


def test_the_worked_session_byte_for_byte(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """§7.7: every answer is that of the specification, and both files are there under the hash of their bytes."""
    ask = numbered(office, monkeypatch)
    link = office.link()
    for sent, answered in SESSION:
        assert link.feed(bytes.fromhex(sent)).hex() == answered
    assert link.over is None, "the terminal closes, not we"
    assert office.kept(ask) == {PICTURE.decode(): JPEG, VIDEO.decode(): H264}
    assert office.state(ask) is AskState.COMPLETE
    paths = [row.path for row in office.desk.files(ask.ask_id)]
    digests = [hashlib.sha256(data).hexdigest() for data in (JPEG, H264)]
    assert paths == [
        f"{digest[:2]}/{digest[2:4]}/{digest}{suffix}"
        for digest, suffix in zip(digests, (".jpg", ".h264"), strict=True)
    ]
    assert office.partial() == []


@pytest.mark.parametrize("seed", range(8))
def test_the_worked_session_in_random_pieces(office: Office, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Pieces of 1 to 37 bytes give the same answers and files."""
    ask = numbered(office, monkeypatch)
    stream = bytes.fromhex("".join(sent for sent, _ in SESSION))
    pieces = random.Random(seed)
    link, at, answered = office.link(), 0, b""
    while at < len(stream):
        length = pieces.randint(1, 37)
        answered += link.feed(stream[at : at + length])
        at += length
    assert answered.hex() == "".join(answer for _, answer in SESSION)
    assert office.kept(ask) == {PICTURE.decode(): JPEG, VIDEO.decode(): H264}


@pytest.mark.parametrize("size", [16, 40, 39, 38])
@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_every_dialect_and_both_headers(office: Office, size: int, edition: Edition) -> None:
    """S does not follow from the header; 黑标 has a form of data packet of its own. Answers come in the same header."""
    ask = office.ask()
    sender = Sender(ask.alarm_number, size=size, edition=edition)
    link = office.link()
    data = random.Random(1).randbytes(3000)
    found = say(link, sender.files((VIDEO, len(data))) + sender.whole(VIDEO, data, chunk=700))
    assert [(answer.msg_id, answer.edition) for answer in found] == [
        (0x8001, edition),
        (0x8001, edition),
        (0x9212, edition),
    ]
    assert [answer.general for answer in found[:2]] == [(1, 0x1210, 0), (2, 0x1211, 0)]
    assert found[2].result == 0
    assert office.kept(ask) == {VIDEO.decode(): data}


def test_out_of_order_overlapping_and_repeated_data(office: Office) -> None:
    """Bytes are placed, not counted; where stretches overlap the later one wins."""
    ask = office.ask()
    sender, link = Sender(ask.alarm_number), office.link()
    data = random.Random(2).randbytes(1000)
    say(link, sender.files((PICTURE, 1000)) + sender.begin(PICTURE, 1000))
    for start, end in ((900, 1000), (300, 700), (300, 700), (600, 950), (0, 200)):
        say(link, sender.data(PICTURE, start, data[start:end]))
    answer = last(link, sender.done(PICTURE, 1000))
    assert (answer.result, answer.ranges) == (1, [(200, 100)])
    say(link, sender.data(PICTURE, 150, b"?" * 100) + sender.data(PICTURE, 150, data[150:350]))
    assert last(link, sender.done(PICTURE, 1000)).result == 0
    assert office.kept(ask) == {PICTURE.decode(): data}
    again = say(link, sender.whole(PICTURE, data))
    assert [answer.msg_id for answer in again] == [0x8001, 0x9212]
    assert again[-1].result == 0, "a file that comes a second time is complete at once"


def test_several_files_and_asks_over_one_link(office: Office) -> None:
    """Files of an alarm may be mixed; another list on the same link begins another alarm."""
    first, second = office.ask(), office.ask()
    link = office.link()
    one, two = Sender(first.alarm_number), Sender(second.alarm_number)
    say(link, one.files((PICTURE, 4), (VIDEO, 4)) + one.begin(PICTURE, 4) + one.begin(VIDEO, 4))
    say(link, one.data(VIDEO, 0, b"vi") + one.data(PICTURE, 0, b"pict") + one.data(VIDEO, 2, b"de"))
    assert last(link, one.done(PICTURE, 4)).result == 0
    assert last(link, one.done(VIDEO, 4)).result == 0
    say(link, two.files((PICTURE, 3)) + two.whole(PICTURE, b"new"))
    assert office.kept(first) == {PICTURE.decode(): b"pict", VIDEO.decode(): b"vide"}
    assert office.kept(second) == {PICTURE.decode(): b"new"}


def test_a_long_list_comes_in_sub_packages(office: Office) -> None:
    """Each part is acknowledged; the one that completes the list for all of it. Parts may come in any order."""
    ask = office.ask()
    sender, link = Sender(ask.alarm_number), office.link()
    names = [b"%02d_%s" % (number, b"x" * 40) for number in range(40)]
    frames = sender.files(*((name, 1) for name in names), part_bytes=500).split(b"\x7e\x7e")
    frames = [b"\x7e" + frame.strip(b"\x7e") + b"\x7e" for frame in frames]
    assert len(frames) > 3
    found = [answer.general for frame in reversed(frames) for answer in say(link, frame)]
    assert found == [(number, 0x1210, 0) for number in range(len(frames), 0, -1)]
    assert len(office.desk.files(ask.ask_id)) == 40
    assert last(link, sender.whole(names[39], b"!")).result == 0


def test_gaps_are_merged_to_what_a_frame_holds(office: Office) -> None:
    """0x9212 has room for 121 ranges with a name of 50 bytes, fewer with a longer one; together they hold every gap."""
    ask = office.ask()
    sender, link = Sender(ask.alarm_number), office.link()
    long_name = b"n" * 255
    for name, most in ((VIDEO, 121), (long_name, 95)):
        say(link, sender.files((name, 1000)) + sender.begin(name, 1000))
        for offset in range(0, 1000, 4):
            say(link, sender.data(name, offset, b"ab"))
        answer = last(link, sender.done(name, 1000))
        assert (answer.result, len(answer.ranges)) == (1, most)
        missing = {byte for offset in range(2, 1000, 4) for byte in (offset, offset + 1)}
        asked = {byte for offset, length in answer.ranges for byte in range(offset, offset + length)}
        assert missing <= asked
        for offset, length in answer.ranges:
            say(link, sender.data(name, offset, (b"abcd" * 251)[offset : offset + length]))
        assert last(link, sender.done(name, 1000)).result == 0


def test_five_rounds_without_progress_give_a_file_up(office: Office) -> None:
    """The terminal goes on with the next file; what there is is kept, and said to be incomplete."""
    ask = office.ask()
    sender, link = Sender(ask.alarm_number), office.link()
    say(link, sender.files((VIDEO, 100), (PICTURE, 4)) + sender.begin(VIDEO, 100))
    say(link, sender.data(VIDEO, 0, b"v" * 10) + sender.data(VIDEO, 50, b"w" * 10))
    results = [last(link, sender.done(VIDEO, 100)).result for _ in range(6)]
    assert results == [1, 1, 1, 1, 1, 0], "one with progress, five without"
    (video, _) = office.desk.files(ask.ask_id)
    assert (video.state, video.received) == (FileState.INCOMPLETE, ((0, 10), (50, 60)))
    assert office.kept(ask)[VIDEO.decode()] == b"v" * 10 + b"\0" * 40 + b"w" * 10
    assert last(link, sender.whole(PICTURE, b"pict")).result == 0
    assert office.state(ask) is AskState.INCOMPLETE
    assert last(link, sender.whole(VIDEO, b"z" * 100)).result == 0, "should it come after all"
    assert office.state(ask) is AskState.COMPLETE


def test_slow_progress_is_patience_but_not_for_ever(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte per round keeps a file alive until the limit of rounds."""
    monkeypatch.setattr(shelf_module, "ROUNDS_MAX", 12)
    ask = office.ask()
    sender, link = Sender(ask.alarm_number), office.link()
    say(link, sender.files((VIDEO, 100)))
    results = [last(link, sender.data(VIDEO, number, b"x") + sender.done(VIDEO, 100)).result for number in range(12)]
    assert results == [1] * 11 + [0]
    assert office.state(ask) is AskState.INCOMPLETE


# --------------------------------------------------------------------------------------------- resume


@pytest.mark.parametrize("with_restart", [False, True])
def test_a_broken_link_goes_on_where_it_was(office: Office, *, with_restart: bool) -> None:
    """Partial data is kept across links and restarts: the terminal sends the rest, from where it likes."""
    ask = office.ask()
    data = random.Random(3).randbytes(5000)
    sender, link = Sender(ask.alarm_number), office.link()
    say(link, sender.files((PICTURE, 4), (VIDEO, 5000)) + sender.whole(PICTURE, b"pict"))
    say(link, sender.begin(VIDEO, 5000) + sender.data(VIDEO, 0, data[:2000]))
    say(link, sender.data(VIDEO, 2000, data[2000:4000])[:500])  # cut in the middle of a packet
    link.close()
    (_, video) = office.desk.files(ask.ask_id)
    assert (video.state, video.received) == (FileState.ARRIVING, ((0, 2000),))
    if with_restart:
        office.restart()
    again = office.link()
    say(again, sender.files((VIDEO, 5000)) + sender.begin(VIDEO, 5000))
    say(again, sender.data(VIDEO, 3000, data[3000:]))
    answer = last(again, sender.done(VIDEO, 5000))
    assert answer.ranges == [(2000, 1000)]
    say(again, sender.data(VIDEO, 2000, data[2000:3000]))
    assert last(again, sender.done(VIDEO, 5000)).result == 0
    assert office.kept(ask) == {PICTURE.decode(): b"pict", VIDEO.decode(): data}
    assert office.state(ask) is AskState.COMPLETE


def test_a_crash_costs_bytes_and_nothing_else(office: Office) -> None:
    """What the desk says is on disk is there; a partial file that is shorter or gone begins anew."""
    ask = office.ask()
    data = random.Random(4).randbytes(4000)
    sender, link = Sender(ask.alarm_number), office.link()
    say(link, sender.files((VIDEO, 4000)) + sender.data(VIDEO, 0, data[:3000]) + sender.done(VIDEO, 4000))
    say(link, sender.data(VIDEO, 3000, data[3000:3500]))  # not noted
    (part,) = office.partial()
    with part.open("r+b") as file:
        file.truncate(1000)
    office.opened.clear()
    office.restart()
    again = office.link()
    say(again, sender.files((VIDEO, 4000)))
    assert last(again, sender.done(VIDEO, 4000)).ranges == [(0, 4000)]
    assert last(again, sender.whole(VIDEO, data)).result == 0
    assert office.kept(ask) == {VIDEO.decode(): data}


def test_two_links_of_one_terminal_share_a_file(office: Office) -> None:
    """The old link is half dead when the new one comes: what either brings counts, also from two threads at once."""
    ask = office.ask()
    data = random.Random(5).randbytes(200_000)
    links = [office.link(), office.link()]
    senders = [Sender(ask.alarm_number) for _ in links]
    for link, sender in zip(links, senders, strict=True):
        say(link, sender.files((VIDEO, len(data))) + sender.begin(VIDEO, len(data)))

    def run(number: int) -> None:
        for offset in range(number * 1000, len(data), 2000):
            links[number].feed(senders[number].data(VIDEO, offset, data[offset : offset + 1000]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert last(links[0], senders[0].done(VIDEO, len(data))).result == 0
    assert last(links[1], senders[1].done(VIDEO, len(data))).result == 0
    assert office.kept(ask) == {VIDEO.decode(): data}


# ---------------------------------------------------------------------------------------- who may come


def test_only_numbers_that_were_issued_open_the_door(office: Office) -> None:
    """Unknown, another terminal's, or too old: result 1 and the link is over."""
    waiting = office.desk.ask(NewAsk(PHONE, "jsatl12:0x65", NUMBER_SU, now_ms(), 1), now_ms())
    old = office.ask(at_ms=now_ms() - ISSUED_FOR_MS - 1)
    for number in ("F" * 32, waiting.alarm_number, office.ask("13900000000").alarm_number, old.alarm_number, ""):
        link = office.link()
        found = say(link, Sender(number).files((PICTURE, 4)))
        assert [answer.general for answer in found] == [(1, 0x1210, 1)]
        assert link.over == "unknown_number"
        assert link.feed(b"\x7e" * 10) == b"", "nothing more is heard"
    assert office.desk.files(waiting.ask_id) == []


def test_nothing_is_taken_without_a_list(office: Office) -> None:
    """Data, 0x1211 or 0x1212 before any 0x1210 end the link; 0x1212 has no 0x8001."""
    sender = Sender(office.ask().alarm_number)
    for sent, expected in (
        (sender.data(PICTURE, 0, b"pict"), []),
        (sender.begin(PICTURE, 4), [0x8001]),
        (sender.done(PICTURE, 4), []),
    ):
        link = office.link()
        assert [answer.msg_id for answer in say(link, sent)] == expected
        assert link.over == "no_list"
    assert office.partial() == []


def test_a_laboratory_takes_everything(tmp_path: Path) -> None:
    """With attachment_open files of alarms nobody asked for are kept under a source of their own."""
    office = Office(tmp_path, is_open=True)
    link, sender = office.link(), Sender("0" * 32)
    assert last(link, sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict")).result == 0
    ((ask, _),) = office.desk.changes(0)
    assert (ask.new.source, ask.new.terminal, ask.new.identification) == (OPEN_SOURCE, PHONE, NUMBER_SU)
    assert office.kept(ask) == {PICTURE.decode(): b"pict"}
    link.close()
    assert last(office.link(), sender.files((PICTURE, 4))).general[2] == 0, "again"
    office.desk.close()


def test_greetings_and_others(office: Office) -> None:
    """0x0102 and 0x0002 are answered, 0x0001 is not, what does not belong here is not supported."""
    link, sender = office.link(), Sender(office.ask().alarm_number)
    found = say(link, sender.frame(0x0102, b"code") + sender.frame(0x0002, b""))
    assert [answer.general for answer in found] == [(1, 0x0102, 0), (2, 0x0002, 0)]
    assert say(link, sender.frame(0x0001, b"\0\1\x92\x12\0")) == []
    assert last(link, sender.frame(0x0200, bytes(28))).general == (4, 0x0200, 3)
    assert last(link, sender.frame(0x1210, b"short")).general == (5, 0x1210, 2)
    assert last(link, sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict")).result == 0


def test_rubbish_ends_a_link(office: Office) -> None:
    """Out of sync, a media packet of JT/T 1078, a packet that is too long, bad frames without end."""
    for sent, reason in (
        (b"GET / HTTP/1.1\r\n\r\n", "stream.out_of_sync"),
        (b"01cd\x81\xe2\0\0" + bytes(60), "stream.out_of_sync"),
        (b"01cd" + PICTURE.ljust(50, b"\0") + bytes(4) + b"\x00\x10\x00\x01", "stream.packet_too_long"),
        (b"\x7e" + b"x" * 21 + b"\x7e" + (b"x" * 21 + b"\x7e") * 30, "bad_frames"),
    ):
        link = office.link()
        assert link.feed(sent) == b""
        assert link.over == reason


# ------------------------------------------------------------------------------------------ what is told


def test_sizes_that_are_not_told_or_told_wrong(office: Office) -> None:
    """The size is that of 0x1212, else of 0x1211, else of 0x1210; 0 is not told."""
    data = bytes(range(100))
    for listed, begun, done, expected in (
        (0, 0, 0, data),
        (0, 0, 100, data),
        (0, 100, 0, data),
        (100, 0, 0, data),
        (90, 100, 100, data),
        (100, 100, 60, data[:60]),
        (0, 0, 60, data[:60]),
    ):
        ask = office.ask()
        link, sender = office.link(), Sender(ask.alarm_number)
        say(link, sender.files((PICTURE, listed)) + sender.begin(PICTURE, begun) + sender.data(PICTURE, 0, data))
        assert last(link, sender.done(PICTURE, done)).result == 0, (listed, begun, done)
        assert office.kept(ask) == {PICTURE.decode(): expected}
        link.close()


def test_an_empty_file_is_a_file(office: Office) -> None:
    """Nothing was announced and nothing came: complete, with no bytes."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    assert last(link, sender.files((PICTURE, 0)) + sender.done(PICTURE, 0)).result == 0
    assert office.kept(ask) == {PICTURE.decode(): b""}


def test_no_0x1211_and_files_that_the_list_left_out(office: Office) -> None:
    """0x1212 without 0x1211, and a file beyond the list, are accepted."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((PICTURE, 4)) + sender.data(PICTURE, 0, b"pict"))
    assert last(link, sender.done(PICTURE, 4)).result == 0
    assert last(link, sender.whole(VIDEO, b"more")).result == 0
    assert office.kept(ask) == {PICTURE.decode(): b"pict", VIDEO.decode(): b"more"}
    assert office.state(ask) is AskState.COMPLETE


def test_a_count_that_lies(office: Office) -> None:
    """More announced than listed cannot be read and is told so; the link lives, and a list that is right is taken."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    assert last(link, sender.files((PICTURE, 4), count=9)).general[2] == 2
    assert last(link, sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict")).result == 0
    assert office.state(ask) is AskState.COMPLETE


def test_offsets_behind_the_end(office: Office) -> None:
    """Bytes behind the announced end close the link and are not written; offset 2**32 - 1 makes no file."""
    ask = office.ask()
    sender = Sender(ask.alarm_number)
    for offset in (4, 1000, 0xFFFFFFFF):
        link = office.link()
        say(link, sender.files((PICTURE, 4)) + sender.begin(PICTURE, 4) + sender.data(PICTURE, offset, b"x"))
        assert link.over == "beyond_size"
    link = office.link()
    say(link, sender.files((VIDEO, 0)) + sender.data(VIDEO, 0xFFFFFFF0, b"x"))
    assert link.over == "too_big", "also without an announced size"
    assert [path.stat().st_size for path in office.partial()] == []


def test_files_that_are_too_big(office: Office) -> None:
    """4 GiB, or many files that together are more than one alarm may have, are refused and not asked for again."""
    for files in (((VIDEO, 0xFFFFFFFF),), ((VIDEO, BYTES_MAX), (PICTURE, 1))):
        ask = office.ask()
        link = office.link()
        assert last(link, Sender(ask.alarm_number).files(*files)).general[2] == 1
        assert link.over == "too_big"
        assert office.state(ask) is AskState.REFUSED
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((VIDEO, 0)))
    assert last(link, sender.begin(VIDEO, 0xFFFFFFFF)).general[2] == 1
    link = office.link()
    say(link, sender.files((VIDEO, 4)))
    assert say(link, sender.done(VIDEO, 0xFFFFFFFF)) == []
    assert link.over == "too_big"


HOSTILE = [
    b"../../../../etc/passwd",
    b"/etc/passwd",
    b"..",
    b"",
    b"00_a\0b.jpg",
    b"\xff\xfe\x80",
    "图片_报警.jpg".encode("gbk"),
    b"x" * 255,
    b"C:\\windows\\system32",
    b"'; DROP TABLE files; --",
    b"%s%n.jpg",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_harm_nothing(office: Office, tmp_path: Path, name: bytes) -> None:
    """A name is a text beside the file: nothing outside of the folder is made, and the answer has its bytes."""
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    answer = last(link, sender.files((name, 4)) + sender.whole(name, b"pict"))
    assert answer.result == 0
    assert answer.body[1 : 1 + len(name)] == name
    (row,) = office.desk.files(ask.ask_id)
    assert office.kept(ask) == {row.facts.name: b"pict"}
    assert "\0" not in row.facts.name
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert [path.suffix in (".jpg", ".bin") for path in new if "files" in path.parts and path.name != ".lock"] == [True]


def test_zeros_behind_a_name_are_echoed_and_not_kept(office: Office) -> None:
    """§4.8: some count them in the length; 0x9212 has the bytes as they came, the desk the name without them."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((PICTURE + b"\0 ", 4)) + sender.begin(PICTURE, 4) + sender.data(PICTURE, 0, b"pict"))
    answer = last(link, sender.done(PICTURE + b"\0\0", 4))
    assert (answer.result, answer.body[: 3 + len(PICTURE)]) == (0, bytes([len(PICTURE) + 2]) + PICTURE + b"\0\0")
    assert list(office.kept(ask)) == [PICTURE.decode()]


def test_names_that_a_packet_cuts(office: Office) -> None:
    """A name of 51 bytes is cut to 50 in the packet: found by its beginning, or as the only open file."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    ten, eleven = (b"02_64_6401_0_" + b"F" * 32 + tail for tail in (b".h2640", b".h2641"))
    say(link, sender.files((ten, 4), (eleven, 4)))
    assert last(link, sender.whole(ten, b"aaaa")).result == 0
    assert last(link, sender.whole(eleven, b"bbbb")).result == 0
    assert office.kept(ask) == {ten.decode(): b"aaaa", eleven.decode(): b"bbbb"}


def test_a_name_that_nobody_knows_is_left_out(office: Office) -> None:
    """Data of an unknown name with two files open belongs to neither; 0x9212 asks for what is missing."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((PICTURE, 4), (VIDEO, 4)) + sender.begin(PICTURE, 4) + sender.begin(VIDEO, 4))
    say(link, sender.data(b"00_stranger", 0, b"????"))
    assert link.over is None
    assert last(link, sender.done(PICTURE, 4)).ranges == [(0, 4)]
    say(link, sender.data(PICTURE, 0, b"pict"))
    assert last(link, sender.done(PICTURE, 4)).result == 0


def test_too_many_stretches_are_left_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal cannot make us hold a stretch for every other byte: the rest is asked for again."""
    monkeypatch.setattr("jtgate.gateway.attachments.stretches.STRETCHES_MAX", 10)
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    data = bytes(range(100))
    say(link, sender.files((PICTURE, 100)))
    for offset in range(0, 100, 2):
        say(link, sender.data(PICTURE, offset, data[offset : offset + 1]))
    answer = last(link, sender.done(PICTURE, 100))
    assert (answer.ranges[0], answer.ranges[-1]) == ((1, 1), (19, 81))
    for offset, length in answer.ranges:
        say(link, sender.data(PICTURE, offset, data[offset : offset + length]))
    assert last(link, sender.done(PICTURE, 100)).result == 0
    assert office.kept(ask) == {PICTURE.decode(): data}


@pytest.mark.parametrize(
    ("beginning", "name", "suffix"),
    [
        (b"\0\0\0\x18ftypmp42", b"02_a.h264", ".mp4"),
        (b"\0\0\0\1\x67", b"02_a.mp4", ".h264"),
        (b"RIFF\0\0\0\0WAVE", b"01_a.xyz", ".wav"),
        (b"\x89PNG\r\n\x1a\n", b"00_a.jpg", ".png"),
        (b"private", b"02_a.H264", ".h264"),
        (b"private", b"02_a.exe", ".bin"),
    ],
)
def test_the_suffix_is_what_is_in_the_file(office: Office, beginning: bytes, name: bytes, suffix: str) -> None:
    """§8 item 13: a .h264 may be an MP4. Only suffixes of our own list end the name of a file."""
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((name, len(beginning))) + sender.whole(name, beginning))
    (row,) = office.desk.files(ask.ask_id)
    assert row.path is not None
    assert Path(row.path).suffix == suffix


# --------------------------------------------------------------------------------------------- the disk


def test_a_full_disk_confirms_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails ends the link without an answer; when there is room again the file becomes complete."""
    ask = office.ask()
    sender, data = Sender(ask.alarm_number), random.Random(6).randbytes(300)
    link = office.link()
    say(link, sender.files((VIDEO, 300)) + sender.data(VIDEO, 0, data[:100]))
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", _no_room)
        assert say(link, sender.data(VIDEO, 100, data[100:200]) + sender.done(VIDEO, 300)) == []
        assert link.over == "disk"
    link.close()
    again = office.link()
    say(again, sender.files((VIDEO, 300)))
    assert last(again, sender.done(VIDEO, 300)).ranges == [(100, 200)]
    assert last(again, sender.data(VIDEO, 100, data[100:]) + sender.done(VIDEO, 300)).result == 0
    assert office.kept(ask) == {VIDEO.decode(): data}


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_disk_that_does_not_flush_confirms_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """After a flush that failed nobody knows what is on disk: all of it comes again, and no 0x9212 says complete."""
    ask = office.ask()
    sender, data = Sender(ask.alarm_number), random.Random(7).randbytes(300)
    link = office.link()
    say(link, sender.files((VIDEO, 300)) + sender.data(VIDEO, 0, data[:200]))
    with monkeypatch.context() as broken:
        broken.setattr(os, call, _no_room)
        rest = sender.data(VIDEO, 200, data[200:]) if call == "fsync" else b""
        assert say(link, rest + sender.done(VIDEO, 300)) == []
        assert link.over == "disk"
        link.close()
    assert office.kept(ask) == {}
    again = office.link()
    say(again, sender.files((VIDEO, 300)))
    assert last(again, sender.done(VIDEO, 300)).ranges == [(0, 300)]
    assert last(again, sender.whole(VIDEO, data)).result == 0


def test_a_desk_that_is_away_confirms_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress waits for the desk; completion that it does not hear of is not told to the terminal."""
    ask = office.ask()
    sender = Sender(ask.alarm_number)
    link = office.link()
    say(link, sender.files((PICTURE, 4)) + sender.data(PICTURE, 0, b"pi"))

    def away(_file: EvidenceFile, _now_ms: int) -> EvidenceFile:
        raise EvidenceUnavailable("locked")

    with monkeypatch.context() as locked:
        locked.setattr(office.desk, "save", away)
        assert last(link, sender.done(PICTURE, 4)).result == 1
        assert say(link, sender.data(PICTURE, 2, b"ct") + sender.done(PICTURE, 4)) == []
        assert link.over == "disk"
        link.close()
    assert office.state(ask) is AskState.ARRIVING
    again = office.link()
    assert last(again, sender.files((PICTURE, 4)) + sender.whole(PICTURE, b"pict")).result == 0
    assert office.kept(ask) == {PICTURE.decode(): b"pict"}


def _no_room(*_arguments: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_progress_is_noted_now_and_then(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every packet costs a commit: one for every NOTE_BYTES of new bytes, repeated ones do not count."""
    monkeypatch.setattr(shelf_module, "NOTE_BYTES", 1000)
    ask = office.ask()
    link, sender = office.link(), Sender(ask.alarm_number)
    say(link, sender.files((VIDEO, 10_000)))
    changes = set()
    for offset in range(0, 4000, 100):
        say(link, sender.data(VIDEO, offset, bytes(100)) * 2)
        changes.add(office.desk.files(ask.ask_id)[0].change)
    assert len(changes) == 5


def test_what_nobody_sends_on_is_put_away(office: Office) -> None:
    """A partial file to which nothing was added for a day is kept as incomplete; leftovers are deleted."""
    asks = [office.ask(), office.ask()]
    for ask in asks:
        link, sender = office.link(), Sender(ask.alarm_number)
        say(link, sender.files((VIDEO, 100)) + sender.data(VIDEO, 10, b"v" * 10))
    office.opened[0].close()
    (office.files.arriving / "leftover.put").write_bytes(b"x")
    (office.files.arriving / "99-abc.part").write_bytes(b"x")
    assert office.shelf.sweep() == 0
    assert office.shelf.sweep(lambda: now_ms() + STALE_MS + 1000) == 4
    assert office.state(asks[0]) is AskState.INCOMPLETE
    assert office.kept(asks[0]) == {VIDEO.decode(): b"\0" * 10 + b"v" * 10}
    assert office.state(asks[1]) is AskState.ARRIVING, "that link is open"
    assert len(office.partial()) == 1


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(0, 5000),
    drops=st.lists(st.integers(1, 4000), max_size=4),
)
def test_any_session_with_any_drops_ends_with_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, drops: list[int]
) -> None:
    """Chunks lost, repeated and shuffled, links cut anywhere: in the end the bytes are those that were sent."""
    office = Office(tmp_path_factory.mktemp("office"))
    luck = random.Random(seed)
    data = luck.randbytes(size)
    ask = office.ask()
    sender = Sender(ask.alarm_number, size=luck.choice((16, 38, 40)))
    for drop in [*drops, None]:
        link = office.link()
        chunks = [(at, data[at : at + 300]) for at in range(0, size, 300)] * 2
        luck.shuffle(chunks)
        lost = chunks[: len(chunks) // 3]
        stream = sender.files((VIDEO, size)) + sender.begin(VIDEO, size)
        stream += b"".join(sender.data(VIDEO, *chunk) for chunk in chunks[len(lost) :]) + sender.done(VIDEO, size)
        if drop is not None:
            link.feed(stream[:drop])
            link.close()
            continue
        answer = last(link, stream)
        if answer.result:
            for offset, length in answer.ranges:
                say(link, sender.data(VIDEO, offset, data[offset : offset + length]))
            answer = last(link, sender.done(VIDEO, size))
        assert answer.result == 0
        link.close()
    assert office.kept(ask) == {VIDEO.decode(): data}
    assert office.state(ask) is AskState.COMPLETE
    office.desk.close()
