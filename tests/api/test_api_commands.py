"""Commands over HTTP; a small gateway of the test's own takes them from the bus and ends them."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import OURS, THEIRS, ApiWorld, problem

from jtgate.api import waiting
from jtgate.codecs.timebase import now_ms
from jtgate.storage.commands import Command, CommandChange, CommandsFull, CommandState, CommandsUnavailable
from jtgate.storage.open import open_commands

#: Says the same in every edition.
ANY = {"message": "location_query", "fields": {}}
TEXT = {"terminal": OURS[0], "message": "text_message", "fields": {"flags": 4, "text": "前方限速60"}}
ASK = {"terminal": OURS[0], "message": "query_driver_identity"}


def send(world: ApiWorld, token: str = "command", *, key: str = "", **body: Any) -> httpx.Response:
    """Send the text message, or what is given."""
    headers = {"Idempotency-Key": key} if key else {}
    return world.ask("POST", "/v1/commands", token, json={**TEXT, **body}, headers=headers)


def answered(command: Command) -> CommandChange:
    """0x0001 with success."""
    return CommandChange(command.command_id, now_ms(), CommandState.ANSWERED, result=0, answer_id=0x0001, attempts=1)


@contextmanager
def gateway(data: Path, end: Callable[[Command], CommandChange]) -> Iterator[None]:
    """End every command as soon as it is heard of."""
    bus = open_commands(data)
    rung, stopped = threading.Event(), threading.Event()
    watch = bus.watch(rung.set)

    def run() -> None:
        while not stopped.is_set():
            rung.wait(0.5)
            rung.clear()
            if changes := [end(one) for one in bus.arrivals() if one.state.is_open]:
                bus.change(changes)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        rung.set()
        thread.join()
        watch.close()
        bus.close()


def test_a_command_that_is_waited_for_comes_with_its_answer(world: ApiWorld) -> None:
    """200 and how it ended."""
    with gateway(world.settings.data, answered):
        answer = send(world, wait_seconds=10)

    assert answer.status_code == 200
    found = answer.json()
    assert (found["state"], found["result"], found["msg_id"], found["term"]) == (
        "answered", 0, "0x8300", "文本信息下发",
    )  # fmt: skip
    assert found["fields"] == TEXT["fields"]
    assert found["asked_by"] == "command"


def test_a_command_that_is_open_can_be_asked_for(world: ApiWorld) -> None:
    """202 and where to ask; the same place answers 200 when it has ended, and waits for that when asked to."""
    answer = send(world)
    assert answer.status_code == 202
    where = answer.headers["Location"]
    assert where == f"/v1/commands/{answer.json()['id']}"
    assert world.get(where, "read").status_code == 202

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(world.get, where, "read", wait_seconds=10)
        time.sleep(0.2)
        assert not asked.done()
        world.api.bus.change([answered(world.api.bus.get(answer.json()["id"]))])
        ended = asked.result(5)

    assert (ended.status_code, ended.json()["state"]) == (200, "answered")


def test_waiting_holds_no_thread(world: ApiWorld) -> None:
    """Many times more requests wait than there are threads, and others are answered meanwhile."""
    ids = [send(world).json()["id"] for _ in range(60)]

    with httpx.Client(base_url=world.client.base_url, timeout=30) as other, ThreadPoolExecutor(60) as pool:
        headers = {"Authorization": f"Bearer {world.texts['read']}"}
        asked = [pool.submit(world.get, f"/v1/commands/{number}", "read", wait_seconds=20) for number in ids]
        time.sleep(1)
        began = time.monotonic()
        assert other.get("/v1/commands?limit=1", headers=headers).status_code == 200
        assert time.monotonic() - began < 5  # without a free thread it takes the 20 s of a wait
        world.api.bus.change([answered(world.api.bus.get(number)) for number in ids])
        assert {one.result(10).status_code for one in asked} == {200}


def test_a_wait_ends_at_its_time(world: ApiWorld) -> None:
    """202 when nobody answered."""
    began = time.monotonic()

    assert send(world, wait_seconds=0.3).status_code == 202
    assert 0.3 <= time.monotonic() - began < 5


def test_only_so_many_wait(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is not refused, for its command is in the bus: it is answered at once how it stands."""
    monkeypatch.setattr(waiting, "WAITS_MAX", 0)
    began = time.monotonic()

    assert send(world, wait_seconds=30).status_code == 202
    assert time.monotonic() - began < 5


def test_the_same_key_is_the_same_command(world: ApiWorld) -> None:
    """However often it is sent; of another token it is another one, for another command a 409."""
    first = send(world, key="k1").json()["id"]

    assert send(world, key="k1").json()["id"] == first
    assert send(world, "admin", key="k1").json()["id"] != first
    assert problem(send(world, key="k1", fields={"flags": 4, "text": "别的"}), 409)["type"].endswith("conflict")
    problem(send(world, key="k" * 201), 400)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"message": "text_mesage"}, "$.message"),
        ({"message": "location_report"}, "$.message"),
        ({"terminal": "000"}, "$.terminal"),
        ({"terminal": "1380013800a"}, "$.terminal"),
        ({"fields": {"flags": 4}}, "$.fields.text"),
        ({"fields": {"flags": 400, "text": "x"}}, "$.fields.flags"),
        ({"fields": {"flags": 4, "text": "x", "colour": "red"}}, "$.fields.colour"),
        (
            {"message": "0x8103", "fields": {"parameters": [{"id": "0x0001", "value": "often"}]}},
            "$.fields.parameters[0]",
        ),
        ({"message": "0x8fff", "fields": {}}, "$.fields"),
        ({"expires_seconds": 31 * 86400}, "$.expires_seconds"),
        ({"wait_seconds": 61}, "$.wait_seconds"),
        ({"encrypted": True}, "$.encrypted"),
    ],
)
def test_what_cannot_be_sent_is_pointed_at(world: ApiWorld, body: dict[str, object], pointer: str) -> None:
    """422, nothing is in the bus."""
    assert problem(send(world, **body), 422)["pointer"].startswith(pointer)
    assert not world.api.bus.find()


def test_a_command_is_checked_for_the_edition_of_its_terminal(world: ApiWorld) -> None:
    """A field of 2019 is refused for a terminal of 2013 that is online, and needed for one of 2019.

    For a terminal that nobody knows either will do.
    """
    fields = {"flags": 4, "text_type": 1, "text": "x"}

    assert problem(send(world, fields=fields), 422)["pointer"] == "$.fields.text_type"
    assert send(world, terminal=THEIRS[0], fields=fields).status_code == 202
    assert problem(send(world, terminal=THEIRS[0]), 422)["pointer"] == "$.fields.text_type"
    assert send(world, terminal="13700137000", fields=fields).status_code == 202
    assert send(world, terminal="13700137000", fields=TEXT["fields"]).status_code == 202


def test_a_command_expires_sooner_when_it_is_not_queued(world: ApiWorld) -> None:
    """One minute, one day, or what is asked for."""

    def seconds(**body: object) -> float:
        new = world.api.bus.get(send(world, **body).json()["id"])
        return (new.new.expires_ms - new.created_ms) / 1000

    assert seconds() == 60
    assert seconds(queue=True) == 86400
    assert seconds(queue=True, expires_seconds=5) == 5


def test_a_command_is_cancelled(world: ApiWorld) -> None:
    """DELETE tells how it stands then; of what has ended nothing changes."""
    where = send(world).headers["Location"]

    assert world.ask("DELETE", where).json()["state"] == "cancelled"
    assert world.ask("DELETE", where).json()["state"] == "cancelled"
    assert world.get(where).status_code == 200
    problem(world.ask("DELETE", "/v1/commands/999"), 404)


def test_commands_are_found(world: ApiWorld) -> None:
    """By terminal, state and time, in pages, newest first."""
    ids = [send(world, terminal=terminal, **ANY).json()["id"] for terminal in (OURS[0], THEIRS[0], OURS[0], OURS[1])]
    world.api.bus.cancel(ids[0], now_ms())

    def found(**params: object) -> list[int]:
        return [row["id"] for row in world.get("/v1/commands", **params).json()["items"]]

    assert found() == ids[::-1]
    assert found(terminal="0" + OURS[0]) == [ids[2], ids[0]]
    assert found(state="cancelled") == [ids[0]]
    assert found(state=["cancelled", "waiting"]) == ids[::-1]
    assert found(to="2020-01-01") == []
    assert found(**{"from": "2020-01-01T00:00:00+08:00"}) == ids[::-1]
    page = world.get("/v1/commands", limit=3).json()
    assert [row["id"] for row in page["items"]] == ids[:0:-1]
    last = world.get("/v1/commands", limit=3, cursor=page["next"]).json()
    assert ([row["id"] for row in last["items"]], last["next"]) == ([ids[0]], None)


def test_a_limited_token_commands_its_own_vehicles(world: ApiWorld) -> None:
    """Terminals and commands of others are not there for it."""
    theirs = send(world, terminal=THEIRS[0], **ANY).json()["id"]
    ours = send(world, "limited").json()["id"]

    problem(send(world, "limited", terminal=THEIRS[0], **ANY), 404)
    problem(send(world, "nothing-there"), 404)
    problem(world.get(f"/v1/commands/{theirs}", "limited"), 404)
    problem(world.ask("DELETE", f"/v1/commands/{theirs}", "limited"), 404)
    assert world.api.bus.get(theirs).state is CommandState.WAITING
    assert [row["id"] for row in world.get("/v1/commands", "limited").json()["items"]] == [ours]
    assert world.get("/v1/commands", "limited", terminal=THEIRS[0]).json()["items"] == []
    assert world.get("/v1/commands", "nothing-there").json()["items"] == []


def test_who_is_shown_a_driver_is_noted(world: ApiWorld) -> None:
    """The answer 0x0702 names a driver; a text message does not."""

    def driver(command: Command) -> CommandChange:
        answer = {"driver_name": "张三", "certificate": "1"}
        return CommandChange(
            command.command_id, now_ms(), CommandState.ANSWERED, answer_id=0x0702, answer=answer, attempts=1
        )

    with gateway(world.settings.data, driver):
        answer = world.ask("POST", "/v1/commands", "command", json={**ASK, "wait_seconds": 10})
    assert answer.json()["answer"]["body"]["driver_name"] == "张三"
    world.get(f"/v1/commands/{answer.json()['id']}", "read")
    send(world)

    rows = world.get("/v1/audit").json()["items"]
    assert [(row["who"], row["what"], row["subject"]) for row in rows] == [
        ("read", "get_command", OURS[0]),
        ("command", "send_command", OURS[0]),
    ]


@pytest.mark.parametrize(
    ("error", "status"), [(CommandsFull("1000 are open"), 429), (CommandsUnavailable("locked"), 503)]
)
def test_a_bus_that_takes_nothing(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    """A problem that says when to come again."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(world.api.bus, "submit", refuse)

    answer = send(world)

    problem(answer, status)
    assert answer.headers["Retry-After"] == "1"


def test_what_can_be_sent_is_listed(world: ApiWorld) -> None:
    """Each with its fields, and with an example that can be sent as it is."""
    rows = world.get("/v1/messages", "command").json()["items"]

    assert len(rows) > 60
    for row in rows:
        answer = send(world, terminal="13700137000", message=row["id"], fields=row["example"], queue=True)
        assert answer.status_code == 202, (row["id"], answer.text)
        assert {*row["example"]} <= {one["name"] for one in row["fields"]} | {"raw"}
    (text,) = world.get("/v1/messages", "command", message="文本信息下发").json()["items"]
    kinds = {one["name"]: one["editions"] for one in text["fields"]}
    assert kinds == {"flags": ["2011", "2013", "2019"], "text_type": ["2019"], "text": ["2011", "2013", "2019"]}
    problem(world.get("/v1/messages", message="nonsense"), 404)
    problem(world.get("/v1/messages", message="location_report"), 404)
