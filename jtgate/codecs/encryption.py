"""Encrypted message bodies 数据加密 (JT/T 808 §2.2, §10.7): RSA behind bit 10 of the properties.

The standard gives the keys {e, n} with a modulus of 128 bytes and no padding. What is done here: the body is cut into
blocks of at most 117 bytes, each padded as PKCS#1 v1.5 says and encrypted into 128 bytes with the receiver's public
key. The whole body is encrypted before it is split into parts; the length in a header counts encrypted bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from jtgate.codecs.errors import EncodeError, EncryptionError

#: Value of the three encryption bits for RSA; others are of no standard.
RSA: Final = 1

#: Bytes of the modulus, and of an encrypted block.
BLOCK_BYTES: Final = 128
#: Bytes of a body in one block: 11 are needed for the padding.
DATA_BYTES_MAX: Final = BLOCK_BYTES - 11
#: Bytes of padding in a block at least, as PKCS#1 has it.
FILLER_BYTES_MIN: Final = 8
#: How often random bytes are drawn for one padding; each draw gives a zero byte with probability 1/256 per byte.
DRAWS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as 0x8A00 and 0x0A00 carry it.

    Args:
        e: exponent, 32 bits.
        n: modulus, 1024 bits.
    """

    e: int
    n: int

    def usable(self) -> bool:
        """True when a block can be encrypted with it: an odd modulus of 1024 bits and an exponent above 1."""
        return self.n.bit_length() == 8 * BLOCK_BYTES and bool(self.n & 1) and self.e > 1


def public_key(private: rsa.RSAPrivateKey) -> PublicKey:
    """The public half of a private key."""
    numbers = private.public_key().public_numbers()
    return PublicKey(numbers.e, numbers.n)


def encrypt_body(body: bytes, key: PublicKey, random_bytes: Callable[[int], bytes]) -> bytes:
    """Encrypt a whole body for the owner of a key.

    Args:
        body: of any length; an empty one stays empty.
        key: of the receiver.
        random_bytes: gives as many random bytes as it is asked for, such as `secrets.token_bytes`.

    Raises:
        EncodeError: the key is not one of 1024 bits, or no padding could be drawn.
    """
    if not key.usable():
        raise EncodeError(f"a key has a modulus of {8 * BLOCK_BYTES} bits, this one has {key.n.bit_length()}")
    blocks = []
    for start in range(0, len(body), DATA_BYTES_MAX):
        data = body[start : start + DATA_BYTES_MAX]
        filler = _filler(BLOCK_BYTES - 3 - len(data), random_bytes)
        block = int.from_bytes(b"\x00\x02" + filler + b"\x00" + data)
        # A public operation on a padded block has nothing to hide, so plain integers will do.
        blocks.append(pow(block, key.e, key.n).to_bytes(BLOCK_BYTES))
    return b"".join(blocks)


def _filler(size: int, random_bytes: Callable[[int], bytes]) -> bytes:
    """Random bytes without a zero."""
    found = b""
    for _ in range(DRAWS_MAX):
        found += random_bytes(size - len(found)).replace(b"\x00", b"")
        if len(found) == size:
            return found
    raise EncodeError(f"no {size} random bytes other than zero in {DRAWS_MAX} draws")


def decrypt_body(body: bytes, private: rsa.RSAPrivateKey) -> bytes:
    """Decrypt a whole body, all parts joined.

    Args:
        body: as it came.
        private: our key; its operations are those of the library, which are safe against timing.

    Raises:
        EncryptionError: it is not made of whole blocks, or a block is not of this key. The library often gives
            other bytes instead, so that nobody can learn from the answer; see `decrypt_at_rest`.
    """
    found = []
    for start, block in _blocks(body):
        try:
            found.append(private.decrypt(block, padding.PKCS1v15()))
        except ValueError:
            raise _not_ours(start, block) from None
    return b"".join(found)


def decrypt_at_rest(body: bytes, private: rsa.RSAPrivateKey) -> bytes:
    """Decrypt a whole body of which one must know whether it is of this key.

    For bodies that are worked through later, out of sight of who sent them: an answer that depends on what this
    says, or on how long it takes, would help somebody to guess the body.

    Args:
        body: as it came, all parts joined.
        private: our key.

    Raises:
        EncryptionError: it is not made of whole blocks, or a block is not of this key.
    """
    key = private.private_numbers()
    found = []
    for start, block in _blocks(body):
        closed = int.from_bytes(block)
        # The two halves of the key, put together again (Garner).
        by_p, by_q = pow(closed, key.dmp1, key.p), pow(closed, key.dmq1, key.q)
        opened = (by_q + (by_p - by_q) * key.iqmp % key.p * key.q).to_bytes(BLOCK_BYTES)
        end = opened.find(b"\x00", 2)
        if closed >= key.public_numbers.n or opened[:2] != b"\x00\x02" or end < 2 + FILLER_BYTES_MIN:
            raise _not_ours(start, block)
        found.append(opened[end + 1 :])
    return b"".join(found)


def _blocks(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of every block; raises EncryptionError when the last one is not whole."""
    if len(body) % BLOCK_BYTES:
        whole = len(body) - len(body) % BLOCK_BYTES
        message = f"an encrypted body is made of blocks of {BLOCK_BYTES} bytes, this one has {len(body)}"
        raise EncryptionError(message, offset=whole, field="body", raw=body[whole:])
    for start in range(0, len(body), BLOCK_BYTES):
        yield start, body[start : start + BLOCK_BYTES]


def _not_ours(start: int, block: bytes) -> EncryptionError:
    return EncryptionError("a block cannot be decrypted with this key", offset=start, field="body", raw=block)
