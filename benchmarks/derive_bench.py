"""What the deriver folds in a second, on one core: as reports come in, and after it was away.

    python benchmarks/derive_bench.py [--terminals N] [--reports N] [--zones N]

A fleet drives and rests; every fiftieth report has an alarm bit, every two hundredth an alarm item. *live*: the
pipeline stores 10,000 reports, then the deriver works through them (only that is timed). *late*: the same, while a
tenth of the terminals tell the second half of every 20 minutes before the first, so that they are folded anew with
every other step. *catch-up*:
everything is stored, and a new deriver begins at the first group.
"""

import argparse
import json
import math
import tempfile
import time
from contextlib import closing
from pathlib import Path

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import from_ms
from jtgate.pipeline.derive.crew import Crews, Filler
from jtgate.pipeline.derive.enrich import Plates
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.timeline import Timeline
from jtgate.pipeline.derive.worker import Deriver
from jtgate.pipeline.derive.zones import ZoneMap, map_of
from jtgate.pipeline.following import Follower
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.model import StoreBatch
from jtgate.storage.records import Transport, pack_frames
from jtgate.storage.spool import SpoolWriter
from jtgate.storage.store import Store

BEGIN_MS = 1_795_305_600_000  # 2026-11-22 00:00 UTC
TICK_S = 10
PER_GROUP = 500
GROUPS_PER_STEP = 20
PARTS_BYTES_MAX = 64 << 20
LATE_TICKS = 120


def report(terminal: int, tick: int) -> bytes:
    """A report with its header: an hour of driving, half an hour of rest, terminals out of step with each other."""
    second = tick * TICK_S
    phase = (second + terminal * 97) % 5400
    drives = phase < 3600
    metres = 16 * (min(phase, 3600) if (second // 5400) % 2 == 0 else 3600 - min(phase, 3600))
    latitude = 41_000_000 + round(metres / 0.111195) + terminal % 1000 * 50
    longitude = 122_000_000 + terminal % 300 * 2000
    number = tick * 7 + terminal
    alarm = 1 << (number // 50 % 3) if number % 50 == 0 else 0
    speed = (600 + round(50 * math.sin(tick))) if drives else 0
    at = bytes.fromhex(f"{from_ms(BEGIN_MS + second * 1000 + 8 * 3_600_000):%y%m%d%H%M%S}")
    place = latitude.to_bytes(4) + longitude.to_bytes(4)
    body = alarm.to_bytes(4) + (3).to_bytes(4) + place + b"\0\5" + speed.to_bytes(2) + b"\0\x5a" + at
    body += b"\x01\x04" + number.to_bytes(4) + b"\x30\x01\x1c\x31\x01\x0a"
    if number % 200 == 0:
        item = bytes(4) + b"\0\2\1" + bytes(5) + b"\x3c\0\5" + place + at + b"\4\1" + b"ABCDEFG" + at + b"\0\0\0"
        body += bytes((0x65, len(item))) + item
    phone = f"{13_800_000_000 + terminal:012d}"
    return build_header(0x0200, len(body), phone=phone, serial=number & 0xFFFF, edition=Edition.V2013) + body


class Fleet:
    """Reports of a fleet, in the order in which they come.

    Args:
        terminals: how many.
        late: a tenth of them tell the second half of every 20 minutes before the first.
    """

    def __init__(self, terminals: int, *, late: bool = False) -> None:
        self._terminals = terminals
        self._late = late
        self._number = 0

    def send(self, writer: SpoolWriter, groups: int) -> int:
        """Append groups to a spool; how many reports."""
        for _ in range(groups):
            payloads = []
            for _ in range(PER_GROUP):
                tick, terminal = divmod(self._number, self._terminals)
                self._number += 1
                if self._late and terminal % 10 == 0:
                    block, place = divmod(tick, LATE_TICKS)
                    tick = block * LATE_TICKS + (place + LATE_TICKS // 2) % LATE_TICKS
                payloads.append(report(terminal, tick))
            at_us = (BEGIN_MS + self._number // self._terminals * TICK_S * 1000) * 1000
            writer.append(pack_frames(at_us, 1, Transport.TCP, payloads), len(payloads), at_us)
        return groups * PER_GROUP


def zone_map(count: int) -> ZoneMap:
    """Circles of 2 km along the way."""
    rows = [
        {
            "zone": f"Z{number}",
            "zone_kind": "KEY",
            "valid_from_ms": 0,
            "valid_to_ms": None,
            "geometry": {"type": "Point", "coordinates": [122.0 + number % 30 * 0.02, 41.0 + number // 30 * 0.05]},
            "radius_m": 2000,
            "width_m": None,
        }
        for number in range(count)
    ]
    return map_of(rows)[0]


def deriver_of(store: Store, data: Path, zones: ZoneMap) -> Deriver:
    """A deriver as `jtgate serve` has it, without the chores."""
    follower = Follower(store, open_spool_reader(data), parts_bytes_max=PARTS_BYTES_MAX)
    timeline = Timeline(store, Machines(zones))
    plates = Plates(store)
    fill = Filler(store, Crews(store), plates.name_of).fill
    return Deriver(store, follower, timeline, fill=fill, plates=plates)


def live(terminals: int, reports: int, zones: ZoneMap, *, late: bool) -> dict[str, int]:
    """Reports a second as they come, and after everything was stored."""
    with tempfile.TemporaryDirectory(prefix="jtgate-derive-bench-") as folder:
        data = Path(folder)
        with (
            closing(open_spool_writer(data, bytes_max=8 << 30, keep_us=10**12)) as writer,
            closing(open_store("", data)) as store,
            closing(open_spool_reader(data)) as reader,
        ):
            store.migrate()
            worker = Worker(store, reader, open_spool_progress(data), parts_bytes_max=PARTS_BYTES_MAX)
            deriver = deriver_of(store, data, zones)
            fleet = Fleet(terminals, late=late)
            sent, seconds = 0, 0.0
            while sent < reports:
                sent += fleet.send(writer, GROUPS_PER_STEP)
                worker.run_until_caught_up()
                began = time.perf_counter()
                while deriver.step():
                    pass
                seconds += time.perf_counter() - began
            found = {"live_per_s": round(sent / seconds)}
            if late:
                return {"late_per_s": found["live_per_s"]}
            store.write(StoreBatch(), consumer="derive", seq=0)
            deriver = deriver_of(store, data, zones)
            began = time.perf_counter()
            while deriver.step():
                pass
            return found | {"catch_up_per_s": round(sent / (time.perf_counter() - began))}


def main() -> None:
    """Print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=500)
    parser.add_argument("--reports", type=int, default=200_000)
    parser.add_argument("--zones", type=int, default=300)
    asked = parser.parse_args()
    zones = zone_map(asked.zones)
    found = {"terminals": asked.terminals, "reports": asked.reports, "zones": len(zones)}
    found |= live(asked.terminals, asked.reports, zones, late=False)
    found |= live(asked.terminals, asked.reports, zones, late=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
