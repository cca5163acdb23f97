"""Times on the command line: GMT+8, as terminals and their supervisors count, unless an offset is given."""

import re
from typing import Final

import click

from jtgate.codecs.timebase import iso_ms, now_ms, read_ms

_EXAMPLE: Final = "2026-05-01, 2026-05-01T08:00 or 2026-05-01T00:00Z"
_AGO: Final = re.compile(r"(\d{1,6}) ?(s|min|h|d)")
_UNIT_MS: Final = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class LocalTime(click.ParamType[int]):
    """A date or a time; becomes milliseconds since 1970.

    Args:
        last: a date alone means its last millisecond, not its first.
    """

    name = "time"

    def __init__(self, *, last: bool = False) -> None:
        self._last = last

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; what is no time is a usage error."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        try:
            found = read_ms(text, last=self._last)
        except ValueError:
            self.fail(f"{text!r} is no time: write {_EXAMPLE}", param, ctx)
        if found < 0:
            self.fail(f"{text!r} is before 1970", param, ctx)
        return found


class Since(LocalTime):
    """A time as LocalTime has it, or how long ago: 90s, 30min, 12h, 7d."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; what is no time is a usage error."""
        ago = _AGO.fullmatch(str(value).strip())
        if ago is not None and not isinstance(value, int):
            return max(now_ms() - int(ago[1]) * _UNIT_MS[ago[2]], 0)
        return super().convert(value, param, ctx)


def asked(at_ms: int | None) -> str | None:
    """A time as the API takes it; None for none."""
    return None if at_ms is None else iso_ms(at_ms)
