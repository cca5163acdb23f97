"""Doorbells: how a process tells others on the same machine that there is something new to look at.

Whoever wants to be told makes a named pipe (FIFO) in the folder of bells and reads it on a thread; whoever has changed
something writes a byte to every pipe there, without ever waiting. A ring says "look", not what there is to see; it may
be lost (with the process that was to ring), so those who wait look by themselves now and then as well.
"""

import contextlib
import errno
import os
import select
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: Bells in one folder; beyond it one looks by itself only.
BELLS_MAX: Final = 256
#: How often one looks without having been rung for, seconds.
LOOK_S: Final = 0.25
_SUFFIX: Final = ".bell"
_RING: Final = b"!"
_READ_BYTES: Final = 4096


class Doorbells:
    """The bells of one folder.

    Args:
        folder: where they are; made when it is missing, for this user only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self) -> int:
        """Ring for everybody; how many heard it. It never waits and never fails."""
        heard = 0
        try:
            names = [entry.path for entry in os.scandir(self._folder) if entry.name.endswith(_SUFFIX)]
        except OSError:
            return 0
        for name in names[:BELLS_MAX]:
            heard += _ring(name)
        return heard

    def answer(self, callback: Callable[[], None], *, looks: Callable[[], bool] = lambda: True) -> "Answering":
        """Call back on a thread whenever somebody rings, and every LOOK_S when `looks` says so.

        Args:
            callback: must not raise; several rings may be one call.
            looks: whether there may be something new although nobody rang.
        """
        return Answering(self._folder, callback, looks)


class Answering:
    """A bell of our own, and the thread that hears it; see Doorbells.answer."""

    def __init__(self, folder: Path, callback: Callable[[], None], looks: Callable[[], bool]) -> None:
        self._callback = callback
        self._looks = looks
        self._closing = threading.Event()
        self._ending = threading.Lock()
        self._has_ended = False
        self._path, self._fd = _hang(folder)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._hear, name="doorbell", daemon=True)
        self._thread.start()

    @property
    def has_bell(self) -> bool:
        """Whether others can ring; without a bell we only look by ourselves."""
        return self._path is not None

    def close(self) -> None:
        """Hear no more; safe to call twice, and from the callback."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108
        with self._ending:
            if not self._has_ended:
                os.write(self._wake_write, _RING)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _hear(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self._fd >= 0:
            poll.register(self._fd, select.POLLIN)
        try:
            while not self._closing.is_set():
                rung = [fd for fd, _ in poll.poll(LOOK_S * 1000)]
                if self._closing.is_set():
                    return
                if self._fd in rung:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._fd, _READ_BYTES)
                if rung or self._looks():
                    self._callback()
        finally:
            with self._ending:
                self._has_ended = True
                for fd in (self._wake_read, self._wake_write, self._fd):
                    if fd >= 0:
                        os.close(fd)


def _hang(folder: Path) -> tuple[str | None, int]:
    """Make a bell and open it for reading and writing, so that it never ends; (None, -1) where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(os.listdir(folder)) >= BELLS_MAX:  # noqa: PTH208
            Doorbells(folder).ring()  # which removes those that nobody hears
            if len(os.listdir(folder)) >= BELLS_MAX:  # noqa: PTH208
                return None, -1
        unheard = str(folder / f"{os.getpid()}-{os.urandom(6).hex()}")
        os.mkfifo(unheard, 0o600)
        fd = os.open(unheard, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.rename(unheard, unheard + _SUFFIX)  # noqa: PTH104  only now it can be rung, and taken down
        return unheard + _SUFFIX, fd
    except OSError:
        return None, -1


def _ring(name: str) -> bool:
    """Ring one bell; a bell that nobody hears any more is taken down."""
    try:
        fd = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
        return False
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
        os.write(fd, _RING)
    except BlockingIOError:
        return True  # it is full of rings: somebody will look
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)
