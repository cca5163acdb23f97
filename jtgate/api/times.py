"""Times in queries: dates and times as people write them, GMT+8 unless an offset is given."""

from typing import Any

from jtgate.codecs.timebase import read_ms

_EXAMPLES = ["2026-05-01", "2026-05-01T08:00:00+08:00"]


class FromTime(int):
    """Begin of a range, milliseconds since 1970; a date alone is its first millisecond."""


class ToTime(int):
    """End of a range, included, milliseconds since 1970; a date alone is its last millisecond."""


def read_special(kind: type[Any], value: object) -> Any:
    """`dec_hook` of msgspec for the types above.

    Raises:
        ValueError: no time.
    """
    if kind not in (FromTime, ToTime):
        raise NotImplementedError(f"no values of {kind.__name__} can be read")
    text = str(value).strip()
    if " " in text:  # a + that was not escaped in a query
        text = text.replace(" ", "+" if "T" in text else "T")
    try:
        found = read_ms(text, last=kind is ToTime)
    except (ValueError, OverflowError):
        raise ValueError(f"Expected a date or a time, as {' or '.join(_EXAMPLES)}") from None
    return kind(max(found, 0))


def special_schema(kind: type[Any]) -> dict[str, Any]:
    """`schema_hook` of msgspec for the types above."""
    if kind not in (FromTime, ToTime):
        raise NotImplementedError(f"{kind.__name__} has no schema")
    return {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
        "examples": _EXAMPLES,
    }
