"""A message on its way through the pipeline, and where it came from."""

from typing import NamedTuple

from jtgate.codecs.header import Header
from jtgate.codecs.profile import AUTO, Profile


class Origin(NamedTuple):
    """Where a frame came from; `transport` is None where that was not kept with it."""

    received_us: int
    session_id: int
    spool_seq: int
    transport: int | None = None

    @property
    def received_ms(self) -> int:
        """Receive time, milliseconds since 1970."""
        return self.received_us // 1000


class Arrived(NamedTuple):
    """A whole message of a known terminal; reassembled from `parts` sub-packages when that is above 1.

    `profile` is that of the terminal once it is known.
    """

    terminal_id: int
    header: Header
    body: bytes
    parts: int
    origin: Origin
    profile: Profile = AUTO
