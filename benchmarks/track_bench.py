"""The track of one vehicle for one day out of many positions in PostgreSQL: time, plan, bytes per position.

    python benchmarks/track_bench.py [--vehicles N] [--json]

Fills one day with a report every ten seconds of every vehicle, in the order in which they would come in, so that the
rows of a vehicle lie as far apart as they do in life. 11,600 vehicles are 10^8 positions (about 25 GB, a quarter of
an hour); the number of a run is in its result. *warm* is the median of many vehicles asked twice; *cold* is the first
question after the server was started again and the system has forgotten its files (root only).
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from toolbox import postgres_server

from jtgate.storage.postgres.store import PostgresStore

SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "12GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "random_page_cost": "1.1",
}
DAY_MS = 1_795_132_800_000  # 2026-11-20 00:00 UTC
TICK_S, TICKS = 10, 8_640
BAR_MS = 50.0
FILL = """
INSERT INTO jtgate.positions (
    device_time, received, fingerprint, session_id, spool_seq, alarm_flags, status, latitude, longitude, speed_kmh,
    mileage_km, fuel_l, recorder_speed_kmh, vehicle_signals, terminal_id, serial, msg_id, altitude_m, heading_deg,
    alarm_event_id, io_status, analog_0, analog_1, time_state, backfill, signal_strength, satellites
)
SELECT
    t.at, t.at + interval '1 second', (v * 7919 + t.n)::bigint * 2654435761, v, t.n, 0, 3, 41 + random(),
    122 + random(), 60 * random(), 1000 + t.n * 0.1, 100 * random(), 60 * random(), 0, v, t.n %% 65536, 512, 10,
    (random() * 359)::integer, 1, 0, 200, 100, 0, 0, 31, 12
FROM (
    SELECT n, to_timestamp(%(day_s)s + n * %(tick_s)s) AS at
    FROM generate_series(%(from)s::bigint, %(to)s::bigint - 1) AS n
) AS t
CROSS JOIN generate_series(1, %(vehicles)s) AS v
"""
QUESTION = """
SELECT device_time, latitude, longitude, speed_kmh, heading_deg, mileage_km, status, alarm_flags FROM jtgate_v1.track
WHERE terminal = %s AND device_time >= '2026-11-20T00:00Z' AND device_time < '2026-11-21T00:00Z'
ORDER BY device_time
"""


def fill(url: str, vehicles: int) -> float:
    """A migrated store with one day of all vehicles; seconds it took."""
    store = PostgresStore(url)
    store.migrate()
    store.terminal_ids([str(13_000_000_000 + number) for number in range(1, vehicles + 1)], DAY_MS)
    with store._writers[0].connection() as connection:  # noqa: SLF001  the day has to be there
        store._ready_layout().ensure_days(connection, [DAY_MS])  # noqa: SLF001
    store.close()
    started = time.perf_counter()
    step = max(1, 200_000 // vehicles)
    with psycopg.connect(url, autocommit=True) as server:
        for tick in range(0, TICKS, step):
            params = {"day_s": DAY_MS // 1000, "tick_s": TICK_S, "from": tick, "to": min(tick + step, TICKS)}
            server.execute(FILL, {**params, "vehicles": vehicles})
        server.execute("VACUUM ANALYZE jtgate.positions")
        server.execute("CHECKPOINT")
    return time.perf_counter() - started


def ask(server: psycopg.Connection[Any], number: int) -> float:
    """Milliseconds until all rows of one vehicle are here."""
    started = time.perf_counter()
    rows = server.execute(QUESTION, (str(13_000_000_000 + number),)).fetchall()
    took = (time.perf_counter() - started) * 1000
    if len(rows) != TICKS:
        raise AssertionError(f"{len(rows)} rows of {TICKS}")
    return took


def forget_files() -> bool:
    """Make the system read files from the disk again; False when that is not ours to say."""
    os.sync()
    with suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        return True
    return False


def measure(vehicles: int) -> dict[str, Any]:
    """Fill, ask, explain."""
    with postgres_server(settings=SETTINGS) as machine:
        seconds = fill(machine.url, vehicles)
        asked: Sequence[int] = [1 + number * (vehicles - 1) // 20 for number in range(21)]
        with psycopg.connect(machine.url, autocommit=True) as server:
            for number in asked:
                ask(server, number)
            warm = [ask(server, number) for number in asked]
            explained = server.execute(f"EXPLAIN (ANALYZE, BUFFERS) {QUESTION}", (str(13_000_000_000 + asked[3]),))
            plan = [str(line) for (line,) in explained]
            size = server.execute(
                "SELECT sum(pg_total_relation_size(c.oid))::bigint, sum(pg_relation_size(c.oid))::bigint "
                "FROM pg_class AS c WHERE c.relnamespace = 'jtgate'::regnamespace AND c.relname ~ '^positions_[0-9]+$'"
            ).fetchone()
        machine.stop()
        is_cold = forget_files()
        machine.start()
        with psycopg.connect(machine.url, autocommit=True) as server:
            cold = [ask(server, number) for number in asked[5:10]]
    rows = vehicles * TICKS
    return {
        "positions": rows,
        "vehicles": vehicles,
        "fill_s": seconds,
        "warm_ms": statistics.median(warm),
        "warm_max_ms": max(warm),
        "cold_ms": statistics.median(cold) if is_cold else None,
        "bar_ms": BAR_MS,
        "bytes_per_position": size[0] / rows if size else None,
        "heap_bytes_per_position": size[1] / rows if size else None,
        "plan": plan,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--vehicles", type=int, default=1_000)
    options = parser.parse_args()
    found = measure(options.vehicles)
    if options.json:
        print(json.dumps(found))
        return
    cold = f"{found['cold_ms']:.0f} ms" if found["cold_ms"] else "not measured"
    print(
        f"{found['positions']:,} positions of {found['vehicles']:,} vehicles, filled in {found['fill_s']:.0f} s; "
        f"a day of one vehicle ({TICKS:,} rows): warm {found['warm_ms']:.0f} ms (worst {found['warm_max_ms']:.0f}), "
        f"cold {cold} (bar {BAR_MS:.0f}); {found['bytes_per_position']:.0f} bytes per position, "
        f"{found['heap_bytes_per_position']:.0f} without indexes"
    )
    print("\n".join(found["plan"]))


if __name__ == "__main__":
    main()
