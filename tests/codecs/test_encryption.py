"""RSA bodies: what is encrypted for a key is opened by it, whole or in parts, and nothing else is."""

import secrets
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.codecs.edition import ALL_EDITIONS, Edition
from jtgate.codecs.encryption import (
    BLOCK_BYTES,
    DATA_BYTES_MAX,
    RSA,
    PublicKey,
    decrypt_at_rest,
    decrypt_body,
    encrypt_body,
    public_key,
)
from jtgate.codecs.errors import EncodeError, EncryptionError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.codecs.jt808.rsa import PlatformRsaKey, TerminalRsaKey, key_of
from jtgate.codecs.parts import Complete, PartBuffer

PRIVATE = rsa.generate_private_key(65537, 8 * BLOCK_BYTES)
PUBLIC = public_key(PRIVATE)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_what_is_encrypted_is_decrypted(body: bytes) -> None:
    """Bodies of any length, in blocks of 117 bytes that become 128."""
    closed = encrypt_body(body, PUBLIC, secrets.token_bytes)
    assert len(closed) == -(-len(body) // DATA_BYTES_MAX) * BLOCK_BYTES
    assert decrypt_body(closed, PRIVATE) == body


@pytest.mark.parametrize("edition", ALL_EDITIONS)
@pytest.mark.parametrize("size", [28, 1023, 3000])
def test_an_encrypted_body_on_the_wire(edition: Edition, size: int) -> None:
    """Encrypted first and split afterwards: every frame has bit 10, its length counts encrypted bytes."""
    body = secrets.token_bytes(size)
    closed = encrypt_body(body, PUBLIC, secrets.token_bytes)
    frames = encode_frames(0x0200, closed, phone="13912345678", serial=65535, edition=edition, encryption=RSA)
    parts = PartBuffer(1 << 20)
    arrived = b""
    for event in FrameReader().feed(b"".join(frames)):
        assert isinstance(event, Frame)
        header, arrived = parse_header(event.payload)
        assert (header.encryption, header.body_length) == (RSA, len(arrived))
        outcome = parts.add("t", header, arrived, 0.0) if header.is_part else None
        if isinstance(outcome, Complete):
            arrived = outcome.body
    assert decrypt_body(arrived, PRIVATE) == body


def test_bytes_that_are_no_blocks() -> None:
    """A body that was cut points at the byte where a whole block should have gone on."""
    closed = encrypt_body(bytes(200), PUBLIC, secrets.token_bytes)
    with pytest.raises(EncryptionError) as caught:
        decrypt_body(closed[:-1], PRIVATE)
    assert caught.value.offset == BLOCK_BYTES


def test_a_body_for_somebody_else() -> None:
    """Another key's block is an error or, as the library does against guessing, other bytes; never the body."""
    body = b"a body for somebody else"
    other = public_key(rsa.generate_private_key(65537, 8 * BLOCK_BYTES))
    opened = b""
    with suppress(EncryptionError):
        opened = decrypt_body(encrypt_body(body, other, secrets.token_bytes), PRIVATE)
    assert opened != body


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_at_rest_it_is_certain_whose_a_body_is(body: bytes) -> None:
    """The same bytes for ours; an error for another key's, always."""
    other = public_key(_OTHER)
    assert decrypt_at_rest(encrypt_body(body, PUBLIC, secrets.token_bytes), PRIVATE) == body
    if body:
        with pytest.raises(EncryptionError):
            decrypt_at_rest(encrypt_body(body, other, secrets.token_bytes), PRIVATE)


_OTHER = rsa.generate_private_key(65537, 8 * BLOCK_BYTES)


def test_a_number_that_is_too_large_for_the_modulus() -> None:
    """A block above the modulus is an error with its place."""
    good = encrypt_body(bytes(10), PUBLIC, secrets.token_bytes)
    with pytest.raises(EncryptionError) as caught:
        decrypt_body(good + b"\xff" * BLOCK_BYTES, PRIVATE)
    assert caught.value.offset == BLOCK_BYTES


@pytest.mark.parametrize("key", [PublicKey(3, 1 << 1023), PublicKey(1, PUBLIC.n), PublicKey(65537, PUBLIC.n >> 8)])
def test_a_key_that_is_none(key: PublicKey) -> None:
    """Keys of another size, even moduli and exponents that leave the body readable are refused."""
    with pytest.raises(EncodeError):
        encrypt_body(b"x", key, secrets.token_bytes)


def test_a_source_of_zeros_is_given_up() -> None:
    """Padding has no zero byte; a source that gives nothing else ends in an error, not in a loop."""
    with pytest.raises(EncodeError):
        encrypt_body(b"x", PUBLIC, bytes)


@pytest.mark.parametrize("cls", [PlatformRsaKey, TerminalRsaKey])
@pytest.mark.parametrize("edition", ALL_EDITIONS)
def test_keys_travel_in_messages(cls: type[PlatformRsaKey | TerminalRsaKey], edition: Edition) -> None:
    """132 bytes: e, then the modulus, big-endian (§3.7)."""
    sent = cls(exponent=PUBLIC.e, modulus=PUBLIC.n.to_bytes(BLOCK_BYTES))
    body = sent.encode(edition)
    assert len(body) == 132
    assert body[:4] == PUBLIC.e.to_bytes(4)
    assert key_of(cls.decode(body, edition)) == PUBLIC
