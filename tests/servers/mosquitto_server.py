"""Mosquitto brokers for tests: private ones, which tests may stop, kill, freeze and start again on the same port.

A broker lives in a folder of its own below the folder for temporary files, listens on a free port of 127.0.0.1 only,
and keeps its messages over a restart as docs/mqtt.md advises. `keeper.py` stops it when the test process is gone.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from postgres_server import KEEPER, free_port, install, is_alive, one_at_a_time

VERSION_MIN = (2, 0)
START_S = 20.0
STOP_S = 20.0
LOOK_S = 0.01
#: Another process may take a free port between looking and listening.
PORT_TRIES = 5

#: What docs/mqtt.md advises: nothing that was acknowledged to a sender is thrown away while we are away.
SETTINGS = {
    "persistence": "true",
    "max_queued_messages": "1000000",
    "max_inflight_messages": "1000",
    "set_tcp_nodelay": "true",  # otherwise it waits 40 ms for company, now and then
    "log_type": "error",
}


class MosquittoMissing(Exception):
    """No Mosquitto to be had on this machine; the text says why and what to do."""


class MosquittoFailed(Exception):
    """A broker did not do what it was told; the text ends with its log."""


def installed() -> Path | None:
    """The program, from VERSION_MIN on; None when there is none."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        return None
    told = subprocess.run([found, "-h"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"mosquitto version (\d+)\.(\d+)", told)
    return Path(found) if version and (int(version[1]), int(version[2])) >= VERSION_MIN else None


def program() -> Path:
    """The program, installing it when that is possible; the package's own service is not started.

    Raises:
        MosquittoMissing: there is none from VERSION_MIN on.
    """
    found = installed()
    why = ""
    if found is None:
        with one_at_a_time("jtgate-apt"):
            found = installed()  # another test process may have been first
            why = "" if found else install("mosquitto")
        found = found or installed()
    if found is None:
        reason = why or "the one that apt-get installs is too old"
        wanted = ".".join(map(str, VERSION_MIN))
        raise MosquittoMissing(f"no Mosquitto from {wanted} on: {reason}; install it (apt-get install mosquitto)")
    return found


class MosquittoServer:
    """A private broker; nothing runs before `start`.

    Args:
        binary: see `program`.
        settings: of mosquitto.conf, beside SETTINGS.
        password: clients need one, made up here; `url` has it.
        tls: certificate chain and key in PEM; `url` is then mqtts://localhost.
    """

    def __init__(
        self,
        binary: Path,
        *,
        settings: Mapping[str, str] | None = None,
        password: bool = False,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="jtgate-mosquitto-"))
        self.log = self.folder / "broker.log"
        self.password = secrets.token_urlsafe(24) if password else ""
        self._binary = binary
        self._settings = {**SETTINGS, **(settings or {})}
        self._tls = tls
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._started = False

    def __enter__(self) -> Self:
        """Start it."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop it and remove its folder."""
        self.close()

    @property
    def url(self) -> str:
        """Address with user and password, if any."""
        scheme, host = ("mqtts", "localhost") if self._tls else ("mqtt", "127.0.0.1")
        who = f"jtgate:{quote(self.password)}@" if self.password else ""
        return f"{scheme}://{who}{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker; None when it does not run."""
        return self._pid if self._pid is not None and is_alive(self._pid) else None

    def start(self) -> None:
        """Start it, on the port it had before; the first time, on another one when its own was taken meanwhile.

        Raises:
            MosquittoFailed: it does not come up.
        """
        if self.pid is not None:
            return
        for tries_left in reversed(range(1 if self._started else PORT_TRIES)):
            try:
                self._run()
                break
            except MosquittoFailed:
                self._reap(signal.SIGKILL)
                if not tries_left:
                    raise
                self.port = free_port()
        self._started = True

    def stop(self) -> None:
        """Stop it in good order: it writes down sessions and messages; harmless when it does not run."""
        self._reap(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what it had not written down is gone."""
        self._reap(signal.SIGKILL)

    def restart(self, mode: str = "stop") -> None:
        """Stop it, or "kill" it, and start it again on the same port."""
        if mode == "kill":
            self.kill()
        else:
            self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it neither read nor answer, as a broker behind a dead link."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it for good and remove its folder."""
        with suppress(MosquittoFailed):
            self._reap(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ------------------------------------------------------------------------------------------- steps

    def _configuration(self) -> Path:
        """Write mosquitto.conf."""
        lines = [f"listener {self.port} {'localhost' if self._tls else '127.0.0.1'}"]
        lines += [f"persistence_location {self.folder}/", f"log_dest file {self.log}"]
        if os.geteuid() == 0:
            lines.append("user root")  # the folder is ours, and so is the machine's every free port
        if self._tls:
            lines += [f"certfile {self._tls[0]}", f"keyfile {self._tls[1]}"]
        if self.password:
            lines += ["allow_anonymous false", f"password_file {self._password_file()}"]
        else:
            lines.append("allow_anonymous true")
        lines += [f"{name} {value}" for name, value in self._settings.items()]
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def _password_file(self) -> Path:
        path = self.folder / "passwords"
        if not path.exists():
            path.touch(0o600)
            path.write_text(f"jtgate:{self.password}\n", encoding="utf-8")
            subprocess.run(["mosquitto_passwd", "-U", path], check=True, capture_output=True, timeout=START_S)
        return path

    def _run(self) -> None:
        """Start the keeper with the broker and wait until it takes connections."""
        keeper = [sys.executable, str(KEEPER), "--remove", str(self.folder), "--"]
        broker = [str(self._binary), "-c", str(self._configuration())]
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [*keeper, *broker],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; the broker goes when they are through
            )
        assert self._keeper.stdout is not None
        self._pid = int(self._keeper.stdout.readline() or 0) or None
        self._keeper.stdout.close()
        deadline = time.monotonic() + START_S
        while True:
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise MosquittoFailed(f"the broker did not come up{self._end_of_log()}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(LOOK_S)

    def _reap(self, number: signal.Signals) -> None:
        """Send a signal and wait for the keeper."""
        keeper, pid = self._keeper, self.pid
        if keeper is None:
            return
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, number)
        try:
            keeper.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise MosquittoFailed(f"the broker did not stop in {STOP_S:.0f} s{self._end_of_log()}") from None
        finally:
            if keeper.poll() is not None:
                self._keeper = None
            if keeper.stdin is not None and self._keeper is None:
                keeper.stdin.close()

    def _end_of_log(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        except OSError:
            return ""
        return "\n" + "\n".join(lines)
