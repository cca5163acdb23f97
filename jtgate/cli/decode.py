"""`jtgate decode`: what bytes from the wire mean, as a table or as JSON."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jtgate.cli.common import EX_FAULTS, console, examples, json_option, print_json
from jtgate.codecs.describe import Described, walk_wire
from jtgate.codecs.deviations import DEVIATIONS
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import FLAG
from jtgate.codecs.wire import Span

#: Columns from which on unit and meaning have columns of their own.
_WIDE: Final = 150
#: Bytes of a field that are shown at most; of a longer one, how many there are.
_BYTES_WIDE: Final = 16
_BYTES_NARROW: Final = 10
#: Bytes shown on each side of a wrong byte.
_AROUND: Final = 12
_CHUNK: Final = 1 << 16

#: What may stand between hex digits in a log, a C array or a Python literal.
_BETWEEN: Final = re.compile(r"0[xX]|\\x|[\s,;:{}\[\]()\"'_-]")
_TEXT_BYTES: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f")

_EXIT_EPILOG: Final = (
    "\n\n\b\nExit codes:\n  0   every frame is good\n  1   at least one is not\n  2   the input is not hex"
)


@click.command(
    epilog=examples(
        "jtgate decode 7e000200000139123456780001337e",
        'jtgate decode "7E 00 02 00 00 01 39 12 34 56 78 00 01 33 7E" --json',
        "jtgate decode --file capture.bin",
        "grep -o '7e.*7e' gateway.log | jtgate decode -",
    )
    + _EXIT_EPILOG
)
@click.argument("hex_words", metavar="[HEX|-]...", nargs=-1)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    metavar="PATH",
    help="Read from a file: lines of hex or bytes as they went over the wire, whichever it is.",
)
@click.option("--binary", is_flag=True, help="The input is bytes, not hex, even if it looks like hex.")
@click.option(
    "--edition",
    type=click.Choice([str(Edition.V2013), str(Edition.V2019)]),
    help="Read headers as this edition, whatever their length says (2011 has the header of 2013).",
)
@json_option
def decode(hex_words: tuple[str, ...], path: Path | None, binary: bool, edition: str | None, as_json: bool) -> None:
    """Decode frames: every field with its bytes, value and meaning.

    HEX are frames with their 7e flags, in one word or many; blanks, commas and 0x do not matter. `-` reads
    standard input. Parts of a sub-packaged message are joined when all of them are there.
    """
    chunks = _input(hex_words, path, binary)
    faults = 0
    number = 0
    for number, described in enumerate(walk_wire(chunks, force=Edition(edition) if edition else None), start=1):
        faults += described.error is not None
        if as_json:
            print_json(described.json)
        else:
            _print(number, described)
    if not number:
        raise click.UsageError("there is not a single byte between two flags; give at least one whole frame")
    if faults:
        sys.exit(EX_FAULTS)


# --------------------------------------------------------------------------------------------------- input


def _input(words: tuple[str, ...], path: Path | None, binary: bool) -> Iterator[bytes]:
    """The wire bytes of the arguments, the file or standard input, in chunks."""
    if path is not None and words:
        raise click.UsageError("give hex or --file, not both")
    if path is None and not words:
        raise click.UsageError("nothing to decode; give hex, --file PATH, or - for standard input")
    if path is None and words != ("-",):
        if binary:
            raise click.UsageError("--binary is for --file and -; arguments are hex")
        return _with_flags(_from_hex(" ".join(words), ""))
    if path is None or str(path) == "-":
        return _from_stream(sys.stdin.buffer, binary)
    return _from_file(path, binary)


def _from_file(path: Path, binary: bool) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _from_stream(file, binary)


def _from_stream(file: IO[bytes], binary: bool) -> Iterator[bytes]:
    """Bytes as they are, or lines of hex: hex if the beginning is all printable."""
    first = file.read(_CHUNK)
    if binary or not _TEXT_BYTES.issuperset(first):
        yield first
        while chunk := file.read(_CHUNK):
            yield chunk
        return
    text = (first + file.read()).decode("latin-1")
    found = b"".join(
        _from_hex(line, f"line {number}: ")
        for number, line in enumerate(text.splitlines(), start=1)
        if not line.lstrip().startswith("#")
    )
    yield from _with_flags(found)


def _from_hex(text: str, where: str) -> bytes:
    digits = _BETWEEN.sub("", text)
    wrong = re.search(r"[^0-9a-fA-F]", digits)
    if wrong:
        raise click.UsageError(
            f"{where}{wrong.group()!r} is no hex digit; give digits 0-9 a-f only, or --binary with --file for raw bytes"
        )
    if len(digits) % 2:
        raise click.UsageError(f"{where}{len(digits)} hex digits are not whole bytes; one is missing or too many")
    return bytes.fromhex(digits)


def _with_flags(data: bytes) -> Iterator[bytes]:
    """A frame pasted without its flags gets them; everything else is left alone."""
    yield data if not data or FLAG in data else b"\x7e" + data + b"\x7e"


# -------------------------------------------------------------------------------------------------- output


def _print(number: int, described: Described) -> None:
    target = console()
    target.print(_headline(number, described))
    rows = described.rows()
    if rows:
        table = _table(described, rows, target.width)
        _add_rest(table, described, max(row.offset + row.length for row in rows))
        _print_trimmed(target, table)
    elif described.error is not None:
        target.print(_dump(described))
    for name in described.json["deviations"] if isinstance(described.json["deviations"], list) else ():
        target.print(Text.assemble(("  ! ", "yellow"), (name, "yellow bold"), f"  {DEVIATIONS.get(name, '')}"))
    if described.error is not None:
        target.print(_fault(described))
    target.print()


def _print_trimmed(target: Console, table: Table) -> None:
    """Print without the blanks that pad the last column."""
    with target.capture() as captured:
        target.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _headline(number: int, described: Described) -> Text:
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
    return head


def _table(described: Described, rows: Sequence[Span], width: int) -> Table:
    """One row per field; on a narrow terminal value, unit and meaning share a column."""
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("offset", justify="right", no_wrap=True)
    table.add_column("bytes", no_wrap=True)
    table.add_column("field 字段", overflow="fold")
    for name in ("value", "unit", "meaning") if wide else ("value",):
        table.add_column(name, overflow="fold")
    size = described.header.size if described.header is not None and not described.is_whole else 0
    shown = _BYTES_WIDE if wide else _BYTES_NARROW
    for row in _merged(rows):
        quiet = "dim" if row.offset < size or row.path.endswith((".id", ".length")) else ""
        field = Text.assemble("  " * row.path.count("."), (row.term, quiet or "cyan"), " ", (row.name, quiet))
        value, unit, meaning = Text(row.value, quiet or "bold"), Text(row.unit, quiet), Text(row.meaning, quiet)
        amount = Text(" ").join(part for part in (value, unit) if part)
        cells = (value, unit, meaning) if wide else (Text("  ").join(part for part in (amount, meaning) if part),)
        table.add_row(Text(str(row.offset), "dim"), Text(_hex(row.raw, shown), quiet or "green"), field, *cells)
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


def _add_rest(table: Table, described: Described, end: int) -> None:
    """The bytes behind the last field that could be read, in red."""
    error = described.error
    if error is None:
        return
    rest = described.payload[end:]
    shown = Text(_hex(rest, _BYTES_NARROW) if rest else "(end)", "red bold")
    table.add_row(
        Text(str(end), "red"), shown, Text(f"✗ {error.field or 'body'}", "red bold"), Text("未解析 not decoded", "red")
    )


def _hex(data: bytes, shown: int) -> str:
    return data.hex(" ") if len(data) <= shown else f"{data[: shown - 4].hex(' ')} … {len(data)} bytes"


def _fault(described: Described) -> Text:
    """The error, with a pointer to the byte when the table does not show it."""
    error = described.error
    if error is None:
        return Text()
    counted = "on the wire" if described.header is None and described.json["message"] is None else "of the frame"
    if described.is_whole:
        counted = "of the body"
    text = Text.assemble(("  ✗ ", "red bold"), (error.code, "red bold"), f" at byte {error.offset} {counted}: ")
    text.append(error.message)
    return text


def _dump(described: Described) -> Text:
    """The bytes around the wrong one, and a caret under it."""
    error, payload = described.error, described.payload
    if error is None:
        return Text()
    begin = described.position or 0
    at = min(max(error.offset - begin, 0), max(len(payload) - 1, 0)) if error.offset >= begin else error.offset
    start, end = max(at - _AROUND, 0), at + _AROUND + 1
    before = "… " if start else ""
    after = " …" if end < len(payload) else ""
    text = Text(f"  {before}{payload[start:end].hex(' ')}{after}\n", "green")
    text.append("  " + " " * (len(before) + 3 * (at - start)) + "^^", "red bold")
    return text
