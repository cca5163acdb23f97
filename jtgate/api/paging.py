"""Cursors of pages: what a list goes on behind, in a form that nobody should read."""

import base64
import binascii
from typing import Any

import msgspec

from jtgate.api.operations import ProblemError


def encode_cursor(value: Any) -> str:
    """A cursor of whatever JSON can hold, the key of the last row for example."""
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


def decode_cursor(text: str, kind: Any) -> Any:
    """What `encode_cursor` put in.

    Args:
        text: of the query.
        kind: type of the value, with its bounds: whoever wants can write a cursor of his own.

    Raises:
        ProblemError: 400, it is no cursor of ours.
    """
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise ProblemError(400, "bad-cursor", "This is no cursor of such a list", pointer="$.cursor") from None
