"""Neutral names of the shared vectors for the signalling of JT/T 1078."""

from collections.abc import Callable
from typing import Any


def _field(name: str) -> Callable[[Any], Any]:
    return lambda body: body[name]


_RESOURCE = {
    "channel": "channel",
    "start": "start",
    "end": "end",
    "alarm_flags": "alarm_flags",
    "media_type": "av_type",
    "stream_type": "stream",
    "storage": "store",
    "size": "size_bytes",
}


def _resources(body: Any) -> list[dict[str, Any]]:
    return [{theirs: item[ours] for theirs, ours in _RESOURCE.items()} for item in body["items"]]


_SERVER = {"ip": "server", "tcp_port": "tcp_port", "udp_port": "udp_port", "channel": "channel"}
_RECORDING = {
    "channel": "channel",
    "start": "start",
    "end": "end",
    "media_type": "av_type",
    "stream_type": "stream",
    "storage": "store",
}

#: Message id, prefix of the neutral names -> neutral name without prefix -> our field.
_FIELDS: dict[tuple[int, str], dict[str, str]] = {
    (0x1003, "av"): {
        "audio_codec": "audio_codec",
        "audio_channels": "audio_channels",
        "audio_sample_rate": "sample_rate",
        "audio_bits": "sample_bits",
        "audio_frame_length": "audio_frame_bytes",
        "audio_output": "audio_output",
        "video_codec": "video_codec",
        "max_audio_channels": "audio_channels_max",
        "max_video_channels": "video_channels_max",
    },
    (0x1005, "passengers"): {"start": "start", "end": "end", "boarding": "boarded", "alighting": "alighted"},
    (0x1205, "ack"): {"serial": "answer_serial"},
    (0x1205, "resources"): {"count": "total"},
    (0x1206, "upload"): {"ack_serial": "answer_serial", "result": "result"},
    (0x9101, "server"): {**_SERVER, "data_type": "data_type", "stream_type": "stream"},
    (0x9102, "live"): {
        "channel": "channel",
        "command": "command",
        "close_type": "close_kind",
        "stream_type": "stream",
    },
    (0x9105, "live"): {"channel": "channel", "loss_rate": "loss_percent"},
    (0x9201, "playback"): {**_SERVER, **_RECORDING, "method": "mode", "speed": "speed"},
    (0x9202, "playback"): {
        "channel": "channel",
        "command": "control",
        "speed": "speed",
        "position": "position",
    },
    (0x9205, "query"): {**_RECORDING, "alarm_flags": "alarm_flags"},
    (0x9206, "upload"): {
        **_RECORDING,
        "ip": "server",
        "port": "port",
        "user": "user",
        "password": "password",
        "path": "path",
        "alarm_flags": "alarm_flags",
        "condition": "condition",
    },
    (0x9207, "upload"): {"ack_serial": "answer_serial", "command": "control"},
    (0x9301, "ptz"): {"channel": "channel", "direction": "direction", "speed": "speed"},
}

NAMES: dict[tuple[int, str], Callable[[Any], Any]] = {
    (msg_id, f"{prefix}.{theirs}"): _field(ours)
    for (msg_id, prefix), fields in _FIELDS.items()
    for theirs, ours in fields.items()
}
NAMES[0x1205, "resources.items"] = _resources
