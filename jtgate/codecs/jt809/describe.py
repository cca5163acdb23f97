"""Frames of JT/T 809 as JSON, in the shape of design section 5."""

from typing import Any

from jtgate.codecs.errors import BodyError
from jtgate.codecs.jt809.framing import Cipher, Frame809, crypt
from jtgate.codecs.jt809.messages import MESSAGES_809, SUB_MESSAGES_809, VehicleBody

PROTOCOL = "jt809"


def describe_809(frame: Frame809, cipher: Cipher | None = None) -> dict[str, object]:
    """The JSON object of one frame.

    Args:
        frame: what the reader gave.
        cipher: constants of the link; without them an encrypted body stays raw.
    """
    name = MESSAGES_809.get(frame.msg_id)
    json: dict[str, Any] = {
        "protocol": PROTOCOL,
        "edition": str(frame.edition),
        "message": name.name if name else None,
        "term": name.term if name else None,
        "header": {
            "msg_id": f"0x{frame.msg_id:04x}",
            "serial": frame.serial,
            "center_id": frame.center_id,
            "version": frame.version.hex(),
            "encrypted": frame.encrypted,
            "key": frame.key,
            "length": frame.length,
        },
        "body": {"raw": frame.body.hex()},
        "deviations": [],
        "error": None,
    }
    body = crypt(frame.body, frame.key, cipher) if frame.encrypted and cipher is not None else frame.body
    if name is None or (frame.encrypted and cipher is None):
        return json
    try:
        message = name.cls.decode(body, frame.edition, json["deviations"])
        json["body"] = message.to_json()
        sub = SUB_MESSAGES_809.get(message.sub_id) if isinstance(message, VehicleBody) else None
        if isinstance(message, VehicleBody) and sub is not None:
            json["body"]["sub"] = {
                "name": sub.name,
                "term": sub.term,
                **sub.cls.decode(message.data, frame.edition, json["deviations"]).to_json(),
            }
    except BodyError as error:
        json["error"] = error.as_json()
    return json
