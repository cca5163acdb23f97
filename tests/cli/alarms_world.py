"""A data folder with one alarm and all that belongs to it, and its API on a thread."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from click.testing import CliRunner, Result

from jtgate.api.__main__ import QuietServer, listen
from jtgate.api.app import create_app
from jtgate.api.context import Api
from jtgate.cli import main
from jtgate.settings import Settings
from jtgate.storage import open_spool_writer, open_store
from jtgate.storage.access import NewToken, digest_of, new_secret
from jtgate.storage.contract.derived_rows import binding, conflict, episode, evidence, stop, trip, visit
from jtgate.storage.contract.rows import alarm
from jtgate.storage.model import StoreBatch
from jtgate.storage.open import open_access, open_files
from jtgate.storage.records import pack_frames
from jtgate.storage.registry import checked
from jtgate.storage.store import Store

#: 2026-11-23 08:00:00 in GMT+8.
T0_MS: Final = 1_795_392_000_000
MIN_MS: Final = 60_000
PHONE: Final = "13800138000"
PLATE: Final = "测A12345"
PHOTO: Final = b"\xff\xd8 a picture \xff\xd9"
VIDEO: Final = bytes(range(256)) * 40
NUMBER: Final = "41" * 16
NAME: Final = "张三丰"


@dataclass
class AlarmsWorld:
    """The folder, the address of its API, and the texts of its tokens."""

    data: Path
    url: str
    tokens: dict[str, str]
    number: int

    def run(self, *arguments: str, token: str = "all") -> Result:
        """A command that asks the API."""
        env = {"JTGATE_API": self.url, "JTGATE_TOKEN": self.tokens[token], "JTGATE_DATA": str(self.data)}
        return CliRunner().invoke(main, arguments, env=env, prog_name="jtgate")

    def lines(self, *arguments: str) -> list[str]:
        """Standard output of a command that succeeds."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.lines(*arguments, "--json")]

    def write(self, **rows: Any) -> None:
        """Write rows into the store."""
        store = open_store("", self.data)
        store.write(StoreBatch(**rows), consumer="test", seq=0)
        store.close()

    def audited(self) -> list[tuple[str, str]]:
        """What the audit log has noted, newest first: operation and subject."""
        access = open_access(self.data)
        found = [(one.what, one.subject) for one in access.audit(limit=100)]
        access.close()
        return found


def frame(serial: int) -> bytes:
    """A location report without items, as the spool has it."""
    body = bytes.fromhex("00000004 00000003 02736d40 0745fb80 0032 0264 005a 261123080000")
    return bytes.fromhex("0200") + len(body).to_bytes(2) + bytes.fromhex(f"0{PHONE}") + serial.to_bytes(2) + body


@contextmanager
def alarms_world(data: Path) -> Iterator[AlarmsWorld]:
    """The folder filled, and its API running."""
    data.mkdir(parents=True, exist_ok=True)
    number = fill(data)
    access = open_access(data)
    tokens = {}
    for name, scopes in (("all", {"read", "command", "admin"}), ("read", {"read"})):
        tokens[name] = new_secret()
        access.add(NewToken(name, frozenset(scopes), "", "", None), digest_of(tokens[name]), T0_MS)
    access.close()
    settings = Settings(data=data)
    with serving(settings) as url:
        yield AlarmsWorld(data, url, tokens, number)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Its API on a thread; the address."""
    api = Api(settings)
    config = uvicorn.Config(create_app(settings, api), log_config=None, access_log=False, lifespan="off")
    server = QuietServer(config)
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.servers[0].get_loop().call_soon_threadsafe(api.stop)
        server.should_exit = True
        thread.join(10)
        api.close()
        assert not thread.is_alive()


def fill(data: Path) -> int:
    """One vehicle, its alarm 1 and what belongs to it; the number of its terminal."""
    store = open_store("", data)
    store.migrate()
    _registries(store)
    number = store.terminal_ids([PHONE], T0_MS)[PHONE]
    writer = open_spool_writer(data, bytes_max=1 << 24, keep_us=10**15)
    seq = writer.append(pack_frames(T0_MS * 1000, 7, 0, [frame(100), frame(101)]), 2, T0_MS * 1000)
    writer.close()
    store.write(StoreBatch(**_rows(data, number, seq)), consumer="test", seq=0)
    store.close()
    return number


def _registries(store: Store) -> None:
    vehicle = {"plate": PLATE, "plate_color": "黄", "vehicle_kind": "TRACTOR", "terminal": PHONE}
    vehicle |= {"enterprise": "E001", "county": "211102"}
    person = {"person": "P-17", "name": NAME, "roles": "DRIVER"}
    square = [[121.9, 41.0], [122.1, 41.0], [122.1, 41.2], [121.9, 41.2], [121.9, 41.0]]
    zone = {
        "zone": "PARK-1",
        "name": "化工园区",
        "zone_kind": "PARK",
        "capacity": 40,
        "geometry": {"type": "Polygon", "coordinates": [square]},
    }
    for kind, values in (("vehicles", vehicle), ("persons", person), ("zones", zone)):
        found = checked(kind, values, now_ms=T0_MS - 10 * MIN_MS)
        assert found.row is not None, found.faults
        store.registry_put(kind, [found.row], T0_MS - 10 * MIN_MS)


def _rows(data: Path, number: int, seq: int) -> dict[str, Any]:
    places = [[T0_MS + at * 15_000, 41.1 + at * 0.001, 122.0 + at * 0.002, 60.0 + at] for at in range(5)]
    named = {"plate": PLATE, "plate_color": 2, "waybill": "W-1"}
    first = episode(
        number,
        T0_MS,
        3,
        speed_max_kmh=64.0,
        peak_ms=T0_MS + 60_000,
        places=json.dumps(places),
        risk_class="distraction",
        alarm_event_id=None,
        confirmed_ms=None,
        alarm_number=NUMBER,
        alarm_numbers=json.dumps([NUMBER]),
        evidence_state="incomplete",
        person="P-17",
        person_confidence=0.97,
        **named,
    )
    second = first._replace(
        alarm_type=2, started_ms=T0_MS + 20_000, ended_ms=None, state="open", ended_by=None, level=1, repeat_count=0
    )
    flag = first._replace(
        source="jt808:flag", alarm_type=0, started_ms=T0_MS + 5 * MIN_MS, last_ms=T0_MS + 5 * MIN_MS,
        ended_by="instant", ended_ms=T0_MS + 5 * MIN_MS, risk_class="incident", risk_started_ms=T0_MS + 5 * MIN_MS,
        alarm_number=None,
        alarm_numbers="[]", evidence_state="none", serial=101, places="[]", peak_ms=None, latitude=None, longitude=None,
        level=None, speed_max_kmh=None, report_count=1, repeat_count=0,
    )  # fmt: skip
    gone = first._replace(alarm_type=1, state="withdrawn")
    reports = [
        alarm(
            number, T0_MS + at * 60_000, at, source="jsatl12:0x65", alarm_type=3, phase=phase, level=2,
            spool_seq=seq + 7 * at, serial=100 + at, latitude=41.1, longitude=122.0, speed_kmh=60.0,
            alarm_number=NUMBER, attachment_count=2,
        )
        for at, phase in enumerate(("start", "end"))
    ]  # fmt: skip
    card = {"source": "card", "rank": 2, "confidence": 0.7, "from_ms": T0_MS - 30 * MIN_MS}
    face = {"source": "face", "rank": 1, "confidence": 0.95, "from_ms": T0_MS - 29 * MIN_MS, "score": 0.91}
    return {
        "episodes": [first, second, flag, gone],
        "alarm_events": reports,
        "evidence_files": _files(data, number),
        "bindings": _bindings(number, card, face),
        "binding_conflicts": [
            conflict(1, T0_MS - 25 * MIN_MS, plate=PLATE, plate_color=2, kind="card_lent", person="P-17", other="P-18")
        ],
        "trips": [trip(number, T0_MS - 20 * MIN_MS, driver="P-17", bad_point_count=2, **named)],
        "stops": [
            stop(number, T0_MS - 10 * MIN_MS, ended_ms=T0_MS - 5 * MIN_MS, is_rest=0, state="closed"),
            stop(number, T0_MS - 300 * MIN_MS, ended_ms=T0_MS - 20 * MIN_MS, is_rest=1, state="closed"),
        ],
        "zone_visits": [
            visit(
                number, T0_MS - 2 * MIN_MS, zone="PARK-1", zone_kind="PARK", exited_ms=None, state="open", uncertain=0,
                person="P-17", **named,
            )
        ],
    }  # fmt: skip


def _files(data: Path, number: int) -> list[Any]:
    files = open_files(data)
    photo, video = files.put(PHOTO, ".jpg"), files.put(VIDEO[:5000], ".mp4")
    files.close()
    common = {"alarm_number": NUMBER, "channel": 65, "announced_ms": T0_MS + 5000, "updated_ms": T0_MS + 9000}
    return [
        evidence(
            number, file_name="00_65_6503_0_a.jpg", file_type=0, announced_bytes=len(PHOTO), stored_bytes=len(PHOTO),
            sha256=photo[0], path=photo[1], missing=None, **common,
        ),
        evidence(
            number, file_name="02_65_6503_1_a.mp4", file_type=2, announced_bytes=len(VIDEO), stored_bytes=5000,
            sha256=video[0], path=video[1], missing=f"[[5000, {len(VIDEO) - 5000}]]", state="incomplete", **common,
        ),
    ]  # fmt: skip


def _bindings(number: int, card: dict[str, Any], face: dict[str, Any]) -> list[Any]:
    common = {"plate": PLATE, "plate_color": 2, "revision": 0, "corrects": None, "reason": None}
    lent = json.dumps([{"person": "P-18", "confidence": 0.7, "sources": [{**card, "until_ms": T0_MS}]}])
    begin_ms = T0_MS - 30 * MIN_MS
    wrong = binding(
        number, begin_ms, person="P-18", ended_ms=T0_MS, confidence=0.7, sources=json.dumps([card]), **common
    )
    return [
        wrong,
        binding(
            number, begin_ms, person="P-17", ended_ms=None, confidence=0.97, sources=json.dumps([face, card]),
            conflict=lent,
            **{
                **common,
                "revision": 1,
                "corrects": json.dumps({"person": "P-18", "started_ms": begin_ms, "revision": 0}),
                "reason": "later evidence: it was somebody else",
            },
        ),
        binding(
            number, begin_ms, role="escort", person="", ended_ms=None, confidence=0.4, sources="[]", conflict=None,
            **common,
        ),
    ]  # fmt: skip
