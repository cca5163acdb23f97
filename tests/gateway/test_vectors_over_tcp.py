"""Frames from the field over TCP into a running gateway: each ends in the store or as session state, with its values.

What a body means is proved by tests/codecs/test_vectors_codec.py; here the way from the socket to the row is.
"""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Running, Terminal, running, wait_until

from jtgate.codecs.fingerprint import fingerprint
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, parse_header
from jtgate.codecs.timebase import TIME_NOT_A_DATE
from jtgate.storage.model import POSITION_COLUMNS
from jtgate.storage.open import open_spool_reader, open_store
from jtgate.storage.store import Row, StoreUnavailable

pytestmark = [pytest.mark.shared, pytest.mark.xdist_group("heavy")]

KNOWN = {
    0x0001, 0x0002, 0x0003, 0x0100, 0x0102, 0x0104, 0x0200, 0x0201, 0x0702, 0x0704, 0x0800, 0x0801, 0x0900,
}  # fmt: skip
LOCATION = {
    "alarm_flags": "alarm_flags",
    "status": "status",
    "lat": "latitude",
    "lon": "longitude",
    "altitude": "altitude_m",
    "speed_kmh": "speed_kmh",
    "heading": "heading_deg",
    "mileage_km": "mileage_km",
    "fuel_l": "fuel_l",
    "recorder_speed_kmh": "recorder_speed_kmh",
    "manual_alarm_event": "alarm_event_id",
    "video_alarm": "video_alarm_flags",
    "video_loss_channels": "video_loss_channels",
    "video_cover_channels": "video_cover_channels",
    "storage_fault": "storage_fault_flags",
    "abnormal_driving": "abnormal_driving_flags",
    "signal_status": "vehicle_signals",
    "io_status": "io_status",
    "rssi": "signal_strength",
    "satellites": "satellites",
}
ALARM = {
    "type": "alarm_type",
    "level": "level",
    "speed": "speed_kmh",
    "lat": "latitude",
    "lon": "longitude",
    "identifier.attachment_count": "attachment_count",
}
ALARM_ITEM = {"adas": 0x64, "dsm": 0x65, "tpms": 0x66, "bsd": 0x67}
CARD = {
    "status": "status",
    "ic_result": "read_result",
    "name": "driver_name",
    "certificate": "certificate",
    "authority": "issuer",
    "id_number": "id_number",
}
#: Heights from 0x8000 on are below sea level (§4.1); the publisher reads them as unsigned.
UNSIGNED_ALTITUDE = {"gojt-jt808-0201-001"}


class Sent:
    """A vector that was sent, taken apart."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.id: str = record["id"]
        self.wire = bytes.fromhex(record["hex"])
        self.expect: dict[str, Any] = record["expect"]
        (frame,) = FrameReader().feed(self.wire)
        assert isinstance(frame, Frame)
        self.payload = frame.payload
        self.header: Header
        self.header, self.body = parse_header(frame.payload)
        self.result: int | None = None


class Stored:
    """Everything in the store after all vectors were sent."""

    def __init__(self, data: Path) -> None:
        store = open_store("", data)
        self.positions = store.positions(limit=10_000)
        self.alarms = store.alarm_events(limit=10_000)
        self.cards = store.card_events(limit=10_000)
        self.messages = store.messages(limit=10_000)
        self.quarantine = store.quarantine(limit=10_000)
        self.parts = store.open_parts()
        self.sessions = store.sessions(limit=10_000)
        self.terminals = {row["terminal"]: row for row in store.terminals(limit=10_000)}
        store.close()


def send(gateway: Running, sent: Sent) -> None:
    """One vector on a connection of its own, followed by a heartbeat whose answer shows that it was judged."""
    terminal = Terminal(gateway.port, sent.header.phone, edition=sent.header.edition)
    terminal.socket.sendall(sent.wire)
    mark = 0xFEED
    terminal.send(0x0002, serial=mark)
    while True:
        _header, body = terminal.answer()
        if len(body) == 5 and body[:4] == mark.to_bytes(2) + b"\x00\x02":
            break
        if len(body) == 5:
            sent.result = body[4]
    terminal.close()
    Terminal.made.remove(terminal)


def stored_up_to(data: Path) -> int:
    """The cursor of the pipeline, -1 before it has made the store."""
    try:
        store = open_store("", data)
    except StoreUnavailable:
        return -1
    try:
        return store.cursor("store")
    except StoreUnavailable:
        return -1
    finally:
        store.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, shared_vectors: Path) -> tuple[list[Sent], Stored]:
    """All known uplink vectors through a real gateway and a real pipeline."""
    data = tmp_path_factory.mktemp("vectors") / "data"
    lines = (shared_vectors / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["protocol"] == "jt808"]
    everything = [Sent(record) for record in records if int(record["msg_id"], 16) in KNOWN]
    with running(data) as gateway:
        settings = json.dumps({"data": str(data)})
        pipeline = subprocess.Popen(
            [sys.executable, "-m", "jtgate.pipeline", "--settings", settings], stdin=subprocess.DEVNULL
        )
        try:
            for sent in everything:
                send(gateway, sent)
            reader = open_spool_reader(data)
            wait_until(lambda: stored_up_to(data) >= reader.last_seq(), 30)
            reader.close()
        finally:
            pipeline.terminate()
            assert pipeline.wait(20) == 0
    return everything, Stored(data)


def same(found: object, wanted: object) -> bool:
    """Equal, floats within rounding, text without padding."""
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return found == pytest.approx(wanted, abs=1e-9)
    if isinstance(found, str) and isinstance(wanted, str):
        return found.strip("\0 ") == wanted.strip("\0 ")
    return found == wanted


def check_location(sent: Sent, row: Row, values: dict[str, Any]) -> None:
    """One position row against the published values, its items included."""
    for name, column in LOCATION.items():
        if name not in values or (name == "altitude" and sent.id in UNSIGNED_ALTITUDE):
            continue
        out_of_range = (name == "lat" and abs(values[name]) > 90) or (name == "lon" and abs(values[name]) > 180)
        wanted = None if out_of_range else values[name]
        assert same(row[column], wanted), (sent.id, name, row[column], wanted)
    if "time" in values:
        time = values["time"]
        if time.startswith(("raw:", "hex:")):
            assert row["time_state"] == TIME_NOT_A_DATE, sent.id
        else:
            assert row["device_time_ms"] == int(datetime.fromisoformat(time).timestamp()) * 1000, sent.id
    items = json.loads(str(row["extra_items"])) if row["extra_items"] else []
    in_columns = {0x01, 0x02, 0x03, 0x04, 0x14, 0x15, 0x16, 0x17, 0x18, 0x25, 0x2A, 0x2B, 0x30, 0x31}
    kept = {(item["id"], item["raw"]) for item in items}
    for item in values.get("tlv", []):
        if int(item["id"], 16) not in in_columns:
            assert (item["id"], item["hex"]) in kept, (sent.id, item)


def location_values(expect: dict[str, Any]) -> dict[str, Any]:
    """The values of one location without their prefix."""
    return {name.removeprefix("location."): value for name, value in expect.items() if name.startswith("location.")}


def whole(everything: list[Sent], *ids: int) -> list[Sent]:
    """Vectors of some ids that are neither parts nor encrypted nor without a phone."""
    found = [sent for sent in everything if sent.header.msg_id in ids]
    return [sent for sent in found if not (sent.header.is_part or sent.header.encryption or not sent.header.terminal)]


def test_locations_are_positions(world: tuple[list[Sent], Stored]) -> None:
    """0x0200, 0x0201 and every item of 0x0704, with their values and items."""
    everything, stored = world
    rows: dict[tuple[object, int], Row] = {
        (row["terminal"], int(str(row["fingerprint"]))): row for row in stored.positions
    }
    checked = 0
    for sent in whole(everything, 0x0200, 0x0201):
        if "location.lat" not in sent.expect:
            continue
        bodies = [sent.body] if sent.header.msg_id == 0x0200 else [sent.body[2:], sent.body]
        keys = [(sent.header.terminal, fingerprint(body + extra)) for body in bodies for extra in (b"", serial(sent))]
        row = next((rows[key] for key in keys if key in rows), None)
        assert row is not None, f"{sent.id} is not in the store"
        check_location(sent, row, location_values(sent.expect))
        checked += 1
    for sent in whole(everything, 0x0704):
        for item in sent.expect.get("batch.items", []):
            time = datetime.fromisoformat(item["time"])
            matching = [
                row
                for row in stored.positions
                if (row["terminal"], row["device_time_ms"]) == (sent.header.terminal, int(time.timestamp()) * 1000)
                and same(row["latitude"], item["lat"] if abs(item["lat"]) <= 90 else None)
            ]
            assert matching, (sent.id, item["time"])
            check_location(sent, matching[0], item)
            checked += 1
    assert checked > 100
    assert set(POSITION_COLUMNS) <= set(stored.positions[0])


def serial(sent: Sent) -> bytes:
    """What is mixed into the fingerprint of a report without a calendar time."""
    return sent.header.serial.to_bytes(2)


def test_active_safety_items_are_alarm_events(world: tuple[list[Sent], Stored]) -> None:
    """0x64–0x67 with their kind, level, place and number."""
    everything, stored = world
    checked = 0
    for sent in whole(everything, 0x0200):
        for prefix, item_id in ALARM_ITEM.items():
            values = {
                name.removeprefix(prefix + "."): value
                for name, value in sent.expect.items()
                if name.startswith(prefix + ".")
            }
            if not values:
                continue
            events = [
                row
                for row in stored.alarms
                if (row["terminal"], row["source"]) == (sent.header.terminal, f"jsatl12:0x{item_id:02x}")
                and all(same(row[column], values[name]) for name, column in ALARM.items() if name in values)
            ]
            assert events, (sent.id, prefix, values)
            checked += 1
    assert checked >= 5


def test_driver_cards_are_card_events(world: tuple[list[Sent], Stored]) -> None:
    """0x0702 in all editions."""
    everything, stored = world
    checked = 0
    for sent in whole(everything, 0x0702):
        values = {
            name.removeprefix("driver."): value for name, value in sent.expect.items() if name.startswith("driver.")
        }
        found = [
            row
            for row in stored.cards
            if row["terminal"] == sent.header.terminal
            and row["fingerprint"] in (fingerprint(sent.body), fingerprint(sent.body + serial(sent)))
        ]
        assert found, sent.id
        for name, column in CARD.items():
            if name in values:
                assert same(found[0][column] or "", values[name] or ""), (sent.id, name)
        checked += 1
    assert checked >= 10


def test_other_messages_are_kept_whole(world: tuple[list[Sent], Stored]) -> None:
    """Body as it came, beside it the decoded JSON."""
    everything, stored = world
    kept = {(row["terminal"], row["msg_id"], row["raw"]): row for row in stored.messages}
    held = {row["payload"] for row in stored.quarantine}
    checked = 0
    for sent in whole(everything, 0x0001, 0x0003, 0x0100, 0x0102, 0x0104, 0x0201, 0x0800, 0x0801, 0x0900):
        row = kept.get((sent.header.terminal, sent.header.msg_id, sent.body))
        if row is None:
            assert (sent.payload in held, sent.result) == (True, 2), sent.id
            continue
        assert row["body"] is not None, sent.id
        checked += 1
    assert checked > 60


def test_registrations_make_terminals_and_heartbeats_sessions(world: tuple[list[Sent], Stored]) -> None:
    """Every phone that was heard is a terminal with sessions; plates are those of the registrations."""
    everything, stored = world
    plates: dict[str, set[str]] = {}
    for sent in whole(everything, 0x0100):
        plates.setdefault(sent.header.terminal, set()).add(sent.expect.get("register.plate", ""))
    for sent in whole(everything, 0x0100, 0x0002):
        assert sent.header.terminal in stored.terminals, sent.id
        assert any(row["terminal"] == sent.header.terminal for row in stored.sessions), sent.id
    for terminal, wanted in plates.items():
        assert str(stored.terminals[terminal]["plate"] or "") in wanted, terminal


def test_nothing_is_dropped(world: tuple[list[Sent], Stored]) -> None:
    """Parts wait for the rest of their message; what cannot be read is in the quarantine, and was not called good."""
    everything, stored = world
    waiting = {part.payload for part in stored.parts}
    held = {row["payload"] for row in stored.quarantine}
    for sent in everything:
        if sent.header.is_part:
            joined = any(sent.body in bytes(row["raw"]) for row in stored.messages if row["parts"] > 1)
            assert joined or sent.payload in waiting | held, sent.id
        elif sent.header.encryption:
            assert (sent.payload in held, sent.result) == (True, 3), sent.id
        elif not sent.header.terminal:
            assert sent.result == 1, sent.id


def test_every_cut_and_every_neighbour_of_a_field_frame(shared_vectors: Path) -> None:
    """Each vector cut at each byte, fed byte by byte and glued between others, gives the same frames."""
    lines = (shared_vectors / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    wires = [bytes.fromhex(record["hex"]) for record in map(json.loads, lines) if record["protocol"] == "jt808"]
    payloads = []
    for wire in wires:
        (frame,) = FrameReader().feed(wire)
        assert isinstance(frame, Frame)
        payloads.append(frame.payload)
        for place in range(1, len(wire)):
            reader = FrameReader()
            events = reader.feed(wire[:place]) + reader.feed(wire[place:])
            assert [event.payload for event in events if isinstance(event, Frame)] == [frame.payload]
    reader = FrameReader()
    stream = b"".join(wires)
    assert [event.payload for event in reader.feed(stream) if isinstance(event, Frame)] == payloads
    reader = FrameReader()
    slow = [event for byte in stream for event in reader.feed(bytes([byte]))]
    assert [event.payload for event in slow if isinstance(event, Frame)] == payloads
