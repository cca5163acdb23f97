"""What the processes of one `jtgate serve` tell each other and the command line, as small files under the data folder.

<data>/serve.lock           held by the supervisor and the children that write: two `serve` on one folder are refused
<data>/run/<child>.json     facts of a running child: pid, and where it listens; written when it is ready
<data>/api-token            token of the HTTP API, made at the first start; for the command line
<data>/run/supervisor.json  state, pid and restarts of every child

Counters are the exception: the files of prometheus_client in multiprocess mode lie on the memory file system where
there is one. A process maps them, so on a full disk it would die of SIGBUS; after a restart they are worth nothing.
"""

import fcntl
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

GATEWAY: Final = "gateway"
PIPELINE: Final = "pipeline"
DERIVER: Final = "deriver"
API: Final = "api"
PUBLISHER: Final = "publisher"
ATTACHMENTS: Final = "attachments"
DEMO: Final = "demo"
SUPERVISOR: Final = "supervisor"

#: The file in the data folder with the token that was made at the first start.
API_TOKEN: Final = "api-token"  # noqa: S105  a name

#: How long a start waits for a lock that is about to be given up, and how often it looks.
LOCK_WAIT_S: Final = 0.5
_LOCK_LOOK_S: Final = 0.05

#: Hosts that stand for every address of this machine.
_ANY_HOST: Final = ("", "0.0.0.0", "::")  # noqa: S104  nothing is bound here
#: An address of documentation (RFC 5737): no machine has it, but there is a way to it.
_ELSEWHERE: Final = ("192.0.2.1", 9)

#: The memory file system of Linux.
_MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108  what we make there is private and checked
#: Where there is none. Not what `tempfile` finds by trying to write: on a full disk every process would find another.
_TEMPORARY_FOLDER: Final = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108
#: Room for the counters of one process: five files that begin with 64 KiB.
_METRICS_BYTES: Final = 1 << 20


class DataFolderBusy(Exception):
    """Another `jtgate serve` uses this data folder.

    Args:
        pid: process id of its supervisor, None when it cannot be told.
        supervisor_alive: False when only children of a killed supervisor are left, finishing their work.
    """

    def __init__(self, pid: int | None, *, supervisor_alive: bool) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid
        self.supervisor_alive = supervisor_alive


def metrics_folder(data: Path) -> Path:
    """Where every process of one `serve` keeps its counters: not in the data folder, but named after its identity.

    Args:
        data: the data folder; two paths of one folder give the same answer.
    """
    memory = _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK | os.X_OK) else _TEMPORARY_FOLDER
    try:
        identity = data.stat()
    except OSError:  # not made yet
        return memory / f"jtgate-{os.geteuid()}-none"
    return memory / f"jtgate-{os.geteuid()}-{identity.st_dev:x}-{identity.st_ino:x}"


def make_metrics_folder(data: Path) -> Path:
    """The folder for counters, made if need be, private, and with room for one more process.

    Raises:
        OSError: there is no room, or somebody else has the name; then a process must not map files there.
    """
    folder = metrics_folder(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a private folder of this user")
    probe = folder / f"room-{os.getpid()}.tmp"
    fd = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _METRICS_BYTES)
    finally:
        os.close(fd)
        probe.unlink(missing_ok=True)
    return folder


def remove_metrics_folder(data: Path) -> None:
    """Forget all counters; what cannot be deleted stays."""
    shutil.rmtree(metrics_folder(data), ignore_errors=True)


def run_file(data: Path, name: str) -> Path:
    """Path of the facts of one process."""
    return data / "run" / f"{name}.json"


def write_run_file(data: Path, name: str, facts: Mapping[str, object]) -> None:
    """Publish facts in one step: a reader sees the old file or the new one, never half of it."""
    path = run_file(data, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(dict(facts)) + "\n", encoding="utf-8")
    beside.replace(path)


def read_run_file(data: Path, name: str) -> dict[str, object] | None:
    """Facts of one process, whether or not it still runs; None when there are none."""
    try:
        facts = json.loads(run_file(data, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def running(data: Path, name: str) -> dict[str, object] | None:
    """Facts of one process if it is alive, else None."""
    facts = read_run_file(data, name)
    pid = facts.get("pid") if facts else None
    return facts if isinstance(pid, int) and is_alive(pid) else None


def evidence_address(data: Path, host: str, port: int) -> tuple[str, int] | None:
    """Where terminals are told to bring evidence files to.

    Args:
        data: the data folder.
        host: of the setting attachment_address, "" for the first address of this machine.
        port: of the same, 0 for the port where the attachment server listens.

    Returns:
        Host and TCP port; None when no attachment server runs.
    """
    facts = running(data, ATTACHMENTS)
    listens = facts.get("port") if facts else None
    if facts is None or not isinstance(listens, int):
        return None
    bound = str(facts.get("host") or "")
    return host or (first_address() if bound in _ANY_HOST else bound), port or listens


def first_address() -> str:
    """The address of this machine that it would send from; 127.0.0.1 when it has no network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def remove_run_file(data: Path, name: str) -> None:
    """Forget the facts of a process that ended."""
    run_file(data, name).unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """True when a process with this id exists and is not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # no /proc on this system
        return True
    return stat.rpartition(")")[2].split()[0] != "Z"


def lock_path(data: Path) -> Path:
    """The lock file of a data folder."""
    return data / "serve.lock"


def take_lock(data: Path, *, wait_s: float = LOCK_WAIT_S) -> int:
    """Lock the data folder for this process and whoever inherits the descriptor.

    Children that write inherit it, so a killed supervisor does not free the folder before they are done.

    Args:
        data: the data folder; it exists.
        wait_s: how long to wait for the other one to let go.

    Returns:
        An open file descriptor; closing the last copy of it frees the folder.

    Raises:
        DataFolderBusy: another `serve` holds it.
        OSError: the folder cannot be written.
    """
    fd = os.open(lock_path(data), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                pid = _written_pid(fd)
                os.close(fd)
                raise DataFolderBusy(pid, supervisor_alive=pid is not None and is_alive(pid)) from None
            time.sleep(_LOCK_LOOK_S)
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def lock_holder(data: Path) -> int | None:
    """Process id of the supervisor that holds the folder (0 when it cannot be told); None when it is free."""
    try:
        fd = os.open(lock_path(data), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written_pid(fd) or 0
    finally:
        os.close(fd)
    return None


def _written_pid(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None
