"""The frames behind a row: found again in the spool by group and serial number, as long as the spool keeps them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from jtgate.api.operations import Moment
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import parse_header
from jtgate.codecs.timebase import iso_ms
from jtgate.storage.open import open_spool_reader
from jtgate.storage.records import FramesRecord, unpack
from jtgate.storage.spool import SpoolError, SpoolReader

#: Frames that are told at most.
FRAMES_MAX: Final = 20
#: Messages that carry locations, and with them alarms.
_LOCATIONS: Final = frozenset({0x0200, 0x0201, 0x0500, 0x0704})


class Place(NamedTuple):
    """Where a frame lies.

    Args:
        spool_seq: group of the spool.
        serial: 消息流水号.
    """

    spool_seq: int
    serial: int


class FrameTold(msgspec.Struct):
    """A frame as it came.

    Args:
        spool_seq: group of the spool.
        serial: 消息流水号.
        msg_id: 消息ID; null when the frame is no longer kept.
        message: English name.
        term: Chinese term.
        received: when.
        payload: header and body, unescaped and without check byte, as hex; null when it is no longer kept.
    """

    spool_seq: int
    serial: int
    msg_id: str | None = None
    message: str | None = None
    term: str | None = None
    received: Moment | None = None
    payload: str | None = None


def frames_at(data: Path, terminal: str, places: Iterable[Place]) -> list[FrameTold]:
    """Frames of a terminal, FRAMES_MAX at most; those that are no longer kept by their place only.

    Args:
        data: the data folder.
        terminal: digits without leading zeros.
        places: of the frames; each is told once.
    """
    wanted = list(dict.fromkeys(places))[:FRAMES_MAX]
    by_group: dict[int, dict[int, FrameTold]] = {}
    reader = open_spool_reader(data)
    try:
        for seq in sorted({place.spool_seq for place in wanted}):
            serials = {place.serial for place in wanted if place.spool_seq == seq}
            by_group[seq] = _found(reader, terminal, seq, serials)
    finally:
        reader.close()
    return [by_group[one.spool_seq].get(one.serial) or FrameTold(*one) for one in wanted]


def _found(reader: SpoolReader, terminal: str, seq: int, serials: set[int]) -> dict[int, FrameTold]:
    """Frames of a group by their serial numbers; nothing of a group that is gone or damaged."""
    try:
        groups = reader.read(seq - 1, groups_max=1)
    except SpoolError:
        return {}
    if not groups or groups[0].seq != seq:
        return {}
    found: dict[int, FrameTold] = {}
    for record in unpack(groups[0].data):
        if isinstance(record, FramesRecord):
            for payload in record.payloads:
                if int.from_bytes(payload[:2]) in _LOCATIONS:
                    told = _frame(record, payload, terminal, seq)
                    if told is not None and told.serial in serials:
                        found.setdefault(told.serial, told)
    return found


def _frame(record: FramesRecord, payload: bytes, terminal: str, seq: int) -> FrameTold | None:
    try:
        header, _body = parse_header(payload)
    except ProtocolError:
        return None
    if header.terminal != terminal:
        return None
    name = message_name(header.msg_id)
    received = iso_ms(record.received_us // 1000)
    return FrameTold(seq, header.serial, f"0x{header.msg_id:04x}", name.name, name.term, received, payload.hex())
