"""The stored corpus: seeds from the conformance vectors and the shared frames, kept small.

    python -m fuzz.seeds                      make the seeds of every entry anew; what else is stored stays
    python -m fuzz.seeds --add DIR [ENTRY…]   take from DIR/ENTRY what reaches something that the corpus does not

An input is kept when it reaches a step from one line to another that no smaller input of its entry reaches; inputs
called `regression-…` once broke a rule and always stay.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fuzz.entries import ENTRIES
from fuzz.guided import CORPUS, INPUT_BYTES_MAX, ROOT
from fuzz.inputs import Input
from fuzz.streams import frame_809
from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.errors import HeaderError
from jtgate.codecs.framing import Frame, FrameReader, wrap
from jtgate.codecs.header import parse_header
from jtgate.codecs.jsatl12.filestream import data_packet
from jtgate.codecs.jt1078.packets import TRANSPARENT, VIDEO, Packet, encode_packet
from jtgate.codecs.profile import Dialect
from jtgate.conformance.vectors import Vector, files, read_file

#: Files of seeds, and of regressions, are called so.
SEED = "seed-"
REGRESSION = "regression-"

_PARSERS = str(ROOT / "jtgate" / "codecs")
Arc = tuple[CodeType, int, int]


def vectors() -> Iterator[Vector]:
    """All conformance vectors."""
    for path in files():
        yield from read_file(path)


def payloads() -> Iterator[bytes]:
    """Payloads of all good frames of the vectors."""
    for vector in vectors():
        for event in FrameReader().feed(b"".join(vector.chunks)):
            if isinstance(event, Frame):
                yield event.payload


def _streams() -> Iterator[bytes]:
    """Streams as they are: cut, limit and phone first, then the byte that says so."""
    for number, vector in enumerate(vectors()):
        if len(vector.chunks) > 1 or not number % 8:
            yield bytes([number % 256, number % 3, number // 3 % 3, 0]) + b"".join(vector.chunks)


def _wires() -> Iterator[bytes]:
    for vector in vectors():
        yield bytes([0, 0, 0]) + b"".join(vector.chunks)


def _headers() -> Iterator[bytes]:
    for payload in payloads():
        yield b"\x00" + payload[:40]


def _bodies() -> Iterator[bytes]:
    for payload in payloads():
        with suppress(HeaderError):
            header, body = parse_header(payload)
            edition = ALL_EDITIONS.index(header.edition)
            yield payload[:2] + bytes([edition, 0]) + body
            if header.edition is not Edition.V2019:
                yield payload[:2] + bytes([ALL_EDITIONS.index(Edition.V2011), 0]) + body


def _columns() -> Iterator[bytes]:
    for payload in payloads():
        if payload[:2] in (b"\x02\x00", b"\x07\x04"):
            yield payload


def _parts() -> Iterator[bytes]:
    for vector in vectors():
        if "-parts-" in f"-{vector.id}":
            steps = []
            for event in FrameReader().feed(b"".join(vector.chunks)):
                assert isinstance(event, Frame)
                header, body = parse_header(event.payload)
                total, number = header.packet_total or 0, header.packet_no or 0
                steps.append(b"\x00" + header.serial.to_bytes(2) + bytes([total % 12, number % 12, 3]) + body[:3])
            yield b"".join(steps) + b"\xff\xff"


def _jt809() -> Iterator[bytes]:
    for msg_id in (0x1001, 0x1002, 0x1003, 0x1005, 0x1200, 0x9001, 0x9200):
        for size in (0, 15, 30):
            what = Input(b"\x01" + msg_id.to_bytes(2) + b"\x01\x00\x01\x02" + bytes(range(4 * size)))
            yield bytes([7, 0, 0, 0]) + frame_809(what, 0x80 | size)


def _files() -> Iterator[bytes]:
    frame = wrap(next(payloads()))
    for name, dialect in (("00_65_0.jpg", Dialect.AUTO), ("a", Dialect.HLJ), ("b" * 50, Dialect.AUTO)):
        packet = data_packet(name, 0, b"\x7e\x7d\x01", dialect).encode()
        for sent in (packet, frame + packet + frame, packet[:70], frame[:-1] + packet, packet + b"?"):
            yield bytes([5, dialect is Dialect.HLJ, 0]) + sent


def _media() -> Iterator[bytes]:
    for data_type in range(5):
        for sim in ("013912345678", "00000000013912345678"):
            video, timed = data_type in VIDEO, data_type != TRANSPARENT
            packet = encode_packet(
                Packet.of(
                    data_type,
                    98,
                    b"\x00\x00\x00\x01\x61",
                    sim=sim,
                    channel=1,
                    serial=258,
                    timestamp_ms=1_566_919_211_506 if timed else None,
                    last_i_interval_ms=3000 if video else None,
                    last_interval_ms=40 if video else None,
                )
            )
            for sent in (packet, packet + packet, b"??" + packet + b"?", packet[:-1], packet[:20] + packet):
                yield bytes([3, len(sim) > 12, 0]) + sent


def _json() -> Iterator[bytes]:
    for number, vector in enumerate(vectors()):
        if vector.canonical and not vector.settings and (number % 3 == 0 or "typical" in vector.id):
            yield json.dumps(vector.expect[0], ensure_ascii=False).encode()


#: Entry -> its seeds.
SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "framing": _streams,
    "header": _headers,
    "body": _bodies,
    "columns": _columns,
    "parts": _parts,
    "wire": _wires,
    "jt809": _jt809,
    "filestream": _files,
    "filestream_limits": lambda: (data[3:] for data in _files()),
    "record_file": lambda: iter((b"", bytes(64), bytes(range(130)))),
    "media": _media,
    "compose": _json,
}


class Coverage:
    """Which steps from line to line of the parsers an input takes."""

    def __init__(self) -> None:
        self._arcs: set[Arc] = set()
        self._last: dict[FrameType, int] = {}

    def of(self, run: Callable[[bytes], None], data: bytes) -> set[Arc]:
        """The steps of one input; one that breaks a rule raises what it raises."""
        self._arcs = set()
        self._last.clear()
        sys.settrace(self._called)
        try:
            run(data)
        finally:
            sys.settrace(None)
        return self._arcs

    def _called(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        return self._stepped if frame.f_code.co_filename.startswith(_PARSERS) else None

    def _stepped(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line":
            self._arcs.add((frame.f_code, self._last.get(frame, 0), frame.f_lineno))
            self._last[frame] = frame.f_lineno
        elif event == "return":
            self._last.pop(frame, None)
        return self._stepped


def smallest(run: Callable[[bytes], None], inputs: Iterable[bytes], reached: set[Arc]) -> list[bytes]:
    """Those inputs, small ones first, that reach something new; `reached` grows."""
    coverage = Coverage()
    kept = []
    for data in sorted({data[:INPUT_BYTES_MAX] for data in inputs}, key=lambda data: (len(data), data)):
        arcs = coverage.of(run, data)
        if not arcs <= reached:
            reached |= arcs
            kept.append(data)
    return kept


def store(entry: str, data: bytes, prefix: str = SEED) -> Path:
    """Put an input into the corpus."""
    path = CORPUS / entry / f"{prefix}{hashlib.sha256(data).hexdigest()[:16]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def stored(entry: str) -> list[Path]:
    """The files of an entry."""
    return sorted((CORPUS / entry).glob("*.bin")) if (CORPUS / entry).is_dir() else []


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make or extend the stored fuzz corpus.")
    parser.add_argument("entries", nargs="*", help="all without one")
    parser.add_argument("--add", type=Path, help="folder with a folder of inputs for each entry")
    args = parser.parse_args()
    for entry in args.entries or ENTRIES:
        run = ENTRIES[entry]
        there = stored(entry)
        if args.add is None:
            for path in there:
                if path.name.startswith(SEED):
                    path.unlink()
            there = stored(entry)
            inputs: Iterable[bytes] = SEEDS[entry]()
        else:
            inputs = [path.read_bytes() for path in sorted((args.add / entry).glob("*"))]
        reached: set[Arc] = set()
        smallest(run, (path.read_bytes() for path in there), reached)
        kept = smallest(run, inputs, reached)
        for data in kept:
            store(entry, data)
        print(f"{entry:<12} {len(stored(entry))} inputs, {sum(path.stat().st_size for path in stored(entry))} bytes")


if __name__ == "__main__":
    main()
