"""GET /v1/live: what is stored comes as server-sent events, to whom it may, without gaps."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from api_world import OURS, THEIRS, ApiWorld, problem

from jtgate.api import live
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import build_header
from jtgate.codecs.timebase import now_us
from jtgate.pipeline.worker import Worker
from jtgate.storage import open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.records import Transport, pack_frames

Event = dict[str, Any]


class Intake:
    """Spool and pipeline of the data folder of a world."""

    def __init__(self, world: ApiWorld) -> None:
        data = world.settings.data
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
    made = Intake(world)
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
    monkeypatch.setattr(live, "EVENTS_MAX", 10)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    with listening(world) as found:
        intake.store(OURS[0], 500)
        *_, last = found
    assert (last["event"], last["reason"]) == ("end", "slow")


def test_a_revoked_token_hears_no_more(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds."""
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(live, "RECHECK_S", 0.05)
    with listening(world) as found:
        (token,) = [one for one in world.get("/v1/tokens").json()["items"] if one["name"] == "read"]
        assert world.ask("DELETE", f"/v1/tokens/{token['id']}").is_success
        *_, last = found
    assert (last["event"], last["reason"]) == ("end", "token")


def test_listeners_end_when_the_process_does(world: ApiWorld) -> None:
    """At once, with a word."""
    with listening(world) as found:
        threading.Timer(0.1, lambda: world.api.stopping._loop.call_soon_threadsafe(world.api.stop)).start()  # type: ignore[attr-defined]
        *_, last = found
    assert (last["event"], last["reason"]) == ("end", "stopping")


def test_there_are_so_many_listeners_and_no_more(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to try again; a place is free as soon as somebody leaves."""
    monkeypatch.setattr(live, "LISTENERS_MAX", 1)
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.05)
    with listening(world):
        problem(world.get("/v1/live", "read"), 503)
    deadline = time.monotonic() + 10
    while live.room_of(world.api).listeners:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with listening(world):
        pass


@pytest.mark.parametrize(
    "params", [{"bbox": "1,2,3"}, {"bbox": "9,2,3,4"}, {"since": "5"}, {"kinds": "photo"}, {"terminals": "x"}]
)
def test_bad_wishes_are_problems(world: ApiWorld, params: dict[str, str]) -> None:
    """With the name of the parameter."""
    (name,) = params
    assert problem(world.get("/v1/live", "read", **params), 400)["pointer"].startswith(f"$.{name}")
