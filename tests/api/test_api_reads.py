"""The reading side of the API: lists that come in pages, rows by name, and nothing beyond what a token may see."""

from contextlib import closing
from typing import Any

import pytest
from api_world import COUNTY, OURS, THEIRS, ApiWorld, problem

from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.storage import open_store
from jtgate.storage.contract.derived_rows import binding, episode, evidence, trip
from jtgate.storage.contract.rows import alarm, face, position, write
from jtgate.storage.registry import KINDS

ALL = sorted([*OURS, *THEIRS])
T0_MS = 1_791_000_000_000


def every(world: ApiWorld, path: str, token: str = "read", **params: Any) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = world.get(path, token, **params, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["items"]
        assert len(page["items"]) <= params.get("limit", 100)
        if page["next"] is None:
            return rows
        assert page["next"] != cursor
        cursor = page["next"]


@pytest.fixture
def numbers(world: ApiWorld) -> dict[str, int]:
    """Numbers of the terminals in the store."""
    with closing(open_store("", world.settings.data)) as store:
        return store.terminal_ids(ALL, now_ms())


def store_rows(world: ApiWorld, **rows: Any) -> None:
    """Write rows."""
    with closing(open_store("", world.settings.data)) as store:
        write(store, **rows)


def test_a_long_track_comes_in_pages_while_rows_are_added(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Nothing twice, nothing left out; what is added meanwhile at the end is there too."""
    own = numbers[OURS[0]]
    store_rows(world, positions=[position(own, T0_MS + 1000 * at, at) for at in range(2500)])
    path, params = f"/v1/tracks/{OURS[0]}", {"from": iso_ms(T0_MS), "limit": 1000}
    first = world.get(path, "read", **params).json()
    store_rows(world, positions=[position(own, T0_MS + 1000 * at, at) for at in range(2500, 2600)])
    rest = every(world, path, **params)[1000:]
    fingerprints = [int(row["fingerprint"], 16) for row in (*first["items"], *rest)]

    assert fingerprints == list(range(2600))
    assert first["items"][0]["time"] == "2026-10-03T12:00:00+08:00"


@pytest.mark.parametrize(
    ("thin", "count", "limit"),
    [(0, 500, 1000), (1, 500, 1000), (10, 50, 1000), (10, 50, 7), (60, 9, 7), (86_400, 1, 7), (86_400, 1, 1)],
)
def test_a_thinned_track(world: ApiWorld, numbers: dict[str, int], thin: int, count: int, limit: int) -> None:
    """Points lie so far apart as is wished, also across pages."""
    store_rows(world, positions=[position(numbers[OURS[0]], T0_MS + 1000 * at, at) for at in range(500)])
    params = {"from": iso_ms(T0_MS), "thin": thin, "limit": limit}
    rows = every(world, f"/v1/tracks/{OURS[0]}", **params)

    assert [int(row["fingerprint"], 16) for row in rows] == list(range(0, 500, max(thin, 1)))[:count]


def test_last_positions_of_all_and_of_one(world: ApiWorld, numbers: dict[str, int]) -> None:
    """In the order of the terminals; of one that is not there a problem."""
    at_ms = now_ms() - 5000
    store_rows(world, positions=[position(number, at_ms, 50 + number, speed_kmh=40.5) for number in numbers.values()])
    rows = every(world, "/v1/positions/last", limit=1)

    assert [row["terminal"] for row in rows] == ALL
    assert {row["speed_kmh"] for row in rows} == {40.5}
    assert [row["terminal"] for row in every(world, "/v1/positions/last", terminals=["0" + THEIRS[0], "1"])] == [
        *THEIRS
    ]
    assert world.get(f"/v1/positions/last/0{OURS[0]}", "read").json()["terminal"] == OURS[0]
    assert problem(world.get("/v1/positions/last/123", "read"), 404)["type"].endswith("no-position")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/positions/last", "terminal"),
        ("/v1/terminals", "terminal"),
        ("/v1/sessions", "terminal"),
        ("/v1/session-history", "terminal"),
        ("/v1/alarms", "terminal"),
        ("/v1/driver-cards", "terminal"),
        ("/v1/episodes", "terminal"),
        ("/v1/evidence", "terminal"),
        ("/v1/bindings", "terminal"),
        ("/v1/trips", "terminal"),
        ("/v1/face-events", "terminal"),
    ],
)
def test_a_limited_token_sees_its_own_and_nothing_else(
    world: ApiWorld, numbers: dict[str, int], path: str, key: str
) -> None:
    """By enterprise and by county; one whose vehicles are none sees nothing."""
    at = list(numbers.values())
    store_rows(
        world,
        episodes=[episode(number) for number in at],
        evidence_files=[evidence(number) for number in at],
        bindings=[binding(number, person=f"P{number}") for number in at],
        trips=[trip(number) for number in at],
        face_events=[face(number) for number in at],
    )
    seen = {token: {row[key] for row in every(world, path, token)} for token in ("read", "limited", "county")}

    assert seen["read"] >= {OURS[0], THEIRS[0]}
    assert seen["limited"] == seen["read"] & set(OURS)
    assert seen["county"] == seen["read"] & {OURS[0], THEIRS[0]}
    assert every(world, path, "nothing-there") == []


def test_alarms_by_what_they_are_and_when(world: ApiWorld, numbers: dict[str, int]) -> None:
    """Newest first; the body is an object, and numbers of our own are not told."""
    own = numbers[OURS[1]]
    rows = [alarm(own, T0_MS + 1000 * at, at, level=at % 3, alarm_type=at % 2) for at in range(30)]
    store_rows(world, alarm_events=rows)
    params = {"terminal": OURS[1], "from": iso_ms(T0_MS), "limit": 4}
    found = every(world, "/v1/alarms", **params)

    assert [int(row["fingerprint"], 16) for row in found] == list(range(29, -1, -1))
    assert isinstance(found[0]["body"], dict)
    assert not {"terminal_id", "session_id", "spool_seq", "alarm_time_ms"} & set(found[0])
    assert len(every(world, "/v1/alarms", **params, level=1, alarm_type=0)) == 5
    assert len(every(world, "/v1/alarms", **params, to=iso_ms(T0_MS + 9000))) == 10
    assert problem(world.get("/v1/alarms", "read", cursor="x"), 400)["pointer"] == "$.cursor"
    assert problem(world.get("/v1/alarms", "read", **{"from": "noon"}), 400)["pointer"] == "$.from"


def test_terminals_and_sessions(world: ApiWorld) -> None:
    """Who is connected, who was, who is known; a session can be asked to end."""
    terminal = world.get(f"/v1/terminals/{OURS[0]}", "read").json()
    session = world.get(f"/v1/sessions/{OURS[0]}", "read").json()

    assert (terminal["terminal"], terminal["is_online"], terminal["profile"]) == (OURS[0], True, "auto")
    assert (session["transport"], session["last_message"]) == ("tcp", "0x0200")
    assert [row["terminal"] for row in every(world, "/v1/sessions", limit=1)] == [THEIRS[0], OURS[0]]
    assert every(world, "/v1/sessions", transport="udp") == []
    assert [row["terminal"] for row in every(world, "/v1/sessions", prefix="0139")] == [THEIRS[0]]
    assert problem(world.get(f"/v1/sessions/{OURS[1]}", "read"), 404)["type"].endswith("not-online")
    assert problem(world.get("/v1/terminals/5", "read"), 404)["type"].endswith("terminal-not-found")
    assert world.ask("DELETE", f"/v1/sessions/{OURS[1]}", "command").json()["outcome"] == "not_online"
    problem(world.ask("DELETE", f"/v1/sessions/{THEIRS[0]}", "limited"), 404)


def test_registries_are_read_and_written(world: ApiWorld) -> None:
    """The example of each, there and back; versions; faults with their place; the audit log knows who read."""
    for name, kind in KINDS.items():
        put = world.ask("PUT", f"/v1/registries/{name}", json={"rows": [dict(kind.example)]})
        assert put.status_code == 200, put.text
        assert put.json()["outcomes"] == ["new"]
    assert {one["name"] for one in world.get("/v1/registries", "read").json()} == set(KINDS)
    persons = every(world, "/v1/registries/persons")
    assert persons[0]["name"] == KINDS["persons"].example["name"]
    changed = dict(KINDS["persons"].example) | {"name": "李四"}
    for params, outcome, versions in (({"dry_run": "true"}, "checked", 1), ({}, "changed", 2)):
        put = world.ask("PUT", "/v1/registries/persons", json={"rows": [changed]}, params=params)
        assert put.json()["outcomes"] == [outcome]
        assert len(every(world, "/v1/registries/persons", versions="true", limit=1)) == versions
    bad = problem(world.ask("PUT", "/v1/registries/persons", json={"rows": [changed, {"person": "P2"}]}), 422)
    assert bad["pointer"].startswith("$.rows[1]")
    assert (
        problem(world.ask("PUT", "/v1/registries/persons", json={"rows": [{"x": 1}]}), 422)["pointer"] == "$.rows[0].x"
    )
    (vehicle,) = every(world, "/v1/registries/vehicles", key=["测A00001", "黄"])
    assert vehicle["terminal"] == OURS[0]
    assert {row["plate"] for row in every(world, "/v1/registries/vehicles", "limited")} >= {"测A00001", "测A00002"}
    assert "测B00001" not in {row["plate"] for row in every(world, "/v1/registries/vehicles", "limited")}
    counties = {row["county"] for row in every(world, "/v1/registries/vehicles", "county")}
    assert counties == {COUNTY}
    log = every(world, "/v1/audit", "admin")
    assert {("list_registry_rows", "persons", "read"), ("put_persons", "persons", "admin")} <= {
        (row["what"], row["subject"], row["who"]) for row in log
    }


@pytest.fixture
def run(world: ApiWorld) -> dict[str, Any]:
    """A waybill under way now for the first of our vehicles, with papers for all."""
    at_ms = now_ms()
    person = dict(KINDS["persons"].example) | {"valid_from": "2026-01-01"}
    world.ask("PUT", "/v1/registries/persons", json={"rows": [person]})
    return dict(KINDS["waybills"].example) | {
        "waybill": "W1",
        "state": "IN_TRANSIT",
        "plate": "测A00001",
        "plate_color": "黄",
        "trailer_plate": None,
        "trailer_plate_color": None,
        "trailer_certificate": None,
        "plan_depart": iso_ms(at_ms - 3_600_000),
        "depart": None,
        "plan_arrive": iso_ms(at_ms + 3_600_000),
        "arrive": None,
        "created": iso_ms(at_ms - 7_200_000),
        "dispatched": iso_ms(at_ms - 7_000_000),
        "valid_from": "2026-01-01",
    }


def findings(world: ApiWorld, **params: Any) -> dict[str, Any]:
    """Result by item, and the rest of the answer."""
    answer = world.get("/v1/waybills/check", "read", **params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    body["by_item"] = {one["item"]: one["result"] for one in body["findings"]}
    return body


def test_a_vehicle_without_a_waybill(world: ApiWorld) -> None:
    """HZ21, by terminal or by plate; somebody else's vehicle is not there."""
    found = findings(world, terminal=OURS[0])
    assert (found["waybill"], found["ok"], found["by_item"]) == (None, False, {"HZ21": "HIT"})
    assert findings(world, plate="测A00001")["by_item"] == {"HZ21": "HIT"}
    problem(world.get("/v1/waybills/check", "limited", terminal=THEIRS[0]), 404)
    problem(world.get("/v1/waybills/check", "read"), 400)


def test_a_waybill_is_made_and_checked(world: ApiWorld, run: dict[str, Any]) -> None:
    """It covers its time, counts as a trailer's too, and what does not fit is named with its rows."""
    made = world.ask("POST", "/v1/waybills", json={"waybill": run})
    assert made.status_code == 200, made.text
    assert made.json()["outcome"] == "new"

    found = findings(world, terminal=OURS[0])
    assert (found["waybill"], found["state"], found["by_item"]["HZ21"]) == ("W1", "IN_TRANSIT", "CLEAR")
    assert found["by_item"]["HZ14"] == "UNKNOWN", "the vehicle has no dates on file"
    later = findings(world, terminal=OURS[0], at=iso_ms(now_ms() + 14 * 3_600_000))
    assert later["by_item"] == {"HZ21": "HIT"}

    world.ask("POST", "/v1/waybills", json={"waybill": run | {"escorts": [], "valid_from": None}})
    assert findings(world, terminal=OURS[0])["by_item"]["HZ27"] == "HIT"
    bad = problem(world.ask("POST", "/v1/waybills", json={"waybill": run | {"state": "LOST"}}), 422)
    assert bad["pointer"] == "$.waybill[0].state"


def test_quarantine_in_a_list_and_one_by_one(world: ApiWorld) -> None:
    """With reason and bytes; who reads them is noted."""
    (row,) = every(world, "/v1/quarantine")
    one = world.get(f"/v1/quarantine/{row['id']}", "read").json()

    assert one["payload"] == row["payload"]
    assert len(one["payload"]) == 2 * one["payload_bytes"]
    assert one["code"]
    problem(world.get("/v1/quarantine/99999", "read"), 404)
    problem(world.get(f"/v1/quarantine/{row['id']}", "nothing-there"), 404)
    assert {entry["what"] for entry in every(world, "/v1/audit", "admin")} >= {"list_quarantine", "get_quarantined"}
