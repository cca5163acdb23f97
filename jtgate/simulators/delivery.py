"""What a terminal has sent and what has become of it: answers, retransmission, sub-packages, faults on the way.

A frame that expects an answer stays here until it is answered, given up after the last retransmission, or the
link is lost. Retransmissions are byte-identical (JT/T 808 §10.3): the frame is kept, not made again.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jtgate.codecs.header import PART_BYTES, encode_frames
from jtgate.simulators import faults
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.faults import Fault, FaultPlan
from jtgate.simulators.identity import Identity
from jtgate.simulators.tally import Tally

HEARTBEAT = 0x0002

#: Longest wait for an answer however often a frame has been sent (§10.3 has no limit), seconds.
WAIT_S_MAX = 300.0
#: Frames answered or given up that are remembered, to tell a repeated or late answer from a wrong one.
RECENT_MAX = 32
#: Pieces of slowed-down frames waiting for their time; above it nothing more is slowed down.
LATER_MAX = 1024
#: Long answers to commands that are kept.
TOLD_MAX = 4
#: The part that an answer cut on purpose goes without.
KEPT_BACK_PART = 2


class Position(NamedTuple):
    """A location body 位置信息汇报 and the device time in it, ms since 1970."""

    device_ms: int
    body: bytes


@dataclass(slots=True)
class LongMessage:
    """A message in sub-packages 分包.

    Args:
        msg_id: 消息ID.
        first_serial: serial of part 1.
        frames: all parts as first sent.
        positions: locations inside, for 0x0704.
        media_id: for 0x0801, which ends with 0x8800; else None.
        body: the whole body.
        stepwise: part k + 1 goes out after the answer to part k.
    """

    msg_id: int
    first_serial: int
    frames: list[bytes]
    positions: Sequence[Position]
    media_id: int | None
    body: bytes
    stepwise: bool
    open: set[int] = field(default_factory=set)  # serials not answered yet
    result: int = 0  # the worst of its parts
    asked_at: float = math.inf  # when the last part is repeated because 0x8800 does not come
    asked: int = 0


@dataclass(slots=True)
class Pending:
    """A frame that waits for its answer.

    Args:
        msg_id: 消息ID.
        serial: 消息流水号.
        frame: as it was first sent.
        positions: locations inside (a single-frame 0x0200 or 0x0704).
        flags: alarm flags it carried.
        body: the body, for the ledger.
        long: the message it is a part of.
    """

    msg_id: int
    serial: int
    frame: bytes
    positions: Sequence[Position] = ()
    flags: int = 0
    body: bytes = b""
    long: LongMessage | None = None
    sends: int = 0  # transmissions that were right
    damaged: int = 0  # transmissions with a wrong check byte
    wait_s: float = 0.0
    deadline: float = math.inf
    good_at: float = math.inf  # when it was first sent right


class Outbox:
    """Bytes for the link, in order; some of them later than now."""

    __slots__ = ("_later", "_ready")

    def __init__(self) -> None:
        self._ready: list[bytes] = []
        self._later: deque[tuple[float, bytes]] = deque()

    def put(self, data: bytes, now: float, delay_s: float = 0.0) -> float:
        """Queue bytes behind everything queued before; the time at which they leave."""
        if not self._later and (delay_s == 0.0):
            self._ready.append(data)
            return now
        due = max(now, self._later[-1][0] if self._later else now) + delay_s
        self._later.append((due, data))
        return due

    def take(self, now: float) -> list[bytes]:
        """The pieces to write now."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(self._later.popleft()[1])
        ready, self._ready = self._ready, []
        return ready

    @property
    def slowed(self) -> int:
        """Pieces waiting for their time."""
        return len(self._later)

    @property
    def deadline(self) -> float:
        """When the next piece is due."""
        return self._later[0][0] if self._later else math.inf

    def clear(self) -> None:
        """The link is gone."""
        self._ready.clear()
        self._later.clear()


class Delivery:
    """Frames of one terminal on their way.

    Args:
        identity: phone and edition.
        plan: faults to make.
        tally: counters of the fleet.
        dice: chances of this terminal.
        wait_s: T, the time to wait for the first answer (parameter 0x0002).
        retries: retransmissions before a frame is given up (parameter 0x0003).
    """

    __slots__ = (
        "_dice",
        "_drawn",
        "_identity",
        "_next",
        "_open",
        "_plan",
        "_recent",
        "_serial",
        "_tally",
        "_told",
        "last_sent_at",
        "outbox",
        "retries",
        "upload",
        "wait_s",
    )

    def __init__(
        self, identity: Identity, plan: FaultPlan, tally: Tally, dice: Dice, *, wait_s: float, retries: int
    ) -> None:
        self._identity = identity
        self._plan = plan
        self._tally = tally
        self._dice = dice
        self._serial = 0
        self._drawn = 0
        self._open: dict[int, Pending] = {}
        self._told: dict[int, LongMessage] = {}  # long answers by first serial, in case parts are asked for
        self._recent: dict[int, bool] = {}  # serial -> it was answered (else given up)
        self._next = math.inf
        self.outbox = Outbox()
        self.upload: LongMessage | None = None
        self.last_sent_at = -math.inf
        self.wait_s = wait_s
        self.retries = retries

    @property
    def in_flight(self) -> int:
        """Frames not answered yet."""
        return len(self._open)

    @property
    def idle(self) -> bool:
        """Nothing waits for an answer or for its time."""
        return not self._open and self.upload is None and not self.outbox.slowed

    @property
    def deadline(self) -> float:
        """When `retransmit` or the outbox has something to do; may be too early, never too late."""
        return min(self._next, self.outbox.deadline)

    def reply(self, msg_id: int, body: bytes, now: float, *, copies: int = 1, pieces: int = 1) -> None:
        """Send an answer to a command; nothing answers it in turn, but parts of a long one may be asked for again.

        Args:
            msg_id: 消息ID.
            body: whole body; sub-packaged when it is long.
            now: monotonic seconds.
            copies: of each frame.
            pieces: above 1 it goes out in at least so many parts, and the second one is kept back.
        """
        part_bytes = PART_BYTES if pieces == 1 else min(PART_BYTES, max(1, math.ceil(len(body) / pieces)))
        first_serial = self._serial
        frames = self._frames(msg_id, body, part_bytes)
        self._tally.replies[msg_id] += 1
        for number, frame in enumerate(frames, 1):
            if pieces > 1 and number == KEPT_BACK_PART:
                continue
            for _ in range(copies):
                self.outbox.put(frame, now)
        if len(frames) > 1:
            self._told[first_serial] = LongMessage(msg_id, first_serial, frames, (), None, body, stepwise=False)
            if len(self._told) > TOLD_MAX:
                del self._told[next(iter(self._told))]
        self.last_sent_at = now

    def send(
        self,
        msg_id: int,
        body: bytes,
        now: float,
        *,
        positions: Sequence[Position] = (),
        flags: int = 0,
        media_id: int | None = None,
    ) -> None:
        """Send a message that must be answered.

        Args:
            msg_id: 消息ID.
            body: whole body; sub-packaged when it is long.
            now: monotonic seconds.
            positions: the locations in it.
            flags: the alarm flags in it.
            media_id: for 0x0801.
        """
        serial = self._serial
        frames = self._frames(msg_id, body)
        if len(frames) == 1:
            pending = Pending(msg_id, serial, frames[0], positions, flags, body)
            self._open[serial] = pending
            self._first_time(pending, now)
            return
        stepwise = bool(self._dice.bits(Purpose.STEPWISE, serial) & 1)
        message = LongMessage(msg_id, serial, frames, positions, media_id, body, stepwise)
        if media_id is not None:
            self.upload = message
        parts = [
            Pending(msg_id, (serial + number) & 0xFFFF, frame, flags=flags, body=body, long=message)
            for number, frame in enumerate(frames)
        ]
        for part in parts:
            self._open[part.serial] = part
            message.open.add(part.serial)
        if stepwise:
            self._first_time(parts[0], now)
            return
        fault = self._draw(part=True)
        if fault is Fault.REORDER:
            self._tally.faults[fault] += 1
            parts.reverse()
        for part in parts:
            self._first_time(part, now)

    def answer(self, serial: int, msg_id: int, result: int, now: float) -> Pending | None:
        """Take a general answer; the frame it settles, or None when it settles none.

        Args:
            serial: 应答流水号.
            msg_id: 应答ID.
            result: 结果, 0..4.
            now: monotonic seconds.
        """
        pending = self._open.get(serial)
        if pending is None:
            self._unexpected(serial)
            return None
        if pending.msg_id != msg_id:
            self._tally.answers_wrong += 1
            return None
        if not pending.sends:
            if pending.damaged:
                self._tally.answers_to_damaged += 1
            else:
                self._tally.answers_wrong += 1
            return None
        self._tally.results[result] += 1
        self._settle(pending, now)
        message = pending.long
        if message is not None:
            message.result = max(message.result, 0 if result == 4 else result)
            if not message.open and message is self.upload:
                self._expect_upload_answer(message, now)
            elif message.stepwise and message.open:
                following = next((self._open[s] for s in self._serials(message) if s in message.open), None)
                if following is not None and not following.sends and not following.damaged:
                    self._first_time(following, now)
        return pending

    def settle(self, serial: int, msg_id: int, now: float) -> bool:
        """Take a specific answer to a frame (0x8100); False when no such frame waits."""
        pending = self._open.get(serial)
        if pending is None:
            self._unexpected(serial)
            return False
        if pending.msg_id != msg_id or not pending.sends:
            self._tally.answers_wrong += 1
            return False
        self._settle(pending, now)
        return True

    def upload_complete(self, media_id: int, now: float) -> bool:
        """Take a 0x8800 without missing parts: it answers every part still open."""
        message = self.upload
        if message is None or message.media_id != media_id:
            self._tally.requests_unknown += 1
            return False
        for serial in self._serials(message):
            if serial in message.open and self._open[serial].sends:
                self._settle(self._open[serial], now)
        if message.open:
            self._tally.answers_wrong += 1  # complete, and yet parts were never sent
            return False
        self.upload = None
        self._tally.uploads["complete"] += 1
        return True

    def repeat_parts(self, message: LongMessage | None, numbers: Iterable[int], now: float) -> None:
        """Send parts again as 0x8003 or 0x8800 asks: the same bytes, the same serials (§8.2).

        Args:
            message: the message they belong to, None when we do not have it any more.
            numbers: part numbers, from 1; those the message does not have are counted and left out.
            now: monotonic seconds.
        """
        for number in numbers:
            if message is None or not 1 <= number <= len(message.frames):
                self._tally.requests_unknown += 1
                continue
            self._tally.resent_on_request += 1
            left_at = self.outbox.put(message.frames[number - 1], now)
            part = self._open.get((message.first_serial + number - 1) & 0xFFFF)
            if part is not None and part.long is message:
                self._note_good(part, left_at)
            if message.asked_at < math.inf:
                message.asked_at = max(message.asked_at, now + self.wait_s)

    def long_message(self, first_serial: int) -> LongMessage | None:
        """The long message that began with this serial, if it is still on its way."""
        if self.upload is not None and self.upload.first_serial == first_serial:
            return self.upload
        for pending in self._open.values():
            if pending.long is not None and pending.long.first_serial == first_serial:
                return pending.long
        return self._told.get(first_serial)

    def retransmit(self, now: float) -> list[Pending]:
        """Send again what was not answered in time; the frames that are given up."""
        if self._next > now:
            return []
        given_up = []
        for pending in list(self._open.values()):
            if pending.deadline > now:
                continue
            if pending.sends <= self.retries:
                self._again(pending, now)
            else:
                self._give_up(pending)
                given_up.append(pending)
        if self.upload is not None and self.upload.asked_at <= now:
            self._ask_again(self.upload, now)
        self._next = min((pending.deadline for pending in self._open.values()), default=math.inf)
        if self.upload is not None:
            self._next = min(self._next, self.upload.asked_at)
        return given_up

    def lost(self) -> list[Pending]:
        """The link is gone: everything that was waiting, and a clean slate."""
        open_frames = list(self._open.values())
        self._open.clear()
        self._told.clear()
        self._recent.clear()
        self.outbox.clear()
        self.upload = None
        self._next = math.inf
        return open_frames

    def _frames(self, msg_id: int, body: bytes, part_bytes: int = PART_BYTES) -> list[bytes]:
        identity = self._identity
        frames = encode_frames(
            msg_id,
            body,
            phone=identity.phone,
            serial=self._serial,
            edition=identity.edition,
            part_bytes=part_bytes,
        )
        self._serial = (self._serial + len(frames)) & 0xFFFF
        return frames

    @staticmethod
    def _serials(message: LongMessage) -> list[int]:
        return [(message.first_serial + number) & 0xFFFF for number in range(len(message.frames))]

    def _draw(self, *, part: bool) -> Fault | None:
        self._drawn += 1
        return self._plan.draw(self._dice, self._drawn, part=part)

    def _first_time(self, pending: Pending, now: float) -> None:
        """Send a frame for the first time, perhaps with a fault."""
        self._tally.sent[pending.msg_id] += 1
        self.last_sent_at = now
        fault = self._draw(part=pending.long is not None)
        if fault is Fault.REORDER and pending.long is not None:
            fault = None  # parts are re-ordered all together, in `send`
        if fault is None or (self.outbox.slowed > LATER_MAX and fault in (Fault.HALF, Fault.DRIP)):
            self._note_good(pending, self.outbox.put(pending.frame, now))
            return
        self._tally.faults[fault] += 1
        bits = self._dice.bits(Purpose.FAULT_DETAIL, self._drawn)
        frame = pending.frame
        match fault:
            case Fault.CHECKSUM:
                self.outbox.put(faults.bad_checksum(frame, bits), now)
                pending.damaged += 1
                self._wait(pending, now + faults.DAMAGE_RESEND_S)
                return
            case Fault.GLUE | Fault.REORDER:
                self._with_companion(pending, fault, bits, now)
                return
            case Fault.HALF:
                first, second = faults.halves(frame, bits)
                self.outbox.put(first, now)
                low, high = faults.HALF_GAP_S
                left_at = self.outbox.put(second, now, low + (high - low) * (bits >> 32 & 0xFF) / 256)
            case Fault.DRIP:
                pieces = faults.drips(frame)
                left_at = max(self.outbox.put(piece, now, faults.DRIP_GAP_S) for piece in pieces)
            case Fault.EDITION:
                left_at = self.outbox.put(faults.wrong_edition_bit(frame), now)
            case Fault.LENGTH:
                left_at = self.outbox.put(faults.wrong_length(frame, bits), now)
            case Fault.GARBAGE:
                left_at = self.outbox.put(faults.garbage(self._dice, self._drawn) + frame, now)
            case Fault.REPEAT:
                left_at = self.outbox.put(frame, now)
                self.outbox.put(frame, now)
            case _:
                left_at = self.outbox.put(frame, now)
        self._note_good(pending, left_at)

    def _with_companion(self, pending: Pending, fault: Fault, bits: int, now: float) -> None:
        """Glue a heartbeat to the frame, or let one overtake it."""
        serial = self._serial
        companion = Pending(HEARTBEAT, serial, self._frames(HEARTBEAT, b"")[0])
        self._open[serial] = companion
        self._tally.sent[HEARTBEAT] += 1
        if fault is Fault.GLUE:
            joined = faults.glued(pending.frame, companion.frame, shared_flag=bool(bits & 1))
            left_at = self.outbox.put(joined, now)
        else:
            self.outbox.put(companion.frame, now)
            left_at = self.outbox.put(pending.frame, now)
        self._note_good(pending, left_at)
        self._note_good(companion, left_at)

    def _again(self, pending: Pending, now: float) -> None:
        if pending.sends:
            self._tally.resent[pending.msg_id] += 1
        else:
            self._tally.resent_after_fault += 1
        self.last_sent_at = now
        self._note_good(pending, self.outbox.put(pending.frame, now))

    def _note_good(self, pending: Pending, left_at: float) -> None:
        """The frame went out right: T(N+1) = T(N) × (N+1) until the next one (§10.3)."""
        pending.sends += 1
        pending.good_at = min(pending.good_at, left_at)
        pending.wait_s = min(WAIT_S_MAX, pending.wait_s * pending.sends if pending.wait_s else self.wait_s)
        self._wait(pending, left_at + pending.wait_s)

    def _wait(self, pending: Pending, deadline: float) -> None:
        pending.deadline = deadline
        self._next = min(self._next, deadline)

    def _unexpected(self, serial: int) -> None:
        """Nothing waits under this serial: an answer that came again, or late, or was never due."""
        answered = self._recent.get(serial)
        if answered is None:
            self._tally.answers_wrong += 1
        elif answered:
            self._tally.answers_repeated += 1
        else:
            self._tally.answers_late += 1

    def _settle(self, pending: Pending, now: float) -> None:
        del self._open[pending.serial]
        if pending.long is not None:
            pending.long.open.discard(pending.serial)
        self._tally.answered[pending.msg_id] += 1
        self._tally.latency.add(now - pending.good_at)
        self._remember(pending.serial, answered=True)

    def _give_up(self, pending: Pending) -> None:
        del self._open[pending.serial]
        if pending.long is not None:
            pending.long.open.discard(pending.serial)
        self._tally.unanswered[pending.msg_id] += 1
        self._remember(pending.serial, answered=False)

    def _remember(self, serial: int, *, answered: bool) -> None:
        self._recent.pop(serial, None)
        self._recent[serial] = answered
        if len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def _expect_upload_answer(self, message: LongMessage, now: float) -> None:
        """Every part is answered; 0x8800 must follow."""
        message.asked_at = now + self.wait_s
        self._next = min(self._next, message.asked_at)

    def _ask_again(self, message: LongMessage, now: float) -> None:
        """No 0x8800: repeat the last part, in the end give the picture up."""
        if message.asked >= self.retries:
            self.upload = None
            self._tally.uploads["given_up"] += 1
            return
        message.asked += 1
        self._tally.resent[message.msg_id] += 1
        self.outbox.put(message.frames[-1], now)
        message.asked_at = now + self.wait_s * (message.asked + 1)
