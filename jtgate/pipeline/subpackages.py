"""Sub-packages on their way to a whole message, kept in the store so that a restart loses none (§8.2)."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, cast

from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.parts import ABANDONED_REPEATED, Abandoned, Complete, PartBuffer, Progress, Refused
from jtgate.pipeline import quarantine
from jtgate.pipeline.arrived import Arrived, Origin
from jtgate.storage.model import PartRow, QuarantineRow, StoreBatch

#: The gateway asks for missing parts; the pipeline only waits this long after the last one.
KEEP_S: Final = 300.0

PartKey = tuple[int, int, int, int]


class SubPackages:
    """Reassembly for the pipeline: memory and the parts table of the store move together.

    Time is that of the spooled frames, so working off a backlog abandons nothing that came in time.

    Frames of one read share its time, and some senders give every part the same serial. So the row of a part
    tells the time of its read plus its number less one in microseconds, or the next time that is free: no two
    parts share a key, and the same frames get the same keys when they are worked through again.

    Args:
        bytes_max: memory for the parts of all terminals.
        stored: parts that a former run left in the store, in the order received.
    """

    def __init__(self, bytes_max: int, stored: Iterable[PartRow] = ()) -> None:
        self._buffer = PartBuffer(bytes_max, requests_max=0, keep_s=KEEP_S)
        self._new: dict[PartKey, PartRow] = {}
        self._done: list[PartKey] = []
        self._taken: set[PartKey] = set()  # in the store until the next batch is written, or in that batch
        self._left_over: list[Arrived] = []
        self.counts: Counter[str] = Counter()
        for row in stored:
            self._taken.add(_key(row))
            header, body = parse_header(row.payload)
            whole = self._add(row, header, body, Origin(row.received_us, row.session_id, row.spool_seq))
            self._new.clear()  # what is dropped from here on is dropped from the store
            if isinstance(whole, Arrived):
                self._left_over.append(whole)
                self._drop(row)

    def add(
        self, terminal_id: int, header: Header, body: bytes, payload: bytes, origin: Origin
    ) -> Arrived | Refused | None:
        """Take a part; the whole message when it was the last, None when more must come.

        Args:
            terminal_id: key of the terminal.
            header: its header, with a package item.
            body: its body.
            payload: header and body as they came.
            origin: where it came from; a whole message has that of the part that completed it.
        """
        received_us = origin.received_us + (header.packet_no or 1) - 1
        while (terminal_id, header.msg_id, header.serial, received_us) in self._taken:
            received_us += 1
        row = PartRow(
            terminal_id,
            header.msg_id,
            header.serial,
            received_us,
            origin.session_id,
            origin.spool_seq,
            payload,
        )
        return self._add(row, header, body, origin)

    def left_over(self) -> list[Arrived]:
        """Messages that the stored parts of a former run complete, once."""
        found, self._left_over = self._left_over, []
        return found

    def settle(self, now_us: int, batch: StoreBatch) -> None:
        """Give up what has waited too long by `now_us`, and write what has become of the parts into the batch."""
        for event in self._buffer.due(now_us / 1e6):
            if isinstance(event, Abandoned):
                batch.quarantine.extend(self._give_up(event))
        batch.parts.extend(self._new.values())
        batch.parts_done.extend(self._done)
        self._taken.difference_update(self._done)
        self._new.clear()
        self._done.clear()

    def _add(self, row: PartRow, header: Header, body: bytes, origin: Origin) -> Arrived | Refused | None:
        outcome = self._buffer.add(header.terminal, header, body, row.received_us / 1e6, token=row)
        if isinstance(outcome, Refused):
            return outcome
        if isinstance(outcome, Progress):
            if outcome.duplicate:
                self.counts["parts_repeated"] += 1
            if outcome.replaced is not None:
                self._drop(cast("PartRow", outcome.replaced))
            if outcome.kept:
                self._new[_key(row)] = row
                self._taken.add(_key(row))
            return None
        return self._complete(outcome, row, origin)

    def _complete(self, outcome: Complete, last: PartRow, origin: Origin) -> Arrived:
        self.counts["parts_completed"] += 1
        for token in outcome.tokens:
            if token is not last:
                self._drop(cast("PartRow", token))
        return Arrived(last.terminal_id, outcome.header, outcome.body, outcome.parts, origin)

    def _give_up(self, event: Abandoned) -> Iterable[QuarantineRow]:
        self.counts[f"parts_abandoned_{event.reason}"] += 1
        total = event.header.packet_total
        for token in event.tokens:
            row = cast("PartRow", token)
            self._drop(row)
            if event.reason == ABANDONED_REPEATED:
                continue  # its message is stored
            header, _ = parse_header(row.payload)
            yield quarantine.row(
                Origin(row.received_us, row.session_id, row.spool_seq),
                row.payload,
                quarantine.INCOMPLETE,
                f"{event.received} of {total} parts came, given up: {event.reason}",
                header=header,
            )

    def _drop(self, row: PartRow) -> None:
        """A part is not wanted any more: take it out of this batch, or of the store."""
        if self._new.pop(_key(row), None) is None:
            self._done.append(_key(row))  # free only after that batch, which deletes what it has written before
        else:
            self._taken.discard(_key(row))


def _key(row: PartRow) -> PartKey:
    return row.terminal_id, row.msg_id, row.serial, row.received_us
