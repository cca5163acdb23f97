"""State and information of the peripherals 外设, inside 0x8900 and 0x0900 of types 0xF7 and 0xF8 (active-safety §3).

0xF0–0xFF are everybody's own types of transparent data, so such a message need not be about peripherals: it is
read as that only when the structure takes the body to its last byte.
"""
# ruff: noqa: ARG002, D102  the methods of a kind are told by kinds.Kind

from collections.abc import Mapping
from io import BytesIO
from typing import Any, ClassVar, Self

from jtgate.codecs import jsonvalues
from jtgate.codecs.declare import (
    REST,
    Message,
    Structure,
    byte,
    count_of,
    dword,
    of_kind,
    raw,
    repeat,
    structure,
    try_whole,
)
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import EncodeError, in_field
from jtgate.codecs.groups import Counted, Nested
from jtgate.codecs.kinds import Number, Raw, shorten
from jtgate.codecs.profiled import LimitedText
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.wire import Run, Scope, Wire

#: 透传消息类型 of 0x8900 and 0x0900.
STATE = 0xF7
INFORMATION = 0xF8

#: 外设ID.
PERIPHERALS = Choices(
    (0x64, "高级驾驶辅助系统", "ADAS"),
    (0x65, "驾驶员状态监测系统", "DSM"),
    (0x66, "胎压监测系统", "TPMS"),
    (0x67, "盲区监测系统", "BSD"),
)

#: 工作状态.
WORKING_STATES = Choices(
    (0x01, "正常工作", "normal"),
    (0x02, "待机状态", "standby"),
    (0x03, "升级维护", "upgrade or maintenance"),
    (0x04, "设备异常", "device fault"),
    (0x10, "断开连接", "disconnected"),
)

#: 报警状态.
PERIPHERAL_ALARMS = Bits(
    Bit(0, "摄像头异常", "camera fault"),
    Bit(1, "主存储器异常", "main storage fault"),
    Bit(2, "辅存储器异常", "auxiliary storage fault"),
    Bit(3, "红外补光异常", "infra-red light fault"),
    Bit(4, "扬声器异常", "loudspeaker fault"),
    Bit(5, "电池异常", "battery fault"),
    # 6–9 reserved
    Bit(10, "通讯模块异常", "communication module fault"),
    Bit(11, "定位模块异常", "positioning module fault"),
    # 12–31 reserved
)


class CountedStructure(Counted):
    """A length BYTE and a structure of that length."""

    leaf = False

    def __init__(self, cls: type[Structure]) -> None:
        super().__init__(1, Nested(cls))


@structure(clause="active-safety §3")
class PeripheralState(Structure):
    """外设状态信息, 5 bytes; more are skipped and kept."""

    working_state: int = byte("工作状态", table=WORKING_STATES)
    alarm_flags: int = dword("报警状态", table=PERIPHERAL_ALARMS)
    extra: bytes | None = raw("多余字节", present=REST, default=None)


#: Most bytes of a text of 外设系统信息.
INFORMATION_BYTES_MAX = 32
_TEXT = Counted(1, LimitedText(INFORMATION_BYTES_MAX))


@structure(clause="active-safety §3")
class PeripheralInformation(Structure):
    """外设系统信息: six texts."""

    company: str = of_kind("公司名称", _TEXT)
    model: str = of_kind("产品型号", _TEXT)
    hardware_version: str = of_kind("硬件版本号", _TEXT)
    software_version: str = of_kind("软件版本号", _TEXT)
    device_id: str = of_kind("设备ID", _TEXT)
    customer_code: str = of_kind("客户代码", _TEXT)
    extra: bytes | None = raw("多余字节", present=REST, default=None)


@structure(clause="active-safety §3")
class StateItem(Structure):
    """The state of one peripheral."""

    peripheral_id: int = byte("外设ID", table=PERIPHERALS)
    state: PeripheralState = of_kind("外设状态信息", CountedStructure(PeripheralState))


@structure(clause="active-safety §3")
class InformationItem(Structure):
    """What one peripheral is."""

    peripheral_id: int = byte("外设ID", table=PERIPHERALS)
    information: PeripheralInformation = of_kind("外设系统信息", CountedStructure(PeripheralInformation))


@structure(clause="active-safety §3")
class PeripheralQuery(Structure):
    """Content of 0x8900 of either type: which peripherals are meant."""

    count: int = count_of("peripheral_ids", 1, "外设数量", default=None)
    peripheral_ids: tuple[int, ...] = repeat("外设ID列表", Number(1, table=PERIPHERALS), count="count")


@structure(clause="active-safety §3")
class PeripheralStates(Structure):
    """Content of 0x0900 of type 0xF7; also sent unasked when a peripheral is lost."""

    count: int = count_of("peripherals", 1, "外设数量", default=None)
    peripherals: tuple[StateItem, ...] = repeat("外设状态信息列表", StateItem, count="count")


@structure(clause="active-safety §3")
class PeripheralInformations(Structure):
    """Content of 0x0900 of type 0xF8."""

    count: int = count_of("peripherals", 1, "外设数量", default=None)
    peripherals: tuple[InformationItem, ...] = repeat("外设系统信息列表", InformationItem, count="count")


#: 透传消息类型 -> structure of the content of 0x0900 and of 0x8900.
REPORTS: dict[int, type[Structure]] = {STATE: PeripheralStates, INFORMATION: PeripheralInformations}
QUERIES: dict[int, type[Structure]] = {STATE: PeripheralQuery, INFORMATION: PeripheralQuery}


class TransparentContent(Raw):
    """透传消息内容: the rest of the body as it came, annotated as what its type says where that fits.

    Args:
        forms: type -> structure, REPORTS or QUERIES; the type is the field `data_type` before it.
        term: of the row when nothing fits.
        clause: of that row.
    """

    leaf = False

    def __init__(self, forms: dict[int, type[Structure]], term: str, clause: str) -> None:
        super().__init__(None)
        self.forms = forms
        self.term = term
        self.clause = clause

    def con(self, edition: Edition) -> Any:
        return _TransparentCon(self)


class _TransparentCon(Wire):
    def __init__(self, kind: TransparentContent) -> None:
        super().__init__()
        self.kind = kind

    def read(self, stream: BytesIO, scope: Scope) -> bytes:
        start = stream.tell()
        data = stream.read()
        form = self.kind.forms.get(scope["data_type"])
        if form is None or try_whole(form, data, start, scope) is None:
            scope.run.span(stream, start, self.kind.term, "data", value=shorten(data), clause=self.kind.clause)
        return data

    def write(self, value: bytes, stream: BytesIO, scope: Scope) -> None:
        stream.write(value)


#: Key of the JSON of a transparent message that shows what `data` means.
CONTENT = "content"


class TransparentMessage(Message):
    """Base of 0x0900 and 0x8900: a type `data_type` and the content `data`, whose meaning JSON shows beside it."""

    __slots__ = ()

    FORMS: ClassVar[dict[int, type[Structure]]] = {}

    def content(self) -> Structure | None:
        """What the content means; None when the type is another or the bytes are not exactly such a structure."""
        fields: Any = self
        form = self.FORMS.get(fields.data_type)
        return None if form is None else try_whole(form, fields.data, 0, Scope(Run(Edition.V2013), {}))

    def to_json(self) -> dict[str, object]:
        """The fields, and `content` where it is known."""
        found = self.content()
        return super().to_json() if found is None else {**super().to_json(), CONTENT: found.to_json()}

    @classmethod
    def from_json(cls, value: object) -> Self:
        """As of any structure; `content` makes the data where that is not given."""
        if not isinstance(value, Mapping) or CONTENT not in value:
            return super().from_json(value)
        fields = {key: item for key, item in value.items() if key != CONTENT}
        if "data" not in fields:
            with in_field(CONTENT):
                form = cls.FORMS.get(jsonvalues.whole(fields.get("data_type")))
                if form is None:
                    raise EncodeError(f"is only known for data_type {' and '.join(map(str, cls.FORMS))}")
                fields["data"] = form.from_json(value[CONTENT]).encode().hex()
        return super().from_json(fields)
