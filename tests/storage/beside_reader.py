"""A reader in a process of its own, beside one that writes: says that it is ready, then what it saw, as JSON.

    python beside_reader.py BATCH_ROWS FIRST_MS      the store stands in the environment, see test_readers_beside.py

It ends when its standard input does.
"""

import json
import os
import sys
import threading
from pathlib import Path

from storage_backends import StoreUnderTest

#: Batch n lies in this second after the first.
BATCH_MS = 1000
LAST_SHOWN = 5


def main() -> None:
    """Look until told to stop: at the newest batch that counts as stored, the next one, and the last positions."""
    batch_rows, first_ms = int(sys.argv[1]), int(sys.argv[2])
    facts = json.loads(os.environ["STORE_UNDER_TEST"])
    store = StoreUnderTest(facts["name"], path=Path(facts["path"]), url=facts["url"], schema=facts["schema"]).open()
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()

    def rows_of(batch: int) -> int:
        begin_ms = first_ms + batch * BATCH_MS
        return len(store.positions(from_ms=begin_ms, to_ms=begin_ms + BATCH_MS - 1, limit=10 * batch_rows))

    say("ready")
    looks, newest, wrong = 0, 0, []
    while not stop.is_set():
        cursor = store.cursor("pipeline")
        if cursor and rows_of(cursor) != batch_rows:
            wrong.append(f"batch {cursor} counts as stored and is not whole")
        ahead = rows_of(cursor + 1)
        if ahead not in (0, batch_rows):
            wrong.append(f"{ahead} rows of batch {cursor + 1}")
        last = {row["session_id"] for row in store.last_positions(limit=batch_rows)}
        if len(last) > 1:
            wrong.append(f"last positions of batches {sorted(map(str, last))} at once")
        looks, newest = looks + 1, max(newest, cursor)
    store.close()
    say(json.dumps({"looks": looks, "newest": newest, "wrong": wrong[:LAST_SHOWN]}))


def say(line: str) -> None:
    """A line for the other process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
