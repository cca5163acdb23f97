"""Times on the command line: GMT+8, as terminals and their supervisors count, unless an offset is given."""

from typing import Final

import click

from jtgate.codecs.timebase import read_ms

_EXAMPLE: Final = "2026-05-01, 2026-05-01T08:00 or 2026-05-01T00:00Z"


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
