"""The twins say of every vector what the declarations say: frames, answers, columns; values, errors, offsets."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import FrameError, HeaderError
from jtgate.codecs.framing import FRAME_BYTES_MAX, Frame, FrameReader
from jtgate.codecs.header import parse_header
from jtgate.codecs.twins import load, load_pure
from jtgate.conformance.vectors import Vector, files, read_file
from jtgate.storage.records import FramesRecord, unpack

sys.path.append(str(Path(__file__).parents[1] / "codecs"))

from test_columns import rows_of, truth_of

LANES = [pytest.param(load("lane"), id="compiled"), pytest.param(load_pure("lane"), id="pure")]
COLUMNS = [pytest.param(load("columns"), id="compiled"), pytest.param(load_pure("columns"), id="pure")]

LOCATION_REPORT, LOCATION_BATCH, HEARTBEAT = 0x0200, 0x0704, 0x0002
_PLAIN = bytearray(1 << 16)
_PLAIN[HEARTBEAT], _PLAIN[LOCATION_REPORT], _PLAIN[LOCATION_BATCH] = 1, 29, 4


@cache
def all_vectors() -> tuple[Vector, ...]:
    """Every vector."""
    return tuple(vector for path in files() for vector in read_file(path))


def told(event: Frame | FrameError) -> tuple[object, ...]:
    """An event in a form that compares."""
    if isinstance(event, Frame):
        return ("frame", event.payload, event.position)
    return (event.code, event.offset, event.message, event.raw)


def by_truth(chunks: tuple[bytes, ...]) -> list[tuple[object, ...]]:
    """What the slow truth says of a stream."""
    reader = FrameReader()
    return [told(event) for chunk in chunks for event in reader.feed(chunk)] + [told(event) for event in reader.eof()]


class Fed:
    """A lane and what came out of it.

    Args:
        module: the twin.
        phone: opens the fast lane for a terminal; b"" leaves it shut.
    """

    def __init__(self, module: Any, phone: bytes) -> None:
        self.batch = module.Batch(bytes(_PLAIN), lambda: 0, lambda: None, 1 << 24)
        self.lane = module.Lane(None, self.batch, lambda _: None, FRAME_BYTES_MAX)
        self.events: list[tuple[object, ...]] = []
        self.stored: list[bytes] = []
        self.answers = b""
        if phone:
            self.lane.open(phone, 1, 7, 0)

    def feed(self, chunks: tuple[bytes, ...]) -> "Fed":
        """Feed a stream to its end."""
        for chunk in chunks:
            event = self.lane.feed(chunk, self.batch, 1)
            while event is not None:
                self._keep(event)
                event = self.lane.feed(b"", self.batch, 1)
            self._keep(None)
        rest = self.lane.reset()
        if rest is not None:
            self.events.append(told(rest))
        return self

    def _keep(self, event: Frame | FrameError | None) -> None:
        records, _, answers = self.batch.take()
        for record in unpack(records):
            assert isinstance(record, FramesRecord)
            self.stored += record.payloads
            self.events += [("frame", payload) for payload in record.payloads]
        self.answers += b"".join(answers[1::2])
        if event is not None:
            self.events.append(told(event))


@pytest.mark.parametrize("module", LANES)
def test_framing_twins_say_what_the_truth_says(module: Any) -> None:
    """Events, offsets and sentences of every vector are those of the slow truth."""
    for vector in all_vectors():
        assert Fed(module, b"").feed(vector.chunks).events == by_truth(vector.chunks), vector.id


def regular(payloads: Iterator[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Payloads that a lane open for their terminal takes: phone, id and serial."""
    for payload in payloads:
        try:
            header, body = parse_header(payload)
        except HeaderError:
            continue
        bits = payload[2] & 0xFC
        plain = bits == (0x40 if header.edition is Edition.V2019 else 0) and not header.deviations
        if plain and header.protocol_version in (0, 1) and len(body) + 1 >= _PLAIN[header.msg_id] > 0:
            yield bytes.fromhex(header.phone), header.msg_id, header.serial


def payloads_of(vector: Vector) -> Iterator[bytes]:
    """Good frames of a vector."""
    for event in by_truth(vector.chunks):
        if event[0] == "frame":
            assert isinstance(event[1], bytes)
            yield event[1]


@pytest.mark.parametrize("module", LANES)
def test_open_lanes_take_what_is_regular_and_answer_it(module: Any) -> None:
    """Plain reports are stored and answered by serial and id; every frame comes out, in its order."""
    taken = 0
    for vector in all_vectors():
        plain = list(regular(payloads_of(vector)))
        if not plain:
            continue
        fed = Fed(module, plain[0][0]).feed(vector.chunks)
        assert [event[:2] for event in fed.events] == [event[:2] for event in by_truth(vector.chunks)], vector.id
        mine = [one for one in plain if one[0] == plain[0][0]]
        answered = []
        for event in FrameReader().feed(fed.answers):
            assert isinstance(event, Frame)
            header, body = parse_header(event.payload)
            assert (header.msg_id, body[4]) == (0x8001, 0)
            answered.append((bytes.fromhex(header.phone), int.from_bytes(body[2:4]), int.from_bytes(body[:2])))
        assert answered == mine, vector.id
        assert len(fed.stored) == len(mine)
        taken += len(mine)
    assert taken > 100


@pytest.mark.parametrize("module", COLUMNS)
def test_columns_hold_what_the_declarations_say(module: ModuleType) -> None:
    """Rows or the same refusal for every payload of the vectors, whatever message it is."""
    rows = 0
    for vector in all_vectors():
        if vector.settings:
            continue
        for payload in payloads_of(vector):
            found = rows_of(module, payload)
            assert found == truth_of(payload), vector.id
            rows += len(found) if isinstance(found, list) else 0
    assert rows > 300
