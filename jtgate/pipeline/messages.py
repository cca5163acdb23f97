"""Whole messages outside the fast lane into rows, by their declarations.

0x0002 终端心跳                    nothing but that the terminal was heard of
0x0100, 0x0102, 0x0003             what is known of the terminal, and a message row
0x0200, 0x0704                     positions (an irregular 0x0704: what can be saved, and a message row)
0x0201 位置信息查询应答             a position and a message row
0x0702 驾驶员身份信息采集上报       a card event
everything else                    a message row; ids nobody declared keep their bytes only
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from jtgate.codecs import deviations as dev
from jtgate.codecs import timebase
from jtgate.codecs.catalogue import message_name
from jtgate.codecs.declare import Message
from jtgate.codecs.jt808 import (
    Authenticate,
    DriverIdentity,
    Heartbeat,
    LocationAnswer,
    LocationBatch,
    LocationReport,
    Register,
    UndecodedReport,
    Unregister,
)
from jtgate.codecs.registry import UnknownMessage, body_edition, decode_body
from jtgate.codecs.twins import load
from jtgate.pipeline.arrived import Arrived
from jtgate.storage.model import CardEventRow, MessageRow, TerminalUpdate

fingerprint = load("columns").fingerprint

#: Binary fields longer than this are not repeated in the JSON of a message row; its `raw` has them.
BINARY_BYTES_MAX: Final = 256
BACKFILL_TYPE: Final = 1  # 0x0704 位置数据类型 1: 盲区补报


class Located(NamedTuple):
    """A location report, and the bytes it was decoded from."""

    report: LocationReport
    body: bytes


@dataclass(slots=True)
class Rows:
    """What one message becomes."""

    positions: list[Located] = field(default_factory=list)
    backfill: bool = False
    terminals: list[TerminalUpdate] = field(default_factory=list)
    card_events: list[CardEventRow] = field(default_factory=list)
    messages: list[MessageRow] = field(default_factory=list)
    deviations: list[str] = field(default_factory=list)


def decode(arrived: Arrived) -> Rows:
    """Decode a message into rows, under the profile of its terminal.

    Raises:
        ProtocolError: the body does not have the structure of its id.
    """
    header, body = arrived.header, arrived.body
    rows = Rows()
    message = decode_body(header.msg_id, body, header.edition, rows.deviations, profile=arrived.profile)
    if isinstance(message, UnknownMessage):
        rows.messages.append(_row(arrived, None))
    else:
        _HANDLERS.get(type(message), _message_row)(message, arrived, rows)
    return rows


def body_json(message: Message) -> str:
    """The body as JSON text; long binary fields as {"bytes": length, "fnv": fingerprint}."""
    fields = message.to_json()
    for spec in message.SPECS:
        value = getattr(message, spec.name)
        if isinstance(value, bytes) and len(value) > BINARY_BYTES_MAX:
            fields[spec.name] = _elided(value)
    if len(message.trailing) > BINARY_BYTES_MAX:
        fields["trailing"] = _elided(message.trailing)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _elided(value: bytes) -> dict[str, int]:
    return {"bytes": len(value), "fnv": fingerprint(value)}


def _row(arrived: Arrived, message: Message | None) -> MessageRow:
    header, origin = arrived.header, arrived.origin
    return MessageRow(
        terminal_id=arrived.terminal_id,
        msg_id=header.msg_id,
        serial=header.serial,
        fingerprint=fingerprint(arrived.body),
        received_ms=origin.received_ms,
        session_id=origin.session_id,
        spool_seq=origin.spool_seq,
        edition=_edition(arrived),
        parts=arrived.parts,
        name=message_name(header.msg_id).name,
        body=None if message is None else body_json(message),
        raw=arrived.body,
    )


def _message_row(message: Message, arrived: Arrived, rows: Rows) -> None:
    rows.messages.append(_row(arrived, message))


def _edition(arrived: Arrived) -> str:
    """The edition the body is written in; 2011 shows there only."""
    return str(body_edition(arrived.header.msg_id, arrived.body, arrived.header.edition, arrived.profile))


def _heartbeat(message: Heartbeat, arrived: Arrived, rows: Rows) -> None:
    """That the terminal was heard of is noted for every message; vendor data behind it stays in the spool."""


def _register(message: Register, arrived: Arrived, rows: Rows) -> None:
    at_ms = arrived.origin.received_ms
    rows.terminals.append(
        TerminalUpdate(
            terminal_id=arrived.terminal_id,
            at_ms=at_ms,
            edition=_edition(arrived),
            phone=arrived.header.phone,
            province=message.province,
            city=message.city,
            manufacturer=message.manufacturer,
            model=message.model,
            device_id=message.terminal_id,
            plate_color=message.plate_color,
            plate=message.plate,
            registered_ms=at_ms,
        )
    )
    _message_row(message, arrived, rows)


def _authenticate(message: Authenticate, arrived: Arrived, rows: Rows) -> None:
    rows.terminals.append(
        TerminalUpdate(
            terminal_id=arrived.terminal_id,
            at_ms=arrived.origin.received_ms,
            phone=arrived.header.phone,
            imei=message.imei,
            software_version=message.software_version,
        )
    )
    _message_row(message, arrived, rows)


def _unregister(message: Unregister, arrived: Arrived, rows: Rows) -> None:
    at_ms = arrived.origin.received_ms
    rows.terminals.append(TerminalUpdate(arrived.terminal_id, at_ms, unregistered_ms=at_ms))
    _message_row(message, arrived, rows)


def _location(message: LocationReport, arrived: Arrived, rows: Rows) -> None:
    rows.positions.append(Located(message, arrived.body))


def _location_answer(message: LocationAnswer, arrived: Arrived, rows: Rows) -> None:
    report = dataclasses.replace(message.location, trailing=message.trailing)
    rows.positions.append(_located(report, arrived))
    _message_row(message, arrived, rows)


def _located(report: LocationReport, arrived: Arrived) -> Located:
    """A report inside of another message; what is written under its own profile are the bytes that came."""
    return Located(report, report.encode(profile=arrived.profile))


def _location_batch(message: LocationBatch, arrived: Arrived, rows: Rows) -> None:
    """Every item that is a location; the message itself as well when anything was wrong with it (§5.1)."""
    rows.backfill = message.batch_type == BACKFILL_TYPE
    rows.positions += [_located(item, arrived) for item in message.items if isinstance(item, LocationReport)]
    damaged = message.trailing or any(isinstance(item, UndecodedReport) for item in message.items)
    if damaged or dev.BATCH_WRONG_COUNT in rows.deviations or dev.BATCH_ITEM_OVERRUN in rows.deviations:
        _message_row(message, arrived, rows)


def _driver_identity(message: DriverIdentity, arrived: Arrived, rows: Rows) -> None:
    """Without a time, as in the 2011 form, the serial tells one reading of a card from the next."""
    origin = arrived.origin
    time_ms = timebase.to_ms(message.time) if message.time is not None else 0
    keyed = arrived.body if time_ms else arrived.body + arrived.header.serial.to_bytes(2)
    rows.card_events.append(
        CardEventRow(
            terminal_id=arrived.terminal_id,
            device_time_ms=time_ms,
            fingerprint=fingerprint(keyed),
            received_ms=origin.received_ms,
            session_id=origin.session_id,
            spool_seq=origin.spool_seq,
            serial=arrived.header.serial,
            status=message.status,
            read_result=message.read_result,
            driver_name=message.driver_name,
            certificate=message.certificate,
            issuer=message.issuer,
            expiry=None if message.expiry is None else str(message.expiry),
            id_number=message.id_number,
        )
    )


_HANDLERS: Final[dict[type[Message], Callable[[Any, Arrived, Rows], None]]] = {
    Heartbeat: _heartbeat,
    Register: _register,
    Authenticate: _authenticate,
    Unregister: _unregister,
    LocationReport: _location,
    LocationAnswer: _location_answer,
    LocationBatch: _location_batch,
    DriverIdentity: _driver_identity,
}
