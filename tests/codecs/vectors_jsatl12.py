"""Neutral names of the shared vectors for the messages of T/JSATL 12, see test_vectors_codec.NAMES."""

from collections.abc import Callable
from typing import Any


def _number(body: Any) -> Any:
    """The alarm identification number of 0x9208 or 0x1210."""
    return body["alarm_number"] if "alarm_number" in body else body["alarm"]["alarm_number"]


def _field(name: str) -> Callable[[Any], Any]:
    return lambda body: body[name]


def _identifier(name: str) -> Callable[[Any], Any]:
    return lambda body: _number(body)[name]


_NUMBER: dict[str, Callable[[Any], Any]] = {
    "attachment.identifier.terminal_id": _identifier("terminal_id"),
    "attachment.identifier.time": _identifier("time"),
    "attachment.identifier.sequence": _identifier("sequence"),
    "attachment.identifier.attachment_count": _identifier("attachment_count"),
    "attachment.identifier.reserved": lambda body: int(_number(body)["reserved"], 16),
    "attachment.alarm_number": _field("platform_number"),
}

_FILE: dict[str, Callable[[Any], Any]] = {"file.name": _field("name"), "file.type": _field("file_type")}
_SIZED_FILE = {**_FILE, "file.size": _field("size_bytes")}

NAMES: dict[tuple[int, str], Callable[[Any], Any]] = {
    (msg_id, name): value
    for msg_id, names in {
        0x9208: {
            **_NUMBER,
            "server.ip": _field("address"),
            "server.tcp_port": _field("tcp_port"),
            "server.udp_port": _field("udp_port"),
            "attachment.reserved": _field("reserved"),
        },
        0x1210: {
            **_NUMBER,
            "attachment.terminal_id": lambda body: body["alarm"]["terminal_id"],
            "attachment.info_type": _field("info_type"),
            "attachment.count": _field("count"),
            "attachment.items": lambda body: [
                {"name": one["name"], "size": one["size_bytes"]} for one in body["files"]
            ],
        },
        0x1211: _SIZED_FILE,
        0x1212: _SIZED_FILE,
        0x9212: {
            **_FILE,
            "file.result": _field("result"),
            "file.retransmit_count": _field("count"),
            "file.retransmit": _field("ranges"),
        },
    }.items()
    for name, value in names.items()
}
