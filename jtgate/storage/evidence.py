"""The desk of evidence: which files were asked for, from whom, and how far they have come.

    alarm announces files ─► asked ─► 0x9208 ─► arriving ─► complete        attachment server and pipeline share it:
                               │         └────► refused        └► incomplete    the one asks, the other receives
                               └ nobody answers for 24 h ─► refused

It is kept apart from the store, because a file makes progress many times a second and the store hears of it later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class EvidenceError(Exception):
    """The desk could not do what was asked; nothing was changed."""

    code = "evidence"


class EvidenceUnavailable(EvidenceError):
    """Locked, gone or full: try again later."""

    code = "evidence.unavailable"


class TooManyAsks(EvidenceError):
    """The vehicle has as many open asks as it may have; try again later."""

    code = "evidence.too_many_asks"


class AskState(StrEnum):
    """How far the evidence of one alarm is."""

    WAITING = "waiting"  # to be asked for at `due_ms`
    ASKED = "asked"  # 0x9208 is on its way or was answered
    ARRIVING = "arriving"  # 0x1210 came
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # given up with some of it
    REFUSED = "refused"  # the terminal said no, or nothing came within the time


class FileState(StrEnum):
    """How far one file is."""

    ANNOUNCED = "announced"
    ARRIVING = "arriving"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class NewAsk:
    """Evidence to be asked for.

    Args:
        terminal: digits without leading zeros.
        source: "jsatl12:0x64" …
        identification: 报警标识号 as it came, to be echoed byte for byte.
        alarm_time_ms: of the alarm.
        count: files that the alarm announced.
    """

    terminal: str
    source: str
    identification: bytes
    alarm_time_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Evidence of one alarm as it was asked for.

    Args:
        ask_id: rises with arrival.
        new: what was to be asked for.
        alarm_number: 报警编号, 32 characters 0–9 A–F that nobody can guess.
        state: how far it is.
        tries: 0x9208 sent so far.
        due_ms: when the next is to be sent, 0 for never.
        command_id: of the last one on the command bus.
        created_ms: when it was noted.
        issued_ms: when the first 0x9208 was handed to the bus, 0 for not yet.
        reason: why it was refused or given up.
        change: number of its last change; rises over all asks and files.
    """

    ask_id: int
    new: NewAsk
    alarm_number: str
    state: AskState
    tries: int
    due_ms: int
    command_id: int | None
    created_ms: int
    issued_ms: int
    reason: str | None
    change: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as the terminal tells of it.

    Args:
        name: as in 0x1210, trailing zeros and blanks cut off; never part of a path.
        size: bytes, 0 not told.
        file_type: 0 picture, 1 audio, 2 video, 3 text, 4 and 5 by dialect; None not told.
    """

    name: str
    size: int = 0
    file_type: int | None = None


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of an ask.

    Args:
        ask_id: whose.
        facts: what the terminal told.
        state: how far it is.
        received: stretches that are on disk, (offset, end) each, rising and apart.
        sha256: of a complete one, or of what there is of an incomplete one, hex.
        path: below the folder of files, once it is complete or given up.
        announced_ms: first heard of.
        completed_ms: None while it is on its way.
        change: see Ask.
    """

    ask_id: int
    facts: FileFacts
    state: FileState
    received: tuple[tuple[int, int], ...] = field(default=())
    sha256: str | None = None
    path: str | None = None
    announced_ms: int = 0
    completed_ms: int | None = None
    change: int = 0


class EvidenceDesk(Protocol):
    """Interface of every back end. Calls may come from any thread, and from several processes."""

    def ask(self, new: NewAsk, now_ms: int) -> Ask:
        """Note evidence to be asked for; the same (terminal, source, identification) again gives the ask that is there.

        Raises:
            TooManyAsks: the terminal has too many that are open.
        """
        ...

    def again(self, ask_id: int, now_ms: int) -> Ask:
        """Open an ask once more that has ended without being complete; any other stays as it is.

        Raises:
            TooManyAsks: the terminal has too many that are open.
        """
        ...

    def of_alarm(self, terminal: str, identification: bytes) -> list[Ask]:
        """Asks for an identification number, one for each source."""
        ...

    def due(self, now_ms: int, limit: int = 100) -> list[Ask]:
        """Open asks whose time has come."""
        ...

    def open_of(self, terminal: str) -> list[Ask]:
        """Open asks of a terminal: they are due at its login."""
        ...

    def sent(self, ask_id: int, command_id: int, now_ms: int, next_due_ms: int) -> Ask:
        """A 0x9208 was handed to the bus."""
        ...

    def postpone(self, ask_id: int, due_ms: int) -> None:
        """Look at an open ask again at another time, without having sent anything."""
        ...

    def end(self, ask_id: int, state: AskState, reason: str, now_ms: int) -> Ask:
        """Give an ask up: REFUSED or INCOMPLETE."""
        ...

    def issued(self, alarm_number: str) -> Ask | None:
        """The ask of an alarm number that was sent out, None for one that never was."""
        ...

    def get(self, ask_id: int) -> Ask | None:
        """An ask by its number."""
        ...

    def announce(self, ask_id: int, files: Sequence[FileFacts], now_ms: int) -> list[EvidenceFile]:
        """0x1210 or 0x1211 told of files; those known keep what has come of them. Returns all files of the ask."""
        ...

    def files(self, ask_id: int) -> list[EvidenceFile]:
        """Files of an ask, in the order announced."""
        ...

    def save(self, file: EvidenceFile, now_ms: int) -> EvidenceFile:
        """Note progress or end of a file; the ask follows: COMPLETE when every file of it is."""
        ...

    def changes(self, after_change: int, limit: int = 1000) -> list[tuple[Ask, list[EvidenceFile]]]:
        """Asks with all their files that changed after a change number, by their newest change."""
        ...

    def trim(self, before_ms: int, limit: int = 1000) -> int:
        """Forget asks that ended before a time; how many."""
        ...

    def counts(self) -> dict[AskState, int]:
        """Asks by state."""
        ...

    def close(self) -> None:
        """Safe to call twice."""
        ...
