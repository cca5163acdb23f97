"""The platform's RSA key: one PEM file that the gateway makes when the first terminal asks for it (JT/T 808 §10.7).

<data>/rsa_key.pem    private key of 1024 bits, readable by its owner only; or a file of one's own (`rsa_key`)

The standard fixes 1024 bits, which is short of what anybody would choose today: it hides bodies from who looks on,
and is no reason to do without TLS. Terminals keep the public half, so a lost key cuts them off until they ask again.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from jtgate.codecs.encryption import BLOCK_BYTES, RSA, PublicKey, decrypt_at_rest, decrypt_body, public_key
from jtgate.codecs.errors import EncryptionError
from jtgate.codecs.header import Header

KEY_NAME: Final = "rsa_key.pem"
_KEY_BITS: Final = 8 * BLOCK_BYTES
_EXPONENT: Final = 65_537


class RsaKeyError(Exception):
    """The key file cannot be read, written, or holds no key of 1024 bits; the sentence says which and what to do."""

    code = "rsa_key"


class PlatformKey:
    """The private key of the platform, read when it is needed.

    Args:
        data: the data folder.
        own: a file of one's own in place of the one there.
    """

    def __init__(self, data: Path, own: Path | None = None) -> None:
        self._path = data / KEY_NAME if own is None else own
        self._is_own = own is not None
        self._private: rsa.RSAPrivateKey | None = None

    def check(self) -> None:
        """See that a key is readable if there is one, and that one of one's own is there.

        Raises:
            RsaKeyError: it is not.
        """
        if self._load() is None and self._is_own:
            raise RsaKeyError(f"--rsa-key: {self._path} is no file; name a PEM file, or leave --rsa-key out")

    def public(self) -> PublicKey:
        """The public half, of a new key where there is none.

        Raises:
            RsaKeyError: the file can neither be read nor made.
        """
        return public_key(self._load() or self._make())

    def open(self, header: Header, body: bytes) -> bytes | None:
        """The plain body behind a header with encryption bits; None when it cannot be opened.

        For who is out of sight of the sender, see `encryption.decrypt_at_rest`.
        """
        return self._decrypt(header, body, decrypt_at_rest)

    def peek(self, header: Header, body: bytes) -> bytes | None:
        """As `open`, for who answers the sender: for a body of another key it gives None or any bytes at all."""
        return self._decrypt(header, body, decrypt_body)

    def _decrypt(
        self, header: Header, body: bytes, decrypt: Callable[[bytes, rsa.RSAPrivateKey], bytes]
    ) -> bytes | None:
        if header.encryption != RSA:
            return None
        try:
            private = self._load()
            return None if private is None else decrypt(body, private)
        except (EncryptionError, RsaKeyError):
            return None

    def can_open(self, header: Header) -> bool:
        """Whether a body behind this header may be for us: encrypted by RSA, and there is a key."""
        try:
            return header.encryption == RSA and self._load() is not None
        except RsaKeyError:
            return False

    def _load(self) -> rsa.RSAPrivateKey | None:
        """The key, None while nobody has made one."""
        if self._private is not None:
            return self._private
        try:
            found = load_pem_private_key(self._path.read_bytes(), None)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RsaKeyError(f"{self._path}: {error.strerror}; let this user read it") from error
        except (ValueError, TypeError) as error:
            raise RsaKeyError(f"{self._path} holds no private key in PEM without a password; restore it") from error
        if not isinstance(found, rsa.RSAPrivateKey) or found.key_size != _KEY_BITS:
            raise RsaKeyError(f"{self._path} holds no RSA key of {_KEY_BITS} bits, which the standard wants")
        self._private = found
        return found

    def _make(self) -> rsa.RSAPrivateKey:
        """A new key, whole on the disk or not at all; of two that make one at once the first wins."""
        if self._is_own:
            raise RsaKeyError(f"--rsa-key: {self._path} is gone; put it back, or leave --rsa-key out")
        made = rsa.generate_private_key(public_exponent=_EXPONENT, key_size=_KEY_BITS)
        text = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        beside = self._path.with_suffix(f".{os.getpid()}.tmp")
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(beside, self._path)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
            _sync_folder(self._path.parent)
        except OSError as error:
            raise RsaKeyError(f"{self._path}: {error.strerror}; make room or let this user write there") from error
        found = self._load()
        if found is None:
            raise RsaKeyError(f"{self._path} is gone as soon as it was written")
        return found


def _sync_folder(folder: Path) -> None:
    """A terminal must not hold the public half of a key that a power cut takes away."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
