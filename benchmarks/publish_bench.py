"""What is published: the feed into JSON on one core, and an outlet to a real Mosquitto.

python benchmarks/publish_bench.py --positions 200000
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from toolbox import ROOT

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import now_us
from jtgate.mqtt.address import parse_address
from jtgate.pipeline.publish.feed import Cursor, Feed
from jtgate.pipeline.publish.outlet import Outlet, OutletOptions
from jtgate.pipeline.publish.topics import Topics
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.records import Transport, pack_frames

sys.path.insert(0, str(ROOT / "tests" / "servers"))
from mosquitto_server import MosquittoServer, program

TERMINALS = 1000
FRAMES_PER_GROUP = 500
PARTS_BYTES_MAX = 64 << 20


def fill(data: Path, positions: int) -> None:
    """Spool and store so many positions of TERMINALS terminals."""
    with closing(open_spool_writer(data, bytes_max=8 << 30, keep_us=10**12)) as writer:
        for first in range(0, positions, FRAMES_PER_GROUP):
            payloads = []
            for number in range(first, min(first + FRAMES_PER_GROUP, positions)):
                second = number // TERMINALS
                at = bytes.fromhex(f"261123{second // 3600 % 24:02d}{second // 60 % 60:02d}{second % 60:02d}")
                body = bytes(4) + (3).to_bytes(4) + (41_120_000 + number % 9000).to_bytes(4) + (122_070_000).to_bytes(4)
                body += (
                    b"\x00\x05\x02\x58\x00\x5a" + at + b"\x01\x04" + number.to_bytes(4) + b"\x30\x01\x1c\x31\x01\x0a"
                )
                phone = f"{13_800_000_000 + number % TERMINALS:012d}"
                payloads.append(
                    build_header(0x0200, len(body), phone=phone, serial=number & 0xFFFF, edition=Edition.V2013) + body
                )
            at_us = now_us()
            writer.append(pack_frames(at_us, 1, Transport.TCP, payloads), len(payloads), at_us)
    with closing(open_store("", data)) as store, closing(open_spool_reader(data)) as reader:
        store.migrate()
        worker = Worker(store, reader, open_spool_progress(data), parts_bytes_max=PARTS_BYTES_MAX)
        worker.run_until_caught_up()


def feed_rate(data: Path) -> tuple[int, float]:
    """Positions told, and how many a second with their JSON."""
    with closing(open_store("", data)) as store, closing(open_spool_reader(data)) as reader:
        feed, topics = Feed(store, reader, parts_bytes_max=PARTS_BYTES_MAX), Topics("bench", "json")
        cursor, count, began = Cursor(0, 0), 0, time.perf_counter()
        while (page := feed.read(cursor)).cursor != cursor:
            cursor = page.cursor
            count += sum(1 for told in page.told if topics.message(told).payload)
        return count, count / (time.perf_counter() - began)


async def outlet_rate(data: Path, url: str, version: str, positions: int) -> float:
    """Positions a second that a broker acknowledges."""
    with closing(open_store("", data)) as store, closing(open_spool_reader(data)) as reader:
        options = OutletOptions.of(parse_address(f"{url}/bench?name=bench-{version}", ("name",)), version)
        own = f"publish:{options.name}"
        store.move_cursors({f"{own}:spool": 0, f"{own}:alarms": 0, f"{own}:begun": 1})
        stop = asyncio.Event()
        outlet = Outlet(options, store, Feed(store, reader, parts_bytes_max=PARTS_BYTES_MAX), stop)
        began = time.perf_counter()
        task = asyncio.create_task(outlet.run())
        last = reader.last_seq()
        while store.cursor(f"{own}:spool") < last:
            if task.done():
                task.result()
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - began
        stop.set()
        await task
    return positions / seconds


def main() -> None:
    """Print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=200_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jtgate-publish-bench-") as folder, MosquittoServer(program()) as broker:
        data = Path(folder)
        fill(data, asked.positions)
        count, rate = feed_rate(data)
        found = {"positions": count, "feed_to_json_per_s": round(rate)}
        for version in ("5", "3.1.1"):
            found[f"outlet_mqtt_{version}_per_s"] = round(asyncio.run(outlet_rate(data, broker.url, version, count)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
