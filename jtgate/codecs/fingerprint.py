"""The fingerprint of a body: FNV-1a with 64 bits, as the signed integer a database column holds.

It tells a resent body from a new one in the natural keys of the store (design D6). It is no defence
against somebody who wants two bodies to collide. `twins.columns.fingerprint` is the fast twin.
"""

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1
_SIGN = 1 << 63


def fingerprint(data: bytes) -> int:
    """FNV-1a 64 of `data` as a signed 64-bit integer."""
    value = FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * FNV_PRIME) & _MASK
    return value - (1 << 64) if value & _SIGN else value
