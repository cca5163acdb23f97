"""Faces, phones and decisions of inspectors: over HTTP and out of files, by whom who may, and twice without harm."""

import json
from pathlib import Path
from typing import Any

import pytest
from api_world import OURS, THEIRS, ApiWorld, problem
from click.testing import CliRunner, Result

from jtgate.cli.bindings import bindings
from jtgate.codecs.timebase import iso_ms, now_ms
from jtgate.pipeline.derive.binding_inputs import CHECK_IN
from jtgate.storage.contract.rows import face, write
from jtgate.storage.registry import checked
from jtgate.storage.store import Row

HOUR_MS = 3_600_000
PLATE = "测A00001"


@pytest.fixture
def crew(world: ApiWorld) -> ApiWorld:
    """Persons on file, and a picture of each terminal that nobody has compared."""
    with world.api.store() as store:
        rows = [
            checked(
                "persons", {"person": person, "name": "测试", "roles": "DRIVER", "enterprise": "E001"}, now_ms=now_ms()
            ).row
            for person in ("P1", "P2")
        ]
        other = {"person": "Q1", "name": "测试", "roles": "DRIVER", "enterprise": "E002"}
        rows.append(checked("persons", other, now_ms=now_ms()).row)
        store.registry_put("persons", [row for row in rows if row is not None], now_ms() - 60_000)
        numbers = store.terminal_ids([OURS[0], THEIRS[0]], now_ms())
        empty = {"engine": None, "score": None, "threshold": None, "result": None, "person": None, "updated_ms": 1}
        at_ms = now_ms() // 1000 * 1000 - HOUR_MS
        write(store, face_events=[face(number, at_ms, -number, **empty) for number in numbers.values()])
        write(store, face_events=[face(numbers[OURS[0]], at_ms, 77, **empty | {"image_path": None})])
    return world


def facts(world: ApiWorld, table: str) -> list[Row]:
    """What is stored."""
    with world.api.store() as store:
        return store.facts(table)


def found(told: dict[str, Any], **values: object) -> dict[str, object]:
    """A result for a picture."""
    key = {name: told[name] for name in ("terminal", "time", "fingerprint")}
    return {**key, "engine": "engine 2.1", "score": 0.9, "threshold": 0.8, "person": "P1", **values}


def waiting(world: ApiWorld, token: str = "admin", **params: object) -> list[dict[str, Any]]:
    """Pictures that nobody has compared yet."""
    answer = world.get("/v1/faces", token, **params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_pictures_wait_until_they_are_compared(crew: ApiWorld) -> None:
    """Those with a file, of terminals that the caller may see; a result takes them off the list."""
    assert {one["terminal"] for one in waiting(crew)} == {OURS[0], THEIRS[0]}
    assert [one["terminal"] for one in waiting(crew, "limited")] == [OURS[0]]
    (told,) = waiting(crew, terminal=OURS[0])
    assert told["image_path"]

    answer = crew.ask("POST", "/v1/faces/results", "command", json={"results": [found(told)]})

    assert answer.json() == {"results": ["match"]}
    assert waiting(crew, "limited") == []
    row = next(one for one in facts(crew, "face_events") if one["person"] == "P1")
    assert (row["engine"], row["score"], row["threshold"], row["result"]) == ("engine 2.1", 0.9, 0.8, "match")
    assert row["image_path"]


def test_pictures_come_in_pages(crew: ApiWorld) -> None:
    """One on each page, none twice, and an end."""
    answer = crew.get("/v1/faces", limit=1)
    first = answer.json()
    second = crew.get("/v1/faces", limit=1, cursor=first["next"]).json()

    terminals = [first["items"][0]["terminal"], second["items"][0]["terminal"]]
    assert sorted(terminals) == sorted([OURS[0], THEIRS[0]])
    if second["next"]:
        assert crew.get("/v1/faces", limit=1, cursor=second["next"]).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ({"score": 0.8}, "match"),
        ({"score": 0.76}, "near"),
        ({"score": 0.75}, "no_match"),
        ({"no_face": True}, "no_face"),
    ],
)
def test_results_follow_the_threshold(crew: ApiWorld, values: dict[str, object], result: str) -> None:
    """0.80 matches, down to 0.76 is near; told twice, the later one stands."""
    told = waiting(crew, "limited")[0]
    for score in (0.99, None):
        more = {"score": score} if score else values
        answer = crew.ask("POST", "/v1/faces/results", json={"results": [found(told, **more)]})
        assert answer.status_code == 200, answer.text

    assert answer.json() == {"results": [result]}


def test_results_of_no_picture_are_refused(crew: ApiWorld) -> None:
    """All or nothing, with the place of the first that is wrong."""
    told = waiting(crew, "limited")[0]
    theirs = next(one for one in waiting(crew) if one["terminal"] == THEIRS[0])
    unknown = found(told, fingerprint="0" * 16)

    answer = crew.ask("POST", "/v1/faces/results", json={"results": [found(told), unknown]})
    assert problem(answer, 422)["pointer"] == "$.results[1]"
    answer = crew.ask("POST", "/v1/faces/results", "limited", json={"results": [found(theirs)]})
    assert problem(answer, 422)["pointer"] == "$.results[0]"
    answer = crew.ask("POST", "/v1/faces/results", json={"results": [found(told, threshold=0)]})
    assert problem(answer, 422)["type"].endswith("bad-result")
    assert len(waiting(crew)) == 2


def fix(person: str = "P1", **values: object) -> dict[str, object]:
    """Where a phone was an hour ago."""
    at = iso_ms(now_ms() // 1000 * 1000 - HOUR_MS)
    return {"person": person, "time": at, "latitude": 41.1, "longitude": 122.0, "accuracy_m": 12, **values}


def test_fixes_are_taken_once(crew: ApiWorld) -> None:
    """The same batch again changes nothing; who told it is noted, and what was a check-in."""
    body = {"fixes": [fix(), fix(latitude=41.2, check_in=True)]}
    for _ in range(2):
        assert crew.ask("POST", "/v1/phone-fixes", "limited", json=body).json() == {"taken": 2}

    rows = facts(crew, "phone_fixes")
    assert sorted(str(row["source"]) for row in rows) == [f"{CHECK_IN}limited", "limited"]


def test_fixes_of_strangers_are_refused(crew: ApiWorld) -> None:
    """Of nobody on file, of somebody of another enterprise, of the future; nothing of the batch is taken."""
    later = iso_ms(now_ms() + HOUR_MS)
    for token, bad, field in (
        ("admin", fix("X9"), "person"),
        ("limited", fix("Q1"), "person"),
        ("admin", fix(time=later), "time"),
    ):
        answer = crew.ask("POST", "/v1/phone-fixes", token, json={"fixes": [fix(), bad]})
        assert problem(answer, 422)["pointer"] == f"$.fixes[1].{field}"
    assert problem(crew.ask("POST", "/v1/phone-fixes", "read", json={"fixes": [fix()]}), 403)
    too_many = {"fixes": [fix()] * 1001}
    assert problem(crew.ask("POST", "/v1/phone-fixes", json=too_many), 422)
    assert facts(crew, "phone_fixes") == []


def decision(**values: object) -> dict[str, object]:
    """P2 drove for an hour."""
    begin = now_ms() // 1000 * 1000 - 3 * HOUR_MS
    told = {"plate": PLATE, "person": "P2", "from": iso_ms(begin), "to": iso_ms(begin + HOUR_MS), "evidence": "seen"}
    return {**told, **values}


def test_city_and_county_decide(crew: ApiWorld) -> None:
    """An enterprise may not, a county only for its vehicles; who decided is kept, and noted in the audit log."""
    answer = crew.ask("POST", "/v1/bindings/overrides", "limited", json=decision())
    assert problem(answer, 403)["type"].endswith("token-limited")
    answer = crew.ask("POST", "/v1/bindings/overrides", "county", json=decision(plate="测A00002"))
    assert problem(answer, 404)

    body = decision()
    for _ in range(2):
        answer = crew.ask("POST", "/v1/bindings/overrides", "county", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["made_by"] == "county"

    (row,) = facts(crew, "driver_overrides")
    assert (row["plate"], row["person"], row["evidence"]) == (PLATE, "P2", "seen")
    noted = crew.get("/v1/audit").json()["items"]
    assert any(one["what"] == "put_override" and one["subject"] == PLATE for one in noted)


def test_a_decision_is_taken_back(crew: ApiWorld) -> None:
    """By one without a person; both stay to be read."""
    body = decision()
    crew.ask("POST", "/v1/bindings/overrides", json=body)
    crew.ask("POST", "/v1/bindings/overrides", json=body | {"person": "", "evidence": "by mistake"})

    items = crew.get("/v1/bindings/overrides", plate=PLATE).json()["items"]
    assert [one["person"] for one in items] == ["", "P2"]
    assert problem(crew.get("/v1/bindings/overrides", "nothing-there", plate=PLATE), 404)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"person": "X9"}, "no-such-person"),
        ({"to": "2020-01-01T00:00:00+08:00"}, "bad-override"),
        ({"from": "2090-01-01T00:00:00+08:00", "to": None}, "bad-override"),
    ],
)
def test_decisions_that_make_no_sense_are_refused(crew: ApiWorld, values: dict[str, object], kind: str) -> None:
    """Nothing is written."""
    answer = crew.ask("POST", "/v1/bindings/overrides", json=decision(**values))

    assert problem(answer, 422)["type"].endswith(kind)
    assert facts(crew, "driver_overrides") == []


def run(world: ApiWorld, *arguments: str, token: str = "admin") -> Result:
    """A command of `jtgate bindings` against the API."""
    more = ["--api", str(world.client.base_url), "--token", world.texts[token]]
    return CliRunner().invoke(bindings, [*arguments, *more], prog_name="jtgate bindings")


def test_files_of_fixes(crew: ApiWorld, tmp_path: Path) -> None:
    """CSV and JSON lines; the same file again changes nothing."""
    csv = tmp_path / "fixes.csv"
    at = iso_ms(now_ms() // 1000 * 1000 - HOUR_MS)
    csv.write_text(f"person,time,latitude,longitude,accuracy_m,check_in\nP1,{at},41.1,122.0,12,\nP2,{at},41,122,9,是\n")
    lines = tmp_path / "fixes.jsonl"
    lines.write_text(json.dumps(fix("P1")) + "\n")

    assert run(crew, "import-phones", str(csv)).output == "2 rows\n"
    assert run(crew, "import-phones", str(lines), "--json").output.strip() == '{"rows": 1, "sent": 1}'
    assert len(facts(crew, "phone_fixes")) == 2
    assert run(crew, "import-phones", str(lines), "--dry-run").output == "1 rows, nothing was sent: --dry-run\n"


def test_faults_of_a_file_are_told_by_line(crew: ApiWorld, tmp_path: Path) -> None:
    """Those that are seen here, all of them, before anything is sent; those that the API sees, the first."""
    path = tmp_path / "fixes.csv"
    path.write_text("person,time,latitude,longitude,accuracy_m\nP1,2026-05-11,north,122,9\n,2026-05-11,41,122,9\n")
    result = run(crew, "import-phones", str(path))
    assert result.exit_code == 1
    assert "line 2: latitude: is no number" in result.output
    assert "line 3: person: is empty" in result.output
    assert facts(crew, "phone_fixes") == []

    path.write_text("person,time,latitude,longitude,accuracy_m\nP1,2026-05-11,41,122,9\nX9,2026-05-11,41,122,9\n")
    assert "line 3: person: There is no such person on file" in run(crew, "import-phones", str(path)).output
    path.write_text("person,when\nP1,2026-05-11\n")
    assert "there is no field when" in run(crew, "import-phones", str(path)).output
    path.write_text("")
    assert "there is nothing in it" in run(crew, "import-phones", str(path)).output


def test_files_of_face_results(crew: ApiWorld, tmp_path: Path) -> None:
    """As an engine writes them."""
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(found(one)) + "\n" for one in waiting(crew)))

    assert run(crew, "import-faces", str(path)).output == "2 rows\n"
    assert waiting(crew) == []


def test_a_decision_from_the_command_line(crew: ApiWorld) -> None:
    """And its taking back; an enterprise is told that it may not."""
    body = decision()
    told = ["override", PLATE, "P2", "--from", str(body["from"]), "--evidence", "inspection 17"]

    assert "P2 was the driver of" in run(crew, *told).output
    back = ["override", PLATE, "--take-back", "--from", str(body["from"]), "--evidence", "mistake"]
    assert "is taken back" in run(crew, *back).output
    assert "may not do that" in run(crew, *told, token="limited").output
    assert run(crew, *told, "--take-back").exit_code == 2
    assert [row["person"] for row in facts(crew, "driver_overrides")] in (["", "P2"], ["P2", ""])
