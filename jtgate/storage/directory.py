"""The directory: who is connected now, which terminals are known, and requests to a gateway (design D9).

It is shared by processes: the gateway publishes, the command line reads and asks. Live sessions can be
lost with the machine (they are rebuilt by reconnects); known terminals, requests and notes are durable.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jtgate.codecs.encryption import PublicKey


class DirectoryError(Exception):
    """The directory could not do what was asked; nothing was changed."""

    code = "directory"


class DirectoryUnavailable(DirectoryError):
    """Locked, gone, read-only or full: try again later."""

    code = "directory.unavailable"


class DirectoryFull(DirectoryError):
    """A limit of the directory is reached: open requests, known terminals."""

    code = "directory.full"


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session as the gateway last published it (about once a second)."""

    session_id: int
    terminal: str  # digits without leading zeros
    phone: str  # every digit on the wire
    edition: str  # "2013" or "2019" by header
    transport: str  # tcp, udp, tls, mqtt
    peer: str  # address:port
    state: str  # online, registered, connected
    how: str  # authenticated, implicit
    online_since_ms: int
    last_received_ms: int
    frames: int
    bad_frames: int
    bytes_in: int
    last_msg_id: int


@dataclass(frozen=True, slots=True)
class KickRequest:
    """Somebody wants a session closed."""

    request_id: int
    terminal: str
    asked_by: str
    created_ms: int


class TerminalNote(NamedTuple):
    """What a gateway learnt of a terminal and needs to know again after a restart; None keeps what is there."""

    terminal: str  # digits without leading zeros
    manufacturer: str | None = None  # of its registration
    model: str | None = None
    key: PublicKey | None = None  # 终端RSA公钥, from 0x0A00


class Directory(Protocol):
    """Interface of the directory."""

    def start(self, at_ms: int) -> None:
        """A gateway starts: forget all live sessions of the previous run."""
        ...

    def publish(self, changed: Sequence[LiveSession], gone: Sequence[int]) -> None:
        """Upsert sessions and remove others by session id, in one brief transaction."""
        ...

    def sessions(
        self,
        *,
        terminal_prefix: str = "",
        terminals: Collection[str] | None = None,
        transport: str = "",
        before: tuple[int, int] | None = None,
        limit: int = 1000,
    ) -> list[LiveSession]:
        """Live sessions, latest online first.

        Args:
            terminal_prefix: first digits.
            terminals: of these only; None for all.
            transport: only those; "" for all.
            before: `online_since_ms` and `session_id` of the last one of the page before.
            limit: most of them.
        """
        ...

    def session(self, terminal: str) -> LiveSession | None:
        """The live session of one terminal (digits, leading zeros ignored)."""
        ...

    def count(self) -> int:
        """Number of live sessions."""
        ...

    def ask_kick(self, terminal: str, asked_by: str, now_ms: int) -> int:
        """Ask for a session to be closed; returns the request id."""
        ...

    def take_requests(self) -> list[KickRequest]:
        """Requests not yet finished, oldest first; cheap when nothing changed."""
        ...

    def finish(self, request_id: int, outcome: str) -> None:
        """Record the outcome: "closed" or "not_online"."""
        ...

    def outcome(self, request_id: int) -> str | None:
        """Outcome of a request; None while it is open."""
        ...

    def add_known(self, terminals: Sequence[str]) -> int:
        """Register terminals for policy `known`; returns how many were new."""
        ...

    def remove_known(self, terminals: Sequence[str]) -> int:
        """Unregister terminals; returns how many were there."""
        ...

    def known(self) -> frozenset[str]:
        """All registered terminals (digits without leading zeros)."""
        ...

    def note(self, notes: Sequence[TerminalNote]) -> None:
        """Remember what was learnt of terminals, durably."""
        ...

    def models(self) -> dict[str, tuple[str, str]]:
        """Terminal -> manufacturer and model of its registration."""
        ...

    def key_of(self, terminal: str) -> PublicKey | None:
        """The public key of a terminal, to encrypt what is sent to it; None when it never sent one."""
        ...

    def version(self) -> int:
        """A number that changes whenever another connection wrote; cheap to poll."""
        ...

    def close(self) -> None:
        """Give up the file; safe to call twice."""
        ...
