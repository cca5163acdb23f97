"""Driving recorder 行驶记录仪 (JT/T 808 §9.1, §9.2): the messages that carry it, and the frame of GB/T 19056 in them.

    request  AA 75 | command | length WORD | reserved 00 | data block | XOR
    answer   55 7A | command | length WORD | reserved 00 | data block | XOR
    error    55 7A | FA or FB | reserved 00 | XOR

Some terminals send the data block alone, or leave out the XOR. All of it is given back byte for byte.
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind; not every kind depends on the edition

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Message, Structure, byte, message, of_kind, raw, structure, try_whole, word
from jtgate.codecs.edition import ONLY_2011, SINCE_2013, Edition
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.framing import check_byte
from jtgate.codecs.groups import FORM, Nested, OneOf, form_name, from_first
from jtgate.codecs.jt808.recorder_blocks import (
    ANSWER_BLOCKS,
    COMMANDS,
    ERROR_COMMANDS,
    REQUEST_BLOCKS,
    EmptyBlock,
    Forms,
    RecorderBlock,
    UnknownBlock,
)
from jtgate.codecs.kinds import Number
from jtgate.codecs.presence import REST
from jtgate.codecs.tables import Choices
from jtgate.codecs.wire import Scope, Wire, build, integer, parse, remaining

REQUEST_HEAD = 0xAA75
ANSWER_HEAD = 0x557A

#: 起始字头.
HEADS = Choices((REQUEST_HEAD, "上位机发送", "request"), (ANSWER_HEAD, "记录仪应答", "answer"))

#: Bytes before the data block, and before the XOR of an error.
HEAD_BYTES = 6
ERROR_HEAD_BYTES = 4


class DataBlock(Nested):
    """A data block 数据块: as long as the frame says, or all that is left; its form is told by the command.

    Args:
        forms: by command; a command that is not there has no data.
    """

    def __init__(self, forms: dict[int, Forms]) -> None:
        super().__init__(RecorderBlock)
        self.forms = forms

    def con(self, edition: Edition) -> Any:
        return _DataBlockCon(self.forms, edition)

    def min_bytes(self, edition: Edition) -> int:
        return 0

    def json(self, value: Structure) -> object:
        """The fields, with the name of the form."""
        return {FORM: form_name(type(value)), **value.to_json()}

    def from_json(self, value: object) -> Structure:
        known = [form for forms in self.forms.values() for form in forms]
        return from_first(dict.fromkeys((*known, EmptyBlock, UnknownBlock)), value)

    def wire_type(self, edition: Edition) -> str:
        return "data block by command"


class _DataBlockCon(Wire):
    def __init__(self, forms: dict[int, Forms], edition: Edition) -> None:
        super().__init__()
        self.forms = forms
        self.edition = edition

    def read(self, stream: BytesIO, scope: Scope) -> RecorderBlock:
        start = stream.tell()
        data = stream.read(min(scope.values.get("length", remaining(stream)), remaining(stream)))
        command = scope.find("command")
        for form in self.forms.get(command, ()) if data else (EmptyBlock,):
            block = try_whole(form, data, start, scope)
            if isinstance(block, RecorderBlock):
                return block
        if COMMANDS.get(command) is not None:
            scope.run.note(dev.RECORDER_BLOCK_UNDECODED)
        return UnknownBlock.parse_whole(data, start, self.edition, scope)

    def write(self, value: RecorderBlock, stream: BytesIO, scope: Scope) -> None:
        stream.write(value.build_whole(self.edition, scope))


class XorCheck(Number):
    """校验字: XOR of all bytes before it in the frame.

    Args:
        head_bytes: bytes of the frame before its data block.
    """

    def __init__(self, head_bytes: int) -> None:
        super().__init__(1, as_hex=True)
        self.head_bytes = head_bytes

    def con(self, edition: Edition) -> Any:
        return _XorCheckCon(self.head_bytes)


class _XorCheckCon(Wire):
    def __init__(self, head_bytes: int) -> None:
        super().__init__()
        self.head_bytes = head_bytes
        self.byte = integer(1)

    def read(self, stream: BytesIO, scope: Scope) -> int:
        end = stream.tell()
        covered = self.head_bytes + scope.values.get("length", 0)
        check: int = parse(self.byte, stream, scope)
        if check != check_byte(bytes(stream.getbuffer()[end - covered : end])):
            scope.run.note(dev.RECORDER_WRONG_CHECK)
        return check

    def write(self, value: int, stream: BytesIO, scope: Scope) -> None:
        build(self.byte, value, stream, scope)


# --------------------------------------------------------------------------------------- the frame


@structure(clause="§9.2")
class RecorderData(Structure):
    """Base of what the messages carry: a frame, a frame without XOR, an error, a bare data block."""


@structure(clause="§9.2")
class RecorderRequest(RecorderData):
    """A frame of the platform; length and check are computed when they are left out."""

    head: int = word("起始字头", table=HEADS, as_hex=True, default=REQUEST_HEAD)
    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    length: int = word("数据块长度", default=None)
    reserved: int = byte("保留字", default=0)
    block: RecorderBlock = of_kind("数据块", DataBlock(REQUEST_BLOCKS), default=EmptyBlock())
    check: int = of_kind("校验字", XorCheck(HEAD_BYTES), default=None)

    def __post_init__(self) -> None:
        """Compute what was left out."""
        _complete(self)


@structure(clause="§9.2")
class RecorderAnswer(RecorderRequest):
    """A frame of the recorder."""

    head: int = word("起始字头", table=HEADS, as_hex=True, default=ANSWER_HEAD)
    block: RecorderBlock = of_kind("数据块", DataBlock(ANSWER_BLOCKS), default=EmptyBlock())

    def __post_init__(self) -> None:
        """Compute what was left out."""
        _complete(self)


def _complete(frame: "RecorderRequest | RecorderError") -> None:
    """Fill in length and check where they are None."""
    missing = [name for name in ("length", "check") if getattr(frame, name, 0) is None]
    if not missing:
        return
    data = frame.block.encode() if isinstance(frame, RecorderRequest) else b""
    if "length" in missing:
        object.__setattr__(frame, "length", len(data))
    if "check" in missing:
        widths = {"head": 2, "command": 1, "length": 2, "reserved": 1}
        try:
            head = b"".join(
                getattr(frame, name).to_bytes(width) for name, width in widths.items() if hasattr(frame, name)
            )
        except OverflowError as error:
            raise EncodeError(str(error)) from error
        object.__setattr__(frame, "check", check_byte(head + data))


@structure(clause="§9.2")
class UncheckedRequest(RecorderData):
    """A frame of the platform without XOR."""

    head: int = word("起始字头", table=HEADS, as_hex=True, default=REQUEST_HEAD)
    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    length: int = word("数据块长度")
    reserved: int = byte("保留字", default=0)
    block: RecorderBlock = of_kind("数据块", DataBlock(REQUEST_BLOCKS))


@structure(clause="§9.2")
class UncheckedAnswer(UncheckedRequest):
    """A frame of the recorder without XOR."""

    head: int = word("起始字头", table=HEADS, as_hex=True, default=ANSWER_HEAD)
    block: RecorderBlock = of_kind("数据块", DataBlock(ANSWER_BLOCKS))


@structure(clause="§9.2")
class RecorderError(RecorderData):
    """The answer to a request that failed, 5 bytes; the check is computed when it is left out."""

    head: int = word("起始字头", table=HEADS, as_hex=True, default=ANSWER_HEAD)
    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    reserved: int = byte("保留字", default=0)
    check: int = of_kind("校验字", XorCheck(ERROR_HEAD_BYTES), default=None)

    def __post_init__(self) -> None:
        """Compute what was left out."""
        if self.command not in ERROR_COMMANDS:
            raise EncodeError(f"0x{self.command:02x} is no error; possible is 0xfa and 0xfb", "command")
        _complete(self)


@structure(clause="§9.2")
class BareRequest(RecorderData):
    """A data block of the platform without frame; 2011 has no other form."""

    block: RecorderBlock = of_kind("数据块", DataBlock(REQUEST_BLOCKS))


@structure(clause="§9.2")
class BareAnswer(RecorderData):
    """A data block of the recorder without frame."""

    block: RecorderBlock = of_kind("数据块", DataBlock(ANSWER_BLOCKS))


@structure(clause="§9.1")
class PartOfAnswer(RecorderData):
    """A part of the data, which 2011 cuts itself."""

    data: bytes = raw("数据块的一部分")


class Carried(OneOf):
    """A frame or what terminals send in its place; in JSON it names its form, without that it is a whole frame."""

    def __init__(
        self,
        whole: type[RecorderData],
        others: tuple[type[RecorderData], ...],
        choose: Callable[[bytes, Scope], type[RecorderData] | None],
    ) -> None:
        super().__init__(RecorderData, (whole, *others), choose)
        self.whole = whole

    def json(self, value: Structure) -> object:
        return {FORM: form_name(type(value)), **value.to_json()}

    def from_json(self, value: object) -> Structure:
        is_named = isinstance(value, Mapping) and FORM in value
        return from_first(self.forms, value) if is_named else self.whole.from_json(value)


def _framed(rest: bytes, scope: Scope, head: int) -> bool | None:
    """Whether bytes begin like a frame; notes what is odd about it.

    Returns:
        True for a frame with XOR, False for one without, None for something else.
    """
    run = scope.run
    if len(rest) < HEAD_BYTES or HEADS.get(int.from_bytes(rest[:2])) is None:
        return None
    if int.from_bytes(rest[:2]) != head:
        run.note(dev.RECORDER_WRONG_HEAD)
    left = len(rest) - HEAD_BYTES - int.from_bytes(rest[3:5])
    if left > 0:
        return True
    run.note(dev.RECORDER_OVERRUN if left < 0 else dev.RECORDER_NO_CHECK)
    return False


def _is_error(rest: bytes) -> bool:
    return len(rest) == ERROR_HEAD_BYTES + 1 and rest[:2] == ANSWER_HEAD.to_bytes(2) and rest[2] in ERROR_COMMANDS


def _request_form(*bare: Edition) -> Callable[[bytes, Scope], type[RecorderData] | None]:
    """Choose the form of what a platform sends.

    Args:
        bare: editions that have the data block without frame.
    """

    def choose(rest: bytes, scope: Scope) -> type[RecorderData]:
        has_check = _framed(rest, scope, REQUEST_HEAD)
        if has_check is None:
            scope.run.note(None if scope.run.edition in bare else dev.RECORDER_BARE_BLOCK)
            return BareRequest
        return RecorderRequest if has_check else UncheckedRequest

    return choose


def _answer_form(rest: bytes, scope: Scope) -> type[RecorderData]:
    """Choose the form of what a terminal sends."""
    if _is_error(rest):
        return RecorderError
    if scope.run.edition is Edition.V2011 and min(scope["package_length"], len(rest)) < scope["total_length"]:
        return PartOfAnswer
    has_check = _framed(rest, scope, ANSWER_HEAD)
    if has_check is None:
        scope.run.note(None if scope.run.edition is Edition.V2011 else dev.RECORDER_BARE_BLOCK)
        return BareAnswer
    return RecorderAnswer if has_check else UncheckedAnswer


# ------------------------------------------------------------------------------------ the messages

_COLLECTED = Carried(RecorderRequest, (UncheckedRequest, BareRequest), _request_form())
_SET = Carried(RecorderRequest, (UncheckedRequest, BareRequest), _request_form(Edition.V2011, Edition.V2019))
_ANSWERED = Carried(RecorderAnswer, (UncheckedAnswer, RecorderError, BareAnswer, PartOfAnswer), _answer_form)


@message(0x8700, clause="§9.1")
class RecorderCollect(Message):
    """0x8700 行驶记录数据采集命令; the frame may be empty, and 2011 has none."""

    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    packet: RecorderData | None = of_kind("数据块", _COLLECTED, editions=SINCE_2013, present=REST, default=None)


@message(0x8701, clause="§9.1")
class RecorderSet(Message):
    """0x8701 行驶记录参数下传命令; 2011 and, by its letter, 2019 have the data block only."""

    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    packet: RecorderData | None = of_kind("数据块", _SET, present=REST, default=None)


def _upload_layout(body: bytes, header: Edition) -> Edition:
    """2011 has no serial but two lengths, the second of what follows it (§9.1)."""
    if header is Edition.V2019:
        return header
    total, package = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    looks_2011 = len(body) >= 5 and body[3:5] != ANSWER_HEAD.to_bytes(2) and len(body) - 5 == package <= total
    return Edition.V2011 if looks_2011 else Edition.V2013


@message(0x0700, clause="§9.1", detect=_upload_layout)
class RecorderUpload(Message):
    """0x0700 行驶记录数据上传; 2011 cuts long data itself and counts in bytes."""

    answer_serial: int | None = word("应答流水号", editions=SINCE_2013, default=None)
    command: int = byte("命令字", table=COMMANDS, as_hex=True)
    total_length: int | None = word("数据总长度", editions=ONLY_2011, default=None)
    package_length: int | None = word("包数据长度", editions=ONLY_2011, default=None)
    packet: RecorderData | None = of_kind("数据块", _ANSWERED, present=REST, default=None)
