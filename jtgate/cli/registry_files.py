"""Files of registry rows: CSV and JSON in, CSV and JSON out."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TextIO

#: Largest file, and most rows in one; a registry of a city has some ten thousand rows.
FILE_BYTES_MAX: Final = 256 << 20
ROWS_MAX: Final = 500_000
#: Longest value of a CSV, characters: a polygon can be long.
VALUE_CHARS_MAX: Final = 1 << 20

#: UTF-8 with or without a byte order mark; else what Chinese spreadsheets write.
_ENCODINGS: Final = ("utf-8-sig", "gb18030")
_JSON: Final = "json"
_CSV: Final = "csv"


class FileFault(Exception):
    """The file as a whole cannot be read.

    Args:
        line: where, from 1; 0 for nowhere in particular.
        message: what is wrong; never a value.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


class RawRow(NamedTuple):
    """A row as it stands in a file.

    Args:
        line: where it begins, from 1; in a JSON array the number of the row.
        values: heading -> value; None when the row itself is none.
        message: what is wrong with it then.
    """

    line: int
    values: Mapping[str, object] | None
    message: str = ""


def format_of(name: str, data: bytes) -> str:
    """Format of a file: by the end of its name, else by its first character."""
    ending = name.rpartition(".")[2].lower()
    if ending in {"json", "jsonl", "ndjson"}:
        return _JSON
    if ending in {"csv", "txt"}:
        return _CSV
    return _JSON if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"[", b"{"} else _CSV


def read(name: str, data: bytes) -> tuple[list[str], Iterator[RawRow]]:
    """Headings of a CSV (none for JSON), and the rows one after the other.

    Raises:
        FileFault: it is too large, in no known encoding, or empty.
    """
    if len(data) > FILE_BYTES_MAX:
        raise FileFault(0, f"{len(data)} bytes; the limit is {FILE_BYTES_MAX}")
    text = _decoded(data)
    if not text.strip():
        raise FileFault(0, "there is nothing in it")
    if format_of(name, data) == _JSON:
        return [], _limited(_json_rows(text))
    return _csv_rows(text)


def _decoded(data: bytes) -> str:
    at = 0
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start
    line = data[:at].count(b"\n") + 1
    raise FileFault(line, "neither UTF-8 nor GB18030: save the file as CSV UTF-8")


def _csv_rows(text: str) -> tuple[list[str], Iterator[RawRow]]:
    csv.field_size_limit(VALUE_CHARS_MAX)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        headings = [heading.strip() for heading in next(reader)]
    except csv.Error as error:
        raise FileFault(1, str(error)) from error
    if duplicates := {heading for heading in headings if headings.count(heading) > 1}:
        raise FileFault(1, f"a heading stands twice: {', '.join(sorted(duplicates))}")

    def rows() -> Iterator[RawRow]:
        begins = reader.line_num + 1
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield RawRow(begins, None, f"no CSV from here on: {error}")
                return
            if values is None:
                return
            if any(value.strip() for value in values):
                if len(values) > len(headings) and any(value.strip() for value in values[len(headings) :]):
                    yield RawRow(begins, None, f"{len(values)} values under {len(headings)} headings")
                else:
                    yield RawRow(begins, dict(zip(headings, values, strict=False)))
            begins = reader.line_num + 1

    return headings, _limited(rows())


def _json_rows(text: str) -> Iterator[RawRow]:
    """Objects of an array, or one on each line."""
    if text.lstrip()[:1] == "[":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            yield RawRow(line, None, f"no JSON: {error}")
            return
        for number, value in enumerate(found, 1):
            yield _object(number, value)
        return
    for number, line_text in enumerate(text.splitlines(), 1):
        if line_text.strip():
            try:
                yield _object(number, json.loads(line_text))
            except (ValueError, RecursionError) as error:
                yield RawRow(number, None, f"no JSON: {error}")


def _object(number: int, value: object) -> RawRow:
    if isinstance(value, dict):
        return RawRow(number, value)
    return RawRow(number, None, "no JSON object")


def _limited(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    for number, row in enumerate(rows):
        if number == ROWS_MAX:
            yield RawRow(row.line, None, f"more than {ROWS_MAX} rows: cut the file")
            return
        yield row


def write(target: TextIO, rows: Iterable[Mapping[str, object]], headings: Iterable[str], *, as_json: bool) -> int:
    """Write rows in a form that `read` takes back unchanged; how many."""
    count = 0
    if as_json:
        for row in rows:
            target.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
        return count
    writer = csv.DictWriter(target, list(headings), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(value) for name, value in row.items()})
        count += 1
    return count


def cell(value: object) -> object:
    """A value as it stands in a CSV."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value
