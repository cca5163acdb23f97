"""Locations into columns: compiled, plain and the declarations say the same, for good bytes and for bad."""

import itertools
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jtgate.codecs import column_tables
from jtgate.codecs import deviations as dev
from jtgate.codecs import fingerprint as slow_fingerprint
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import BodyError, HeaderError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, build_header, parse_header
from jtgate.codecs.items import ITEMS, ONE_BYTE_MORE
from jtgate.codecs.jt808 import LocationBatch, LocationReport, UndecodedReport
from jtgate.codecs.timebase import decode_bcd_time, time_state, to_ms
from jtgate.codecs.twins import load, load_pure

PURE = load_pure("columns")
TWINS = [pytest.param(load("columns"), id="compiled"), pytest.param(PURE, id="pure")]
IRREGULAR: int = PURE.IRREGULAR
NOT_PLAIN: int = PURE.NOT_PLAIN
NOW_MS = 1_763_900_000_000
ORIGIN = (7, NOW_MS, 99, 5)  # terminal, received, session, group

Row = tuple[object, ...]

# ------------------------------------------------------------------------------ the slow truth

#: Columns of items, in the order of POSITION_COLUMNS; the declarations name their fields so.
ITEM_COLUMNS = (
    "mileage_km",
    "fuel_l",
    "recorder_speed_kmh",
    "alarm_event_id",
    "video_alarm_flags",
    "video_loss_channels",
    "video_cover_channels",
    "storage_fault_flags",
    "abnormal_driving_flags",
    "fatigue_degree",
    "vehicle_signals",
    "io_status",
    "analog_0",
    "analog_1",
    "signal_strength",
    "satellites",
)


def truth_of(payload: bytes) -> list[Row] | int:
    """What `LocationColumns.add` has to do with a payload, by header, declarations and timebase."""
    try:
        header, body = parse_header(payload)
    except HeaderError:
        return NOT_PLAIN
    if header.packet_total is not None or header.encryption or header.msg_id not in (0x0200, 0x0704):
        return NOT_PLAIN
    found: list[str] = []
    try:
        if header.msg_id == 0x0200:
            report = LocationReport.decode(body, deviations=found)
            return IRREGULAR if dev.ITEM_ONE_BYTE_MORE in found else [truth_row(report, body, header)]
        batch = LocationBatch.decode(body, deviations=found)
    except BodyError:
        return IRREGULAR
    damage = {dev.BATCH_WRONG_COUNT, dev.BATCH_ITEM_OVERRUN, dev.BATCH_ITEM_UNDECODED, dev.ITEM_ONE_BYTE_MORE}
    if damage & set(found) or batch.trailing or not batch.items:
        return IRREGULAR
    rows = []
    for item in batch.items:
        assert not isinstance(item, UndecodedReport)
        rows.append(truth_row(item, item.encode(), header, backfill=batch.batch_type == 1))
    return rows


def truth_row(report: LocationReport, body: bytes, header: Header, *, backfill: bool = False) -> Row:
    """The row of one declared location report."""
    time_ms = to_ms(report.time)
    keyed = body if time_ms or header.msg_id != 0x0200 else body + header.serial.to_bytes(2)
    columns, extra = truth_items(report)
    return (
        ORIGIN[0],
        time_ms,
        slow_fingerprint.fingerprint(keyed),
        ORIGIN[1],
        time_state(time_ms, ORIGIN[1]),
        ORIGIN[2],
        ORIGIN[3],
        header.serial,
        header.msg_id,
        int(backfill),
        report.alarm_flags,
        report.status,
        report.latitude if abs(report.latitude) <= 90 else None,
        report.longitude if abs(report.longitude) <= 180 else None,
        report.altitude_m,
        report.speed_kmh,
        report.heading_deg,
        *(columns.get(name) for name in ITEM_COLUMNS),
        json.dumps(extra, separators=(",", ":")) if extra else None,
    )


def truth_items(report: LocationReport) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Declared values by column, and what has no column as the list of extra_items."""
    columns: dict[str, object] = {}
    extra: list[dict[str, object]] = []
    for item in report.items:
        values = {} if item.value is None else item.value.to_json()
        if values and set(values) <= set(ITEM_COLUMNS) and not columns.keys() & values.keys():
            columns |= values
        else:
            extra.append({"id": f"0x{item.id:02x}", "raw": item.raw.hex()})
    if report.trailing:
        extra.append({"id": None, "raw": report.trailing.hex()})
    return columns, extra


def rows_of(twin: ModuleType, payload: bytes) -> list[Row] | int:
    """What a twin makes of a payload."""
    columns = twin.LocationColumns(1)
    code = columns.add(payload, *ORIGIN)
    rows: list[Row] = columns.rows()
    assert len(columns) == len(rows) == max(code, 0)
    return rows if code > 0 else int(code)


def assert_all_agree(payload: bytes) -> None:
    """Compiled, plain and slow give the same rows or the same refusal."""
    truth = truth_of(payload)
    for twin in (load("columns"), PURE):
        found = rows_of(twin, payload)
        assert found == truth
        if isinstance(found, list) and isinstance(truth, list):
            assert [list(map(type, row)) for row in found] == [
                [float if isinstance(value, float) else type(value) for value in row] for row in truth
            ]


# ------------------------------------------------------------------------------- what is tolerated

#: What the declaration notes of items that the columns leave to whoever decodes them.
ELSEWHERE = {dev.ITEM_TRAILING_BYTES, dev.BCD_NOT_DIGITS, dev.TEXT_PADDING, dev.TEXT_UTF8, dev.TEXT_NOT_GBK}


def test_tables_are_those_of_the_declarations() -> None:
    """Lengths that the columns judge by themselves, and what some senders announce a byte too long."""
    for item_id, length in column_tables.OTHER_LENGTHS:
        (form,) = ITEMS[item_id]
        assert form.cls.min_bytes(Edition.V2013) == length
    too_long = {
        item_id: {length for length in range(256) if length - 1 in lengths and length not in lengths}
        for item_id, lengths in ONE_BYTE_MORE.items()
    }
    assert too_long == {item_id: set(lengths) for item_id, *lengths in column_tables.ONE_BYTE_MORE_ITEMS}


def judged(twin: ModuleType, payload: bytes) -> dict[str, int]:
    """What a twin counts of a payload."""
    columns = twin.LocationColumns(1)
    columns.add(payload, *ORIGIN)
    found: dict[str, int] = columns.deviations()
    assert columns.deviations() == {}
    return found


@pytest.mark.parametrize(
    ("items", "name"),
    [
        ("0103000001", dev.ITEM_LENGTH_UNKNOWN),
        ("060164", dev.ITEM_LENGTH_UNKNOWN),
        ("110200000000", dev.ITEM_LENGTH_UNKNOWN),
        ("11050000000001", None),
        ("110100", None),
        ("e10164", None),
        ("1803000065", dev.VALUE_OUT_OF_RANGE),
        ("3105", dev.LOCATION_ITEMS_OVERRUN),
    ],
)
@pytest.mark.parametrize("twin", TWINS)
def test_deviations_of_items_are_counted(twin: ModuleType, items: str, name: str | None) -> None:
    """Each once for a location, however often it is in it."""
    body = bytes(22) + bytes.fromhex("251123201400") + bytes.fromhex(items)
    assert judged(twin, with_header(0x0200, body)) == ({} if name is None else {name: 1})
    batch = b"\x00\x02\x00" + (len(body).to_bytes(2) + body) * 2
    assert judged(twin, with_header(0x0704, batch)) == ({} if name is None else {name: 2})


@pytest.mark.parametrize("twin", TWINS)
def test_a_batch_that_is_refused_counts_nothing(twin: ModuleType) -> None:
    """The declaration that reads it instead counts it."""
    body = bytes(22) + bytes(6)
    batch = b"\x00\x03\x00" + (len(body).to_bytes(2) + body) * 2
    assert judged(twin, with_header(0x0704, batch)) == {}


def test_deviations_are_those_of_header_and_declaration() -> None:
    """What the columns count of a report is what `parse_header` and the declaration note."""

    @given(
        bodies(), st.sampled_from(Edition), st.integers(0, 0xFFFF), st.sampled_from(["139123456789", "13912345678A"])
    )
    def check(body: bytes, edition: Edition, properties: int, phone: str) -> None:
        payload = bytearray(build_header(0x0200, len(body) % 1024, phone=phone, serial=1, edition=edition) + body)
        payload[2:4] = (int.from_bytes(payload[2:4]) ^ (properties & 0x6000)).to_bytes(2)
        header, rest = parse_header(bytes(payload))
        found = set(header.deviations)
        if truth_of(bytes(payload)) in (IRREGULAR, NOT_PLAIN):
            return
        noted: list[str] = []
        report = LocationReport.decode(rest, deviations=noted)
        known = {item[0] for item in (*column_tables.TENTHS_ITEMS, *column_tables.INTEGER_ITEMS)}
        known |= {item_id for item_id, _ in column_tables.OTHER_LENGTHS}
        if {item.id for item in report.items} - known & set(ITEMS):
            return  # items that are judged where they are decoded
        for twin in (load("columns"), PURE):
            assert judged(twin, bytes(payload)) == dict.fromkeys(found | set(noted) - ELSEWHERE, 1)

    check()


# ------------------------------------------------------------------------------------ bodies


def bcd(low: int, high: int) -> st.SearchStrategy[int]:
    """A BCD byte of a number within a range."""
    return st.integers(low, high).map(lambda number: number // 10 * 16 + number % 10)


good_times = st.tuples(bcd(0, 99), bcd(1, 12), bcd(1, 28), bcd(0, 23), bcd(0, 59), bcd(0, 59)).map(bytes)
near_times = st.tuples(bcd(0, 99), bcd(0, 13), bcd(0, 32), bcd(0, 24), bcd(0, 60), bcd(0, 60)).map(bytes)
times = good_times | near_times | st.binary(min_size=6, max_size=6) | st.just(bytes(6))
degrees = (
    st.integers(0, 200_000_000)
    | st.integers(-(200_000_000), -1).map(lambda n: n & 0xFFFFFFFF)
    | st.integers(0, 0xFFFFFFFF)
)
dwords = st.integers(0, 0xFFFFFFFF)
words = st.integers(0, 0xFFFF)
WIDTHS = {item[0]: item[1] for item in PURE.TENTHS_ITEMS + PURE.INTEGER_ITEMS}


@st.composite
def items(draw: st.DrawFn) -> bytes:
    """One item: mostly known ids with their length, some of odd length, some unknown."""
    item_id = draw(st.sampled_from(sorted(WIDTHS)) | st.integers(0, 255))
    length = WIDTHS.get(item_id, 4) if draw(st.integers(0, 3)) else draw(st.integers(0, 50))
    return bytes((item_id, length)) + draw(st.binary(min_size=length, max_size=length))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A location body, now and then with a rest that is no item."""
    base = draw(dwords).to_bytes(4) + draw(dwords).to_bytes(4)
    base += draw(degrees).to_bytes(4) + draw(degrees).to_bytes(4)
    base += draw(words).to_bytes(2) + draw(words).to_bytes(2) + draw(words).to_bytes(2) + draw(times)
    rest = draw(st.just(b"") | st.binary(min_size=1, max_size=5))
    return base + b"".join(draw(st.lists(items(), max_size=8))) + rest


def with_header(msg_id: int, body: bytes, *, serial: int = 7, edition: Edition = Edition.V2013) -> bytes:
    """A payload with a right header."""
    return build_header(msg_id, len(body), phone="013800138000", serial=serial, edition=edition) + body


def batch_of(parts: list[bytes], kind: int, count: int | None = None) -> bytes:
    """Body of a 0x0704."""
    head = (len(parts) if count is None else count).to_bytes(2) + bytes((kind,))
    return head + b"".join(len(part).to_bytes(2) + part for part in parts)


# ------------------------------------------------------------------------------------- tests


@given(bodies(), words, st.sampled_from([Edition.V2013, Edition.V2019]))
def test_any_report_gives_the_row_of_its_declaration(body: bytes, serial: int, edition: Edition) -> None:
    """0x0200 in both headers: every column, its type, the fingerprint and the extra items."""
    assert_all_agree(with_header(0x0200, body, serial=serial, edition=edition))


@given(st.lists(bodies(), max_size=4), st.integers(0, 2), st.none() | st.integers(0, 5), st.binary(max_size=3))
def test_any_batch_gives_the_rows_of_its_declaration_or_none(
    parts: list[bytes], kind: int, count: int | None, rest: bytes
) -> None:
    """0x0704: all its items, or IRREGULAR when count, lengths or items are wrong."""
    assert_all_agree(with_header(0x0704, batch_of(parts, kind, count) + rest))


@given(st.data(), bodies())
def test_truncated_and_padded_frames_are_judged_alike(data: st.DataObject, body: bytes) -> None:
    """Cut anywhere or with bytes behind: the header arithmetic and the body decide as parse_header does."""
    msg_id = data.draw(st.sampled_from([0x0200, 0x0704]))
    inner = body if msg_id == 0x0200 else batch_of([body, body], 0)
    payload = with_header(msg_id, inner, edition=data.draw(st.sampled_from([Edition.V2013, Edition.V2019])))
    assert_all_agree(payload[: data.draw(st.integers(0, len(payload)))])
    assert_all_agree(payload + data.draw(st.binary(max_size=8)))


@given(st.binary(max_size=60), st.sampled_from([b"\x02\x00", b"\x07\x04", b""]), words)
@example(bytes(10), b"\x02\x00", 0)
def test_any_bytes_are_judged_alike(data: bytes, msg_id: bytes, properties: int) -> None:
    """Random headers, with every combination of version, sub-package and encryption bits."""
    assert_all_agree(msg_id + properties.to_bytes(2) + data)


@pytest.mark.parametrize("msg_id", [0x0200, 0x0704])
def test_every_header_length_under_every_flag_is_judged_alike(msg_id: int) -> None:
    """§2.4: the length arithmetic against version bit, sub-package bit, encryption bit and version byte."""
    location = bytes(22) + bytes.fromhex("251123102030")
    body = location if msg_id == 0x0200 else batch_of([location], 0)
    for size, version, encrypted, part, bit_2019 in itertools.product(
        (11, 12, 13, 16, 17, 18, 21, 22), (0, 1, 15, 16), (0, 1), (0, 1), (0, 1)
    ):
        properties = len(body) | encrypted << 10 | part << 13 | bit_2019 << 14
        head = msg_id.to_bytes(2) + properties.to_bytes(2) + bytes((version,)) + bytes(range(0x10, 0x28))
        assert_all_agree(head[:size] + body)


@pytest.mark.parametrize("twin", TWINS)
@given(raw=times)
@example(raw=bytes.fromhex("240229000000"))
@example(raw=bytes.fromhex("230229000000"))
@example(raw=bytes.fromhex("000101000000"))
@example(raw=bytes.fromhex("991231235959"))
def test_time_is_judged_as_timebase_does(twin: ModuleType, raw: bytes) -> None:
    """Six bytes are a calendar time for the twin exactly when they are one for timebase, and the same one."""
    rows = rows_of(twin, with_header(0x0200, bytes(22) + raw))
    assert isinstance(rows, list)
    assert rows[0][1] == to_ms(decode_bcd_time(raw))


@pytest.mark.parametrize("twin", TWINS)
@given(data=st.binary(max_size=200))
def test_fingerprint_is_fnv_1a(twin: ModuleType, data: bytes) -> None:
    """The twin's fingerprint is the slow one."""
    assert twin.fingerprint(data) == slow_fingerprint.fingerprint(data)


def test_slow_fingerprint_is_the_published_function() -> None:
    """FNV-1a 64 of "" and "a" as its authors publish them, read as signed integers."""
    assert slow_fingerprint.fingerprint(b"") == 0xCBF29CE484222325 - (1 << 64)
    assert slow_fingerprint.fingerprint(b"a") == 0xAF63DC4C8601EC8C - (1 << 64)


@pytest.mark.parametrize("twin", TWINS)
def test_serial_is_in_the_fingerprint_only_without_a_time(twin: ModuleType) -> None:
    """Reports without a time stay apart by their serial; those with one are one report whatever the serial."""

    def prints(raw_time: bytes, msg_id: int) -> set[object]:
        columns = twin.LocationColumns(4)
        for serial in (1, 2):
            columns.add_body(bytes(22) + raw_time, msg_id, serial, False, *ORIGIN)
        return {row[2] for row in columns.rows()}

    assert len(prints(bytes(6), 0x0200)) == 2
    assert len(prints(bytes(6), 0x0704)) == 1
    assert len(prints(bytes.fromhex("251123102030"), 0x0200)) == 1


@pytest.mark.parametrize("twin", TWINS)
def test_bare_bodies_are_rows_of_the_message_they_came_in(twin: ModuleType) -> None:
    """add_body takes id, serial and back-fill from its caller, and refuses less than the base information."""
    columns = twin.LocationColumns(1)
    assert columns.add_body(bytes(27), 0x0201, 3, False, *ORIGIN) == twin.IRREGULAR
    assert columns.add_body(bytes(28), 0x0704, 3, True, *ORIGIN) == 1
    (row,) = columns.rows()
    assert (row[7], row[8], row[9]) == (3, 0x0704, 1)


@pytest.mark.parametrize("twin", TWINS)
def test_growth_and_clear_keep_rows_apart(twin: ModuleType) -> None:
    """Hundreds of rows with long extra items survive growth; after clear nothing of them is left."""
    bodies_ = [bytes(28) + bytes((0xF0, 200)) + bytes((n % 256,)) * 200 for n in range(300)]
    columns = twin.LocationColumns(1)
    for _ in range(2):
        for serial, body in enumerate(bodies_):
            columns.add_body(body, 0x0200, serial, False, *ORIGIN)
        rows = columns.rows()
        assert [row[7] for row in rows] == list(range(300))
        assert [json.loads(str(row[-1]))[0]["raw"] for row in rows] == [body[30:].hex() for body in bodies_]
        columns.clear()
        assert columns.rows() == []
    with pytest.raises(ValueError, match="capacity"):
        twin.LocationColumns(0)


@pytest.mark.parametrize("twin", TWINS)
@given(st.binary(max_size=40), st.sampled_from([b"\x02\x00", b"\x07\x04", b"\x00\x02"]), words)
def test_location_phone_is_that_of_the_header(twin: ModuleType, data: bytes, msg_id: bytes, properties: int) -> None:
    """location_phone answers with the phone bytes exactly for what add would look into."""
    payload = msg_id + properties.to_bytes(2) + data
    found = twin.location_phone(payload)
    plain = twin.LocationColumns(1).add(payload, *ORIGIN) != twin.NOT_PLAIN
    assert bool(found) == plain
    if plain:
        assert found.hex().upper() == parse_header(payload)[0].phone


# ---------------------------------------------------------------------------- frames from the field

#: Neutral name of the vectors -> column.
NEUTRAL: dict[str, int] = {
    "alarm_flags": 10,
    "status": 11,
    "lat": 12,
    "lon": 13,
    "altitude": 14,
    "speed_kmh": 15,
    "heading": 16,
    "mileage_km": 17,
    "fuel_l": 18,
    "recorder_speed_kmh": 19,
    "manual_alarm_event": 20,
    "video_alarm": 21,
    "video_loss_channels": 22,
    "video_cover_channels": 23,
    "storage_fault": 24,
    "signal_status": 27,
    "io_status": 28,
    "rssi": 31,
    "satellites": 32,
}


def vectors(folder: Path) -> list[dict[str, object]]:
    """Location frames of the shared vectors."""
    lines = (folder / "frames.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [record for record in records if record["protocol"] == "jt808" and record["msg_id"] in ("0x0200", "0x0704")]


@pytest.mark.shared
@pytest.mark.parametrize("twin", TWINS)
def test_frames_from_the_field_have_the_published_values(twin: ModuleType, shared_vectors: Path) -> None:
    """Every location of the shared vectors: twins, declaration and the values their publishers asserted."""
    for record in vectors(shared_vectors):
        expect = record["expect"]
        assert isinstance(expect, dict)
        (frame,) = FrameReader().feed(bytes.fromhex(str(record["hex"])))
        assert isinstance(frame, Frame), record["id"]
        assert_all_agree(frame.payload)
        rows = rows_of(twin, frame.payload)
        assert isinstance(rows, list), record["id"]
        prefix = {key.removeprefix("location."): value for key, value in expect.items() if key.startswith("location.")}
        for row, wanted in zip(rows, expect.get("batch.items", [prefix]), strict=True):
            for name, column in NEUTRAL.items():
                if name in ("lat", "lon") and abs(wanted.get(name, 0)) > {"lat": 90, "lon": 180}[name]:
                    assert row[column] is None, (record["id"], name)
                elif name in wanted:
                    assert row[column] == pytest.approx(wanted[name]), (record["id"], name)
