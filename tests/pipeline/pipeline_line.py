"""A spool and a store in a temporary folder, and the worker between them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import build_header
from jtgate.codecs.opening import Opener
from jtgate.pipeline import CONSUMER
from jtgate.pipeline.worker import Limits, Worker
from jtgate.profiles import Assignments
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import SessionEvent, Transport, pack_frames, pack_session

START_US = 1_763_900_000_000_000
PHONE = "013800138000"


class Line:
    """Spool, worker and store.

    Args:
        data: the data folder.
        limits: of the workers it makes.
    """

    def __init__(self, data: Path, limits: Limits | None = None) -> None:
        self.data = data
        self.limits = limits or Limits(backoff_first_s=0.001, backoff_max_s=0.01)
        self.writer = open_spool_writer(data, bytes_max=1 << 30, keep_us=3_600_000_000)
        self.store = open_store("", data)
        self.store.migrate()
        self.reader = open_spool_reader(data)
        self.progress = open_spool_progress(data)
        self.now_us = START_US
        self.assignments = Assignments()  # of the workers it makes
        self.opener: Opener | None = None

    def append(
        self,
        payloads: Sequence[bytes],
        *,
        session: int = 1,
        at_us: int | None = None,
        transport: Transport = Transport.TCP,
    ) -> int:
        """One group with one read of one session; returns its number."""
        self.now_us = self.now_us + 1_000_000 if at_us is None else at_us
        data = pack_frames(self.now_us, session, transport, payloads)
        return self.writer.append(data, len(payloads), self.now_us)

    def session_record(self, event: str, session: int, **facts: object) -> int:
        """One group with one session record."""
        self.now_us += 1_000_000
        return self.writer.append(pack_session(self.now_us, session, event, facts), 0, self.now_us)

    def online(self, session: int = 1, phone: str = PHONE) -> int:
        """A terminal comes online."""
        facts = {"phone": phone, "edition": "2013", "peer": "127.0.0.1:5", "transport": "tcp", "how": "authenticated"}
        return self.session_record(SessionEvent.ONLINE, session, **facts)

    def worker(self) -> Worker:
        """A new worker, as after a restart."""
        return Worker(
            self.store,
            self.reader,
            self.progress,
            parts_bytes_max=1 << 20,
            limits=self.limits,
            assignments=self.assignments,
            opener=self.opener,
        )

    def run(self) -> Worker:
        """Let a new worker catch up."""
        worker = self.worker()
        worker.run_until_caught_up()
        return worker

    def run_again(self) -> Worker:
        """Let a new worker work through the whole spool once more."""
        self.store.write(StoreBatch(), consumer=CONSUMER, seq=0)
        return self.run()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a listing of the store."""
        return [dict(row) for row in getattr(self.store, table)(limit=100_000)]

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all listings, without what counts arrivals only."""
        return {
            "terminals": self.rows("terminals"),
            "positions": self.rows("positions"),
            "alarm_events": self.rows("alarm_events"),
            "card_events": self.rows("card_events"),
            "messages": self.rows("messages"),
            "quarantine": [dict(row) for row in self.store.quarantine(held_only=False, limit=100_000)],
            "parts": [row._asdict() for row in self.store.open_parts()],
        }

    def close(self) -> None:
        """Give up all files."""
        self.writer.close()
        self.reader.close()
        self.store.close()


def payload(
    msg_id: int,
    body: bytes = b"",
    *,
    serial: int = 0,
    phone: str = PHONE,
    edition: Edition = Edition.V2013,
    encryption: int = 0,
    part: tuple[int, int] | None = None,
) -> bytes:
    """Header and body; `part` is (number, total)."""
    number, total = part or (None, None)
    head = build_header(
        msg_id,
        len(body),
        phone=phone,
        serial=serial,
        edition=edition,
        encryption=encryption,
        packet_total=total,
        packet_no=number,
    )
    return head + body


def location(time: str = "251123201400", *, alarm: int = 0, status: int = 3, items: str = "") -> bytes:
    """A location body; time as YYMMDDhhmmss, items as hex."""
    place = (41_120_000).to_bytes(4) + (122_070_000).to_bytes(4)
    rest = b"\x00\x05\x02\x58\x00\x5a" + bytes.fromhex(time)
    return alarm.to_bytes(4) + status.to_bytes(4) + place + rest + bytes.fromhex(items)


def tlv(item_id: int, value: bytes) -> str:
    """An additional item as hex."""
    return (bytes((item_id, len(value))) + value).hex()


def vectors(folder: Path) -> list[dict[str, Any]]:
    """Frames of jt808 from the shared vectors, with their payload."""
    found = []
    for text in (folder / "frames.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(text)
        if record["protocol"] == "jt808":
            (frame,) = FrameReader().feed(bytes.fromhex(record["hex"]))
            assert isinstance(frame, Frame), record["id"]
            found.append(record | {"payload": frame.payload})
    return found
