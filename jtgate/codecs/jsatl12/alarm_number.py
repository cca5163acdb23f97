"""The alarm identification number 报警标识号 of the dialects, and which of its forms stands in front of us.

Its length S (16, 38, 39 or 40) moves everything around it (active-safety §1.2, §1.9). The dialect of the profile
says S; where it does not fit, or where there is none, the bytes say it.
"""

from collections.abc import Iterable

from jtgate.codecs import deviations as dev
from jtgate.codecs.declare import Structure, bcd_time, byte, chars, raw, structure
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError
from jtgate.codecs.profile import Dialect
from jtgate.codecs.timebase import RawTime, WireTime, decode_bcd_time
from jtgate.codecs.wire import Scope


@structure(clause="active-safety §1.2")
class AlarmNumber(Structure):
    """报警标识号 of 苏标, 16 bytes; echo its bytes in 0x9208, never rebuild it."""

    terminal_id: str = chars("终端ID", 7)
    time: WireTime = bcd_time("时间")
    sequence: int = byte("序号")
    attachment_count: int = byte("附件数量")
    reserved: bytes = raw("预留", 1)


@structure(clause="active-safety §1.2")
class AlarmNumberHlj(AlarmNumber):
    """报警标识号 of 黑标, 38 bytes."""

    terminal_id: str = chars("终端ID", 30)
    reserved: bytes = raw("预留", 0)


@structure(clause="active-safety §1.2")
class AlarmNumberSc(AlarmNumber):
    """报警标识号 of 川标 under a 2019 header, 39 bytes."""

    terminal_id: str = chars("终端ID", 30)


@structure(clause="active-safety §1.2")
class AlarmNumberGd(AlarmNumber):
    """报警标识号 of 粤标, 40 bytes."""

    terminal_id: str = chars("终端ID", 30)
    reserved: bytes = raw("预留", 2)


#: S -> form.
ALARM_NUMBERS: dict[int, type[AlarmNumber]] = {
    16: AlarmNumber,
    38: AlarmNumberHlj,
    39: AlarmNumberSc,
    40: AlarmNumberGd,
}

FORMS = tuple(ALARM_NUMBERS.values())

#: Dialect -> S, the likeliest first; of the others nothing is published (§1.2, §8 items 4 and 5).
SIZES_OF: dict[Dialect, tuple[int, ...]] = {
    Dialect.SU: (16,),
    Dialect.GD: (40,),
    Dialect.SC: (39, 16),
    Dialect.CQ: (16,),
    Dialect.HN: (16,),
    Dialect.SD: (16,),
    Dialect.JL: (16,),
    Dialect.HLJ: (38,),
    Dialect.ZJ: (16,),
}

TIME_BYTES = 6


def has_time(data: bytes, size: int, at: int = 0) -> bool:
    """True when the time of a number of `size` bytes that begins at `at` is a calendar time."""
    begin = at + ALARM_NUMBERS[size].offset_of("time", Edition.V2013)
    six = data[begin : begin + TIME_BYTES]
    return len(six) == TIME_BYTES and not isinstance(decode_bcd_time(six), RawTime)


def sizes_to_try(scope: Scope) -> Iterable[int]:
    """Every S, that of the terminal's dialect first."""
    return dict.fromkeys((*SIZES_OF.get(scope.run.profile.dialect, ()), *ALARM_NUMBERS))


def note_other_dialect(size: int, scope: Scope) -> None:
    """Record that a number is not as long as the dialect of the terminal has it."""
    own = SIZES_OF.get(scope.run.profile.dialect)
    if own is not None and size not in own:
        scope.run.note(dev.ALARM_NUMBER_OTHER_DIALECT)


def number_to_end(rest: bytes, scope: Scope) -> type[AlarmNumber] | None:
    """The form of a number that is the last thing in `rest` (§1.9).

    The S of the dialect where it takes all bytes, then where its time is one and a surplus follows; then one that
    takes all bytes, then the longest that fits.
    """
    own = SIZES_OF.get(scope.run.profile.dialect, ())
    exact = [size for size in own if size == len(rest)]
    surplus = [size for size in own if has_time(rest, size) and size <= len(rest)]
    others = [size for size in ALARM_NUMBERS if size == len(rest)]
    fitting = sorted((size for size in ALARM_NUMBERS if size <= len(rest)), reverse=True)
    size = next(iter((*exact, *surplus, *others, *fitting)), None)
    if size is None:
        return None
    note_other_dialect(size, scope)
    return ALARM_NUMBERS[size]


def read_alarm_number(data: bytes) -> AlarmNumber:
    """The number of these very bytes, to be echoed in 0x9208.

    Args:
        data: 16, 38, 39 or 40 bytes.

    Raises:
        BodyError: no dialect has a number of this length.
    """
    form = ALARM_NUMBERS.get(len(data))
    if form is None:
        sizes = ", ".join(map(str, ALARM_NUMBERS))
        raise BodyError(
            f"{len(data)} bytes; an alarm identification number has {sizes}", field="alarm_number", raw=data
        )
    return form.decode(data)
