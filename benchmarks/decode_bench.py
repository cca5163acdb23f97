"""Decoding one 0x0200 of 107 bytes with 12 items into columns: compiled twin, plain twin, declaration.

    python benchmarks/decode_bench.py [--json] [--quick]

The bar: at most 0.7 µs compiled. `rows` is what it costs on top to hand a row over as a tuple.
"""

import argparse
import json
import time
from collections.abc import Callable

from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header, parse_header
from jtgate.codecs.jt808 import LocationReport
from jtgate.codecs.twins import is_compiled, load, load_pure

BAR_NS = 700.0

#: Twelve items as vehicles send them: nine with a column, three without.
ITEMS = (
    "0104000000c8 02020037 03020258 04020001 11050100000001 1206010000000200"
    " 130700000003000400 2504000000a0 2a020000 2b0400c80064 30011f 31010c"
)
BASE = "0000000100000003 01d9f16c 06cb8080 0028 0258 005a 251123102030"


def frame() -> bytes:
    """Header and body of the measured report; 107 bytes on the wire with check byte and flags."""
    body = bytes.fromhex(BASE + ITEMS)
    payload = build_header(0x0200, len(body), phone="013800138000", serial=7, edition=Edition.V2013) + body
    if len(payload) + 3 != 107 or 0x7D in payload or 0x7E in payload:
        raise AssertionError(f"{len(payload) + 3} bytes on the wire")
    return payload


def best_ns(run: Callable[[], object], per_call: int, seconds: float) -> float:
    """Nanoseconds per unit of the fastest of many calls within a time."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter_ns()
        run()
        best = min(best, (time.perf_counter_ns() - started) / per_call)
    return best


def into_columns(twin: object, payload: bytes, frames: int, seconds: float) -> tuple[float, float]:
    """Nanoseconds per frame of `add`, and of `rows`."""
    columns = twin.LocationColumns(frames)  # type: ignore[attr-defined]
    add = columns.add

    def fill() -> None:
        columns.clear()
        for _ in range(frames):
            add(payload, 1, 1_763_900_000_000, 2, 3)

    return best_ns(fill, frames, seconds), best_ns(columns.rows, frames, seconds)


def measure(seconds: float = 1.0) -> dict[str, float | bool]:
    """All figures, nanoseconds per frame."""
    payload = frame()
    fast, fast_rows = into_columns(load("columns"), payload, 1000, seconds)
    plain, _ = into_columns(load_pure("columns"), payload, 50, seconds)
    slow = best_ns(lambda: LocationReport.decode(parse_header(payload)[1]), 1, seconds)
    return {
        "compiled": is_compiled(load("columns")),
        "columns_ns": fast,
        "rows_ns": fast_rows,
        "pure_ns": plain,
        "declaration_ns": slow,
        "pure_ratio": plain / fast,
        "declaration_ratio": slow / fast,
        "bar_ns": BAR_NS,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a fifth of the time")
    options = parser.parse_args()
    found = measure(0.2 if options.quick else 1.0)
    if options.json:
        print(json.dumps(found))
        return
    print(f"0x0200, 107 bytes, 12 items, into columns: {found['columns_ns']:.0f} ns (bar {BAR_NS:.0f} ns)")
    print(f"  compiled: {'yes' if found['compiled'] else 'no'}; handing a row over: {found['rows_ns']:.0f} ns more")
    print(f"  the same file as plain Python: {found['pure_ns']:.0f} ns, {found['pure_ratio']:.0f} times")
    print(f"  the declaration (slow truth): {found['declaration_ns']:.0f} ns, {found['declaration_ratio']:.0f} times")


if __name__ == "__main__":
    main()
