"""A declaration that contradicts itself fails when its module is imported."""

from collections.abc import Callable

import pytest

import jtgate.codecs.registry  # noqa: F401  declares every message
from jtgate.codecs.declare import (
    REST,
    BytesLeft,
    Message,
    Structure,
    bcd_time,
    by_edition,
    byte,
    chars,
    count_of,
    message,
    raw,
    repeat,
    string,
    structure,
    when,
    word,
)
from jtgate.codecs.edition import ONLY_2019, Edition
from jtgate.codecs.kinds import Number
from jtgate.codecs.tables import Bit, Bits, Choices
from jtgate.codecs.timebase import WireTime


def _wrong_annotation() -> None:
    @structure()
    class _One(Structure):
        speed: str = word("速度")


def _unit_not_in_name() -> None:
    @structure()
    class _One(Structure):
        speed: int = word("速度", unit="km/h")


def _optional_without_none() -> None:
    @structure()
    class _One(Structure):
        version: int = byte("版本", editions=ONLY_2019, default=None)


def _none_without_option() -> None:
    @structure()
    class _One(Structure):
        version: int | None = byte("版本")


def _condition_on_a_later_field() -> None:
    @structure()
    class _One(Structure):
        code: str | None = string("鉴权码", present=when("result", 0), default=None)
        result: int = byte("结果")


def _behind_a_later_field() -> None:
    @structure()
    class _One(Structure):
        first: int | None = byte("一", present=BytesLeft(after="second"), default=None)
        second: int | None = byte("二", present=REST, default=None)


def _count_of_nothing() -> None:
    @structure()
    class _One(Structure):
        count: int = count_of("itmes", 1, "总数", default=None)


def _counted_by_nothing() -> None:
    @structure()
    class _One(Structure):
        items: tuple[int, ...] = repeat("列表", Number(1), count="count")


def _list_without_tuple() -> None:
    @structure()
    class _One(Structure):
        items: list[int] = repeat("列表", Number(1))


def _field_after_the_rest() -> None:
    @structure()
    class _One(Structure):
        data: bytes = raw("数据")
        result: int = byte("结果")


def _empty_elements() -> None:
    @structure()
    class _Empty(Structure):
        pass

    @structure()
    class _One(Structure):
        items: tuple[_Empty, ...] = repeat("列表", _Empty)


def _no_term() -> None:
    @structure()
    class _One(Structure):
        result: int = byte("")


def _no_specifier() -> None:
    @structure()
    class _One(Structure):
        result: int = 5


def _camel_case() -> None:
    @structure()
    class _One(Structure):
        msgId: int = word("消息ID")  # noqa: N815


def _layout_with_a_typo() -> None:
    @structure(layouts={Edition.V2011: ("resutl",)})
    class _One(Structure):
        result: int = byte("结果")


def _id_twice() -> None:
    @message(0x0200, clause="§4")
    class _One(Message):
        result: int = byte("结果")


def _no_message() -> None:
    @message(0x0F43, clause="§4")
    class _One(Structure):
        result: int = byte("结果")


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (_wrong_annotation, "the annotation must be int"),
        (_unit_not_in_name, "name ending with _kmh"),
        (_optional_without_none, "may be None"),
        (_none_without_option, "cannot be None"),
        (_condition_on_a_later_field, "does not come before it"),
        (_behind_a_later_field, "does not come before it"),
        (_count_of_nothing, "does not come after it"),
        (_counted_by_nothing, "counted by count"),
        (_list_without_tuple, "annotation of a list"),
        (_field_after_the_rest, "must be the last field"),
        (_empty_elements, "may be empty"),
        (_no_term, "Chinese term"),
        (_no_specifier, "no declared field"),
        (_camel_case, "lower case"),
        (_layout_with_a_typo, "no field resutl"),
        (_id_twice, "declared twice"),
        (_no_message, "must derive from Message"),
    ],
)
def test_a_wrong_declaration_is_refused(declare: Callable[[], None], complaint: str) -> None:
    """The error names what contradicts what."""
    with pytest.raises(TypeError, match=complaint):
        declare()


def test_a_table_wider_than_its_field_is_refused() -> None:
    """A code or bit that the field cannot hold is a typing error in the table."""
    with pytest.raises(ValueError, match="more bits"):
        byte("标志", table=Bits(Bit(8, "位", "bit")))
    with pytest.raises(ValueError, match="more bits"):
        byte("代码", table=Choices((256, "码", "code")))
    with pytest.raises(ValueError, match="stands twice"):
        Choices((1, "一", "one"), (1, "又一", "one again"))
    with pytest.raises(ValueError, match="not 1/n"):
        word("速度", scale=0.3)


def test_editions_in_one_declaration() -> None:
    """Widths, fields and order may differ; the class stays one."""

    @structure(layouts={Edition.V2011: ("time", "name")})
    class One(Structure):
        """A structure of three editions."""

        name: str = chars("名称", by_edition(2, 3, 4))
        kind: int | None = byte("类型", editions=ONLY_2019, default=None)
        time: WireTime = bcd_time("时间")
        more: int | None = byte("附加", editions=ONLY_2019, present=REST, default=None)

    time = One.decode(b"AB\0" + bytes.fromhex("250314151000"), Edition.V2013).time
    assert One(name="AB", time=time).encode(Edition.V2011) == bytes.fromhex("250314151000") + b"AB"
    assert One(name="AB", time=time).encode(Edition.V2013) == b"AB\0" + bytes.fromhex("250314151000")
    assert One(name="AB", kind=7, time=time).encode(Edition.V2019) == b"AB\0\0\7" + bytes.fromhex("250314151000")
    assert [One.min_bytes(edition) for edition in Edition] == [8, 9, 11]
    assert One.SPECS[1].english == "kind"
