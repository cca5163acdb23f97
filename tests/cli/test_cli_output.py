"""Where what a command prints goes: closed pipes, full disks, narrow character sets, and no file at all."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import NOW_MS, World

from jtgate.storage.records import SessionEvent, pack_session

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (["decode", "7e0200"], ["--help"], ["store", "info"], ["tail", "--from-start", "--count", "1"])


@pytest.fixture
def served(story: World, spool: Callable[..., int]) -> World:
    """A data folder in which everything has something to print."""
    spool(pack_session(NOW_MS * 1000, 0, SessionEvent.GATEWAY_STARTED, {}))
    return story


def run(arguments: list[str], data: Path, stdout: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "jtgate.cli", *arguments],
        check=False,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=30,
        cwd=ROOT,
        env={**os.environ, "JTGATE_DATA": str(data), **variables},
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
def test_a_reader_that_has_enough_is_no_news(served: World, arguments: list[str]) -> None:
    """`jtgate … | head` ends without a word, and with 1, as the page says."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run(arguments, served.data, writer)
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: words[0])
def test_output_that_does_not_fit_is_said_in_a_sentence(served: World, arguments: list[str]) -> None:
    """A full disk under `jtgate … > file` is no fault of the data folder, and no traceback."""
    full = os.open("/dev/full", os.O_WRONLY)
    done = run(arguments, served.data, full)
    os.close(full)

    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "error: the output cannot be written: No space left on device",
        "  next: make room or permit it, then try again",
    ]


@pytest.mark.parametrize(("encoding", "read_as"), [("ascii", "utf-8"), ("gbk", "gbk")])
def test_signs_that_the_terminal_lacks_are_replaced(tmp_path: Path, encoding: str, read_as: str) -> None:
    """Chinese text comes out under any locale, and a sign that GBK lacks is a question mark."""
    done = run(["decode", "7e0200"], tmp_path, subprocess.PIPE, PYTHONIOENCODING=encoding)

    assert (done.returncode, done.stderr) == (1, b"")
    assert "无效数据" in done.stdout.decode(read_as)


def test_closed_standard_files_do_not_stop_a_fleet(tmp_path: Path) -> None:
    """A daemon may start us with nothing open; a socket must not become standard output."""
    words = "simulate fleet --port 1 --terminals 1 --duration 0.1"
    line = f"{sys.executable} -m jtgate.cli {words} <&- >&- 2>&-"

    assert subprocess.run(["/bin/sh", "-c", line], check=False, timeout=30, cwd=ROOT).returncode == 69
