"""A data folder for the command line, and the makings of what happens in it."""

from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from jtgate.cli import main
from jtgate.storage.directory import LiveSession
from jtgate.storage.model import POSITION_COLUMNS

#: 2026-11-24 02:00:00 in GMT+8.
NOW_MS = 1_795_456_800_000
PHONE = "13800138000"


@dataclass
class World:
    """A data folder and a runner."""

    data: Path

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command with --data."""
        return CliRunner().invoke(main, [*arguments, "--data", str(self.data)], input=stdin, prog_name="jtgate")

    def lines(self, *arguments: str) -> list[str]:
        """Standard output of a command that succeeds, line by line."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()


def live_session(terminal: str = PHONE, **changes: object) -> LiveSession:
    """A session that has been online for an hour."""
    facts: dict[str, object] = {
        "session_id": 7,
        "terminal": terminal,
        "phone": terminal.rjust(12, "0"),
        "edition": "2019",
        "transport": "tcp",
        "peer": "10.1.2.3:40000",
        "state": "online",
        "how": "authenticated",
        "online_since_ms": NOW_MS - 3_661_000,
        "last_received_ms": NOW_MS - 2_000,
        "frames": 1234,
        "bad_frames": 1,
        "bytes_in": 132_000,
        "last_msg_id": 0x0200,
    }
    return LiveSession(**(facts | changes))  # type: ignore[arg-type]


def position(terminal_id: int, **values: object) -> tuple[object, ...]:
    """A row of positions."""
    facts: dict[str, object] = {
        "terminal_id": terminal_id,
        "device_time_ms": NOW_MS - 5_000,
        "fingerprint": 1,
        "received_ms": NOW_MS - 4_000,
        "time_state": 0,
        "session_id": 7,
        "spool_seq": 1,
        "serial": 1,
        "msg_id": 0x0200,
        "backfill": 0,
    }
    return tuple((facts | values).get(name) for name in POSITION_COLUMNS)
