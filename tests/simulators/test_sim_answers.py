"""Every command of the catalogue is obeyed and answered with what the standard says, in the layout of the edition."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal_bench import EDITIONS, Bench

from jtgate.codecs import catalogue, registry
from jtgate.codecs.declare import MESSAGES, Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.examples import example
from jtgate.codecs.header import encode_frames
from jtgate.codecs.jt808 import (
    AreaQuery,
    AskQuestion,
    CircleArea,
    DeleteCircles,
    MediaSearch,
    RecorderCollect,
    RecorderRequest,
    SetCircles,
    SetPolygon,
    TakePicture,
    UploadOneMedia,
    UploadStoredMedia,
    VehicleControl,
    Vertex,
)
from jtgate.codecs.jt808.areas import CIRCLES, POLYGONS
from jtgate.codecs.jt808.information import AnswerItem
from jtgate.codecs.jt808.recorder import RecorderError
from jtgate.codecs.jt808.recorder_blocks import ANSWER_BLOCKS, RecordRange
from jtgate.codecs.jt1078 import QueryResources
from jtgate.codecs.jt1078.times import NO_TIME
from jtgate.codecs.parts import Complete, PartBuffer
from jtgate.simulators import gallery
from jtgate.simulators.areas import AREAS_MAX
from jtgate.simulators.ledger import CommandsLedger
from jtgate.simulators.states import State

#: Commands whose example is no good here: of a picture that is there, and of a restart that nobody sees.
BODIES = {0x8105: b"\x02", 0x8805: b"\0\0\0\1\0"}
#: Commands with 0x0001 where the catalogue has an answer that terminals rarely give, or that not all editions have.
GENERAL_ALL_THE_SAME = {0x9201: EDITIONS, 0x8608: (Edition.V2011, Edition.V2013)}
UNSUPPORTED = {(0x8105, edition) for edition in EDITIONS} | {(0x8608, e) for e in (Edition.V2011, Edition.V2013)}
STANDARDS = (catalogue.JT808, catalogue.JT1078, catalogue.ACTIVE_SAFETY)


def commands() -> Iterator[catalogue.MessageName]:
    """Messages to a terminal that are answered; an upgrade, after which it restarts, comes last."""
    for row in sorted(catalogue.CATALOGUE.values(), key=lambda row: row.msg_id == 0x8108):
        if not row.upward and row.answer is not None and row.standard in STANDARDS:
            yield row


def online(edition: Edition = Edition.V2013) -> Bench:
    """A terminal that is logged in."""
    bench = Bench(edition)
    bench.run(5)
    assert bench.terminal.state is State.ONLINE
    return bench


def tell(bench: Bench, message: Message) -> int:
    """A command; its serial."""
    return bench.command(message.INFO.msg_id, registry.encode_body(message, bench.edition))


def results(bench: Bench) -> list[str]:
    """Every 0x0001 so far: id and result."""
    return [f"{seen.body[2:4].hex()}:{seen.body[4]}" for seen in bench.platform.of(0x0001)]


def whole(bench: Bench, msg_id: int) -> bytes:
    """The body of the last message of an id, parts put together."""
    parts = PartBuffer(1 << 20)
    found = b""
    for seen in bench.platform.of(msg_id):
        taken = parts.add("", seen.header, seen.body, 0.0)
        if isinstance(taken, Complete):
            found = taken.body
    return found


def decoded(bench: Bench, msg_id: int) -> Message:
    """The last message of an id, which must be without any deviation."""
    deviations: list[str] = []
    message = registry.decode_body(msg_id, whole(bench, msg_id), bench.edition, deviations)
    assert isinstance(message, Message)
    assert deviations == [], (hex(msg_id), deviations)
    return message


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_command_of_the_catalogue_is_answered_as_it_says(edition: Edition) -> None:
    """The answer of the table comes, decodes without a deviation, and quotes the command where it has a serial."""
    bench = online(edition)
    asked = 0
    for row in commands():
        cls = MESSAGES[row.msg_id]
        body = BODIES.get(row.msg_id)
        if body is None:
            body = registry.encode_body(example(cls, edition), edition)  # type: ignore[arg-type]
        answer = row.answer
        if edition in GENERAL_ALL_THE_SAME.get(row.msg_id, ()):
            answer = 0x0001
        before = len(bench.platform.of(answer or 0))
        serial = bench.command(row.msg_id, body)
        bench.run(1.0)
        new = bench.platform.of(answer or 0)[before:]
        assert new, f"{row.msg_id:#06x} was not answered with {answer:#06x}"
        assert answer is not None
        if answer == 0x0001:
            result = 3 if (row.msg_id, edition) in UNSUPPORTED else 0
            expected = serial.to_bytes(2) + row.msg_id.to_bytes(2) + bytes([result])
            assert new[0].body == expected, f"{row.msg_id:#06x}"
        else:
            message = decoded(bench, answer)
            assert getattr(message, "answer_serial", None) in (None, serial)
        asked += 1

    assert asked > 50
    assert bench.tally.refused["command"] == bench.tally.refused["malformed command"] == 0


# ------------------------------------------------------------------------------------------------ the vehicle


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_doors_are_locked_and_reports_show_it(edition: Edition) -> None:
    """0x8500: 0x0001 at once, then 0x0500 with status bit 12, which later reports have too; unlocking clears it."""
    bench = online(edition)
    tell(bench, VehicleControl.doors(edition, lock=True))
    bench.run(20)
    locked = decoded(bench, 0x0500).location.status  # type: ignore[attr-defined]
    reported = decoded(bench, 0x0200).status  # type: ignore[attr-defined]
    tell(bench, VehicleControl.doors(edition, lock=False))

    assert results(bench) == ["8500:0", "8500:0"]
    assert locked >> 12 & 1
    assert reported >> 12 & 1
    assert not decoded(bench, 0x0500).location.status >> 12 & 1  # type: ignore[attr-defined]


def test_a_control_that_it_does_not_have_is_not_supported() -> None:
    """And nothing of that command is done, the doors before it included."""
    bench = online(Edition.V2019)
    bench.command(0x8500, bytes.fromhex("0002 0001 00 f001 01"))

    assert results(bench) == ["8500:3"]
    assert not bench.terminal.vehicle.doors_locked


@pytest.mark.parametrize("command", [3, 4, 5, 6, 7])
def test_a_restart_is_confirmed_before_it_goes_off_and_it_comes_back(command: int) -> None:
    """0x8105: reset for some seconds, the others for a minute; factory reset forgets the registration too."""
    bench = online()
    registered = len(bench.platform.of(0x0100))
    bench.command(0x8105, bytes([command]))
    bench.run(2)
    off = bench.terminal.state
    bench.run(70)

    assert results(bench) == ["8105:0"]
    assert off is State.OFFLINE
    assert bench.terminal.state is State.ONLINE
    assert len(bench.platform.of(0x0100)) - registered == (1 if command == 5 else 0)
    assert bench.tally.disconnects == {"restart (commanded)": 1}


def test_a_factory_reset_undoes_what_was_set() -> None:
    """The interval of 0x8103 is the one of the beginning again."""
    bench = online()
    bench.command(0x8103, bytes.fromhex("01 00000029 04 00000003"))
    set_to = bench.terminal.parameters.interval_s
    bench.command(0x8105, b"\x05")
    bench.run(10)

    assert (set_to, bench.terminal.parameters.interval_s) == (3.0, 10.0)


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_an_upgrade_is_reported_after_the_next_login(edition: Edition) -> None:
    """0x8108 in parts: 0x0001 quotes the first one; 0x0108 says success once the terminal is back."""
    bench = online(edition)
    cls = MESSAGES[0x8108]
    body = registry.encode_body(cls.from_json({**example(cls, edition).to_json(), "data": "00" * 2500}), edition)  # type: ignore[arg-type]
    header = bench.platform.seen[0].header
    phone = header.phone[-edition.phone_bytes * 2 :]
    for frame in encode_frames(0x8108, body, phone=phone, serial=700, edition=edition):
        bench.say(frame)
    bench.run(20)

    assert bench.platform.of(0x0001)[0].body.hex() == "02bc810800"
    assert [seen.header.msg_id for seen in bench.platform.seen if seen.header.msg_id in (0x0102, 0x0108)] == [
        0x0102,
        0x0102,
        0x0108,
    ]
    assert decoded(bench, 0x0108).result == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_driver_answers_a_question_after_a_while(edition: Edition) -> None:
    """0x8302: 0x0001 at once, 0x0302 with the first of the answers later, once."""
    bench = online(edition)
    answers = (AnswerItem(answer_id=7, content="是"), AnswerItem(answer_id=8, content="否"))
    serial = tell(bench, AskQuestion(flags=1, question="到了吗", answers=answers))
    at_once = len(bench.platform.of(0x0302))
    bench.run(30)

    assert (results(bench), at_once) == (["8302:0"], 0)
    assert [seen.body for seen in bench.platform.of(0x0302)] == [serial.to_bytes(2) + b"\7"]


def test_the_time_for_plans_is_not_waited_for_while_the_link_is_down() -> None:
    """A tracking that ends and an answer that is due meanwhile do not make the terminal restless."""
    bench = online()
    bench.command(0x8202, bytes.fromhex("0002 0000000a"))
    tell(bench, AskQuestion(flags=1, question="?", answers=(AnswerItem(answer_id=1, content="1"),)))
    bench.terminal.lost(bench.now, "test")
    bench.terminal._connect_at = bench.now + 30
    bench.run(25)
    offline = bench.terminal.state
    bench.run(30)

    assert offline is State.OFFLINE
    assert len(bench.platform.of(0x0302)) == 1
    assert bench.terminal.parameters.tracking_s is None


# ----------------------------------------------------------------------------------------------------- areas


def circle(number: int, edition: Edition) -> CircleArea:
    """A circle with a speed limit."""
    new = {"night_speed_limit_kmh": 50, "name": f"区域{number}"} if edition is Edition.V2019 else {}
    return CircleArea(
        area_id=number,
        attribute=0b10,
        latitude=41.1,
        longitude=122.0,
        radius_m=500,
        speed_limit_kmh=60,
        overspeed_duration_s=10,
        **new,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("edition", EDITIONS)
def test_areas_are_kept_changed_and_deleted(edition: Edition) -> None:
    """0 replaces all, 1 adds, 2 changes what is there (result 1 otherwise), 0x8601 deletes some or all."""
    bench = online(edition)
    areas = bench.terminal.commands.duties.areas
    kept = []
    for action, numbers in ((0, (1, 2)), (1, (3,)), (2, (9,)), (2, (3,)), (0, (4, 5, 6))):
        tell(bench, SetCircles(action=action, areas=tuple(circle(number, edition) for number in numbers)))
        kept.append(areas.ids(CIRCLES))
    tell(bench, DeleteCircles(ids=(5, 77)))
    kept.append(areas.ids(CIRCLES))
    tell(bench, DeleteCircles())
    kept.append(areas.ids(CIRCLES))

    assert kept == [[1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 6], []]
    assert results(bench) == ["8600:0", "8600:0", "8600:1", "8600:0", "8600:0", "8601:0", "8601:0"]


def test_areas_are_told_as_they_were_set() -> None:
    """0x8608 gives whole bodies, those asked for or all of a type, in parts when it is long; other types are empty."""
    bench = online(Edition.V2019)
    circles = tuple(circle(number, Edition.V2019) for number in range(1, 61))
    for first in (0, 30):
        tell(bench, SetCircles(action=1, areas=circles[first : first + 30]))
    vertices = tuple(Vertex(latitude=41 + n / 10, longitude=122.0) for n in range(3))
    polygon = SetPolygon(area_id=8, attribute=0, vertices=vertices, name="场站")
    tell(bench, polygon)
    tell(bench, AreaQuery(area_type=CIRCLES))
    told = [area for body in decoded(bench, 0x0608).data.bodies for area in body.areas]  # type: ignore[attr-defined]
    parts = len(bench.platform.of(0x0608))
    tell(bench, AreaQuery(area_type=CIRCLES, ids=(7, 99, 3)))
    some = [area.area_id for body in decoded(bench, 0x0608).data.bodies for area in body.areas]  # type: ignore[attr-defined]
    tell(bench, AreaQuery(area_type=POLYGONS))
    polygons = decoded(bench, 0x0608).data.bodies  # type: ignore[attr-defined]

    assert tuple(told) == circles
    assert parts > 1
    assert some == [7, 3]
    assert polygons == (polygon,)


def test_there_is_room_for_so_many_areas() -> None:
    """One more is a failure, and the others stay."""
    bench = online()
    for first in range(0, AREAS_MAX + 1, 20):
        batch = tuple(circle(number, bench.edition) for number in range(first, first + 20))
        bench_ids = bench.terminal.commands.duties.areas.ids(CIRCLES)
        tell(bench, SetCircles(action=1, areas=batch))

    assert len(bench_ids) == AREAS_MAX == len(bench.terminal.commands.duties.areas.ids(CIRCLES))
    assert results(bench)[-1] == "8600:1"


# -------------------------------------------------------------------------------------------------- recorder


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("command", sorted(ANSWER_BLOCKS))
def test_the_recorder_tells_every_block(command: int, edition: Edition) -> None:
    """0x8700 with each command: the block of that command, without a deviation."""
    bench = online(edition)
    packet = None
    if 0x08 <= command <= 0x15 and edition is not Edition.V2011:
        block = RecordRange(start=NO_TIME, end=NO_TIME, block_count_max=2)
        packet = RecorderRequest(command=command, block=block)
    tell(bench, RecorderCollect(command=command, packet=packet))
    upload = decoded(bench, 0x0700)
    block_made = upload.packet.block  # type: ignore[attr-defined]

    assert upload.command == command  # type: ignore[attr-defined]
    assert type(block_made) is ANSWER_BLOCKS[command][0]
    if packet is not None:
        assert len(block_made.records) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_recorder_command_of_nobody_is_answered_with_its_error(edition: Edition) -> None:
    """FAH in 0x0700; a setting of nobody gets result 3."""
    bench = online(edition)
    bench.command(0x8700, b"\x1f")
    bench.command(0x8701, b"\xcf")
    upload = registry.decode_body(0x0700, bench.platform.of(0x0700)[0].body, edition, [])

    assert upload.packet == RecorderError(command=0xFA)  # type: ignore[union-attr]
    assert results(bench) == ["8701:3"]


# ----------------------------------------------------------------------------------------------------- media


def shot(pictures: int, *, save: int, channel: int = 1) -> TakePicture:
    """0x8801."""
    return TakePicture(
        channel=channel,
        command=pictures,
        interval_s=0,
        save=save,
        resolution=2,
        quality=5,
        brightness=128,
        contrast=64,
        saturation=64,
        chroma=128,
    )


def search(**changes: int) -> MediaSearch:
    """0x8802 for pictures of all channels at all times."""
    given = {"media_type": 0, "channel": 0, "event": 1, **changes}
    return MediaSearch(**given, start=NO_TIME, end=NO_TIME)  # type: ignore[arg-type]


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_pictures_are_taken_told_and_uploaded(edition: Edition) -> None:
    """0x8801: 0x0001, 0x0805 with the ids, then 0x0800 and 0x0801 for each, ended by 0x8800."""
    bench = online(edition)
    tell(bench, shot(3, save=0))
    bench.run(30)
    ids = decoded(bench, 0x0805).media_ids  # type: ignore[attr-defined]

    assert results(bench) == ["8801:0"]
    assert len(ids) == 3
    assert [int.from_bytes(seen.body[:4]) for seen in bench.platform.of(0x0800)] == list(ids)
    assert bench.tally.uploads == {"begun": 3, "complete": 3}
    assert decoded(bench, 0x0801).data.startswith(b"\xff\xd8")  # type: ignore[attr-defined]


def test_a_camera_that_is_not_there_is_told() -> None:
    """0x0805 with result 2 and no ids; 2011 has no such message and gives result 1."""
    new, old = online(), online(Edition.V2011)
    for bench in (new, old):
        tell(bench, shot(1, save=0, channel=9))

    assert new.platform.of(0x0805)[0].body[2:] == b"\2"
    assert results(old) == ["8801:1"]


@pytest.mark.parametrize("edition", EDITIONS)
def test_stored_media_are_found_and_the_list_goes_out_in_parts(edition: Edition) -> None:
    """0x8802: what was there before the run; a picture that is stored on command is found by its event."""
    bench = online(edition)
    tell(bench, search())
    found = decoded(bench, 0x0802)
    parts = len(bench.platform.of(0x0802))
    tell(bench, search(channel=2))
    of_channel = decoded(bench, 0x0802)
    tell(bench, shot(2, save=1))
    tell(bench, search(event=0))

    assert len(found.items) == gallery.STORED_AT_START  # type: ignore[attr-defined]
    assert parts == 2
    assert len(of_channel.items) == gallery.STORED_AT_START // gallery.CHANNELS  # type: ignore[attr-defined]
    assert len(decoded(bench, 0x0802).items) == 2  # type: ignore[attr-defined]


def test_stored_media_are_uploaded_one_after_the_other_and_deleted_if_asked() -> None:
    """0x8803 for a channel, ten pictures; 0x8805 for one, which is gone then: result 1 the second time."""
    bench = online()
    order = UploadStoredMedia(media_type=0, channel=2, event=1, start=NO_TIME, end=NO_TIME, delete=0)
    tell(bench, order)
    bench.run(120)
    tell(bench, UploadOneMedia(media_id=1, delete=1))
    bench.run(20)
    tell(bench, UploadOneMedia(media_id=1, delete=1))

    assert results(bench) == ["8803:0", "8805:0", "8805:1"]
    assert bench.tally.uploads == {"begun": 11, "complete": 11}
    assert bench.tally.messages_lost.total() == 0


def test_2011_packs_a_picture_inside_the_bodies() -> None:
    """Its own counters, no parts in the header; put together it is a picture behind its place."""
    bench = online(Edition.V2011)
    tell(bench, shot(1, save=0))
    bench.run(20)
    packages = bench.platform.of(0x0801)
    data = b"".join(seen.body[16:] for seen in packages)

    assert results(bench) == ["8801:0"]
    assert bench.platform.of(0x0805) == []
    assert [int.from_bytes(seen.body[12:16]) for seen in packages] == list(range(1, len(packages) + 1))
    assert {seen.header.packet_total for seen in packages} == {None}
    assert data[28:30] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"
    assert bench.tally.answered[0x0801] == len(packages)


# ----------------------------------------------------------------------------------------------------- video


def test_recordings_are_told_in_parts_or_by_channel_and_time() -> None:
    """0x9205: all of them; those of one channel; none of the future; an upload ends with 0x1206."""
    bench = online()
    tell(bench, QueryResources(channel=0))
    everything = decoded(bench, 0x1205).items  # type: ignore[attr-defined]
    parts = len(bench.platform.of(0x1205))
    tell(bench, QueryResources(channel=2, start=everything[3].start, end=everything[3].end, stream=2))
    some = decoded(bench, 0x1205).items  # type: ignore[attr-defined]
    cls = MESSAGES[0x9206]
    serial = tell(bench, example(cls, bench.edition))  # type: ignore[arg-type]
    bench.run(10)

    assert len(everything) == 48
    assert parts == 2
    assert [(item.channel, item.start, item.stream) for item in some] == [(2, everything[3].start, 2)]
    assert [seen.body for seen in bench.platform.of(0x1206)] == [serial.to_bytes(2) + b"\0"]


# -------------------------------------------------------------------------------------- repetitions, ledger


def test_a_repeated_command_is_answered_again_and_executed_once(tmp_path: Path) -> None:
    """Same id, serial and body, on a new link too; another serial or body is another command (§10.3)."""
    ledger = CommandsLedger(tmp_path / "executed.jsonl")
    bench = online()
    bench.terminal.commands_ledger = ledger
    header = bench.platform.seen[0].header
    text = bench.platform.frame(header, 0x8300, b"\x08hello")
    serial = bench.platform.serial - 1
    bench.say(text)
    bench.say(text)
    bench.terminal.lost(bench.now, "test")
    bench.run(20)
    bench.say(text)
    lines_of_one = ledger.count
    bench.platform.serial = serial
    tell_serial = bench.command(0x8300, b"\x08other")
    bench.command(0x8300, b"\x08hello")
    bench.command(0xF123)
    bench.command(0x8103, b"\1\0\0")
    ledger.close()
    lines = (tmp_path / "executed.jsonl").read_text().splitlines()

    assert tell_serial == serial
    assert lines_of_one == 1
    assert len(lines) == 3
    assert results(bench) == ["8300:0"] * 5 + ["f123:3", "8103:2"]
    assert (bench.tally.commands_executed, bench.tally.commands_repeated) == (3, 2)


def test_a_repeated_order_to_take_pictures_takes_none() -> None:
    """The same ids are told again."""
    bench = online()
    body = registry.encode_body(shot(2, save=0), bench.edition)
    frame = bench.platform.frame(bench.platform.seen[0].header, 0x8801, body)
    for _ in range(3):
        bench.say(frame)
    bench.run(20)

    assert len({seen.body for seen in bench.platform.of(0x0805)}) == 1
    assert len(bench.platform.of(0x0805)) == 3
    assert len(bench.platform.of(0x0800)) == 2


def test_the_same_command_much_later_is_a_new_one() -> None:
    """Serials come round."""
    bench = online()
    frame = bench.platform.frame(bench.platform.seen[0].header, 0x8300, b"\x08hello")
    bench.say(frame)
    bench.run(200)
    bench.say(frame)

    assert bench.tally.commands_executed == 2


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_repeated_command_in_parts_is_answered_again_and_executed_once(edition: Edition) -> None:
    """All of its parts come again, as a platform that missed the answer sends them; one part alone is nothing."""
    bench = online(edition)
    phone = bench.platform.seen[0].header.phone[-edition.phone_bytes * 2 :]
    text = b"\x08\x01" + b"x" * 100
    frames = encode_frames(0x8300, text, phone=phone, serial=500, edition=edition, part_bytes=40)
    for frame in (*frames, *frames):
        bench.say(frame)
    bench.run(1)
    answers = len(bench.platform.of(0x0001))
    bench.say(frames[-1])
    bench.run(90)

    assert answers == 2
    assert {seen.body.hex() for seen in bench.platform.of(0x0001)} == {"01f4830000"}
    assert bench.tally.commands_executed == 1
    assert bench.platform.of(0x0005) == []
