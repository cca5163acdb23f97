"""Spool to store: positions per second through one pipeline process into SQLite, and where the time goes.

    python benchmarks/pipeline_bench.py [--json] [--quick] [--positions N] [--terminals N]

A spool is filled with 0x0200 frames of 107 bytes as a gateway would write them, then one worker runs until
it has caught up; filling is not measured. The bar: 60,000 positions a second on one core.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from decode_bench import ITEMS

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import encode_bcd_time, from_ms, now_ms
from jtgate.pipeline import metrics
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.records import SessionEvent, Transport, pack_frames, pack_session

BAR_PER_SECOND = 60_000
GROUP_FRAMES = 200  # what a gateway under such a load commits at once


def payloads(positions: int, terminals: int, start_ms: int) -> Iterator[tuple[int, bytes]]:
    """(session, payload) of reports that go round the terminals, ten seconds apart for each."""
    chance = random.Random(7)  # noqa: S311  the same frames every time
    rest = bytes.fromhex(ITEMS)
    for number in range(positions):
        round_, terminal = divmod(number, terminals)
        base = (
            bytes(4)
            + b"\x00\x00\x00\x03"
            + (30_000_000 + chance.randrange(1_000_000)).to_bytes(4)
            + (120_000_000 + chance.randrange(1_000_000)).to_bytes(4)
            + b"\x00\x28\x02\x58\x00\x5a"
            + encode_bcd_time(from_ms(start_ms + round_ * 10_000))
        )
        body = base + rest
        phone = str(13_800_000_000 + terminal)
        head = build_header(0x0200, len(body), phone=phone, serial=round_ & 0xFFFF, edition=Edition.V2013)
        yield terminal + 1, head + body


def fill(data: Path, positions: int, terminals: int) -> int:
    """Write the spool; number of groups."""
    writer = open_spool_writer(data, bytes_max=8 << 30, keep_us=3600 * 1_000_000)
    start_ms = now_ms() - 10_000 * (positions // terminals + 1)
    online = {"edition": "2013", "peer": "127.0.0.1:1", "transport": "tcp", "how": "authenticated"}
    announced = [
        pack_session(start_ms * 1000, n + 1, SessionEvent.ONLINE, {"phone": f"0{13_800_000_000 + n}", **online})
        for n in range(terminals)
    ]
    groups = writer.append(b"".join(announced), 0, start_ms * 1000)
    group: list[bytes] = []
    received_us = start_ms * 1000
    for session, payload in payloads(positions, terminals, start_ms):
        received_us += 20
        group.append(pack_frames(received_us, session, Transport.TCP, [payload]))
        if len(group) == GROUP_FRAMES:
            groups = writer.append(b"".join(group), len(group), received_us)
            group = []
    if group:
        groups = writer.append(b"".join(group), len(group), received_us)
    writer.close()
    return groups


def spent(step: str) -> float:
    """Seconds the worker has counted for a step so far."""
    found = metrics.BATCH_SECONDS.labels(step)._sum.get()  # noqa: SLF001  there is no other way to read it back
    return float(found)


def measure(positions: int = 400_000, terminals: int = 5_000) -> dict[str, float]:
    """Fill a spool, empty it, and say how long that took."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        groups = fill(data, positions, terminals)
        store = open_store("", data)
        store.migrate()
        reader = open_spool_reader(data)
        worker = Worker(store, reader, open_spool_progress(data), parts_bytes_max=1 << 20)
        before = spent("decode"), spent("write")
        cpu, started = time.process_time(), time.perf_counter()
        frames = worker.run_until_caught_up()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        rows = store.info()["rows"]
        stored = rows["positions"] if isinstance(rows, dict) else 0
        store.close()
        reader.close()
        if frames != positions or stored != positions:
            raise AssertionError(f"{positions} spooled, {frames} read, {stored} stored")
        decode, write = spent("decode") - before[0], spent("write") - before[1]
    return {
        "positions": positions,
        "terminals": terminals,
        "groups": groups,
        "seconds": seconds,
        "per_second": positions / seconds,
        "bar_per_second": BAR_PER_SECOND,
        "decode_us": decode / positions * 1e6,
        "write_us": write / positions * 1e6,
        "read_us": (seconds - decode - write) / positions * 1e6,
        "cpu_share": cpu / seconds,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="100,000 positions")
    parser.add_argument("--positions", type=int, default=400_000)
    parser.add_argument("--terminals", type=int, default=5_000)
    options = parser.parse_args()
    found = measure(100_000 if options.quick else options.positions, options.terminals)
    if options.json:
        print(json.dumps(found))
        return
    print(f"spool to SQLite: {found['per_second']:,.0f} positions/s (bar {BAR_PER_SECOND:,})")
    print(
        f"  per position: read and the rest {found['read_us']:.2f} µs, decode {found['decode_us']:.2f} µs, "
        f"write {found['write_us']:.2f} µs; {found['cpu_share']:.0%} of one core"
    )


if __name__ == "__main__":
    main()
