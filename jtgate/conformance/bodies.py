"""Bodies from fields as JSON has them."""

from collections.abc import Mapping
from typing import Any

from jtgate.codecs import registry
from jtgate.codecs.edition import Edition
from jtgate.conformance.kit import KitError


def encode(msg_id: int, fields: Mapping[str, Any], edition: Edition) -> bytes:
    """The body of a message; fields that the edition does not have are left out.

    Args:
        msg_id: 消息ID.
        fields: values by name.
        edition: whose layout applies.

    Raises:
        EncodeError: a value does not fit.
        KitError: the id is not declared, or no edition of it has such a field.
    """
    cls = registry.message_class(msg_id)
    if cls is None:
        if fields:
            raise KitError(f"0x{msg_id:04x} has no declared fields; give its body in hex")
        return b""
    unknown = set(fields) - {spec.name for spec in cls.SPECS}
    if unknown:
        raise KitError(f"0x{msg_id:04x} has no field {', '.join(sorted(unknown))}")
    present = {spec.name for spec in cls.LAYOUTS[edition]}
    return cls.from_json({name: value for name, value in fields.items() if name in present}).encode(edition)
