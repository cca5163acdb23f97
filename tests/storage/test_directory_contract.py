"""What any directory does, whatever stands behind it."""

from collections.abc import Callable
from typing import Any

import pytest

from jtgate.codecs.encryption import PublicKey
from jtgate.storage.contract.rows import T0_MS
from jtgate.storage.directory import (
    Directory,
    DirectoryError,
    DirectoryFull,
    KickRequest,
    LiveSession,
    TerminalNote,
)

DirectoryOpener = Callable[[], Directory]


def live(session_id: int = 1, terminal: str = "13800000001", **values: Any) -> LiveSession:
    """A live session."""
    facts: dict[str, Any] = {
        "session_id": session_id,
        "terminal": terminal,
        "phone": terminal.rjust(12, "0"),
        "edition": "2013",
        "transport": "tcp",
        "peer": "192.0.2.1:4000",
        "state": "online",
        "how": "authenticated",
        "online_since_ms": T0_MS + session_id,
        "last_received_ms": T0_MS + session_id,
        "frames": 1,
        "bad_frames": 0,
        "bytes_in": 100,
        "last_msg_id": 0x0200,
    }
    return LiveSession(**(facts | values))


def test_sessions_are_published_and_withdrawn(open_directory: DirectoryOpener) -> None:
    """Another process sees what the gateway published, latest first; what is gone is gone."""
    gateway, operator = open_directory(), open_directory()
    gateway.start(T0_MS)
    first, second, third = live(1, "13800000001"), live(2, "13900000001"), live(3, "13800000002")
    gateway.publish([first, second, third], [])
    assert operator.sessions() == [third, second, first]
    assert operator.sessions(terminal_prefix="138") == [third, first]
    assert operator.sessions(limit=1) == [third]
    assert operator.session("013800000001") == first
    assert operator.session("7") is None
    assert operator.count() == 3

    changed = live(1, "13800000001", frames=99)
    gateway.publish([changed], [2, 77])
    assert operator.sessions() == [third, changed]
    gateway.publish([], [])
    assert operator.count() == 2


def test_the_newest_connection_of_a_terminal_is_its_session(open_directory: DirectoryOpener) -> None:
    """While an old connection lingers, the new one is shown; publishing and withdrawing in one step keeps the new."""
    directory = open_directory()
    directory.publish([live(1)], [])
    directory.publish([live(2)], [])
    assert directory.session("13800000001") == live(2)
    directory.publish([live(3)], [1, 2])
    assert directory.sessions() == [live(3)]


def test_a_starting_gateway_forgets_what_was(open_directory: DirectoryOpener) -> None:
    """Live sessions of the previous run are gone and its requests answered; known terminals stay."""
    directory = open_directory()
    directory.publish([live(1)], [])
    directory.add_known(["13800000001"])
    old = directory.ask_kick("13800000001", "operator", T0_MS - 1)
    directory.start(T0_MS)

    assert directory.count() == 0
    assert directory.take_requests() == []
    assert directory.outcome(old) == "not_online"
    assert directory.known() == frozenset({"13800000001"})


def test_a_kick_travels_to_the_gateway_and_back(open_directory: DirectoryOpener) -> None:
    """A request is offered until it is finished, oldest first, and its outcome can be asked for."""
    gateway, operator = open_directory(), open_directory()
    assert gateway.take_requests() == []
    first = operator.ask_kick("013800000001", "operator", T0_MS)
    second = operator.ask_kick("13800000002", "api", T0_MS + 1)
    expected = [
        KickRequest(first, "13800000001", "operator", T0_MS),
        KickRequest(second, "13800000002", "api", T0_MS + 1),
    ]
    assert gateway.take_requests() == expected
    assert gateway.take_requests() == expected
    assert operator.outcome(first) is None

    gateway.finish(first, "closed")
    assert gateway.take_requests() == expected[1:]
    gateway.finish(second, "not_online")
    gateway.finish(second, "closed")
    assert gateway.take_requests() == []
    assert (operator.outcome(first), operator.outcome(second)) == ("closed", "not_online")
    assert operator.outcome(999) is None


def test_the_version_changes_when_others_write(open_directory: DirectoryOpener) -> None:
    """Polling is cheap: the number stands still until another process has written."""
    gateway, operator = open_directory(), open_directory()
    version = gateway.version()
    assert gateway.version() == version
    gateway.publish([live(1)], [])
    assert gateway.version() == version

    operator.add_known(["1"])
    assert gateway.version() != version
    version = gateway.version()
    operator.ask_kick("1", "operator", T0_MS)
    assert gateway.version() != version


def test_known_terminals(open_directory: DirectoryOpener) -> None:
    """Terminals are registered once, without leading zeros, and survive a restart."""
    directory = open_directory()
    assert directory.known() == frozenset()
    assert directory.add_known(["013800000001", "13800000001", "13800000002"]) == 2
    assert directory.add_known(["13800000001"]) == 0
    directory.close()

    directory = open_directory()
    assert directory.known() == {"13800000001", "13800000002"}
    assert directory.remove_known(["0013800000001", "999"]) == 1
    assert directory.known() == {"13800000002"}


def test_limits_are_refusals(open_directory: DirectoryOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open requests or known terminals are refused as a whole; finishing makes room."""
    monkeypatch.setattr("jtgate.storage.sqlite.directory.REQUESTS_OPEN_MAX", 3)
    monkeypatch.setattr("jtgate.storage.sqlite.directory.KNOWN_MAX", 2)
    directory = open_directory()
    requests = [directory.ask_kick("1", "operator", T0_MS) for _ in range(3)]
    with pytest.raises(DirectoryFull):
        directory.ask_kick("1", "operator", T0_MS)
    directory.finish(requests[0], "closed")
    directory.ask_kick("1", "operator", T0_MS)

    directory.add_known(["1"])
    with pytest.raises(DirectoryFull):
        directory.add_known(["2", "3"])
    assert directory.known() == {"1"}


def test_old_outcomes_are_forgotten(open_directory: DirectoryOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished requests do not pile up for ever."""
    monkeypatch.setattr("jtgate.storage.sqlite.directory.REQUESTS_FINISHED_MAX", 2)
    directory = open_directory()
    requests = [directory.ask_kick("1", "operator", T0_MS) for _ in range(5)]
    for request in requests:
        directory.finish(request, "closed")
    assert [directory.outcome(request) for request in requests] == [None, None, None, "closed", "closed"]


def test_notes_add_up_and_survive(open_directory: DirectoryOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not told stays; another process sees it; those noted first are forgotten at a limit."""
    key, other = PublicKey(65_537, (1 << 1023) + 1), PublicKey(3, (1 << 1023) + 3)
    directory = open_directory()
    directory.note([TerminalNote("1", "70111", "BSJ"), TerminalNote("2", key=key)])
    directory.note([TerminalNote("1", key=key), TerminalNote("2", model="X", key=other)])
    directory.note([])
    reader = open_directory()
    assert reader.models() == {"1": ("70111", "BSJ"), "2": ("", "X")}
    assert [reader.key_of(terminal) for terminal in ("01", "2", "3")] == [key, other, None]
    monkeypatch.setattr("jtgate.storage.sqlite.directory.NOTES_MAX", 2)
    directory.note([TerminalNote("3", "70112"), TerminalNote("1", model="NEW")])
    assert reader.models() == {"2": ("", "X"), "3": ("70112", "")}


def test_a_closed_directory_says_so(open_directory: DirectoryOpener) -> None:
    """Closing twice is harmless; asking afterwards is a typed error."""
    directory = open_directory()
    directory.close()
    directory.close()
    with pytest.raises(DirectoryError, match="closed"):
        directory.known()
