"""Why a row of the spool may be missing in the store and not lost: its frame was quarantined, or read otherwise."""

from collections import defaultdict
from typing import Final, cast

from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.header import parse_header
from jtgate.pipeline import quarantine
from jtgate.pipeline.compared import Fact
from jtgate.storage.model import QuarantineRow
from jtgate.storage.records import FramesRecord, unpack
from jtgate.storage.spool import SpoolReader
from jtgate.storage.store import Key, Store

#: Rows of a terminal looked through for those of one frame, and how far their device times may be from its receipt.
_ROWS_LOOKED_AT: Final = 1000
_DEVICE_TIME_MS: Final = 10 * 60 * 1000

#: Session, time of receipt in ms, terminal.
_From = tuple[int, int, str]


class Frames:
    """Quarantine keys of the frames of a group; the last group is remembered.

    Args:
        reader: the spool.
    """

    def __init__(self, reader: SpoolReader) -> None:
        self._reader = reader
        self._seq = -1
        self._keys: dict[_From, list[tuple[int | None, list[Key]]]] = {}  # serial, None for a sub-package

    def quarantine_keys(self, fact: Fact, terminal: str) -> list[Key]:
        """Under which keys the frame of a row would be in quarantine, if it were.

        Args:
            fact: a row of another table, with session, serial and group.
            terminal: its digits.

        Raises:
            SpoolError: the group cannot be read.
        """
        seq = fact.get("spool_seq")
        if seq != self._seq:
            self._keys, self._seq = self._read(seq), seq
        frames = self._keys.get((fact.get("session_id"), fact.received_ms, terminal), ())
        return [key for serial, keys in frames if serial in (None, fact.get("serial")) for key in keys]

    def _read(self, seq: int) -> dict[_From, list[tuple[int | None, list[Key]]]]:
        found: dict[_From, list[tuple[int | None, list[Key]]]] = defaultdict(list)
        group = next(iter(self._reader.read(seq - 1, groups_max=1)), None)
        if group is None or group.seq != seq:
            return found
        for record in unpack(group.data):  # it was decoded before
            if not isinstance(record, FramesRecord):
                continue
            received_us = record.received_us
            for payload in record.payloads:
                try:
                    header, _ = parse_header(payload)
                except ProtocolError:
                    continue  # quarantined for that, and no row of another table
                print_ = quarantine.fingerprint(payload)
                keys: list[Key] = [(received_us, print_), (group.at_us, print_)]  # the second: the store refused it
                if header.is_part:
                    keys.append((received_us + (header.packet_no or 1) - 1, print_))
                serial = None if header.is_part else header.serial
                found[record.session_id, received_us // 1000, header.terminal].append((serial, keys))
        return found


def stored_otherwise(store: Store, fact: Fact) -> bool:
    """Whether the store has rows of a frame that would now be quarantined: it was read by another profile or key.

    Args:
        store: is asked for the newest rows of the terminal only.
        fact: a row of the quarantine.
    """
    row = cast("QuarantineRow", fact.row)
    header = fact.header
    if header is None or not row.terminal:
        return False
    received_ms = fact.received_ms
    rows = [
        *store.messages(terminal=row.terminal, msg_id=row.msg_id, limit=_ROWS_LOOKED_AT),
        *store.positions(
            terminal=row.terminal,
            from_ms=received_ms - _DEVICE_TIME_MS,
            to_ms=received_ms + _DEVICE_TIME_MS,
            limit=_ROWS_LOOKED_AT,
        ),
    ]
    return any(
        other["serial"] == header.serial and other["received_ms"] == received_ms and other["msg_id"] == row.msg_id
        for other in rows
    )
