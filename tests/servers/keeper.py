"""Runs a server as its child for as long as somebody holds this program's standard input open.

A test process that is killed cannot stop its servers. The pipe it held then ends, and the keeper stops the server
and removes its folders. Should the keeper be killed too, the kernel tells the server (Linux).

    keeper.py [--user NAME] --remove FOLDER … -- PROGRAM ARGUMENT …     prints the process id of the server

What the server prints goes to the keeper's standard error.
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

#: SIGQUIT is "immediate shutdown" to PostgreSQL: no goodbye, no checkpoint.
STOP_SIGNAL = signal.SIGQUIT
STOP_S = 10.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In the child: get STOP_SIGNAL when the keeper is gone; only Linux can do that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(STOP_SIGNAL), 0, 0, 0)


def identity(user: str | None) -> dict[str, object]:
    """What makes subprocess run a program as another user."""
    if user is None:
        return {}
    found = pwd.getpwnam(user)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def main() -> int:
    """Run the server; its exit code, or 1 when it had to be stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user")
    parser.add_argument("--remove", type=Path, action="append", help="folder that goes when the owner is gone")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    child = subprocess.Popen(
        asked.command[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=die_with_parent,  # noqa: PLW1509  no threads yet
        **identity(asked.user),  # type: ignore[call-overload]
    )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    deserted = threading.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        deserted.set()
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(STOP_SIGNAL)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()

    threading.Thread(target=watch, name="owner-watch", daemon=True).start()
    code: int = child.wait()
    if deserted.is_set():
        for folder in asked.remove or []:
            shutil.rmtree(folder, ignore_errors=True)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
