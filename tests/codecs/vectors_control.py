"""Neutral names of the shared vectors, for messages of management, control, telephone, information and vendors."""

from collections.abc import Callable
from typing import Any


def _field(name: str) -> Callable[[Any], Any]:
    return lambda body: body[name]


def _parameters(body: Any) -> str:
    """Text, as joined by ';', or the hex of what is no such list."""
    if body["parameters"] is not None:
        return str(body["parameters"])
    joined = body["upgrade"] or body["connection"] or {}
    return ";".join("" if value is None else str(value) for name, value in joined.items() if name != "field_count")


def _controls(body: Any) -> str:
    """The items of 0x8500, as hex."""
    return "".join(
        item["control_type"].removeprefix("0x")
        + (f"{item['door']:02x}" if item["parameter"] is None else item["parameter"])
        for item in body["controls"]
    )


def _renamed(group: str, names: dict[str, str]) -> Callable[[Any], Any]:
    """A list whose elements have other names in the vectors."""
    return lambda body: [{theirs: item[ours] for theirs, ours in names.items()} for item in body[group]]


#: (message id, neutral name) -> its value from our JSON of the body.
NAMES: dict[tuple[int, str], Callable[[Any], Any]] = {
    (0x0107, "attributes.terminal_type"): _field("terminal_type"),
    (0x0107, "attributes.manufacturer"): _field("manufacturer"),
    (0x0107, "attributes.model"): _field("model"),
    (0x0107, "attributes.terminal_id"): _field("terminal_id"),
    (0x0107, "attributes.iccid"): _field("iccid"),
    (0x0107, "attributes.hardware"): _field("hardware_version"),
    (0x0107, "attributes.firmware"): _field("firmware_version"),
    (0x0107, "attributes.gnss"): _field("gnss_modules"),
    (0x0107, "attributes.comm"): _field("communication_modules"),
    (0x0302, "question.ack_serial"): _field("answer_serial"),
    (0x0302, "question.answer_id"): _field("answer_id"),
    (0x0500, "ack.serial"): _field("answer_serial"),
    (0x0701, "waybill.length"): _field("length"),
    (0x0701, "waybill.hex"): _field("content"),
    (0x8105, "control.command"): _field("command"),
    (0x8105, "control.parameters"): _parameters,
    (0x8108, "upgrade.type"): _field("upgrade_type"),
    (0x8108, "upgrade.manufacturer"): _field("manufacturer"),
    (0x8108, "upgrade.version"): _field("version"),
    (0x8108, "upgrade.size"): lambda body: len(body["data"]) // 2,
    (0x8108, "upgrade.data"): _field("data"),
    (0x8202, "track.interval"): _field("interval_s"),
    (0x8202, "track.duration"): _field("validity_s"),
    (0x8203, "alarm_ack.serial"): _field("alarm_serial"),
    (0x8203, "alarm_ack.flags"): _field("alarm_types"),
    (0x8301, "event.action"): _field("action"),
    (0x8301, "event.count"): _field("count"),
    (0x8301, "event.items"): _renamed("events", {"id": "event_id", "text": "content"}),
    (0x8302, "question.flag"): _field("flags"),
    (0x8302, "question.text"): _field("question"),
    (0x8302, "question.answers"): _renamed("answers", {"id": "answer_id", "text": "content"}),
    (0x8303, "info.action"): _field("action"),
    (0x8303, "info.count"): _field("count"),
    (0x8303, "info.items"): _renamed("items", {"type": "info_type", "name": "name"}),
    (0x8304, "info.type"): _field("info_type"),
    (0x8304, "info.text"): _field("content"),
    (0x8400, "call.flag"): _field("call_type"),
    (0x8400, "call.phone"): _field("phone"),
    (0x8401, "phonebook.action"): _field("action"),
    (0x8401, "phonebook.count"): _field("count"),
    (0x8401, "phonebook.items"): _renamed("contacts", {"flag": "direction", "phone": "phone", "name": "name"}),
    (0x8500, "control.count"): _field("count"),
    (0x8500, "control.hex"): _controls,
    (0x8800, "retransmit.count"): _field("count"),
    (0x8800, "retransmit.packet_ids"): _field("part_numbers"),
    (0x8900, "transparent.type"): _field("data_type"),
    (0x8900, "transparent.hex"): _field("data"),
}
