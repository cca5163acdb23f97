"""Group commit: nothing is answered before it is stored, nothing refused is called stored."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jtgate.codecs import twins
from jtgate.codecs.edition import Edition
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import encode_frames, parse_header
from jtgate.gateway.committer import REFUSED_PAUSE_S, Committer, as_failure
from jtgate.gateway.metrics import Counters
from jtgate.storage.records import FramesRecord, SessionRecord, pack_frames, pack_session, unpack
from jtgate.storage.spool import SpoolFailed, SpoolFull, SpoolInfo

PAYLOAD = bytes.fromhex("000200000139123456780001")
ANSWER = encode_frames(0x8001, bytes.fromhex("0001000200"), phone="13912345678", serial=7, edition=Edition.V2013)[0]


class Spool:
    """A spool in memory that can be made to wait or to fail; the real one is tested in tests/storage."""

    def __init__(self) -> None:
        self.groups: list[bytes] = []
        self.errors: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()

    def append(self, data: bytes, frames: int, at_us: int) -> int:
        """Keep one group, when it may."""
        assert self.gate.wait(5)
        if self.errors:
            raise self.errors.pop(0)
        self.groups.append(data)
        return len(self.groups)

    def retain(self, consumed_seq: int, now_us: int) -> int:
        """Nothing to let go."""
        return 0

    def info(self) -> SpoolInfo:
        """Nothing on disk."""
        return SpoolInfo(0, 0, 0, 0, 0)

    def close(self) -> None:
        """Nothing to close."""


class Sink:
    """Takes answers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Keep an answer."""
        self.sent.append(data)


class Intake:
    """Counts pauses."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause_all(self) -> None:
        """Reading stops."""
        self.calls.append("pause")

    def resume_all(self) -> None:
        """Reading goes on."""
        self.calls.append("resume")


class Bench:
    """A committer with everything around it."""

    def __init__(self, *, durable: bool = True) -> None:
        self.spool, self.sink, self.intake, self.counters = Spool(), Sink(), Intake(), Counters()
        loop = asyncio.get_running_loop()
        self.committer = Committer(
            loop, self.spool, bytes(65536), self.counters, self.intake, pending_bytes_max=1 << 20, durable=durable
        )
        self.lane = twins.load("lane").Lane(None, self.committer.batch, self.sink.send, 4096)

    def put(self) -> None:
        """A frame and its answer."""
        self.committer.batch.add_record(pack_frames(1, 2, 0, [PAYLOAD]), 1)
        self.committer.batch.add_answer(self.lane, ANSWER)


async def until(true: Callable[[], bool]) -> None:
    """Wait for what the commit thread and the loop do together."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen in time")


def run(scenario: Callable[[Bench], Any], *, durable: bool = True) -> None:
    """Run a scenario on a loop of its own."""

    async def main() -> None:
        bench = Bench(durable=durable)
        try:
            await scenario(bench)
        finally:
            bench.spool.gate.set()
            await asyncio.wait_for(bench.committer.drain(), 5)
            bench.committer.stop()

    asyncio.run(main())


def test_answers_wait_for_the_commit() -> None:
    """While the disk works nothing is sent; afterwards everything is, in one group."""

    async def scenario(bench: Bench) -> None:
        bench.spool.gate.clear()
        bench.put()
        await asyncio.sleep(0.05)
        assert bench.sink.sent == []

        bench.put()
        bench.put()
        bench.spool.gate.set()
        await bench.committer.drain()

        assert bench.sink.sent == [ANSWER] * 3
        assert [len(list(unpack(group))) for group in bench.spool.groups] == [1, 2]
        assert bench.committer.pending_bytes == 0

    run(scenario)


def test_ack_received_answers_before_the_commit() -> None:
    """The comparison mode does not wait, but stores all the same."""

    async def scenario(bench: Bench) -> None:
        bench.spool.gate.clear()
        bench.put()
        await until(lambda: bench.sink.sent == [ANSWER])

        bench.spool.gate.set()
        await bench.committer.drain()
        assert len(bench.spool.groups) == 1

    run(scenario, durable=False)


@pytest.mark.parametrize("error", [SpoolFull("limit"), SpoolFailed("disk")])
def test_a_refusing_spool_turns_answers_into_failures(error: Exception) -> None:
    """Result 1 goes out, reading stops for a moment, and session records are kept for the next commit."""

    async def scenario(bench: Bench) -> None:
        bench.spool.errors = [error]
        bench.committer.add_session_record(pack_session(1, 2, "online", {}))
        bench.put()
        await until(lambda: bench.intake.calls == ["pause"])

        assert bench.sink.sent == [as_failure(ANSWER)]
        assert bench.counters.refused == {error.code: 1}  # type: ignore[attr-defined]
        assert bench.intake.calls == ["pause"]
        await bench.committer.drain()
        (group,) = bench.spool.groups
        assert [type(record) for record in unpack(group)] == [SessionRecord]

        await until(lambda: bench.intake.calls == ["pause", "resume"])
        bench.put()
        await bench.committer.drain()
        assert bench.sink.sent[-1] == ANSWER
        assert [type(record) for record in unpack(bench.spool.groups[-1])] == [FramesRecord]

    run(scenario)


def test_a_refusing_spool_is_asked_once_in_a_while() -> None:
    """What waits is tried again after the pause, not in a tight loop."""

    async def scenario(bench: Bench) -> None:
        bench.spool.errors = [SpoolFailed("disk")] * 1000
        bench.committer.add_session_record(pack_session(1, 2, "online", {}))
        await until(lambda: bench.intake.calls == ["pause"])
        await asyncio.sleep(REFUSED_PAUSE_S / 2)

        assert len(bench.spool.errors) == 999
        assert bench.intake.calls == ["pause"]
        assert await bench.committer.drain() is False
        bench.spool.errors = []

    run(scenario)


def test_an_unforeseen_error_does_not_stop_the_commits() -> None:
    """A bug below the spool costs the group, not the gateway."""

    async def scenario(bench: Bench) -> None:
        bench.spool.errors = [OSError("read-only")]
        bench.put()
        await until(lambda: bench.sink.sent == [as_failure(ANSWER)])

        bench.put()
        await until(lambda: bench.sink.sent[-1] == ANSWER)

    run(scenario)


def test_resuming_waits_for_what_was_received_before() -> None:
    """A link that paused because of its own bytes reads on when those are committed, not some earlier ones."""

    async def scenario(bench: Bench) -> None:
        called: list[int] = []
        bench.spool.gate.clear()
        bench.put()
        await until(lambda: bench.committer.batch.size == 0)
        bench.put()
        bench.committer.when_committed(lambda: called.append(len(bench.spool.groups)))
        bench.spool.gate.set()
        await bench.committer.drain()

        assert called == [2]

    run(scenario)


def test_failures_keep_serials_and_leave_out_what_would_mean_success() -> None:
    """0x8001 becomes result 1; a 0x8100 with a code is not sent at all."""
    code = encode_frames(0x8100, b"\x00\x01\x00abc", phone="13912345678", serial=8, edition=Edition.V2019)[0]

    (event,) = FrameReader().feed(as_failure(ANSWER + code))

    assert isinstance(event, Frame)
    header, body = parse_header(event.payload)
    assert (header.msg_id, header.serial, body.hex()) == (0x8001, 7, "0001000201")
