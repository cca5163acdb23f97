"""GET /v1/live: what is stored comes as server-sent events, to whom it may, without gaps."""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from api_world import OURS, THEIRS, ApiWorld, fill, problem

from jtgate import runfiles
from jtgate.api import live, newsroom
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import now_us
from jtgate.pipeline.worker import Worker
from jtgate.settings import Settings
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.records import Transport, pack_frames

Event = dict[str, Any]


class Intake:
    """Spool and pipeline of a data folder.

    Args:
        data: the folder.
    """

    def __init__(self, data: Path) -> None:
        self._writer = open_spool_writer(data, bytes_max=1 << 30, keep_us=3_600_000_000)
        self._store = open_store("", data)
        self._reader = open_spool_reader(data)
        self._worker = Worker(self._store, self._reader, open_spool_progress(data), parts_bytes_max=1 << 20)
        self.serial = 0

    def store(self, terminal: str, count: int = 1, *, alarm: int = 0, longitude: float = 122.07) -> None:
        """Reports come in and are stored."""
        payloads = []
        for _ in range(count):
            at = bytes.fromhex(f"26112320{self.serial // 60 % 60:02d}{self.serial % 60:02d}")
            place = (41_120_000).to_bytes(4) + round(longitude * 1e6).to_bytes(4) + b"\x00\x05\x02\x58\x00\x5a"
            body = alarm.to_bytes(4) + (3 + (self.serial << 8)).to_bytes(4) + place + at
            phone = terminal.zfill(12)
            head = build_header(0x0200, len(body), phone=phone, serial=self.serial & 0xFFFF, edition=Edition.V2013)
            payloads.append(head + body)
            self.serial += 1
        at_us = now_us()
        self._writer.append(pack_frames(at_us, 1, Transport.TCP, payloads), count, at_us)
        self._worker.run_until_caught_up()

    def close(self) -> None:
        """Give up the files."""
        self._writer.close()
        self._reader.close()
        self._store.close()


@pytest.fixture
def intake(world: ApiWorld) -> Iterator[Intake]:
    """Reports that come in."""
    made = Intake(world.settings.data)
    yield made
    made.close()


def events(response: httpx.Response) -> Iterator[Event]:
    """Events as they come, each with the id that was told last."""
    last_id, found = "", {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            last_id = value
        elif name in ("event", "data"):
            found[name] = value
        elif not line and "event" in found:
            yield {"event": found["event"], "id": last_id, **json.loads(found["data"])}
            found = {}
        elif not line:
            yield {"event": "id", "id": last_id}


@contextmanager
def listening(world: ApiWorld, token: str = "read", *, last_id: str = "", **params: Any) -> Iterator[Iterator[Event]]:
    """A listener that has been greeted."""
    headers = {"Authorization": f"Bearer {world.texts[token]}"} | ({"Last-Event-ID": last_id} if last_id else {})
    with world.client.stream("GET", "/v1/live", params=params, headers=headers, timeout=20) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        found = events(response)
        assert next(found)["event"] == "hello"
        yield found


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def take(found: Iterator[Event], count: int) -> list[Event]:
    """So many positions and alarms."""
    taken: list[Event] = []
    while len(taken) < count:
        event = next(found)
        if event["event"] in ("position", "alarm"):
            taken.append(event)
    return taken


def test_positions_and_alarms_come_as_they_are_stored(world: ApiWorld, intake: Intake) -> None:
    """With key, place and time, within a second; nothing of before."""
    intake.store(OURS[0])
    with listening(world) as found:
        began = time.monotonic()
        intake.store(OURS[0], alarm=1)
        position, alarm = take(found, 2)
        took_s = time.monotonic() - began

    assert (position["event"], position["terminal"], position["serial"]) == ("position", OURS[0], 1)
    assert (position["latitude"], position["speed_kmh"]) == (41.12, 60.0)
    assert (alarm["event"], alarm["alarm_type"], alarm["phase"]) == ("alarm", 0, "start")
    assert took_s < 2


@pytest.mark.parametrize(
    ("token", "params", "serials"),
    [
        ("read", {}, [0, 1, 2, 3]),
        ("read", {"terminals": [OURS[0], THEIRS[0]]}, [0, 2, 3]),
        ("read", {"terminals": "0" + OURS[1]}, [1]),
        ("read", {"bbox": "121,41,123,42"}, [0, 1, 2]),
        ("limited", {}, [0, 1, 3]),
        ("limited", {"terminals": THEIRS[0]}, []),
        ("county", {}, [0, 2, 3]),
        ("nothing-there", {}, []),
    ],
)
def test_everybody_hears_what_is_wanted_and_allowed(
    world: ApiWorld, intake: Intake, token: str, params: dict[str, Any], serials: list[int]
) -> None:
    """By terminal, place and kind, and never beyond what the token may see."""
    params |= {"kinds": "position"}
    with listening(world, token, **params) as found, listening(world, "admin", kinds="position") as everything:
        intake.store(OURS[0])
        intake.store(OURS[1])
        intake.store(THEIRS[0])
        intake.store(OURS[0], longitude=110.0)
        assert [event["serial"] for event in take(everything, 4)] == [0, 1, 2, 3]
        heard = []
        for event in found:
            if event["event"] == "position":
                heard.append(event["serial"])
            elif int(event["id"].split("-")[0]) >= 4:  # all four groups have been told
                break

    assert heard == serials


def test_who_comes_back_with_the_last_id_misses_nothing(world: ApiWorld, intake: Intake) -> None:
    """Also when it was away for many pages."""
    with listening(world) as found:
        intake.store(OURS[0], 3)
        assert len(take(found, 3)) == 3
        last_id = next(event["id"] for event in found if event["event"] == "id")
    for _ in range(40):
        intake.store(OURS[0], 50)
    with listening(world, last_id=last_id) as found:
        intake.store(OURS[0])
        serials = {event["serial"] for event in take(found, 2001)}
    assert serials >= set(range(3, 2003))


def test_a_slow_listener_is_sent_away_with_a_reason(
    world: ApiWorld, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than being held in memory."""
    monkeypatch.setattr(newsroom, "EVENTS_MAX", 10)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    with listening(world) as found:
        intake.store(OURS[0], 500)
        *_, last = found
    assert (last["event"], last["reason"]) == ("end", "slow")


def test_a_revoked_token_hears_no_more(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds."""
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    with listening(world) as found:
        (token,) = [one for one in world.get("/v1/tokens").json()["items"] if one["name"] == "read"]
        assert world.ask("DELETE", f"/v1/tokens/{token['id']}").is_success
        *_, last = found
    assert (last["event"], last["reason"]) == ("end", "token")


def test_a_process_tells_quickly_and_ends_at_once(tmp_path: Path) -> None:
    """From stored to told takes a fraction of a second; SIGTERM ends streams with a word, and the process with them."""
    text = fill(tmp_path)["read"]
    with contextlib.closing(Intake(tmp_path)) as intake:
        command = [sys.executable, "-m", "jtgate.api", "--settings"]
        command.append(Settings(data=tmp_path, http="127.0.0.1:0", log_format="json").to_json())
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                while (facts := runfiles.running(tmp_path, runfiles.API)) is None:
                    assert process.poll() is None
                    time.sleep(0.02)
                url, headers = f"http://{facts['http']}/v1/live?kinds=position", {"Authorization": f"Bearer {text}"}
                with httpx.stream("GET", url, headers=headers, timeout=20) as response:
                    found = events(response)
                    assert next(found)["event"] == "hello"
                    took_s = []
                    for serial in range(10):
                        intake.store(OURS[0])
                        stored = time.monotonic()
                        assert take(found, 1)[0]["serial"] == serial
                        took_s.append(time.monotonic() - stored)
                    process.terminate()
                    *_, last = found
                    assert process.wait(5) == 0
            finally:
                process.kill()
    assert statistics.median(took_s) < 0.5
    assert (last["event"], last["reason"]) == ("end", "stopping")


def test_who_reads_nothing_is_cut_off(world: ApiWorld, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that does not even read that it is sent away loses its connection, and its place is free."""
    monkeypatch.setattr(live, "STUCK_S", 0.2)
    stuck = newsroom.SENT_AWAY.labels("stuck")._value.get  # type: ignore[attr-defined]
    before = stuck()
    parts = urlsplit(str(world.client.base_url))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((parts.hostname, parts.port))
        client.sendall(
            f"GET /v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.texts['read']}\r\n\r\n".encode()
        )
        while b"hello" not in client.recv(4096):
            pass
        for _ in range(5):
            intake.store(OURS[0], 5000)
        wait_for(lambda: not live.room_of(world.api).places)
    assert stuck() == before + 1


def test_there_are_so_many_listeners_and_no_more(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to try again; a place is free as soon as somebody leaves."""
    monkeypatch.setattr(newsroom, "LISTENERS_MAX", 1)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    with listening(world):
        problem(world.get("/v1/live", "read"), 503)
    wait_for(lambda: not live.room_of(world.api).places)
    with listening(world):
        pass


@pytest.mark.parametrize(
    "params", [{"bbox": "1,2,3"}, {"bbox": "9,2,3,4"}, {"since": "5"}, {"kinds": "photo"}, {"terminals": "x"}]
)
def test_bad_wishes_are_problems(world: ApiWorld, params: dict[str, str]) -> None:
    """With the name of the parameter."""
    (name,) = params
    assert problem(world.get("/v1/live", "read", **params), 400)["pointer"].startswith(f"$.{name}")
