"""The attachment server process: listeners, the once-a-second work, and the order of shutdown.

Stop: 1 stop accepting  2 close every link and note how far its files came  3 close desk and files.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from jtgate.gateway.attachments import metrics
from jtgate.gateway.attachments.links import LINKS_MAX, Hub, TcpDoor, UdpDoor
from jtgate.gateway.attachments.shelf import Shelf
from jtgate.gateway.attachments.upload import Upload
from jtgate.runfiles import ATTACHMENTS, remove_run_file, write_run_file
from jtgate.settings import Settings
from jtgate.storage.evidence import EvidenceError
from jtgate.storage.files import FileStoreError
from jtgate.storage.open import open_evidence, open_files
from jtgate.storage.s3 import S3Files

log = structlog.get_logger("attachments")

#: Threads that write, flush and hash.
THREADS: Final = 4
TICK_S: Final = 1.0
SWEEP_S: Final = 600.0
#: How long step 2 of the shutdown may take.
NOTE_S: Final = 6.0
LISTEN_BACKLOG: Final = 1024


class ConfigurationError(Exception):
    """The server cannot start with these settings; the sentence says what to change."""


class AttachmentServer:
    """One attachment server.

    Args:
        settings: of `jtgate serve`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._s3_told = {"uploaded": 0, "deleted": 0, "failures": 0}
        self._s3_failure = ""
        self.port = 0

    async def start(self) -> None:
        """Open everything and listen.

        Raises:
            ConfigurationError: the port is taken, or desk or folder cannot be opened.
        """
        settings = self._settings
        try:
            self._desk = open_evidence(settings.data, asks_max=settings.evidence_asks_max)
            self._files = open_files(settings.data, settings.evidence_s3, uploads=True)
        except (EvidenceError, FileStoreError, ValueError) as error:
            raise ConfigurationError(f"cannot open the evidence in {settings.data}: {error}") from error
        self._shelf = Shelf(self._desk, self._files)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
        loop = asyncio.get_running_loop()
        per_address_max = min(settings.connections_per_address_max, LINKS_MAX)
        self.hub = Hub(loop, self._threads, self._upload, per_address_max=per_address_max)
        try:
            await self._listen(loop)
        except ConfigurationError:
            self._close_files()
            raise
        self._tasks = [
            asyncio.create_task(_every(TICK_S, self._tick), name="attachments-tick"),
            asyncio.create_task(_every(SWEEP_S, self._sweep), name="attachments-sweep"),
        ]
        write_run_file(
            settings.data,
            ATTACHMENTS,
            {"pid": os.getpid(), "host": settings.host, "port": self.port, "udp_port": self.port},
        )
        log.info("attachments.listening", host=settings.host, port=self.port, open=settings.attachment_open == "yes")

    async def stop(self) -> None:
        """The order of shutdown, see the module."""
        log.info("attachments.stopping", links=len(self.hub.links))
        if self._server is not None:
            self._server.close()
        if not await self.hub.close_all(NOTE_S):
            log.warning("attachments.not_noted", links=len(self.hub.links))
        if self._udp is not None:
            self._udp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_files()
        remove_run_file(self._settings.data, ATTACHMENTS)

    def _upload(self) -> Upload:
        settings = self._settings
        return Upload(self._shelf, bytes_max=settings.evidence_bytes_max, is_open=settings.attachment_open == "yes")

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        settings, hub = self._settings, self.hub
        try:
            self._server = await loop.create_server(
                lambda: TcpDoor(hub), settings.host, settings.attachment_port, backlog=LISTEN_BACKLOG
            )
            self.port = self._server.sockets[0].getsockname()[1]
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: UdpDoor(hub), local_addr=(settings.host, self.port)
            )
        except OSError as error:
            if self._server is not None:
                self._server.close()
            raise ConfigurationError(
                f"cannot listen for evidence on {settings.host}:{settings.attachment_port}: "
                f"{error.strerror or error}; choose another port with --attachment-port, -1 for none"
            ) from error

    async def _tick(self) -> None:
        self.hub.tick()
        if isinstance(self._files, S3Files):
            await self._tell_of_s3(self._files)

    async def _tell_of_s3(self, files: S3Files) -> None:
        for what, told in self._s3_told.items():
            now: int = getattr(files, what)
            metrics.S3_DONE.labels(what).inc(now - told)
            self._s3_told[what] = now
        if files.last_failure != self._s3_failure:
            self._s3_failure = files.last_failure
            if self._s3_failure:
                log.warning("attachments.s3_failed", error=self._s3_failure)
            else:
                log.info("attachments.s3_works")
        loop = asyncio.get_running_loop()
        metrics.S3_WAITING.set(await loop.run_in_executor(self._threads, files.waiting))

    async def _sweep(self) -> None:
        count = await asyncio.get_running_loop().run_in_executor(self._threads, self._shelf.sweep)
        if count:
            log.info("attachments.swept", count=count)

    def _close_files(self) -> None:
        self._threads.shutdown()
        self._desk.close()
        self._files.close()


async def _every(pause_s: float, work: Callable[[], object]) -> None:
    """Do something again and again; a fault is logged and does not end it."""
    while True:
        try:
            outcome = work()
            if asyncio.iscoroutine(outcome):
                await outcome
        except Exception:  # whatever it is, links must go on being closed in time
            log.exception("attachments.work_failed")
        await asyncio.sleep(pause_s)
