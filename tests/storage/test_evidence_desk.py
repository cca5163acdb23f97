"""The desk of evidence: every promise of the interface, on every back end there is."""

import multiprocessing
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jtgate.storage.evidence import (
    Ask,
    AskState,
    EvidenceDesk,
    EvidenceError,
    EvidenceFile,
    EvidenceUnavailable,
    FileFacts,
    FileState,
    NewAsk,
    TooManyAsks,
)
from jtgate.storage.open import open_evidence
from jtgate.storage.sqlite.evidence import FILES_MAX, QUIET_MS, SqliteEvidenceDesk, TooManyFiles, UnknownAsk

NOW = 1_790_000_000_000
ONE, TWO = "13800138000", "13900139000"
NUMBER = bytes.fromhex("31303030303030251124103000000200")
NEW = NewAsk(ONE, "jsatl12:0x64", NUMBER, NOW - 5_000, 2)
PICTURE, VIDEO = FileFacts("00_64_6401_0_A.jpg", 16, 0), FileFacts("02_64_6401_0_A.h264", 32, 2)

BACK_ENDS: dict[str, Callable[[Path], EvidenceDesk]] = {"sqlite": open_evidence}
OpenDesk = Callable[[], EvidenceDesk]


@pytest.fixture(params=BACK_ENDS)
def open_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenDesk]:
    """Opens the same desk again and again; all are closed at the end."""
    opened: list[EvidenceDesk] = []

    def make() -> EvidenceDesk:
        opened.append(BACK_ENDS[request.param](tmp_path))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def desk(open_desk: OpenDesk) -> EvidenceDesk:
    """A desk with nothing on it."""
    return open_desk()


def another(sequence: int, terminal: str = ONE) -> NewAsk:
    """Evidence of another alarm."""
    return replace(NEW, terminal=terminal, identification=NUMBER[:-1] + bytes([sequence]))


def issued(desk: EvidenceDesk, new: NewAsk = NEW) -> Ask:
    """An ask whose number the terminal was told."""
    return desk.sent(desk.ask(new, NOW).ask_id, 7, NOW, NOW + 60_000)


def complete(file: EvidenceFile, at_ms: int = NOW) -> EvidenceFile:
    """The file with all of it on disk."""
    size = file.facts.size
    return replace(
        file, state=FileState.COMPLETE, received=((0, size),), sha256="ab" * 32, path="ab/cd", completed_ms=at_ms
    )


def test_an_ask_waits_and_is_due_at_once(desk: EvidenceDesk) -> None:
    """What is noted is to be asked for now, by a number of 32 characters that nobody can guess."""
    ask = desk.ask(NEW, NOW)
    assert (ask.new, ask.state, ask.tries, ask.due_ms, ask.issued_ms) == (NEW, AskState.WAITING, 0, NOW, 0)
    assert len(ask.alarm_number) == 32
    assert set(ask.alarm_number) <= set(string.digits + "ABCDEF")
    assert desk.ask(another(1), NOW).alarm_number != ask.alarm_number
    assert [one.ask_id for one in desk.due(NOW)] == [ask.ask_id, ask.ask_id + 1]
    assert desk.due(NOW - 1) == []
    assert desk.get(ask.ask_id) == ask
    assert desk.get(99) is None


def test_the_same_alarm_is_asked_for_once(desk: EvidenceDesk) -> None:
    """The same report again gives the ask that is there, also when it has ended; another terminal has its own."""
    ask = desk.ask(NEW, NOW)
    assert desk.ask(NEW, NOW + 5) == ask
    ended = desk.end(ask.ask_id, AskState.REFUSED, "says no", NOW)
    assert desk.ask(NEW, NOW + 6) == ended
    assert desk.ask(replace(NEW, terminal=TWO), NOW).ask_id != ask.ask_id
    assert desk.ask(replace(NEW, source="jsatl12:0x65"), NOW).ask_id != ask.ask_id


def test_a_terminal_has_so_many_open_asks_and_no_more(tmp_path: Path) -> None:
    """The limit counts what is open; what has ended makes room."""
    desk = SqliteEvidenceDesk(tmp_path / "evidence.db", asks_max=2)
    first = desk.ask(another(0), NOW)
    desk.ask(another(1), NOW)
    with pytest.raises(TooManyAsks):
        desk.ask(another(2), NOW)
    assert desk.ask(another(0), NOW) == first
    desk.ask(another(2, TWO), NOW)
    desk.end(first.ask_id, AskState.REFUSED, "says no", NOW)
    desk.ask(another(2), NOW)
    desk.close()


def test_sending_counts_and_says_when_next(desk: EvidenceDesk) -> None:
    """Each 0x9208 is counted; the first one is when the number was issued."""
    ask = desk.ask(NEW, NOW)
    assert desk.issued(ask.alarm_number) is None, "nobody was told the number yet"
    first = desk.sent(ask.ask_id, 7, NOW + 1, NOW + 60_000)
    assert (first.state, first.tries, first.command_id, first.issued_ms) == (AskState.ASKED, 1, 7, NOW + 1)
    assert desk.due(NOW + 59_999) == []
    again = desk.sent(ask.ask_id, 8, NOW + 60_000, 0)
    assert (again.tries, again.command_id, again.issued_ms, again.due_ms) == (2, 8, NOW + 1, 0)
    assert desk.due(NOW + 10**9) == [], "0 is never"
    assert desk.open_of(ONE) == [again], "but it is asked again at the login"
    assert desk.issued(ask.alarm_number) == again
    assert desk.issued("F" * 32) is None


def test_an_ask_is_given_up(desk: EvidenceDesk) -> None:
    """What is given up is neither due nor open, keeps its reason, and is not given up twice."""
    ask = issued(desk)
    ended = desk.end(ask.ask_id, AskState.REFUSED, "the terminal says no", NOW)
    assert (ended.state, ended.reason, ended.due_ms) == (AskState.REFUSED, "the terminal says no", 0)
    assert desk.end(ask.ask_id, AskState.INCOMPLETE, "other", NOW + 1).reason == "the terminal says no"
    assert desk.sent(ask.ask_id, 9, NOW, NOW + 5).due_ms == 0
    assert desk.open_of(ONE) == []
    assert desk.due(NOW + 10**9) == []
    assert desk.issued(ask.alarm_number) is not None, "what arrives all the same is welcome"
    with pytest.raises(EvidenceError, match="given up"):
        desk.end(ask.ask_id, AskState.COMPLETE, "", NOW)


def test_an_ask_is_postponed_and_opened_again(desk: EvidenceDesk) -> None:
    """Another time for one that is open; one that has ended without its files can be asked for anew."""
    ask = issued(desk)
    (picture,) = desk.announce(ask.ask_id, [PICTURE], NOW)
    desk.postpone(ask.ask_id, NOW + 5)
    assert [one.ask_id for one in desk.due(NOW + 5)] == [ask.ask_id]
    desk.save(replace(picture, state=FileState.INCOMPLETE, received=((0, 4),), sha256="ab", path="p"), NOW)
    desk.postpone(ask.ask_id, NOW + 5)
    assert desk.due(NOW + 10**9) == [], "it has ended"
    again = desk.again(ask.ask_id, NOW + 7)
    assert (again.state, again.due_ms, again.reason, again.created_ms) == (AskState.WAITING, NOW + 7, None, NOW + 7)
    assert again.alarm_number == ask.alarm_number
    (file,) = desk.files(ask.ask_id)
    assert (file.state, file.received, file.path) == (FileState.ANNOUNCED, (), "p")
    assert desk.again(ask.ask_id, NOW + 8) == again, "an open one stays as it is"
    desk.save(complete(file), NOW)
    assert desk.again(ask.ask_id, NOW + 9).state is AskState.COMPLETE
    other = desk.ask(replace(NEW, source="jsatl12:0x65"), NOW)
    assert [one.ask_id for one in desk.of_alarm(ONE, NUMBER)] == [ask.ask_id, other.ask_id]
    assert desk.of_alarm(TWO, NUMBER) == []


def test_files_arrive_and_the_ask_follows(desk: EvidenceDesk) -> None:
    """Announced, arriving, complete: the ask is complete when the last file is."""
    ask = issued(desk)
    picture, video = desk.announce(ask.ask_id, [PICTURE, VIDEO], NOW)
    assert (picture.facts, picture.state, picture.received) == (PICTURE, FileState.ANNOUNCED, ())
    arriving = desk.get(ask.ask_id)
    assert arriving is not None
    assert (arriving.state, arriving.due_ms) == (AskState.ARRIVING, NOW + QUIET_MS), "asked again when it stalls"
    saved = desk.save(replace(video, state=FileState.ARRIVING, received=((0, 8), (16, 32))), NOW + 1)
    assert saved.received == ((0, 8), (16, 32))
    assert saved.change > arriving.change
    desk.save(complete(picture), NOW + 2)
    assert desk.counts() == {AskState.ARRIVING: 1}
    desk.save(complete(video, NOW + 3), NOW + 3)
    done = desk.get(ask.ask_id)
    assert done is not None
    assert (done.state, done.reason, done.due_ms) == (AskState.COMPLETE, None, 0)
    assert [file.facts.name for file in desk.files(ask.ask_id)] == [PICTURE.name, VIDEO.name]
    assert desk.open_of(ONE) == []


def test_a_file_that_is_given_up_leaves_the_ask_incomplete(desk: EvidenceDesk) -> None:
    """One file in pieces: incomplete; should the rest come after all: complete."""
    ask = issued(desk)
    picture, video = desk.announce(ask.ask_id, [PICTURE, VIDEO], NOW)
    desk.save(complete(picture), NOW)
    torn = desk.save(replace(video, state=FileState.INCOMPLETE, received=((0, 8),)), NOW)
    assert desk.counts() == {AskState.INCOMPLETE: 1}
    desk.save(complete(torn), NOW)
    assert desk.counts() == {AskState.COMPLETE: 1}


def test_a_second_list_keeps_what_has_come(desk: EvidenceDesk) -> None:
    """After a broken link 0x1210 lists what is missing; 0x1211 and 0x1212 correct size and type."""
    ask = issued(desk)
    picture, _ = desk.announce(ask.ask_id, [replace(PICTURE, size=0, file_type=None), VIDEO], NOW)
    desk.save(replace(picture, state=FileState.ARRIVING, received=((0, 4),)), NOW)
    again, _ = desk.announce(ask.ask_id, [PICTURE], NOW + 1)
    assert (again.facts, again.received, again.announced_ms) == (PICTURE, ((0, 4),), NOW)
    untold, _ = desk.announce(ask.ask_id, [FileFacts(PICTURE.name)], NOW + 1)
    assert untold.facts == PICTURE, "0 and nothing do not overwrite what was told"
    desk.save(complete(again), NOW)
    lying, _ = desk.announce(ask.ask_id, [replace(PICTURE, size=99)], NOW + 2)
    assert (lying.state, lying.facts.size) == (FileState.COMPLETE, 16), "what is complete is complete"


def test_a_list_without_files_refuses(desk: EvidenceDesk) -> None:
    """There is nothing to wait for; a later list that has files opens it again."""
    ask = issued(desk)
    assert desk.announce(ask.ask_id, [], NOW) == []
    assert desk.counts() == {AskState.REFUSED: 1}
    desk.announce(ask.ask_id, [PICTURE], NOW)
    assert desk.counts() == {AskState.ARRIVING: 1}


def test_lists_are_bounded_and_files_must_be_known(desk: EvidenceDesk) -> None:
    """Many lists of a hostile terminal do not add up; nothing is saved for a file nobody announced."""
    ask = issued(desk)
    names = [FileFacts(f"{number}.jpg", 1, 0) for number in range(FILES_MAX)]
    (first, *_) = desk.announce(ask.ask_id, names, NOW)
    with pytest.raises(TooManyFiles):
        desk.announce(ask.ask_id, [FileFacts("more.jpg")], NOW)
    assert len(desk.files(ask.ask_id)) == FILES_MAX
    stranger = replace(first, facts=FileFacts("stranger"))
    with pytest.raises(UnknownAsk):
        desk.save(stranger, NOW)
    with pytest.raises(UnknownAsk):
        desk.announce(99, [PICTURE], NOW)
    with pytest.raises(UnknownAsk):
        desk.sent(99, 1, NOW, 0)


def test_changes_are_told_in_their_order(desk: EvidenceDesk) -> None:
    """Whoever mirrors asks for what came after the last change it saw, and gets asks with all their files."""
    one, two = issued(desk), issued(desk, another(1))
    (picture,) = desk.announce(one.ask_id, [PICTURE], NOW)
    told = desk.changes(0)
    assert [ask.ask_id for ask, _ in told] == [two.ask_id, one.ask_id], "by their newest change"
    assert told[1][1] == [picture]
    newest = told[-1][0].change
    assert desk.changes(newest) == []
    desk.save(complete(picture), NOW)
    ((ask, files),) = desk.changes(newest)
    assert (ask.state, [file.state for file in files]) == (AskState.COMPLETE, [FileState.COMPLETE])
    assert len(desk.changes(0, limit=1)) == 1


def test_what_ended_long_ago_is_forgotten(desk: EvidenceDesk) -> None:
    """Open asks stay, whatever their age; files go with theirs."""
    one, two = issued(desk), issued(desk, another(1))
    desk.announce(one.ask_id, [PICTURE], NOW)
    desk.end(one.ask_id, AskState.INCOMPLETE, "nothing came", NOW)
    assert desk.trim(NOW) == 0
    assert desk.trim(NOW + 1) == 1
    assert desk.get(one.ask_id) is None
    assert desk.files(one.ask_id) == []
    assert desk.open_of(ONE) == [two]


def test_it_is_all_there_after_a_restart(open_desk: OpenDesk) -> None:
    """State, received stretches and names of any characters come back as they were."""
    before = open_desk()
    ask = issued(before)
    facts = FileFacts("../../etc/图片 'x'.jpg", 1 << 32 - 1, 4)
    (file,) = before.announce(ask.ask_id, [facts], NOW)
    saved = before.save(replace(file, state=FileState.ARRIVING, received=((0, 5), (9, 1 << 31))), NOW)
    before.close()
    before.close()
    assert open_desk().files(ask.ask_id) == [saved]
    with pytest.raises(EvidenceError):
        before.get(1)


def test_threads_and_processes_share_it(open_desk: OpenDesk, tmp_path: Path) -> None:
    """The same alarm noted from everywhere at once is one ask; every change has a number of its own."""
    desk = open_desk()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: desk.ask(another(number % 10), NOW).ask_id, range(40)))
    assert len(set(found)) == 10
    child = multiprocessing.get_context("spawn").Process(target=_ask_elsewhere, args=(str(tmp_path),))
    child.start()
    for number in range(20):
        desk.ask(another(number, TWO), NOW)
    child.join(30)
    assert child.exitcode == 0
    numbers = [ask.change for ask, _ in desk.changes(0)]
    assert len(numbers) == 30 == len(set(numbers))


def _ask_elsewhere(folder: str) -> None:
    desk = open_evidence(Path(folder))
    for number in range(20):
        desk.ask(another(number, TWO), NOW)
    desk.close()


def test_a_later_release_is_left_alone(open_desk: OpenDesk, tmp_path: Path) -> None:
    """A file with a newer schema is not touched; a folder that cannot be had is told as such."""
    desk = open_desk()
    assert isinstance(desk, SqliteEvidenceDesk)
    with desk._db.locked() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(EvidenceError, match="99"):
        open_desk()
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnavailable):
        open_evidence(tmp_path / "file")


@settings(max_examples=25, deadline=None)
@given(
    states=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(FileState)), max_size=12),
    count=st.integers(1, 3),
)
def test_the_ask_is_what_its_files_are(
    tmp_path_factory: pytest.TempPathFactory, states: list[tuple[int, FileState]], count: int
) -> None:
    """In whatever order files change: complete when all are, open while one is, else incomplete."""
    desk = open_evidence(tmp_path_factory.mktemp("desk"))
    ask = issued(desk)
    files = desk.announce(ask.ask_id, [FileFacts(str(number)) for number in range(count)], NOW)
    now = [FileState.ANNOUNCED] * count
    for number, state in states:
        now[number % count] = state
        desk.save(replace(files[number % count], state=state), NOW)
    found = desk.get(ask.ask_id)
    assert found is not None
    if FileState.ANNOUNCED in now or FileState.ARRIVING in now:
        assert (found.state, found.due_ms > 0, len(desk.open_of(ONE))) == (AskState.ARRIVING, True, 1)
    else:
        expected = AskState.INCOMPLETE if FileState.INCOMPLETE in now else AskState.COMPLETE
        assert (found.state, found.due_ms, desk.open_of(ONE)) == (expected, 0, [])
    desk.close()
