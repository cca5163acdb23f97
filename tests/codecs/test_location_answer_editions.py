"""0x0201 位置信息查询应答: whose layout a body has, when both editions could be meant (§3.4)."""

from hypothesis import given
from hypothesis import strategies as st

from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import LocationAnswer
from jtgate.codecs.registry import body_edition

#: Alarm, status, latitude, longitude, altitude, speed, direction: what stands before the time.
HEAD = bytes.fromhex("000000000000000302738f40074c55180005025800 5a".replace(" ", ""))
MILEAGE = bytes.fromhex("010400010203")


def bcd(*numbers: int) -> bytes:
    """Two digits each."""
    return bytes.fromhex("".join(f"{number:02d}" for number in numbers))


@given(st.integers(1, 12), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_2011_answer_is_told_by_its_items_when_both_places_hold_a_time(
    month: int, day: int, hour: int, minute: int, second: int
) -> None:
    """Day, hour, minute, second and the first item may look like a time of 2013, but the items then come out odd."""
    body = HEAD + bcd(26, month, day, hour, minute, second) + MILEAGE

    assert body_edition(0x0201, body, Edition.V2013) is Edition.V2011


@given(st.integers(0, 0xFFFF), st.integers(1, 12), st.integers(1, 28), st.integers(0, 23))
def test_a_2013_answer_stays_one(serial: int, month: int, day: int, hour: int) -> None:
    """Whatever its serial looks like."""
    body = serial.to_bytes(2) + HEAD + bcd(26, month, day, hour, 1, 2) + MILEAGE

    assert body_edition(0x0201, body, Edition.V2013) is Edition.V2013
    assert LocationAnswer.decode(body, Edition.V2013).answer_serial == serial
