"""A frame, packet or bad stretch as a table for people: every byte with its place, its names, its value, its clause."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jtgate.cli.common import console
from jtgate.codecs.describe import Described
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.errors import FrameError, ProtocolError
from jtgate.codecs.registry import message_class
from jtgate.codecs.wire import Span

#: Columns from which on unit and meaning have columns of their own, and from which on the clause has one.
_WIDE: Final = 150
_WIDE_ENOUGH_FOR_CLAUSES: Final = 180
#: Bytes of a field that are shown at most; of a longer one, how many there are.
_BYTES_WIDE: Final = 16
_BYTES_MEDIUM: Final = 10
_BYTES_NARROW: Final = 6
_MEDIUM: Final = 100
#: Bytes shown on each side of a wrong byte.
_AROUND: Final = 12


@dataclass(frozen=True)
class Shown:
    """What is printed of a stretch of bytes.

    Args:
        head: what it is.
        payload: the bytes that offsets count in.
        rows: what they mean, as far as they could be read.
        quiet_bytes: bytes at the front that are shown dim: a header.
        deviations: names of what was tolerated.
        error: what is wrong.
        counted: what the offset of the error counts in: "on the wire", "of the frame", "of the body".
        begin: what the offset of the first byte is in the count of the error.
    """

    head: Text
    payload: bytes
    rows: Sequence[Span] = ()
    quiet_bytes: int = 0
    deviations: Sequence[str] = ()
    error: ProtocolError | None = None
    counted: str = "on the wire"
    begin: int = 0


def print_shown(shown: Shown, *, clauses: bool = False) -> None:
    """Print it, and an empty line behind it.

    Args:
        shown: what to print.
        clauses: with a column for clauses, whatever the width.
    """
    target = console()
    target.print(shown.head)
    if shown.rows:
        clauses = clauses or target.width >= _WIDE_ENOUGH_FOR_CLAUSES
        table = _table(shown, target.width, clauses=clauses)
        _add_rest(table, shown, max(row.offset + row.length for row in shown.rows))
        _print_trimmed(target, table)
    elif shown.error is not None:
        target.print(_dump(shown.error, shown.payload, shown.begin))
    for name in shown.deviations:
        target.print(Text.assemble(("  ! ", "yellow"), (name, "yellow bold"), f"  {DEVIATIONS.get(name, '')}"))
    if shown.error is not None:
        target.print(_fault(shown.error, shown.counted))
    target.print()


def shown_frame(number: str, described: Described) -> Shown:
    """A frame of JT/T 808, a message joined from its parts, or a bad stretch.

    Args:
        number: of the frame in the input.
        described: as `walk_wire` gives it.
    """
    header, deviations = described.header, described.json["deviations"]
    no_frame = isinstance(described.error, FrameError)
    return Shown(
        _headline(number, described),
        described.payload,
        described.rows(),
        header.size if header is not None and not described.is_whole else 0,
        deviations if isinstance(deviations, list) else (),
        described.error,
        "of the body" if described.is_whole else "on the wire" if no_frame else "of the frame",
        (described.position or 0) if no_frame else 0,
    )


def _headline(number: str, described: Described) -> Text:
    json, header = described.json, described.header
    head = Text.assemble((f"#{number}  ", "dim"))
    if header is None:
        name = "bad bytes 无效数据" if json["message"] is None else f"{json['message']} {json['term']}"
        head.append(name, "bold red")
        head.append(f"  {len(described.payload)} bytes at {described.position} on the wire", "dim")
        return head
    head.append(f"{json['message']} {json['term']}", "bold cyan")
    head.append(f"  0x{header.msg_id:04x}  {json['edition']}", "bold")
    head.append(f"  phone {header.phone}  serial {header.serial}")
    if described.is_whole:
        head.append(f"  whole message of {header.packet_total} parts, {len(described.body)} bytes", "bold")
    elif header.is_part:
        head.append(f"  part {header.packet_no} of {header.packet_total}", "bold")
    cls = message_class(header.msg_id)
    if cls is not None and cls.CLAUSE:
        head.append(f"  {cls.CLAUSE}", "dim")
    return head


def _table(shown: Shown, width: int, *, clauses: bool) -> Table:
    """One row per field; on a narrow terminal value, unit and meaning share a column."""
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("offset" if width >= _MEDIUM else "at", justify="right", no_wrap=True)
    table.add_column("bytes", no_wrap=True)
    table.add_column("field 字段", overflow="fold")
    for name in ("value", "unit", "meaning") if wide else ("value",):
        table.add_column(name, overflow="fold")
    if clauses:
        table.add_column("clause", overflow="fold")
    room = _BYTES_WIDE if wide else _BYTES_MEDIUM if width >= _MEDIUM else _BYTES_NARROW
    for row in _merged(shown.rows):
        quiet = "dim" if row.offset < shown.quiet_bytes or row.path.endswith((".id", ".length")) else ""
        field = Text.assemble("  " * row.path.count("."), (row.term, quiet or "cyan"), " ", (row.name, quiet))
        value, unit, meaning = Text(row.value, quiet or "bold"), Text(row.unit, quiet), Text(row.meaning, quiet)
        amount = Text(" ").join(part for part in (value, unit) if part)
        cells = [value, unit, meaning] if wide else [Text("  ").join(part for part in (amount, meaning) if part)]
        if clauses:
            cells.append(Text(row.clause, "dim"))
        table.add_row(Text(str(row.offset), "dim"), Text(_hex(row.raw, room), quiet or "green"), field, *cells)
    return table


def _merged(rows: Sequence[Span]) -> Iterator[Span]:
    """Id and length of an item as one row that is named after the item."""
    held: Span | None = None
    for row in rows:
        if held is not None and row.path == held.path.removesuffix(".id") + ".length":
            term, name = (held.meaning, "") if held.meaning else ("未知项", "unknown item")
            value = f"{held.value}, {row.value} byte{'' if row.value == '1' else 's'}"
            yield held._replace(raw=held.raw + row.raw, term=f"▸ {term}", name=name, value=value, meaning="")
            held = None
            continue
        if held is not None:
            yield held
        held = row if row.path.endswith(".id") else None
        if held is None:
            yield row
    if held is not None:
        yield held


def _add_rest(table: Table, shown: Shown, end: int) -> None:
    """The bytes behind the last field that could be read, in red."""
    if shown.error is None:
        return
    rest = shown.payload[end:]
    text = Text(_hex(rest, _BYTES_NARROW) if rest else "(end)", "red bold")
    table.add_row(
        Text(str(end), "red"),
        text,
        Text(f"✗ {shown.error.field or 'body'}", "red bold"),
        Text("未解析 not decoded", "red"),
    )


def _hex(data: bytes, room: int) -> str:
    return data.hex(" ") if len(data) <= room else f"{data[: room - 4].hex(' ')} … {len(data)} bytes"


def _fault(error: ProtocolError, counted: str) -> Text:
    text = Text.assemble(("  ✗ ", "red bold"), (error.code, "red bold"), f" at byte {error.offset} {counted}: ")
    text.append(error.message)
    return text


def _dump(error: ProtocolError, payload: bytes, begin: int) -> Text:
    """The bytes around the wrong one, and a caret under it."""
    at = min(max(error.offset - begin, 0), max(len(payload) - 1, 0))
    start, end = max(at - _AROUND, 0), at + _AROUND + 1
    before = "… " if start else ""
    after = " …" if end < len(payload) else ""
    text = Text(f"  {before}{payload[start:end].hex(' ')}{after}\n", "green")
    text.append("  " + " " * (len(before) + 3 * (at - start)) + "^^", "red bold")
    return text


def _print_trimmed(target: Console, table: Table) -> None:
    """Print without the blanks that pad the last column."""
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
