"""Who gives commands in tests: another process's end of the bus, and terminals that take them."""

import time
from collections.abc import Iterable
from pathlib import Path

from conftest import Terminal

from jtgate.codecs.header import Header, encode_frames
from jtgate.codecs.timebase import now_ms
from jtgate.storage.commands import Command, CommandBus, CommandState, NewCommand
from jtgate.storage.open import open_commands

LOCATION = bytes.fromhex("00000000000000030260f57206f015b8003402670058250314150926")
HOUR_S = 3600.0


class Office:
    """Gives commands and waits for what becomes of them.

    Args:
        data: data folder of a gateway.
    """

    def __init__(self, data: Path) -> None:
        self.bus: CommandBus = open_commands(data)

    def order(
        self,
        terminal: str,
        msg_id: int,
        fields: dict[str, object] | None = None,
        *,
        expires_s: float = HOUR_S,
        is_queued: bool = True,
        is_encrypted: bool = False,
    ) -> int:
        """Submit a command; its id."""
        at = now_ms()
        new = NewCommand(
            terminal.lstrip("0"),
            msg_id,
            fields or {},
            "test",
            at + int(expires_s * 1000),
            is_queued=is_queued,
            is_encrypted=is_encrypted,
        )
        return self.bus.submit(new, at).command_id

    def text(self, terminal: str, text: str = "测试", **options: float | bool) -> int:
        """Submit a text message."""
        return self.order(terminal, 0x8300, {"flags": 8, "text": text}, **options)  # type: ignore[arg-type]

    def get(self, command_id: int) -> Command:
        """How it stands."""
        return self.bus.get(command_id)

    def until(self, command_id: int, *states: CommandState, within_s: float = 20.0) -> Command:
        """Wait for one of some states; for the end of it when none is named."""
        deadline = time.monotonic() + within_s
        while True:
            command = self.bus.get(command_id)
            if command.state in states or (not states and not command.state.is_open):
                return command
            assert time.monotonic() < deadline, f"it is still {command.state}, {command.error}"
            time.sleep(0.01)


class Driven(Terminal):
    """A terminal that is online and takes commands; answers to its own messages are passed over."""

    def go_online(self) -> "Driven":
        """A report is enough with policy open."""
        header, _ = self.ask(0x0200, LOCATION, 9)
        while header.msg_id != 0x8001:  # a command overtook the answer
            header, _ = self.answer()
        return self

    def command(self, within_s: float = 20.0) -> tuple[Header, bytes]:
        """The next command."""
        self.socket.settimeout(within_s)
        while True:
            header, body = self.answer()
            if header.msg_id != 0x8001:
                return header, body

    def commands(self, count: int) -> list[tuple[Header, bytes]]:
        """So many commands, or parts of them."""
        return [self.command() for _ in range(count)]

    def hears_nothing(self, for_s: float = 0.3) -> bool:
        """Whether no command comes for a while."""
        patience_s = self.socket.gettimeout()
        try:
            self.command(for_s)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(patience_s)
        return False

    def general(self, header: Header, result: int = 0, *, off: int = 0) -> None:
        """0x0001; `off` makes its serial wrong."""
        serial = (header.serial + off) & 0xFFFF
        self.send(0x0001, serial.to_bytes(2) + header.msg_id.to_bytes(2) + bytes([result]), 1)

    def in_parts(self, msg_id: int, body: bytes, part_bytes: int, order: Iterable[int] | None = None) -> None:
        """Send a long message, its parts in any order."""
        frames = encode_frames(msg_id, body, phone=self.phone, serial=100, edition=self.edition, part_bytes=part_bytes)
        for index in order if order is not None else range(len(frames)):
            self.socket.sendall(frames[index])
