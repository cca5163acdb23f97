"""A command as bytes: its body by field names, encrypted where that is wanted, and its frames (JT/T 808 §8.2, §10.7).

Bodies are written on the thread of the bus, since a long one takes a while; serial numbers are given on the event
loop, so frames are made there.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from jtgate.codecs.compose import compose
from jtgate.codecs.edition import Edition
from jtgate.codecs.encryption import RSA, PublicKey, encrypt_body
from jtgate.codecs.errors import EncodeError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import BODY_BYTES_MAX, PART_BYTES, encode_frames, parse_header
from jtgate.codecs.profile import Profile
from jtgate.gateway.link import Member
from jtgate.gateway.readings import Readings
from jtgate.storage.commands import Command, CommandState

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Form:
    """What the bytes for a terminal depend on.

    Args:
        phone: 终端手机号, every digit on the wire.
        edition: of the header.
        protocol_version: 协议版本号 of the 2019 header.
        profile: of the terminal.
    """

    phone: str
    edition: Edition
    protocol_version: int
    profile: Profile

    @property
    def layout(self) -> Edition:
        """Edition of the body."""
        return self.profile.forced_edition or self.edition


def form_of(member: Member, readings: Readings) -> Form:
    """The form that a terminal uses on its link."""
    session = member.session
    profile = readings.profile(session.terminal, member.link.listener)
    return Form(session.phone, session.edition, session.protocol_version, profile)


class Prepared(NamedTuple):
    """A command as far as it can be written without a serial number.

    Args:
        command: as the bus has it.
        form: what it was written for; None while nothing was written.
        body: as it goes out; empty when the frames are there already.
        encryption: the three bits 数据加密方式.
        frames: what went out before and fits still.
        error: why it cannot be written; "" when it can.
        is_new: it has just been submitted; False when it waited in the bus for its terminal.
    """

    command: Command
    form: Form | None = None
    body: bytes = b""
    encryption: int = 0
    frames: tuple[bytes, ...] = ()
    error: str = ""
    is_new: bool = False


def prepare(command: Command, form: Form, key_of: Callable[[str], PublicKey | None], *, is_new: bool) -> Prepared:
    """Write the body of a command, unless its frames have gone out in this form before."""
    if command.state is CommandState.SENT and _fits(command.frames, form):
        return Prepared(command, form, frames=command.frames, is_new=is_new)
    new = command.new
    try:
        body = compose(new.msg_id, new.fields, edition=form.edition, profile=form.profile).body
        if new.is_encrypted:
            key = key_of(new.terminal)
            if key is None:
                return Prepared(command, form, error="the terminal has sent no key (0x0A00)", is_new=is_new)
            body = encrypt_body(body, key, secrets.token_bytes)
    except (EncodeError, LookupError) as error:
        return Prepared(command, form, error=str(error), is_new=is_new)
    except Exception as error:  # noqa: BLE001  a bug; its text may hold what was to be sent, so it is not logged
        kind = type(error).__name__
        log.warning("command.not_written", command=command.command_id, msg_id=f"0x{new.msg_id:04x}", error=kind)
        return Prepared(command, form, error=f"it cannot be written ({kind})", is_new=is_new)
    return Prepared(command, form, body, RSA if new.is_encrypted and body else 0, is_new=is_new)


def _fits(frames: tuple[bytes, ...], form: Form) -> bool:
    """Whether frames that went out before have the header of this form."""
    for event in FrameReader().feed(frames[0] if frames else b""):
        if isinstance(event, Frame):
            header, _ = parse_header(event.payload)
            version = header.protocol_version if header.edition is Edition.V2019 else form.protocol_version
            return (header.phone, header.edition, version) == (form.phone, form.edition, form.protocol_version)
    return False


def part_count(body: bytes) -> int:
    """Number of frames for a body."""
    return 1 if len(body) <= BODY_BYTES_MAX else -(-len(body) // PART_BYTES)


def serials_of(body: bytes, form: Form) -> int:
    """Number of serials for a body: one for each part, unless the profile stamps all parts with the same."""
    return 1 if form.profile.part_serials == "same" else part_count(body)


def make_frames(msg_id: int, body: bytes, encryption: int, form: Form, serial: int) -> tuple[bytes, ...]:
    """The frames of a command.

    Raises:
        EncodeError: it needs too many parts.
    """
    return tuple(
        encode_frames(
            msg_id,
            body,
            phone=form.phone,
            serial=serial,
            edition=form.edition,
            protocol_version=form.protocol_version,
            part_bytes=BODY_BYTES_MAX if part_count(body) == 1 else PART_BYTES,
            same_serial=form.profile.part_serials == "same",
            encryption=encryption,
        )
    )
