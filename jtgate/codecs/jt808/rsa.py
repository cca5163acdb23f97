"""Public keys for encrypted bodies (JT/T 808 §3.7, §10.7); `codecs.encryption` uses them."""

from jtgate.codecs.declare import Message, dword, message, raw
from jtgate.codecs.encryption import BLOCK_BYTES, PublicKey


@message(0x8A00, clause="§3.7")
class PlatformRsaKey(Message):
    """0x8A00 平台RSA公钥."""

    exponent: int = dword("平台RSA公钥{e,n}中的e")
    modulus: bytes = raw("RSA公钥{e,n}中的n", BLOCK_BYTES)


@message(0x0A00, clause="§3.7")
class TerminalRsaKey(Message):
    """0x0A00 终端RSA公钥."""

    exponent: int = dword("终端RSA公钥{e,n}中的e")
    modulus: bytes = raw("RSA公钥{e,n}中的n", BLOCK_BYTES)


def key_of(message: PlatformRsaKey | TerminalRsaKey) -> PublicKey:
    """The key that a message carries."""
    return PublicKey(message.exponent, int.from_bytes(message.modulus))
