"""Bodies behind encryption bits, as far as somebody can open them (JT/T 808 §2.2, §10.7; §11 item 16)."""

from collections.abc import Callable

from jtgate.codecs import deviations as dev
from jtgate.codecs.header import Header
from jtgate.codecs.profile import Profile

#: From a header with encryption bits and its body to the plain body; None when it cannot be opened.
Opener = Callable[[Header, bytes], bytes | None]


def plain_body(
    header: Header, body: bytes, profile: Profile, opener: Opener | None = None
) -> tuple[bytes | None, str | None]:
    """The body as it can be decoded.

    Args:
        header: as it came.
        body: as it came.
        profile: of the terminal; it may say that the encryption bits mean nothing.
        opener: decrypts; None where nobody can.

    Returns:
        The plain body, None when it stays encrypted; and the deviation to note, None without one.
    """
    if not header.encryption:
        return body, None
    if profile.encryption_bits == "ignore":
        return body, dev.ENCRYPTION_BITS_IGNORED
    opened = None if opener is None else opener(header, body)
    return opened, dev.BODY_ENCRYPTED if opened is None else None
