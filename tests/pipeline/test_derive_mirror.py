"""What the desk of evidence knows is noted in the store: files with their states, and the evidence of episodes."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jtgate.pipeline.derive import mirror as mirrors
from jtgate.pipeline.derive.evidence_states import fill_in, joined
from jtgate.pipeline.derive.facts import Rows
from jtgate.pipeline.derive.mirror import Mirror
from jtgate.storage.contract.derived_rows import episode
from jtgate.storage.contract.rows import alarm
from jtgate.storage.evidence import Ask, AskState, EvidenceDesk, EvidenceFile, FileFacts, FileState, NewAsk
from jtgate.storage.model import EpisodeRow, StoreBatch
from jtgate.storage.open import open_evidence, open_store
from jtgate.storage.store import Store, StoreUnavailable

NOW = 1_790_000_000_000
ONE, TWO = "13800138000", "13900139000"
SOURCE = "jsatl12:0x65"
A, B = bytes(15) + b"\1", bytes(15) + b"\2"
VIDEO = "02_65_6501_0_0123456789ABCDEF0123456789ABCDEF.mp4"


class World:
    """A store, a desk, and a mirror that may be begun anew.

    Args:
        data: folder of the desk.
        store: the store.
    """

    def __init__(self, data: Path, store: Store) -> None:
        self.now_ms = NOW
        self.store = store
        self.store.migrate()
        self.desk: EvidenceDesk = open_evidence(data)
        self.mirror = Mirror(self.desk, self.store)

    def step(self) -> None:
        """A second later."""
        self.now_ms += 1000
        self.mirror.step(self.now_ms)

    def ask(self, identification: bytes = A, terminal: str = ONE) -> Ask:
        """Something was asked for."""
        return self.desk.ask(NewAsk(terminal, SOURCE, identification, NOW, 2), NOW)

    def announce(self, ask: Ask, *names: str, size: int = 100) -> list[EvidenceFile]:
        """0x1210 came."""
        return self.desk.announce(ask.ask_id, [FileFacts(name, size) for name in names], self.now_ms)

    def save(self, file: EvidenceFile, state: FileState, *received: tuple[int, int], **more: Any) -> None:
        """Some of a file came."""
        self.desk.save(replace(file, state=state, received=received, **more), self.now_ms)

    def complete(self, file: EvidenceFile) -> None:
        """All of it came."""
        more = {"sha256": "ab" * 32, "path": "ab/ab/x.mp4", "completed_ms": self.now_ms}
        self.save(file, FileState.COMPLETE, (0, file.facts.size), **more)

    def episode(self, *numbers: bytes, terminal: str = ONE, started_ms: int = NOW, **values: Any) -> None:
        """An episode is stored."""
        batch = StoreBatch(episodes=[self.row(*numbers, terminal=terminal, started_ms=started_ms, **values)])
        self.store.write(batch, consumer="derive", seq=1)

    def row(self, *numbers: bytes, terminal: str = ONE, started_ms: int = NOW, **values: Any) -> EpisodeRow:
        """The same as a row."""
        terminal_id = self.store.terminal_ids([terminal], NOW)[terminal]
        told = [number.hex() for number in numbers]
        more = {"alarm_number": told[0], "alarm_numbers": json.dumps(told), "evidence_state": "asked"}
        return episode(terminal_id, started_ms, **{"updated_ms": NOW, **more, **values})

    def files(self) -> dict[str, dict[str, Any]]:
        """Rows of files that are not withdrawn, by name."""
        rows = self.store.facts("evidence_files")
        return {str(row["file_name"]): dict(row) for row in rows if row["state"] != "withdrawn"}

    def states(self) -> list[object]:
        """Of the evidence of episodes, the oldest first."""
        return [row["evidence_state"] for row in self.store.facts("episodes")][::-1]

    def close(self) -> None:
        """Give up all files."""
        self.store.close()
        self.desk.close()


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty one, over each back end of the store."""
    if request.param == "sqlite":
        store = open_store("", tmp_path)
    else:
        from jtgate.storage.postgres.store import PostgresStore

        url, schema = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_schema")
        store = PostgresStore(url, schema=schema)
    with closing(World(tmp_path, store)) as made:
        yield made


def test_a_file_from_asked_to_complete(world: World) -> None:
    """One row without a name, then a row for each file with what is missing, type and channel out of its name."""
    world.episode(A)
    ask = world.ask()
    world.step()
    assert [(row["file_name"], row["state"]) for row in world.files().values()] == [("", "asked")]

    video, picture = world.announce(ask, VIDEO, "strange name", size=1000)
    world.step()
    files = world.files()
    assert {name: row["state"] for name, row in files.items()} == {VIDEO: "asked", "strange name": "asked"}
    assert (files[VIDEO]["file_type"], files[VIDEO]["channel"], files[VIDEO]["missing"]) == (2, 65, "[[0, 1000]]")
    assert (files["strange name"]["file_type"], files["strange name"]["channel"]) == (None, None)
    assert world.states() == ["asked"]

    world.save(video, FileState.ARRIVING, (100, 300), (400, 600))
    world.step()
    row = world.files()[VIDEO]
    assert (row["state"], row["stored_bytes"], row["announced_bytes"]) == ("arriving", 400, 1000)
    assert json.loads(row["missing"]) == [[0, 100], [300, 100], [600, 400]]
    assert world.states() == ["arriving"]

    world.complete(video)
    world.step()
    row = world.files()[VIDEO]
    assert (row["state"], row["sha256"], row["path"], row["missing"]) == ("complete", "ab" * 32, "ab/ab/x.mp4", None)
    assert row["completed_ms"] is not None
    assert world.states() == ["arriving"]
    world.complete(picture)
    world.step()
    assert world.states() == ["complete"]


def test_evidence_that_is_given_up(world: World) -> None:
    """Files of which there is something are incomplete with what is missing, the others are refused."""
    world.episode(A)
    world.episode(B, alarm_type=2)
    some, nothing = world.ask(A), world.ask(B)
    first, *_ = world.announce(some, VIDEO, "other.bin")
    world.save(first, FileState.ARRIVING, (0, 40))
    world.desk.end(some.ask_id, AskState.INCOMPLETE, "late", NOW)
    world.desk.end(nothing.ask_id, AskState.REFUSED, "no", NOW)
    world.step()
    files = world.files()
    assert {name: row["state"] for name, row in files.items()} == {
        VIDEO: "incomplete",
        "other.bin": "refused",
        "": "refused",
    }
    assert json.loads(files[VIDEO]["missing"]) == [[40, 60]]
    assert sorted(map(str, world.states())) == ["incomplete", "refused"]


def test_an_episode_waits_for_all_its_numbers(world: World) -> None:
    """One of two is complete: on its way; episodes of others, withdrawn ones and those of other numbers stay."""
    world.episode(A, B)
    world.episode(A, terminal=TWO)
    world.episode(A, alarm_type=2, state="withdrawn")
    world.episode(bytes(16), alarm_type=3)
    one, other = world.ask(A), world.ask(B)
    world.complete(world.announce(one, "a.jpg")[0])
    world.step()
    assert sorted(map(str, world.states())) == ["arriving", "asked", "asked", "asked"]
    world.complete(world.announce(other, "b.jpg")[0])
    world.step()
    assert sorted(map(str, world.states())) == ["asked", "asked", "asked", "complete"]


def test_an_episode_that_is_written_later_knows_of_its_evidence(world: World) -> None:
    """A late report folds an alarm anew after its files have come; one whose files are not wanted has none."""
    world.complete(world.announce(world.ask(A), "a.jpg")[0])
    world.step()
    found = Rows()
    rows = {
        "complete": world.row(A),
        "arriving": world.row(A, B, alarm_type=2),
        "none": world.row(B, alarm_type=3, source="jt808:flag"),
        "asked": world.row(B, alarm_type=4),
    }
    for name, row in rows.items():
        found.put("episodes", (name,), row)
    found.put("episodes", ("kept",), world.row(A, alarm_type=5, state="withdrawn"))
    fill_in(world.store, lambda _: ONE, found)
    assert {key[0]: row.evidence_state for key, row in found.tables["episodes"].items()} == {
        **{name: name for name in rows},
        "kept": "asked",
    }


def test_a_crash_repeats_a_step_and_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and cursor go together; a step after another without news writes nothing."""
    world.episode(A)
    file = world.announce(world.ask(), VIDEO)[0]
    write = world.store.write
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "write", _unavailable)
        with pytest.raises(StoreUnavailable):
            world.step()
    assert world.files() == {}
    world.complete(file)
    world.step()
    before = world.files(), world.states()
    world.mirror = Mirror(world.desk, world.store)
    monkeypatch.setattr(world.store, "write", _unavailable)
    world.step()  # nothing is new
    monkeypatch.setattr(world.store, "write", write)
    world.store.move_cursors({"evidence": 0})
    world.mirror = Mirror(world.desk, world.store)
    world.step()
    after = world.files(), world.states()
    assert [_timeless(rows) for rows, _ in (before, after)] == [_timeless(before[0])] * 2
    assert before[1] == after[1] == ["complete"]


def test_many_changes_take_several_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many asks at a time, each with all its files."""
    monkeypatch.setattr(mirrors, "ASKS_MAX", 2)
    for n in range(5):
        world.announce(world.ask(bytes((*bytes(15), n))), f"{n}.jpg")
    counts = []
    for _ in range(4):
        world.step()
        counts.append(len(world.files()))
    assert counts == [2, 4, 5, 5]


def test_the_view_of_an_alarm_shows_its_files(world: World) -> None:
    """One line without a name at first, then one for each file."""
    terminal_id = world.store.terminal_ids([ONE], NOW)[ONE]
    event = alarm(terminal_id, NOW, source=SOURCE, alarm_number=A.hex(), attachment_count=2)
    world.store.write(StoreBatch(alarm_events=[event]), consumer="pipeline", seq=1)
    ask = world.ask()
    world.step()
    assert _shown(world) == [(None, "asked")]
    world.announce(ask, "a.jpg", "b.jpg")
    world.step()
    assert _shown(world) == [("a.jpg", "asked"), ("b.jpg", "asked")]


_STATES = st.sampled_from(["asked", "arriving", "complete", "incomplete", "refused", "withdrawn"])


@given(st.lists(_STATES, max_size=6), st.data())
def test_states_joined_do_not_depend_on_order_or_grouping(states: list[str], data: st.DataObject) -> None:
    """And they are "complete" only when everything is, "none" only when there is nothing."""
    counted = set(states) - {"withdrawn"}
    mixed = data.draw(st.permutations(states))
    assert joined(mixed) == joined(states)
    assert (joined(states) == "complete") == (counted == {"complete"})
    assert (joined(states) == "none") == (not counted)
    assert (joined(states) in ("asked", "arriving")) == bool(counted & {"asked", "arriving"})


def _shown(world: World) -> list[tuple[object, object]]:
    rows = [(row["file_name"], row["file_state"]) for row in world.store.view("evidence_of_alarm")]
    return sorted(rows, key=lambda row: str(row[0]))


def _timeless(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**row, "updated_ms": 0, "id": 0} for name, row in rows.items()}


def _unavailable(*_: object, **__: object) -> None:
    raise StoreUnavailable("gone")
