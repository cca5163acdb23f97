"""What the platform has acknowledged and what terminals have executed, line by line, to be held against its store."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from jtgate.codecs import timebase
from jtgate.codecs.fingerprint import fingerprint
from jtgate.simulators.evidence_upload import Upload

#: Lines are written out when so many have come together, and at `flush`.
_LINES_MAX = 500


class Ledger:
    """JSON lines of acknowledged frames; a 0x0704 gives a line for each of its positions.

    Args:
        path: file to write; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="ascii")
        self._lines: list[str] = []
        self.count = 0

    def add(self, phone: str, msg_id: int, serial: int, bodies: Iterable[tuple[int, bytes]]) -> None:
        """Note an acknowledged frame.

        Args:
            phone: digits without leading zeros.
            msg_id: 消息ID.
            serial: serial of the frame, of the last part answered for a sub-packaged one.
            bodies: (device time in ms since 1970 or 0, body) for each location, or the one body of another message.
        """
        for device_ms, body in bodies:
            self._lines.append(
                json.dumps(
                    {
                        "phone": phone,
                        "msg_id": f"0x{msg_id:04x}",
                        "serial": serial,
                        "device_time_ms": device_ms,
                        "device_time": timebase.iso_ms(device_ms) if device_ms else None,
                        "fingerprint": fingerprint(body),
                    }
                )
            )
            self.count += 1
        if len(self._lines) >= _LINES_MAX:
            self.flush()

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        if self._lines:
            self._file.write("\n".join(self._lines) + "\n")
            self._lines.clear()
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()


class CommandsLedger:
    """JSON lines of executed commands, one for each execution: a repeated command that is only answered again has none.

    Each line is written at once, so that the file can be read while the run goes on.

    Args:
        path: file to write; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="ascii", buffering=1)
        self.count = 0

    def add(self, phone: str, msg_id: int, serial: int, body: bytes) -> None:
        """Note that a command was executed.

        Args:
            phone: digits without leading zeros.
            msg_id: 消息ID of the command.
            serial: of the command, of its first part when it came in parts.
            body: whole.
        """
        line = {
            "phone": phone,
            "msg_id": f"0x{msg_id:04x}",
            "serial": serial,
            "fingerprint": fingerprint(body),
            "executed_at": timebase.iso_ms(timebase.now_ms()),
        }
        self._file.write(json.dumps(line) + "\n")
        self.count += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class EvidenceLedger:
    """JSON lines of evidence files, one for each file of each order that is over, with its SHA-256.

    Args:
        path: file to write; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", buffering=1)
        self.count = 0

    def add(self, upload: Upload) -> None:
        """Note what became of an order."""
        order = upload.order
        for name, file in upload.names.items():
            line = {
                "phone": order.phone,
                "alarm_number": order.alarm_number.hex(),
                "platform_number": order.platform_number,
                "name": name,
                "file_type": file.file_type,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256(),
                "confirmed": name in upload.finished,
                "ending": upload.ending,
                "fault": upload.fault,
                "links": upload.links,
            }
            self._file.write(json.dumps(line) + "\n")
            self.count += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()
