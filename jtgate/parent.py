"""How a child process learns that its parent is gone: the pipe that is its standard input ends."""

import os
import stat
import threading
from collections.abc import Callable


def watch_parent(stop: Callable[[], object]) -> None:
    """Call `stop`, on a thread of its own, when standard input ends; without a pipe there nothing is watched."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def wait() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
