"""Times on the command line: GMT+8, as terminals and their supervisors count, unless an offset is given."""

from datetime import date, datetime, timedelta
from typing import Final

import click

from jtgate.codecs.timebase import GMT8

_DAY: Final = timedelta(days=1)
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
            found = _read(text, last=self._last)
        except ValueError:
            self.fail(f"{text!r} is no time: write {_EXAMPLE}", param, ctx)
        if found < 0:
            self.fail(f"{text!r} is before 1970", param, ctx)
        return found


def _read(text: str, *, last: bool) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return _ms(moment if moment.tzinfo else moment.replace(tzinfo=GMT8))
    midnight = datetime(day.year, day.month, day.day, tzinfo=GMT8)
    return _ms(midnight) + (int(_DAY.total_seconds()) * 1000 - 1 if last else 0)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
