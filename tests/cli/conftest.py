"""A data folder in which something has happened, at a known time, and a way to run commands on it."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from cli_world import NOW_MS, PHONE, World, live_session, position

from jtgate import runfiles
from jtgate.cli import common, sessions, vehicle
from jtgate.storage import open_directory, open_spool_writer, open_store
from jtgate.storage.model import (
    AlarmEventRow,
    CardEventRow,
    QuarantineRow,
    SessionClosed,
    SessionOpened,
    StoreBatch,
    TerminalUpdate,
)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Every command sets up the logs of its process; other tests want theirs back."""
    root = logging.getLogger()
    handlers, level, loud = list(root.handlers), root.level, logging.raiseExceptions
    configuration = structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = loud
    structlog.configure(**configuration)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty data folder, and a clock that stands at NOW_MS."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JTGATE_")]:
        monkeypatch.delenv(name)
    for module in (common, sessions, vehicle):
        monkeypatch.setattr(module, "now_ms", lambda: NOW_MS)
    data = tmp_path / "data"
    data.mkdir()
    return World(data)


@pytest.fixture
def gateway(world: World) -> World:
    """The same with a gateway that seems to run (this process)."""
    runfiles.write_run_file(world.data, runfiles.GATEWAY, {"pid": os.getpid(), "port": 6808})
    return world


@pytest.fixture
def story(gateway: World) -> World:
    """A vehicle with a past: registered, driving, with an alarm, a driver, an earlier session, a bad message."""
    store = open_store("", gateway.data)
    store.migrate()
    number = store.terminal_ids([PHONE], NOW_MS)[PHONE]
    batch = StoreBatch(
        positions=[
            position(
                number,
                latitude=41.12,
                longitude=122.07,
                speed_kmh=62.5,
                heading_deg=90,
                status=3,
                alarm_flags=0b10,
                mileage_km=6605.1,
                satellites=12,
                video_alarm_flags=0,
            )
        ],
        alarm_events=[
            AlarmEventRow(
                number,
                "jt808:flag",
                NOW_MS - 65_000,
                9,
                NOW_MS - 64_000,
                7,
                1,
                1,
                1,
                "start",
                None,
                None,
                None,
                None,
                None,
                None,
                "{}",
            )
        ],
        card_events=[
            CardEventRow(
                number, NOW_MS - 3_600_000, 3, NOW_MS, 7, 1, 2, 1, 0, "张三", "5101", "某局", "2029-08-21", "id"
            )
        ],
        terminals=[
            TerminalUpdate(
                number,
                NOW_MS,
                edition="2019",
                manufacturer="70111",
                model="DSM-1",
                device_id="T0001",
                plate="测A12345",
                registered_ms=NOW_MS - 86_400_000,
                last_seen_ms=NOW_MS - 2_000,
            )
        ],
        opened=[
            SessionOpened(5, number, NOW_MS - 90_000_000, "tcp", "10.1.2.3:39000", "2019", "authenticated"),
            SessionOpened(7, number, NOW_MS - 3_661_000, "tcp", "10.1.2.3:40000", "2019", "authenticated"),
        ],
        closed=[SessionClosed(5, NOW_MS - 4_000_000, "idle", 50, 0, 5000, NOW_MS - 4_200_000)],
        quarantine=[
            QuarantineRow(
                (NOW_MS - 10_000) * 1000,
                4,
                7,
                1,
                PHONE,
                0x0702,
                "body.truncated",
                14,
                "time",
                "the body ends inside time",
                bytes.fromhex("0702000201380013800000070102"),
            )
        ],
    )
    store.write(batch, consumer="store", seq=1)
    store.close()
    directory = open_directory(gateway.data)
    directory.publish([live_session()], [])
    directory.close()
    return gateway


@pytest.fixture
def spool(world: World) -> Iterator[Callable[..., int]]:
    """Appends a group of records to the spool."""
    writer = open_spool_writer(world.data, bytes_max=1 << 30, keep_us=10**12)

    def append(*records: bytes, at_us: int = NOW_MS * 1000) -> int:
        return writer.append(b"".join(records), len(records), at_us)

    yield append
    writer.close()
