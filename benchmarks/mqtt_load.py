"""Terminals behind an MQTT broker, as lean as Python allows: raw packets, frames built beforehand.

Publishes 0x0200 with QoS 1 on PREFIX/{phone}/up, notes when the broker acknowledges it (PUBACK), and listens on
PREFIX/{phone}/down for the answers. A connection that is lost is made again, and what was not acknowledged is sent
again byte for byte. The ledger has every report that was acknowledged: terminal and serial, two 32-bit integers each.
"""

import argparse
import asyncio
import json
import signal
import struct
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, cast

import uvloop
from toolbox import PHONE_BASE, SERIALS

from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames
from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_ms
from jtgate.mqtt.packets import (
    KIND,
    PUBACK,
    PUBLISH,
    PacketReader,
    length_field,
    puback_packet,
    publish_packet,
    read_puback,
    read_publish,
)

BEGIN_MS = now_ms() // 1000 * 1000 - 30 * 86_400_000
TICK_S = 0.005
RETRY_S = 0.05
CONNACK, SUBSCRIBE, SUBACK = 0x20, 0x82, 0x90
MIDS = 65_535
#: MQTT 5: the broker has no subscriber for the message, so it has kept it for nobody; it goes again.
NOBODY = 0x10
#: One of so many answers is timed.
TIMED = 16


class Total:
    """What all connections did together."""

    def __init__(self) -> None:
        self.sent = self.resent = self.acknowledged = self.answered = self.refused = self.reconnects = self.unwanted = 0
        self.ack_s: list[float] = []
        self.answer_s: list[float] = []
        self.ledger = bytearray()


class Sender(asyncio.Protocol):
    """One connection and its terminals."""

    def __init__(self, number: int, asked: argparse.Namespace, total: Total) -> None:
        self._number = number
        self._asked = asked
        self._is_v5 = asked.version == "5"
        self._total = total
        self._terminals = list(range(number, asked.terminals, asked.connections))
        self.script = self._build()
        self._at = 0
        self._again: deque[int] = deque()
        self._under_way: dict[int, tuple[int, float]] = {}  # by message number: place in the script, when
        self._asked_at: dict[tuple[int, int], float] = {}
        self._mid = 0
        self._reader = PacketReader(1 << 20)
        self._out: asyncio.WriteTransport | None = None
        self._is_ready = False
        self._due = 0.0

    def _build(self) -> list[tuple[int, int, bytes, bytes]]:
        """(terminal, serial, topic, frame) of everything this connection will ever send, terminal by terminal."""
        asked = self._asked
        count = int(asked.rate * asked.seconds / asked.connections / max(len(self._terminals), 1)) + 1
        script = []
        for serial in range(1, min(count, SERIALS - 1) + 1):
            moment = encode_bcd_time(from_ms(BEGIN_MS + serial * 1000))
            body = bytes(7) + b"\x03" + struct.pack(">IIHHH", 31_000_000, 121_000_000, 10, 600, 90) + moment
            for terminal in self._terminals:
                phone = str(PHONE_BASE + terminal)
                frame = encode_frames(0x0200, body, phone=phone, serial=serial, edition=Edition.V2013)[0]
                script.append((terminal, serial, f"{asked.prefix}/{phone}/up".encode(), frame))
        return script

    @property
    def is_idle(self) -> bool:
        """Everything that was sent is acknowledged."""
        return not self._again and not self._under_way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are and what we want to hear."""
        self._out = cast("asyncio.WriteTransport", transport)
        name = f"load-{self._asked.prefix}-{self._number}".encode()
        level, properties = (b"\5", b"\0") if self._is_v5 else (b"\4", b"")
        body = b"\0\4MQTT" + level + b"\2\0\x3c" + properties + len(name).to_bytes(2) + name
        self._out.write(b"\x10" + length_field(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        """Acknowledgements and answers."""
        now = time.perf_counter()
        acks = []
        for packet in self._reader.feed(data):
            kind = packet.first & KIND
            if kind == PUBACK:
                self._acknowledged(*read_puback(packet.body), now)
            elif kind == PUBLISH:
                message = read_publish(packet, is_v5=self._is_v5)
                if message.qos:
                    acks.append(puback_packet(message.mid))
                self._answered(message.payload, now)
            elif kind == CONNACK:
                self._subscribe()
            elif kind == SUBACK:
                self._is_ready = True
        if acks and self._out is not None:
            self._out.write(b"".join(acks))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is the interface
        """What is not acknowledged goes again."""
        self._is_ready, self._out, self._reader = False, None, PacketReader(1 << 20)
        self._again = deque(sorted({place for place, _ in self._under_way.values()} | set(self._again)))
        self._under_way.clear()

    def _subscribe(self) -> None:
        if self._asked.hear < 0:
            self._is_ready = True
            return
        body = b"\0\1\0" if self._is_v5 else b"\0\1"
        for terminal in self._terminals:
            topic = f"{self._asked.prefix}/{PHONE_BASE + terminal}/down".encode()
            body += len(topic).to_bytes(2) + topic + bytes((self._asked.hear,))
        assert self._out is not None
        self._out.write(bytes((SUBSCRIBE,)) + length_field(len(body)) + body)

    def _acknowledged(self, mid: int, reason: int, now: float) -> None:
        found = self._under_way.pop(mid, None)
        if found is None:
            return
        place, since = found
        if reason == NOBODY:
            self._total.unwanted += 1
            self._again.append(place)
            return
        self._total.acknowledged += 1
        self._total.ledger += struct.pack("=II", *self.script[place][:2])
        if mid % TIMED == 0:
            self._total.ack_s.append(now - since)

    def _answered(self, payload: bytes, now: float) -> None:
        """General answers: 7E 8001 … serial, id, result."""
        if b"\x7d" in payload:
            frames = [event.payload for event in FrameReader().feed(payload) if isinstance(event, Frame)]
        else:
            frames = [frame[:-1] for frame in payload.split(b"\x7e") if frame]
        for frame in frames:
            self._one_answer(frame, now)

    def _one_answer(self, frame: bytes, now: float) -> None:
        if frame[:2] != b"\x80\x01":
            return
        self._total.answered += 1
        self._total.refused += frame[16] != 0
        serial = (frame[12] << 8) | frame[13]
        since = self._asked_at.pop((int(frame[4:10].hex()), serial), None)
        if since is not None:
            self._total.answer_s.append(now - since)

    def tick(self, elapsed: float, *, sending: bool) -> None:
        """Send what is due.

        Args:
            elapsed: seconds since the last tick.
            sending: whether anything new is sent; otherwise only what has to go again.
        """
        if not self._is_ready or self._out is None:
            return
        self._due = min(self._due + elapsed * self._asked.rate / self._asked.connections, self._asked.window)
        now = time.perf_counter()
        packets = []
        while len(self._under_way) < self._asked.window:
            if self._again:
                place = self._again.popleft()
                self._total.resent += 1
            elif sending and self._due >= 1 and self._at < len(self.script):
                place, self._at = self._at, self._at + 1
                self._due -= 1
                self._total.sent += 1
            else:
                break
            packets.append(self._packet(place, now))
        if packets:
            self._out.write(b"".join(packets))

    def _packet(self, place: int, now: float) -> bytes:
        mid = self._mid = self._mid % MIDS + 1
        while mid in self._under_way:
            mid = self._mid = self._mid % MIDS + 1
        terminal, serial, topic, frame = self.script[place]
        self._under_way[mid] = (place, now)
        if place % TIMED == 0:
            self._asked_at[PHONE_BASE + terminal, serial] = now
        return publish_packet(topic, frame, qos=1, retain=False, mid=mid, is_v5=self._is_v5)

    async def stay_connected(self) -> None:
        """Connect again and again."""
        loop = asyncio.get_running_loop()
        while True:
            if self._out is None:
                try:
                    await loop.create_connection(lambda: self, "127.0.0.1", self._asked.port)
                except OSError:
                    pass
                else:
                    self._total.reconnects += 1
            await asyncio.sleep(RETRY_S)


async def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Send for so many seconds, then wait for what is missing; the report."""
    total = Total()
    senders = [Sender(number, asked, total) for number in range(asked.connections)]
    tasks = [asyncio.create_task(sender.stay_connected()) for sender in senders]
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await asyncio.sleep(0.5)
    sys.stderr.write("sending\n")
    sys.stderr.flush()
    begun = last = time.perf_counter()
    cpu = time.process_time()
    sending_s = 0.0
    while True:
        now = time.perf_counter()
        sending = now - begun < asked.seconds and not stopped.is_set()
        if sending:
            sending_s = now - begun
        elif all(sender.is_idle for sender in senders) or now - begun > asked.seconds + asked.drain:
            break
        for sender in senders:
            sender.tick(now - last, sending=sending)
        last = now
        await asyncio.sleep(TICK_S)
    cpu = time.process_time() - cpu
    deadline = time.perf_counter() + (0 if asked.ledger_only else asked.drain)
    while asked.hear >= 0 and total.answered < total.acknowledged and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    if asked.ledger:
        await asyncio.to_thread(Path(asked.ledger).write_bytes, bytes(total.ledger))
    return {
        "seconds": round(sending_s, 2),
        "rate": round(total.acknowledged / max(sending_s, 0.01)),
        "sent": total.sent,
        "acknowledged": total.acknowledged,
        "unacknowledged": total.sent - total.acknowledged,
        "resent": total.resent,
        "unwanted": total.unwanted,
        "answered": total.answered,
        "refused": total.refused,
        "reconnects": total.reconnects - asked.connections,
        "cpu_percent": round(100 * cpu / max(sending_s, 0.01)),
        "puback_ms": percentiles(total.ack_s),
        "answer_ms": percentiles(total.answer_s),
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds: median, 99 %, longest."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[int(part * (len(ordered) - 1))], 2) for name, part in places.items()}


def main() -> int:
    """Entry: a report in JSON on standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of the broker on 127.0.0.1")
    parser.add_argument("--prefix", default="jt808", help="of the topics")
    parser.add_argument("--terminals", type=int, default=200)
    parser.add_argument("--connections", type=int, default=4, help="the terminals share them")
    parser.add_argument("--rate", type=float, default=10_000, help="frames a second, of all together")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--drain", type=float, default=30, help="longest wait for what is missing at the end")
    parser.add_argument("--version", choices=("5", "3.1.1"), default="3.1.1")
    parser.add_argument("--window", type=int, default=900, help="unacknowledged messages of one connection")
    parser.add_argument("--hear", type=int, default=1, help="QoS of the answers; -1 does not listen")
    parser.add_argument("--ledger", help="file")
    parser.add_argument("--ledger-only", action="store_true", help="do not wait for the last answers")
    print(json.dumps(uvloop.run(run(parser.parse_args()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
