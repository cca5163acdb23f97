"""What a terminal says on one attachment link, and what it is answered (active-safety §4.3, §4.6, §4.7).

    0x1210 list ─► 0x8001     0x1211 file ─► 0x8001     data …     0x1212 ─► 0x9212: complete, or what is missing
       │ not ours: result 1, and the link is over

There is no socket: bytes go in, answers come out. What lies on disk and on the desk is the shelf's. It blocks, so it
runs on a thread.
"""

from typing import Final

from jtgate.codecs.declare import Message
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import Frame
from jtgate.codecs.header import BODY_BYTES_MAX, Header, encode_frames, parse_header
from jtgate.codecs.jsatl12.attachments import (
    COMPLETE,
    INCOMPLETE,
    RANGES_MAX,
    AlarmAttachments,
    FileBase,
    FileFinished,
    FileFinishedAnswer,
    FileInformation,
    MissingRange,
)
from jtgate.codecs.jsatl12.filestream import BadStream, DataPacket, FileStreamReader, find_file, name_bytes
from jtgate.codecs.jt808 import PlatformGeneralAnswer
from jtgate.codecs.parts import Complete, PartBuffer, Progress
from jtgate.codecs.registry import body_edition, decode_body, encode_body
from jtgate.codecs.timebase import RawTime, now_ms, to_ms
from jtgate.gateway.attachments import metrics
from jtgate.gateway.attachments.shelf import ArrivingFile, BeyondSize, Shelf, TooBig, UploadFault, clean_name, facts_of
from jtgate.gateway.attachments.stretches import merge_gaps
from jtgate.storage.evidence import Ask, AskState, EvidenceError, NewAsk

#: A number that was issued opens the door for so long (§4.7).
ISSUED_FOR_MS: Final = 24 * 3600 * 1000
#: Frames that cannot be read, after which the link is closed.
BAD_FRAMES_MAX: Final = 20
#: Sub-packages of a 0x1210: 255 names of 255 bytes take 66 kB.
PARTS_BYTES_MAX: Final = 512 << 10
PARTS_MAX: Final = 512
PARTS_KEEP_S: Final = 60.0
#: Names of data packets whose file is remembered.
NAMES_MAX: Final = 512
#: A missing range in 0x9212.
_RANGE_BYTES: Final = 8

OK, FAILURE, WRONG, NOT_SUPPORTED = range(4)  # results of 0x8001

#: Messages of the main link that some terminals send first (§4.1), and those that nobody answers.
_GREETINGS: Final = frozenset((0x0002, 0x0102))
_UNANSWERED: Final = frozenset((0x0001,))
_ANSWERED: Final = frozenset((0x1210, 0x1211, 0x1212))

#: Where files of alarms that nobody asked for are noted, when that is allowed.
OPEN_SOURCE: Final = "jsatl12:open"
TOO_BIG: Final = "the files are bigger than evidence_bytes_max"


class Upload:
    """One link.

    Args:
        shelf: for the files.
        bytes_max: of all files of one alarm.
        is_open: take files of alarms that nobody asked for.
    """

    def __init__(self, shelf: Shelf, *, bytes_max: int, is_open: bool = False) -> None:
        self._shelf = shelf
        self._bytes_max = bytes_max
        self._takes_any = is_open
        self._reader = FileStreamReader()
        self._parts = PartBuffer(PARTS_BYTES_MAX, PARTS_MAX, 2, requests_max=0, keep_s=PARTS_KEEP_S)
        self._serial = 0
        self._bad_frames = 0
        self._ask: Ask | None = None
        self._files: dict[str, ArrivingFile] = {}  # of the ask, by their clean name
        self._listed: dict[str, str] = {}  # clean name -> as it came
        self._begun: dict[str, None] = {}  # begun and not finished, in that order
        self._by_packet_name: dict[bytes, ArrivingFile | None] = {}
        self._answers: list[bytes] = []
        #: Why the link is over, None while it is not.
        self.over: str | None = None

    @property
    def is_file_open(self) -> bool:
        """Whether a file is half sent."""
        return bool(self._begun)

    @property
    def pending(self) -> int:
        """Bytes held because their frame or packet, or the other parts of their message, have not come yet."""
        return self._reader.pending + self._parts.bytes_held

    def feed(self, data: bytes) -> bytes:
        """Take bytes of a connection as they arrive; returns answers, and sets `over` when there will be no more."""
        for event in self._reader.feed(data):
            if self.over is None:
                self._handle(event)
        return self._taken()

    def datagram(self, data: bytes) -> bytes:
        """Take a datagram: whole frames and packets; what is cut at its end is lost, and asked for again."""
        reader = FileStreamReader()
        for event in (*reader.feed(data), *reader.eof()):
            if isinstance(event, BadStream):
                metrics.REJECTED.labels(event.code).inc()
            elif self.over is None:
                self._handle(event)
        return self._taken()

    def close(self) -> None:
        """Note how far every file came; nothing may be fed afterwards."""
        self._leave()

    def _taken(self) -> bytes:
        answers = b"".join(self._answers)
        self._answers.clear()
        return answers

    def _handle(self, event: Frame | DataPacket | ProtocolError) -> None:
        try:
            if isinstance(event, DataPacket):
                self._data(event)
            elif isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, BadStream):
                metrics.REJECTED.labels(event.code).inc()
                self.over = event.code
            else:
                self._bad(event)
        except UploadFault as fault:
            self.over = fault.reason
        except EvidenceError as error:
            metrics.DISK_FAILURES.labels("desk").inc()
            self.over = error.code

    # ------------------------------------------------------------------------------------------- frames

    def _frame(self, frame: Frame) -> None:
        try:
            header, body = parse_header(frame.payload)
        except ProtocolError as error:
            self._bad(error)
            return
        metrics.FRAMES.labels(_label(header.msg_id)).inc()
        if header.msg_id in _UNANSWERED:
            return
        if header.msg_id in _GREETINGS:
            self._acknowledge(header, OK)
        elif header.msg_id not in _ANSWERED or header.encryption:
            self._acknowledge(header, NOT_SUPPORTED)
        elif header.is_part:
            self._part(header, body)
        else:
            self._message(header, body)

    def _part(self, header: Header, body: bytes) -> None:
        """A sub-package; the last that was missing is answered for the whole."""
        now_s = now_ms() / 1000
        self._parts.due(now_s)
        outcome = self._parts.add(header.terminal, header, body, now_s)
        if isinstance(outcome, Complete):
            self._message(header, outcome.body)
        else:
            self._acknowledge(header, OK if isinstance(outcome, Progress) else WRONG)

    def _message(self, header: Header, body: bytes) -> None:
        deviations: list[str] = []
        try:
            edition = body_edition(header.msg_id, body, header.edition)
            message = decode_body(header.msg_id, body, edition, deviations)
        except ProtocolError as error:
            self._bad(error)
            self._acknowledge(header, WRONG)
            return
        for name in deviations:
            metrics.ODD.labels(name).inc()
        if isinstance(message, AlarmAttachments):
            self._list(header, message)
        elif isinstance(message, FileInformation):
            self._begin(header, message)
        elif isinstance(message, FileFinished):
            self._finish(header, message)

    def _list(self, header: Header, message: AlarmAttachments) -> None:
        """0x1210: which files the terminal has for an alarm."""
        self._leave()
        ask = self._admitted(header, message)
        if ask is None:
            self._refuse(header, "unknown_number")
            return
        if message.count != len(message.files):
            metrics.ODD.labels("count_differs").inc()
        facts = [facts_of(file.name, file.size_bytes) for file in message.files]
        if sum(file.size for file in facts) > self._bytes_max:
            self._shelf.desk.end(ask.ask_id, AskState.REFUSED, TOO_BIG, now_ms())  # asking again would not help
            self._refuse(header, TooBig.reason)
            return
        try:
            rows = self._shelf.desk.announce(ask.ask_id, facts, now_ms())
        except EvidenceError as error:
            self._refuse(header, error.code)
            return
        self._ask = ask
        self._files = {file.name: file for file in self._shelf.take(rows)}
        self._listed = {name: name for name in self._files} | {
            clean_name(file.name): file.name for file in message.files
        }
        if sum(file.bytes_bound for file in self._files.values()) > self._bytes_max:
            self._refuse(header, TooBig.reason)
            return
        self._acknowledge(header, OK)

    def _begin(self, header: Header, message: FileInformation) -> None:
        """0x1211: this file comes next."""
        if self._ask is None:
            self._refuse(header, "no_list")
            return
        try:
            file = self._known(message)
        except UploadFault as fault:
            self._refuse(header, fault.reason)
            return
        self._open(file)
        self._acknowledge(header, OK)

    def _finish(self, header: Header, message: FileFinished) -> None:
        """0x1212: that was the file; answered with what is missing of it."""
        if self._ask is None:
            self._refuse(header, "no_list")
            return
        file = self._known(message)
        outcome = file.finish(message.size_bytes, message.file_type)
        answer = FileFinishedAnswer(name=message.name, file_type=message.file_type, result=COMPLETE)
        if outcome.is_over:
            self._begun.pop(file.name, None)
            self._by_packet_name.clear()
        else:
            self._open(file)
            room = BODY_BYTES_MAX - len(encode_body(answer, header.edition))
            gaps = merge_gaps(outcome.gaps, min(RANGES_MAX, room // _RANGE_BYTES))
            ranges = tuple(MissingRange(offset=start, length=end - start) for start, end in gaps)
            answer = FileFinishedAnswer(
                name=message.name, file_type=message.file_type, result=INCOMPLETE, ranges=ranges
            )
        self._answer(header, answer)

    # ------------------------------------------------------------------------------------ the ask and its files

    def _admitted(self, header: Header, message: AlarmAttachments) -> Ask | None:
        """The ask that this terminal was told the number of; None when it was not."""
        number = clean_name(message.platform_number)
        ask = self._shelf.desk.issued(number)
        if ask is not None and ask.new.terminal == header.terminal:
            asked_ms = max(ask.issued_ms, ask.created_ms)  # of an ask that was opened again, the latter
            if now_ms() - asked_ms <= ISSUED_FOR_MS:
                return ask
        return self._invited(header, message) if self._takes_any else None

    def _invited(self, header: Header, message: AlarmAttachments) -> Ask | None:
        """Note an alarm that nobody asked about."""
        number = message.alarm.alarm_number
        time = number.time
        at_ms = now_ms() if isinstance(time, RawTime) else to_ms(time)
        new = NewAsk(header.terminal, OPEN_SOURCE, number.encode(header.edition), at_ms, len(message.files))
        ask = self._shelf.desk.ask(new, now_ms())
        return ask if ask.issued_ms else self._shelf.desk.sent(ask.ask_id, 0, now_ms(), 0)

    def _known(self, message: FileBase) -> ArrivingFile:
        """The file of a 0x1211 or 0x1212; one that the list left out is noted.

        Raises:
            TooBig: with this size it would be too much for one alarm.
        """
        assert self._ask is not None  # noqa: S101
        facts = facts_of(message.name, message.size_bytes, message.file_type)
        file = self._files.get(facts.name)
        others = sum(one.bytes_bound for one in self._files.values() if one is not file)
        if others + max(facts.size, file.bytes_bound if file else 0) > self._bytes_max:
            raise TooBig(f"more than {self._bytes_max} bytes for one alarm")
        if file is not None and (file.is_complete or not file.differs(facts)):
            return file
        if file is None:
            metrics.ODD.labels("not_listed").inc()
        elif file.told_bytes and facts.size and facts.size != file.told_bytes:
            metrics.ODD.labels("size_differs").inc()
        rows = self._shelf.desk.announce(self._ask.ask_id, [facts], now_ms())
        row = next(row for row in rows if row.facts.name == facts.name)
        if file is not None:
            file.told(row)
            return file
        (file,) = self._shelf.take([row])
        self._files[file.name] = file
        self._listed[file.name] = message.name
        return file

    def _open(self, file: ArrivingFile) -> None:
        if not file.is_complete and file.name not in self._begun:
            self._begun[file.name] = None
            self._by_packet_name.clear()  # the only open file is another now

    def _leave(self) -> None:
        """Be done with an ask and its files."""
        files, self._files, self._ask = self._files, {}, None
        self._listed.clear()
        self._begun.clear()
        self._by_packet_name.clear()
        self._shelf.release(files.values())

    # --------------------------------------------------------------------------------------------- data

    def _data(self, packet: DataPacket) -> None:
        metrics.PACKETS.inc()
        if self._ask is None:
            metrics.IGNORED.labels("no_list").inc()
            self.over = "no_list"
            return
        key = bytes(name_bytes(packet.name))
        if key not in self._by_packet_name:
            if len(self._by_packet_name) >= NAMES_MAX:
                self._by_packet_name.clear()
            self._by_packet_name[key] = self._file_of(packet)
        file = self._by_packet_name[key]
        if file is None:
            metrics.IGNORED.labels("unknown_name").inc()  # 0x1212 will tell what is missing
            return
        end = packet.offset + len(packet.data)
        if file.told_bytes and end > file.told_bytes and not file.is_complete:
            raise BeyondSize(f"bytes up to {end} of a file of {file.told_bytes}")
        if end > file.bytes_bound:
            others = sum(one.bytes_bound for one in self._files.values() if one is not file)
            if others + end > self._bytes_max:
                raise TooBig(f"more than {self._bytes_max} bytes for one alarm")
        self._open(file)
        file.write(packet.offset, packet.data)

    def _file_of(self, packet: DataPacket) -> ArrivingFile | None:
        only_open = next(iter(self._begun)) if len(self._begun) == 1 else None
        name = find_file(packet.name, self._listed.values(), only_open)
        return None if name is None else self._files[clean_name(name)]

    # ------------------------------------------------------------------------------------------- answers

    def _refuse(self, header: Header, why: str) -> None:
        """Result 1, and the link is over."""
        metrics.REFUSED.labels(why).inc()
        self._leave()
        if header.msg_id != FileFinished.INFO.msg_id:  # has no 0x8001 (§4.3)
            self._acknowledge(header, FAILURE)
        self.over = why

    def _bad(self, error: ProtocolError) -> None:
        metrics.REJECTED.labels(error.code).inc()
        self._bad_frames += 1
        if self._bad_frames >= BAD_FRAMES_MAX:
            self.over = "bad_frames"

    def _acknowledge(self, header: Header, result: int) -> None:
        self._answer(header, PlatformGeneralAnswer(answer_serial=header.serial, answer_id=header.msg_id, result=result))

    def _answer(self, header: Header, message: Message) -> None:
        """In the header form of the frame it answers: same edition, version byte and phone."""
        self._serial = (self._serial + 1) & 0xFFFF
        self._answers += encode_frames(
            message.INFO.msg_id,
            encode_body(message, header.edition),
            phone=header.phone,
            serial=self._serial,
            edition=header.edition,
            protocol_version=header.protocol_version,
            part_bytes=BODY_BYTES_MAX,
        )


def _label(msg_id: int) -> str:
    return f"0x{msg_id:04x}" if msg_id in _ANSWERED or msg_id in _GREETINGS or msg_id in _UNANSWERED else "other"
