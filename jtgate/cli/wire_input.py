"""Bytes from the wire in whatever dress they are given: hex with anything between, lines of a log, captures."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from jtgate.codecs.framing import FLAG

_CHUNK: Final = 1 << 16

#: What may stand between hex digits in a log, a C array or a Python literal.
_BETWEEN: Final = re.compile(r"0[xX]|\\x|[\s,;:{}\[\]()\"'_-]")
_TEXT_BYTES: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f")


def wire_bytes(words: tuple[str, ...], path: Path | None, *, binary: bool, with_flags: bool) -> Iterator[bytes]:
    """The wire bytes of hex words, a file or standard input, in chunks.

    Args:
        words: hex, or "-" alone for standard input.
        path: a file of lines of hex or of bytes, "-" for standard input.
        binary: the input is bytes even if it looks like hex.
        with_flags: hex without a single flag is a frame pasted without its flags, and gets them.

    Raises:
        click.UsageError: there is nothing to read, or it is no hex.
    """
    if path is not None and words:
        raise click.UsageError("give hex or --file, not both")
    if path is None and not words:
        raise click.UsageError("nothing to decode; give hex, --file PATH, or - for standard input")
    if path is None and words != ("-",):
        if binary:
            raise click.UsageError("--binary is for --file and -; arguments are hex")
        return _hex_chunk(_from_hex(" ".join(words), ""), with_flags)
    if path is None or str(path) == "-":
        return _from_stream(sys.stdin.buffer, binary, with_flags)
    return _from_file(path, binary, with_flags)


def _from_file(path: Path, binary: bool, with_flags: bool) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _from_stream(file, binary, with_flags)


def _from_stream(file: IO[bytes], binary: bool, with_flags: bool) -> Iterator[bytes]:
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
    yield from _hex_chunk(found, with_flags)


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


def _hex_chunk(data: bytes, with_flags: bool) -> Iterator[bytes]:
    """Hex has one chunk; a frame pasted without its flags gets them."""
    yield b"\x7e" + data + b"\x7e" if with_flags and data and FLAG not in data else data
