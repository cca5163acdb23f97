"""The command bus: what somebody wants a terminal to be told, until it is answered or given up (design D10).

    submit ─► WAITING ──gateway sends──► SENT ──answer──► ANSWERED | REFUSED
                 │                        ├─ no answer, retries used up ─► NO_ANSWER
                 ├─ expiry ─► EXPIRED     └─ expiry (no further retry) ──► EXPIRED
                 ├─ offline, and not to be queued ─► OFFLINE
                 ├─ not to be encoded for this terminal ─► IMPOSSIBLE
                 └─ cancel ─► CANCELLED

Whoever submits may be in another process than the gateway that sends. Everything is durable before a call returns, so
a command outlives both. A command is marked SENT, with its bytes, before it goes out: after a crash it is repeated with
the same serial and the same bytes, which a terminal recognises as a repetition (JT/T 808 §10.3).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

#: Commands that are neither answered nor given up, of all terminals together and of one terminal.
OPEN_MAX: Final = 100_000
OPEN_PER_TERMINAL_MAX: Final = 1000
#: Finished commands kept as history; the oldest go first.
HISTORY_MAX: Final = 1_000_000
#: Longest JSON of the fields of a command, bytes.
FIELDS_BYTES_MAX: Final = 1 << 20
#: Longest JSON of an answer that is kept, bytes; of a longer one the beginning of its lists is kept.
ANSWER_BYTES_MAX: Final = 1 << 20
#: Longest idempotency key, characters.
KEY_LENGTH_MAX: Final = 200


class CommandState(StrEnum):
    """What has become of a command."""

    WAITING = "waiting"  # for its terminal, or for a gateway
    SENT = "sent"  # the answer is awaited
    ANSWERED = "answered"
    REFUSED = "refused"  # the terminal answered 1 failure, 2 message error or 3 not supported
    NO_ANSWER = "no_answer"
    EXPIRED = "expired"
    OFFLINE = "offline"  # it was not to be queued
    CANCELLED = "cancelled"
    IMPOSSIBLE = "impossible"  # it cannot be written for the edition of this terminal

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self in (CommandState.WAITING, CommandState.SENT)


class CommandError(Exception):
    """The bus could not do what was asked; nothing was changed."""

    code = "command"


class CommandsUnavailable(CommandError):
    """Locked, gone, read-only or full: try again later."""

    code = "command.unavailable"


class CommandsFull(CommandError):
    """OPEN_MAX or OPEN_PER_TERMINAL_MAX is reached."""

    code = "command.full"


class CommandTooLong(CommandError):
    """The fields or the idempotency key are too long."""

    code = "command.too_long"


class CommandConflict(CommandError):
    """The idempotency key was used before for another command."""

    code = "command.conflict"


class UnknownCommand(CommandError):
    """There is no command of that id."""

    code = "command.unknown"


@dataclass(frozen=True, slots=True)
class NewCommand:
    """What somebody wants a terminal to be told.

    Args:
        terminal: digits without leading zeros.
        msg_id: 消息ID, 0x8000..0xFFFF.
        fields: of the body by name, as `codecs.compose` takes them; or {"raw": hex} for a body as it is.
        asked_by: who wants it: name of a token, or of a part of jtgate.
        expires_ms: when it is worth nothing any more, milliseconds since 1970.
        is_queued: wait for the terminal to come online; False gives up at once when it is not.
        is_encrypted: encrypt the body with the key that the terminal sent (0x0A00).
        idempotency_key: the same key of the same asker is the same command, however often it is submitted.
    """

    terminal: str
    msg_id: int
    fields: Mapping[str, object]
    asked_by: str
    expires_ms: int
    is_queued: bool = True
    is_encrypted: bool = False
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what has become of it; times are milliseconds since 1970, None before they come.

    Args:
        command_id: rises with submission.
        result: 结果 of the 0x0001 that answered or acknowledged it.
        answer_id: 消息ID of the message that answered it.
        answer: fields of that message as `codecs.describe` prints them; None while there is none.
        error: half a sentence on what went wrong; "" for nothing.
        edition: of the terminal when it was written; "" before.
        attempts: how often it went out.
        serial: 流水号 of its first frame.
        frames: what went out, complete frames; empty before, and again when it is finished.
    """

    command_id: int
    new: NewCommand
    created_ms: int
    state: CommandState = CommandState.WAITING
    sent_ms: int | None = None
    finished_ms: int | None = None
    result: int | None = None
    answer_id: int | None = None
    answer: Mapping[str, object] | None = None
    error: str = ""
    edition: str = ""
    attempts: int = 0
    serial: int | None = None
    frames: tuple[bytes, ...] = field(default=(), repr=False)


class CommandChange(NamedTuple):
    """What a gateway did with a command, or heard of it; None leaves what is there.

    A finished command changes no more, except that an answer may be added to one that has none.
    """

    command_id: int
    at_ms: int
    state: CommandState
    result: int | None = None
    answer_id: int | None = None
    answer: Mapping[str, object] | None = None
    error: str | None = None
    edition: str | None = None
    attempts: int | None = None
    serial: int | None = None
    frames: tuple[bytes, ...] | None = None


class Watch(Protocol):
    """A standing wish to be told of changes."""

    def close(self) -> None:
        """Be told no more; safe to call twice."""
        ...


class CommandBus(Protocol):
    """Interface of the bus; calls block for a few milliseconds, so an event loop makes them on a thread.

    All methods raise CommandsUnavailable when the bus cannot be reached.
    """

    # For whoever wants something.

    def submit(self, new: NewCommand, now_ms: int) -> Command:
        """Take a command; the one that is there already when the asker has used the idempotency key before.

        Raises:
            CommandConflict, CommandsFull, CommandTooLong: it was not taken.
        """
        ...

    def get(self, command_id: int) -> Command:
        """One command.

        Raises:
            UnknownCommand: there is none.
        """
        ...

    def find(
        self,
        *,
        terminals: Collection[str] | None = None,
        states: Collection[CommandState] = (),
        from_ms: int = 0,
        to_ms: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Command]:
        """Commands, newest first.

        Args:
            terminals: of these only; None for all.
            states: in these only; empty for all.
            from_ms: created at or after.
            to_ms: created before; None for no end.
            before_id: id of the last one of the page before.
            limit: rows.
        """
        ...

    def cancel(self, command_id: int, now_ms: int) -> Command:
        """Give up a command that is open, and how it stands then; one that is out may still be obeyed.

        Raises:
            UnknownCommand: there is none.
        """
        ...

    # For a gateway.

    def arrivals(self, limit: int = 1000) -> list[Command]:
        """Open commands that were submitted, or cancelled ones (with their state), since the last call; in order.

        A new object begins behind what is there at the time: `open_of` tells of that.
        """
        ...

    def open_of(self, terminals: Collection[str], limit: int = OPEN_PER_TERMINAL_MAX) -> list[Command]:
        """Open commands of these terminals, oldest first, `limit` at most; asked when they come online."""
        ...

    def change(self, changes: Sequence[CommandChange]) -> set[int]:
        """Write what was done, in one durable transaction; ids of those that are as they were because they had ended.

        A gateway must not send a command that is among them.
        """
        ...

    def expire(self, now_ms: int, limit: int = 1000) -> int:
        """End what has expired; how many. Commands that are out when it happens end as well."""
        ...

    def trim(self, before_ms: int, limit: int = 1000) -> int:
        """Delete history finished before a time, and what is beyond HISTORY_MAX; how many."""
        ...

    # For both.

    def watch(self, callback: Callable[[], None]) -> Watch:
        """Call back, on another thread, soon after something was submitted or changed by anybody.

        It may be called when nothing has changed, and once for many changes.
        """
        ...

    def counts(self) -> dict[CommandState, int]:
        """Number of commands by state."""
        ...

    def close(self) -> None:
        """Give up what is open; safe to call twice."""
        ...
