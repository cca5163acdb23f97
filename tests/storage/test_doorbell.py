"""Doorbells: whoever watches is told within a moment, and who rings never waits."""

import os
import threading
import time
from pathlib import Path

import pytest

from jtgate.storage import doorbell
from jtgate.storage.doorbell import Doorbells


def test_everybody_who_watches_is_rung(tmp_path: Path) -> None:
    """In a folder that is made for it; nobody after close, and nothing is left behind."""
    bells = Doorbells(tmp_path / "run" / "bells")
    assert bells.ring() == 0
    events = [threading.Event() for _ in range(3)]
    answering = [bells.answer(event.set, looks=lambda: False) for event in events]
    assert [one.has_bell for one in answering] == [True] * 3

    assert bells.ring() == 3
    assert all(event.wait(5) for event in events)
    answering[0].close()
    answering[0].close()
    assert bells.ring() == 2
    for one in answering:
        one.close()
    assert list((tmp_path / "run" / "bells").iterdir()) == []
    assert (tmp_path / "run" / "bells").stat().st_mode & 0o777 == 0o700


def test_a_bell_that_nobody_hears_any_more_is_taken_down(tmp_path: Path) -> None:
    """As after a SIGKILL."""
    os.mkfifo(tmp_path / "1-dead.bell")
    (tmp_path / "2-no-pipe.bell").write_text("x")
    assert Doorbells(tmp_path).ring() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["2-no-pipe.bell"]
    assert (tmp_path / "2-no-pipe.bell").read_text() == "x"


def test_ringing_never_waits(tmp_path: Path) -> None:
    """Not even when the one who watches is busy and its pipe is full of rings."""
    busy = threading.Event()
    answering = Doorbells(tmp_path).answer(lambda: busy.wait(20), looks=lambda: False)  # type: ignore[arg-type, return-value]
    began = time.monotonic()
    heard = sum(Doorbells(tmp_path).ring() for _ in range(70_000 if os.environ.get("JTGATE_SOAK") else 5000))
    took_s = time.monotonic() - began
    busy.set()
    answering.close()
    assert heard >= 5000
    assert took_s < 20


@pytest.mark.parametrize("has_news", [True, False])
def test_one_looks_by_itself_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_news: bool) -> None:
    """A ring may be lost; without anything new nothing is said."""
    monkeypatch.setattr(doorbell, "LOOK_S", 0.01)
    called = threading.Event()
    answering = Doorbells(tmp_path).answer(called.set, looks=lambda: has_news)
    assert called.wait(0.3) is has_news
    answering.close()


def test_without_room_for_a_bell_one_looks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that takes no pipes, or has too many, costs latency and nothing else."""
    monkeypatch.setattr(doorbell, "LOOK_S", 0.01)
    monkeypatch.setattr(doorbell, "BELLS_MAX", 1)
    first = Doorbells(tmp_path).answer(lambda: None)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "file"):
        called = threading.Event()
        second = Doorbells(folder).answer(called.set)
        assert not second.has_bell
        assert called.wait(5)
        second.close()
    first.close()
