"""Episodes with all that belongs to them, evidence, timelines of persons, movements: read, confirmed, asked for."""

import base64
import hashlib
import json
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from api_world import OURS, THEIRS, ApiWorld, problem
from test_api_commands import answered, gateway

from jtgate.api.areas.frames import FRAMES_MAX
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage import open_spool_writer, open_store
from jtgate.storage.commands import Command, CommandChange, CommandState
from jtgate.storage.contract.derived_rows import binding, conflict, episode, evidence, stop, trip, visit
from jtgate.storage.contract.rows import alarm, position, write
from jtgate.storage.evidence import AskState, FileFacts, FileState, NewAsk, TooManyAsks
from jtgate.storage.open import open_access, open_commands, open_evidence, open_files
from jtgate.storage.records import pack_frames
from jtgate.storage.registry import checked

T0_MS = 1_791_000_000_000
MIN_MS = 60_000
PLATE = "测A00001"
NUMBER = "31" * 16


@pytest.fixture
def numbers(world: ApiWorld) -> dict[str, int]:
    """Numbers of the terminals in the store."""
    with closing(open_store("", world.settings.data)) as store:
        return store.terminal_ids([*OURS, *THEIRS], now_ms())


def store_rows(world: ApiWorld, **rows: Any) -> None:
    """Write rows."""
    with closing(open_store("", world.settings.data)) as store:
        write(store, **rows)


def listed(world: ApiWorld, path: str, token: str = "read", **params: Any) -> list[dict[str, Any]]:
    """The rows of one page."""
    answer = world.get(path, token, **params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["items"]
    return rows


def audited(world: ApiWorld) -> list[tuple[str, str, str]]:
    """What the audit log has noted, newest first."""
    with closing(open_access(world.settings.data)) as access:
        return [(one.who, one.what, one.subject) for one in access.audit(limit=100)]


def one_alarm(number: int, **values: Any) -> Any:
    """An alarm of our first vehicle."""
    return episode(
        number, T0_MS, 3, plate=PLATE, plate_color=2, alarm_number=NUMBER, alarm_numbers=json.dumps([NUMBER])
    )._replace(**values)


def frame(terminal: str, serial: int) -> bytes:
    """A location report as the spool has it."""
    body = bytes.fromhex("00000004 00000003 02736d40 0745fb80 0032 0264 005a 261123080000")
    return bytes.fromhex("0200") + len(body).to_bytes(2) + bytes.fromhex(f"0{terminal}") + serial.to_bytes(2) + body


# -------------------------------------------------------------------------------------------------- episodes


def test_episodes_are_found_by_what_they_are(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Each filter by itself; withdrawn ones only when they are asked for."""
    own = numbers[OURS[0]]
    store_rows(
        world,
        episodes=[
            one_alarm(own),
            one_alarm(own, alarm_type=1, state="open", ended_ms=None, plate="测A9", level=1),
            one_alarm(own, alarm_type=2, state="withdrawn"),
            one_alarm(own, source="jt808:flag", alarm_type=0, risk_class="incident", evidence_state="none"),
            one_alarm(numbers[THEIRS[0]], alarm_type=4, person="P-2"),
        ],
    )
    types = {
        name: sorted(one["alarm_type"] for one in listed(world, "/v1/episodes", **params))
        for name, params in {
            "all": {},
            "plate": {"plate": PLATE},
            "open": {"state": "open"},
            "withdrawn": {"state": "withdrawn"},
            "source": {"source": "jt808:flag"},
            "type": {"alarm_type": 3},
            "level": {"level": 1},
            "class": {"risk_class": "incident"},
            "evidence": {"evidence_state": "none"},
            "person": {"person": "P-2"},
            "terminal": {"terminal": f"0{THEIRS[0]}"},
        }.items()
    }
    assert types == {
        "all": [0, 1, 3, 4],
        "plate": [0, 3, 4],
        "open": [1],
        "withdrawn": [2],
        "source": [0],
        "type": [3],
        "level": [1],
        "class": [0],
        "evidence": [0],
        "person": [4],
        "terminal": [4],
    }
    for wrong in ({"state": "gone"}, {"risk_class": "x"}, {"evidence_state": "some"}):
        problem(world.get("/v1/episodes", "read", **wrong), 400)


def test_persons_are_told_and_noted_only_when_they_are_asked_for(world: ApiWorld, numbers: dict[str, int]) -> None:
    """A list shows who drove to nobody by accident; the audit log knows who asked."""
    store_rows(world, episodes=[one_alarm(numbers[OURS[0]])], trips=[trip(numbers[OURS[0]])])
    before = audited(world)

    assert [(one["person"], one["person_confidence"]) for one in listed(world, "/v1/episodes")] == [(None, None)]
    assert [one["driver"] for one in listed(world, "/v1/trips")] == [None]
    assert audited(world) == before
    assert [one["person"] for one in listed(world, "/v1/episodes", with_persons=True)] == ["210000000001"]
    assert [one["driver"] for one in listed(world, "/v1/trips", with_persons=True)] == ["210000000001"]
    assert audited(world)[:2] == [("read", "list_trips", "*"), ("read", "list_episodes", "*")]


def test_an_episode_has_its_names_in_both_languages(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Also the alarm events, and types that no table names."""
    own = numbers[OURS[0]]
    store_rows(world, episodes=[one_alarm(own), one_alarm(own, alarm_type=0x7E)], alarm_events=[alarm(own, T0_MS, 1)])

    names = {one["alarm_type"]: (one["term"], one["name"]) for one in listed(world, "/v1/episodes")}
    assert names[3] == ("抽烟报警", "smoking")
    assert names[0x7E][1] == "DSM type 0x7e"
    assert {one["term"] for one in listed(world, "/v1/alarms", **{"from": iso_ms(T0_MS)})} == {"疲劳驾驶报警"}


def test_one_episode_with_all_that_belongs_to_it(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Its reports and their frames, its files, who was on board, its risk event, trip, stop and zones; no others."""
    own, other = numbers[OURS[0]], numbers[OURS[1]]
    seq = spooled(world, [frame(OURS[0], 100), frame(OURS[1], 100), frame(OURS[0], 101)])
    inside = {"source": "jsatl12:0x65", "alarm_type": 3, "alarm_number": NUMBER}
    store_rows(
        world,
        episodes=[
            one_alarm(own),
            one_alarm(own, alarm_type=2, started_ms=T0_MS + 30_000),
            one_alarm(own, alarm_type=1, started_ms=T0_MS + 31_000, state="withdrawn"),
            one_alarm(own, alarm_type=4, started_ms=T0_MS + 32_000, risk_started_ms=T0_MS + 32_000),
            one_alarm(other, alarm_type=5),
        ],
        alarm_events=[
            alarm(own, T0_MS, 1, spool_seq=seq, serial=100, **inside),
            alarm(own, T0_MS + MIN_MS, 2, spool_seq=seq + 5, serial=9, **inside),
            alarm(own, T0_MS + 2 * MIN_MS, 3, **inside),
            alarm(other, T0_MS, 4, **inside),
        ],
        evidence_files=[
            evidence(own, file_name="a.jpg", alarm_number=NUMBER),
            evidence(own, file_name="", alarm_number=NUMBER, state="withdrawn"),
            evidence(own, file_name="b.jpg", alarm_number="77"),
            evidence(other, file_name="c.jpg", alarm_number=NUMBER),
        ],
        bindings=aboard(own),
        trips=[trip(own, T0_MS - MIN_MS), trip(own, T0_MS + 2 * MIN_MS), trip(other, T0_MS - MIN_MS)],
        stops=[stop(own, T0_MS - 90 * MIN_MS, ended_ms=T0_MS - MIN_MS)],
        zone_visits=[
            visit(own, T0_MS - MIN_MS, zone="Z1", exited_ms=None, state="open"),
            visit(own, T0_MS - 9 * MIN_MS, zone="Z2", exited_ms=T0_MS - MIN_MS),
        ],
    )
    first = next(one for one in listed(world, "/v1/episodes", alarm_type=3))
    told = world.get(f"/v1/episodes/{first['id']}", "read").json()

    assert told["episode"]["person"] == "210000000001"
    assert [one["serial"] for one in told["reports"]] == [100, 9]
    assert [(one["serial"], one["payload"] and bytes.fromhex(one["payload"])) for one in told["frames"]] == [
        (100, frame(OURS[0], 100)),
        (9, None),
    ]
    assert [one["file_name"] for one in told["evidence"]] == ["a.jpg"]
    assert [(one["role"], one["person"], one["name"]) for one in told["on_board"]] == [
        ("driver", "P-1", None),
        ("escort", "P-3", None),
    ]
    assert [one["alarm_type"] for one in told["risk_event"]] == [2]
    assert told["trip"]["started"] == iso_ms(T0_MS - MIN_MS)
    assert told["stop"] is None
    assert [one["zone"] for one in told["zones"]] == ["Z1"]
    assert not told["confirmable"]
    assert audited(world)[0] == ("read", "get_episode", OURS[0])


def aboard(number: int) -> list[Any]:
    """A driver who was corrected, one who holds, one who came later; an escort."""
    common = {"plate": PLATE, "plate_color": 2, "revision": 0, "corrects": None}
    begin_ms = T0_MS - 30 * MIN_MS
    corrects = json.dumps({"person": "P-2", "started_ms": begin_ms, "revision": 0})
    return [
        binding(number, begin_ms, person="P-2", **common),
        binding(number, begin_ms, person="P-1", **{**common, "revision": 1, "corrects": corrects}),
        binding(number, T0_MS + 1, person="P-4", **common),
        binding(number, begin_ms, person="P-3", role="escort", ended_ms=None, **common),
        binding(number, begin_ms, person="P-5", **{**common, "plate_color": 1}),
    ]


def spooled(world: ApiWorld, payloads: list[bytes]) -> int:
    """Put frames into the spool as one group; its number."""
    writer = open_spool_writer(world.settings.data, bytes_max=1 << 24, keep_us=10**15)
    seq = writer.append(pack_frames(T0_MS * 1000, 7, 0, payloads), len(payloads), T0_MS * 1000)
    writer.close()
    return seq


def test_frames_of_a_bit_are_those_of_the_positions_that_have_it(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Not those of others in between; twenty at most, and it is said that there are more."""
    own = numbers[OURS[0]]
    flag = one_alarm(own, source="jt808:area:3:17:0", alarm_type=20, last_ms=T0_MS + 99_000, alarm_numbers="[]")
    store_rows(
        world,
        episodes=[flag],
        positions=[
            position(own, T0_MS + 1000 * at, at, serial=at, spool_seq=9, alarm_flags=(at % 2) << 20) for at in range(99)
        ],
    )
    told = world.get(f"/v1/episodes/{listed(world, '/v1/episodes')[0]['id']}", "read").json()

    assert [one["serial"] for one in told["frames"]] == list(range(1, 99, 2))[:FRAMES_MAX]
    assert told["more_frames"]
    assert told["confirmable"]
    assert told["episode"]["term"] == "进出区域(多边形区域17进)"


def test_an_episode_of_another_enterprise_is_not_there(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Neither it nor its files, nor can it be confirmed or asked for."""
    store_rows(world, episodes=[one_alarm(numbers[THEIRS[0]])], evidence_files=[evidence(numbers[THEIRS[0]])])
    alarm_id, file_id = listed(world, "/v1/episodes")[0]["id"], listed(world, "/v1/evidence")[0]["id"]

    for token, status in (("limited", 404), ("county", 200), ("nothing-there", 404)):
        assert world.get(f"/v1/episodes/{alarm_id}", token).status_code == status
    for method, path, body in (
        ("GET", f"/v1/evidence/{file_id}/content", None),
        ("GET", f"/v1/evidence/asks?episode={alarm_id}", None),
        ("POST", "/v1/evidence/asks", {"episode": alarm_id}),
        ("POST", f"/v1/episodes/{alarm_id}/confirm", {}),
    ):
        problem(world.ask(method, path, "limited", **({"json": body} if body is not None else {})), 404)
    assert listed(world, "/v1/episode-changes", "limited") == []


def test_changes_come_in_order_and_nothing_is_missed(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Page by page; what was written a moment before comes once more, what is old does not."""
    own = numbers[OURS[0]]
    times = [T0_MS + at * 10_000 for at in range(5)]
    store_rows(
        world, episodes=[one_alarm(own, alarm_type=at, updated_ms=updated_ms) for at, updated_ms in enumerate(times)]
    )
    first = world.get("/v1/episode-changes", "read", since=iso_ms(times[1]), limit=2).json()
    second = world.get("/v1/episode-changes", "read", cursor=first["next"], limit=2).json()
    third = world.get("/v1/episode-changes", "read", cursor=second["next"], limit=2).json()
    fourth = world.get("/v1/episode-changes", "read", cursor=third["next"], limit=2).json()

    assert [one["alarm_type"] for one in (*first["items"], *second["items"])] == [1, 2, 3, 4]
    assert third["items"] == []
    assert fourth["items"] == []
    store_rows(world, episodes=[one_alarm(own, alarm_type=9, state="withdrawn", updated_ms=times[4] + 1)])
    later = world.get("/v1/episode-changes", "read", cursor=fourth["next"], limit=2).json()
    assert [(one["alarm_type"], one["state"]) for one in later["items"]] == [(9, "withdrawn")]
    again = world.get("/v1/episode-changes", "read", cursor=later["next"], limit=5).json()
    assert [one["alarm_type"] for one in again["items"]] == [4, 9]


# ------------------------------------------------------------------------------------------------ confirming


def test_an_alarm_is_confirmed_and_it_is_noted_when(world: ApiWorld, numbers: dict[str, int]) -> None:
    """0x8203 with the serial of the report and the bit; the episode tells when the terminal answered."""
    flag = one_alarm(numbers[OURS[0]], source="jt808:flag", alarm_type=3, serial=4711, confirmed_ms=None)
    store_rows(world, episodes=[flag])
    alarm_id = listed(world, "/v1/episodes")[0]["id"]
    sent: list[Command] = []

    def end(command: Command) -> CommandChange:
        sent.append(command)
        return answered(command)

    with gateway(world.settings.data, end):
        answer = world.ask("POST", f"/v1/episodes/{alarm_id}/confirm", "command", json={"wait_seconds": 10})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (sent[0].new.msg_id, dict(sent[0].new.fields)) == (0x8203, {"alarm_serial": 4711, "alarm_types": 8})
    assert told["command"]["state"] == "answered"
    (row,) = listed(world, "/v1/episodes")
    assert row["confirmed"] == told["confirmed"] is not None
    assert (row["report_count"], row["places"]) == (flag.report_count, json.loads(flag.places))


def test_a_confirmation_that_was_refused_is_none(world: ApiWorld, numbers: dict[str, int]) -> None:
    """The command tells what happened; the episode stays as it was."""
    store_rows(world, episodes=[one_alarm(numbers[OURS[0]], source="jt808:flag", alarm_type=0, confirmed_ms=None)])
    alarm_id = listed(world, "/v1/episodes")[0]["id"]

    def refuse(command: Command) -> CommandChange:
        return CommandChange(command.command_id, now_ms(), CommandState.REFUSED, result=3, attempts=1)

    with gateway(world.settings.data, refuse):
        told = world.ask("POST", f"/v1/episodes/{alarm_id}/confirm", "command", json={}).json()
    assert (told["confirmed"], told["command"]["state"]) == (None, "refused")
    assert listed(world, "/v1/episodes")[0]["confirmed"] is None


def test_a_late_answer_is_noted_all_the_same(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Nobody waits for it any more: 202, and the episode is confirmed when the answer comes."""
    store_rows(world, episodes=[one_alarm(numbers[OURS[0]], source="jt808:flag", alarm_type=0, confirmed_ms=None)])
    alarm_id = listed(world, "/v1/episodes")[0]["id"]
    answer = world.ask("POST", f"/v1/episodes/{alarm_id}/confirm", "command", json={"wait_seconds": 0})
    assert answer.status_code == 202
    with closing(open_commands(world.settings.data)) as bus:
        (waiting,) = bus.open_of([OURS[0]])
        bus.change([answered(waiting)])
    deadline = time.monotonic() + 10
    while listed(world, "/v1/episodes")[0]["confirmed"] is None:
        assert time.monotonic() < deadline, "it was not noted"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "values",
    [
        {"source": "jsatl12:0x65", "alarm_type": 3},
        {"source": "jt1078:video", "alarm_type": 0},
        {"source": "jt808:flag", "alarm_type": 1},
        {"source": "jt808:flag", "alarm_type": 0, "state": "withdrawn"},
    ],
)
def test_other_alarms_are_not_confirmed(world: ApiWorld, numbers: dict[str, int], values: dict[str, Any]) -> None:
    """409, and nothing is sent."""
    store_rows(world, episodes=[one_alarm(numbers[OURS[0]], **values)])
    params = {"state": values.get("state", "")}
    alarm_id = listed(world, "/v1/episodes", **params)[0]["id"]
    found = problem(world.ask("POST", f"/v1/episodes/{alarm_id}/confirm", "command", json={}), 409)
    assert found["type"].endswith("not-confirmable")
    assert listed(world, "/v1/commands", "command") == []


# -------------------------------------------------------------------------------------------------- evidence


def test_a_file_comes_with_its_hash(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Byte for byte, under a name of ours, and it is noted who read it."""
    content = b"\xff\xd8 a face" * 1000
    with closing(open_files(world.settings.data)) as files:
        sha256, path = files.put(content, ".jpg")
    row = evidence(numbers[OURS[0]], file_name="../../etc/passwd", sha256=sha256, path=path)
    store_rows(world, evidence_files=[row])
    (told,) = listed(world, "/v1/evidence")
    answer = world.get(f"/v1/evidence/{told['id']}/content", "read")

    assert answer.status_code == 200
    assert answer.content == content
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == f'attachment; filename="{sha256}.jpg"'
    assert audited(world)[0] == ("read", "get_evidence_content", OURS[0])
    assert (told["percent"], told["path"]) == (100, path)


def test_a_file_that_is_not_what_came_is_not_handed_out(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Changed on disk, gone, not there yet, no path of ours: a problem for each, and nothing is noted as read."""
    own = numbers[OURS[0]]
    with closing(open_files(world.settings.data)) as files:
        sha256, path = files.put(b"as it came", ".jpg")
        files.open(path).write_bytes(b"as it is not")
    gone = "ab" * 32
    store_rows(
        world,
        evidence_files=[
            evidence(own, file_name="1", sha256=sha256, path=path),
            evidence(own, file_name="2", sha256=gone, path=f"ab/ab/{gone}.jpg"),
            evidence(own, file_name="3", sha256=None, path=None, state="asked"),
            evidence(own, file_name="4", sha256=gone, path="../../store.db"),
        ],
    )
    before = audited(world)
    found = {
        one["file_name"]: world.get(f"/v1/evidence/{one['id']}/content", "read").json()["type"].rpartition(":")[2]
        for one in listed(world, "/v1/evidence")
    }
    assert found == {"1": "file-damaged", "2": "file-gone", "3": "file-not-there", "4": "file-gone"}
    assert audited(world) == before
    problem(world.get("/v1/evidence/999/content", "read"), 404)


def test_files_are_found_by_state_and_kind(world: ApiWorld, numbers: dict[str, int]) -> None:
    """And tell how much of them has come."""
    own = numbers[OURS[0]]
    store_rows(
        world,
        evidence_files=[
            evidence(own, file_name="1", state="arriving", announced_bytes=1000, stored_bytes=400, file_type=0),
            evidence(own, file_name="2", state="asked", announced_bytes=None, stored_bytes=None),
            evidence(own, file_name="", state="withdrawn"),
        ],
    )
    assert {one["file_name"]: one["percent"] for one in listed(world, "/v1/evidence")} == {"1": 40, "2": None}
    assert [one["file_name"] for one in listed(world, "/v1/evidence", state="asked")] == ["2"]
    assert [one["file_name"] for one in listed(world, "/v1/evidence", file_type=0)] == ["1"]


def test_evidence_is_asked_for_and_asked_for_once_more(world: ApiWorld, numbers: dict[str, int]) -> None:
    """One ask for each number that announced files; one that was given up is opened again, an open one stays."""
    own = numbers[OURS[0]]
    numbered = one_alarm(own, alarm_numbers=json.dumps([NUMBER, "32" * 16]))
    announcing = {"source": "jsatl12:0x65", "alarm_type": 3}
    store_rows(
        world,
        episodes=[numbered],
        alarm_events=[
            alarm(own, T0_MS, 1, alarm_number=NUMBER, attachment_count=2, **announcing),
            alarm(own, T0_MS, 2, alarm_number="32" * 16, attachment_count=0, **announcing),
        ],
    )
    alarm_id = listed(world, "/v1/episodes")[0]["id"]
    problem(world.ask("POST", "/v1/evidence/asks", "read", json={"episode": alarm_id}), 403)
    (told,) = world.ask("POST", "/v1/evidence/asks", "command", json={"episode": alarm_id}).json()
    assert (told["alarm_number"], told["count"], told["state"]) == (NUMBER, 2, "waiting")
    with closing(open_evidence(world.settings.data)) as desk:
        (ask,) = desk.due(now_ms())
        desk.end(ask.ask_id, AskState.REFUSED, "the terminal was not there", now_ms())
        (told,) = world.get("/v1/evidence/asks", "read", episode=alarm_id).json()
        assert (told["state"], told["reason"], told["due"]) == ("refused", "the terminal was not there", None)
        (told,) = world.ask("POST", "/v1/evidence/asks", "command", json={"episode": alarm_id}).json()
        assert (told["state"], told["reason"]) == ("waiting", None)
        assert [one.ask_id for one in desk.due(now_ms())] == [ask.ask_id]


def test_what_stayed_incomplete_comes_from_its_beginning(world: ApiWorld) -> None:
    """What is complete is not asked for again, and who has enough open asks gets no other."""
    new = NewAsk(OURS[0], "jsatl12:0x65", bytes.fromhex(NUMBER), T0_MS, 2)
    with closing(open_evidence(world.settings.data, asks_max=1)) as desk:
        ask = desk.ask(new, T0_MS)
        half, whole = desk.announce(ask.ask_id, [FileFacts("half", 10, 0), FileFacts("whole", 10, 0)], T0_MS)
        desk.save(replace(half, state=FileState.INCOMPLETE, received=((0, 5),)), T0_MS)
        desk.save(replace(whole, state=FileState.COMPLETE, received=((0, 10),)), T0_MS)
        other = desk.ask(NewAsk(OURS[0], "jsatl12:0x65", b"other", T0_MS, 1), T0_MS)
        with pytest.raises(TooManyAsks):
            desk.again(ask.ask_id, T0_MS + 1)
        desk.end(other.ask_id, AskState.REFUSED, "no file came", T0_MS)
        again = desk.again(ask.ask_id, T0_MS + 1)
        assert (again.state, again.reason, again.due_ms, again.created_ms) == (
            *(AskState.WAITING, None, T0_MS + 1, T0_MS + 1),
        )
        assert [(one.state, one.received) for one in desk.files(ask.ask_id)] == [
            (FileState.ANNOUNCED, ()),
            (FileState.COMPLETE, ((0, 10),)),
        ]
        assert [one.ask_id for one in desk.of_alarm(OURS[0], bytes.fromhex(NUMBER))] == [ask.ask_id]
        assert desk.again(ask.ask_id, T0_MS + 2) == again


def test_there_is_nothing_to_ask_for(world: ApiWorld, numbers: dict[str, int]) -> None:
    """409 of an alarm that announced no files."""
    store_rows(world, episodes=[one_alarm(numbers[OURS[0]], alarm_number=None, alarm_numbers="[]")])
    alarm_id = listed(world, "/v1/episodes")[0]["id"]
    found = problem(world.ask("POST", "/v1/evidence/asks", "command", json={"episode": alarm_id}), 409)
    assert found["type"].endswith("no-evidence")


# ------------------------------------------------------------------------------------- persons and movements


def test_a_timeline_tells_what_holds_and_its_history(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Corrected intervals only in the history; names only when they are asked for; always noted."""
    with closing(open_store("", world.settings.data)) as store:
        person = {"person": "P-1", "name": "张三丰", "roles": "DRIVER", "enterprise": "E001", "county": "211102"}
        found = checked("persons", person, now_ms=T0_MS - 60 * MIN_MS)
        assert found.row is not None, found.faults
        store.registry_put("persons", [found.row], T0_MS - 60 * MIN_MS)
    store_rows(
        world,
        bindings=aboard(numbers[OURS[0]]),
        binding_conflicts=[
            conflict(1, T0_MS, plate=PLATE, kind="card_lent"),
            conflict(1, T0_MS, plate=PLATE, kind="presence", state="withdrawn"),
        ],
    )
    asked = {"plate": PLATE, "plate_color": 2}
    told = world.get("/v1/binding-timeline", "read", **asked).json()
    assert [(one["person"], one["name"], one["standing"]) for one in told["bindings"]] == [
        ("P-1", None, True),
        ("P-3", None, True),
        ("P-4", None, True),
    ]
    assert [one["kind"] for one in told["conflicts"]] == ["card_lent"]
    told = world.get("/v1/binding-timeline", "read", history=True, names=True, **asked).json()
    assert {one["person"]: (one["name"], one["standing"]) for one in told["bindings"]} == {
        "P-2": (None, False),
        "P-1": ("张三丰", True),
        "P-3": (None, True),
        "P-4": (None, True),
    }
    told = world.get("/v1/binding-timeline", "read", to=iso_ms(T0_MS), **asked).json()
    assert [one["person"] for one in told["bindings"]] == ["P-1", "P-3"]
    assert audited(world)[0] == ("read", "show_timeline", PLATE)


def test_a_limited_token_sees_persons_of_its_own_vehicles(world: ApiWorld, numbers: dict[str, int]) -> None:
    """By plate, also where a row is of no terminal."""
    store_rows(
        world,
        bindings=aboard(numbers[OURS[0]]),
        binding_conflicts=[conflict(1, plate=PLATE), conflict(2, plate="测B00001")],
    )
    assert world.get("/v1/binding-timeline", "limited", plate=PLATE).status_code == 200
    problem(world.get("/v1/binding-timeline", "limited", plate="测B00001"), 404)
    problem(world.get("/v1/binding-timeline", "limited", plate=PLATE, plate_color=1), 404)
    assert [one["plate"] for one in listed(world, "/v1/binding-conflicts", "limited")] == [PLATE]
    assert listed(world, "/v1/binding-conflicts", "limited", plate="测B00001") == []
    assert len(listed(world, "/v1/binding-conflicts", "read")) == 2


def test_movements_are_found_by_what_they_are(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Stops and rests, visits by zone, trips by plate; without what was withdrawn."""
    own = numbers[OURS[0]]
    store_rows(
        world,
        trips=[trip(own, T0_MS, plate=PLATE), trip(own, T0_MS + 1, state="withdrawn")],
        stops=[
            stop(own, T0_MS, is_rest=0),
            stop(own, T0_MS + 1, is_rest=1),
            stop(own, T0_MS + 2, is_rest=1, state="withdrawn"),
        ],
        zone_visits=[
            visit(own, T0_MS, zone="Z1", state="closed"),
            visit(own, T0_MS, zone="Z2", state="open", exited_ms=None),
        ],
    )
    assert len(listed(world, "/v1/trips", plate=PLATE)) == 1
    assert len(listed(world, "/v1/trips", state="withdrawn")) == 1
    assert [one["is_rest"] for one in listed(world, "/v1/stops")] == [1, 0]
    assert len(listed(world, "/v1/stops", rests=True)) == 1
    assert [one["zone"] for one in listed(world, "/v1/zone-visits", zone="Z1")] == ["Z1"]
    assert [one["zone"] for one in listed(world, "/v1/zone-visits", state="open")] == ["Z2"]
    assert {one["person"] for one in listed(world, "/v1/zone-visits")} == {None}
