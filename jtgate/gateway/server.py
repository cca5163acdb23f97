"""The gateway process: listeners, the once-a-second work, and the written order of shutdown.

Start: secret → spool → directory → commit thread → "started" record → command bus → listeners → status file.
Stop:  1 stop accepting  2 stop reading  3 commit and answer what was read  4 close every link with a reason
       5 commit the session records, leave the MQTT broker  6 tell command bus and directory  7 close all of them.
"""

import asyncio
import errno
import os
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from jtgate.codecs.registry import BODY_BYTES_MIN
from jtgate.codecs.timebase import now_ms, now_us
from jtgate.gateway import metrics
from jtgate.gateway.commands import Dispatcher
from jtgate.gateway.committer import Committer
from jtgate.gateway.hub import Hub
from jtgate.gateway.identity import Gatekeeper, load_secret
from jtgate.gateway.mqtt import MqttDoor
from jtgate.gateway.readings import Readings
from jtgate.gateway.tcp import Doorstep
from jtgate.gateway.udp import UdpDoor
from jtgate.profiles import ProfilesError
from jtgate.profiles import load as load_profiles
from jtgate.runfiles import GATEWAY, remove_run_file, write_run_file
from jtgate.settings import Settings
from jtgate.storage.commands import CommandError
from jtgate.storage.directory import Directory, DirectoryError, KickRequest, LiveSession, TerminalNote
from jtgate.storage.open import open_commands, open_directory, open_spool_progress, open_spool_writer
from jtgate.storage.records import Transport
from jtgate.storage.rsa_key import PlatformKey, RsaKeyError
from jtgate.storage.spool import SpoolError, SpoolProgress

log = structlog.get_logger("gateway")
T = TypeVar("T")

#: Ids whose frames the compiled lane stores and answers alone: there is nothing to decide about them (§3.1).
LANE_IDS = (0x0002, 0x0200, 0x0704)

#: Connections the kernel may hold for us while the loop is busy.
LISTEN_BACKLOG = 4096

TICK_S = 1.0
REQUESTS_S = 0.25
#: Each round a part of the live sessions is published, so that all have their turn once a second.
PUBLISH_PARTS = 4
RETAIN_S = 5.0
#: How long steps 3 and 5 of the shutdown may take, each.
DRAIN_S = 3.0
#: A TLS client has so long to say hello.
HANDSHAKE_S = 10.0


class ConfigurationError(Exception):
    """The gateway cannot start with these settings; the sentence says what to change."""


def plain_ids() -> bytes:
    """The table that tells the lane which frames it may take: 1 + least body length, 0 for the others."""
    table = bytearray(65536)
    for msg_id in LANE_IDS:
        table[msg_id] = 1 + BODY_BYTES_MIN.get(msg_id, 0)
    return bytes(table)


class Gateway:
    """One gateway process.

    Args:
        settings: of `jtgate serve`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        settings.data.mkdir(parents=True, exist_ok=True)
        self._directory: Directory = open_directory(settings.data)
        self._known = self._directory.known()
        self._known_version = self._directory.version()
        self._progress: SpoolProgress = open_spool_progress(settings.data)
        gatekeeper = Gatekeeper(load_secret(settings.data / "secret"), settings.policy, lambda: self._known)
        self.hub = Hub(settings, gatekeeper, self._readings())
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._round = 0
        self._started_ms = now_ms()
        self._damaged_told = 0  # damaged segments in the metrics
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        self._udp: asyncio.DatagramTransport | None = None
        self._mqtt: MqttDoor | None = None
        self._mqtt_told: dict[str, object] = {}  # in the status file
        self.port = 0
        self.tls_port = 0

    def _readings(self) -> Readings:
        """Profiles and key; a fault in either is told before anything listens.

        Raises:
            ConfigurationError: a file of profiles or the key is wrong.
        """
        settings = self._settings
        try:
            assignments = load_profiles(settings.profiles).assignments
            key = PlatformKey(settings.data, settings.rsa_key)
            key.check()
        except ProfilesError as error:
            raise ConfigurationError(f"{error.message}; {error.advice}") from error
        except RsaKeyError as error:
            raise ConfigurationError(str(error)) from error
        return Readings(assignments, key, self._directory.models() if assignments.ask_models else None)

    async def start(self) -> None:
        """Open everything and listen.

        Raises:
            ConfigurationError: a port is taken, a certificate cannot be read.
        """
        settings = self._settings
        loop = asyncio.get_running_loop()
        self._spool = open_spool_writer(
            settings.data, bytes_max=settings.spool_bytes_max, keep_us=int(settings.spool_keep_hours * 3600e6)
        )
        self.hub.committer = Committer(
            loop,
            self._spool,
            plain_ids(),
            self.hub.counters,
            self.hub,
            pending_bytes_max=settings.pending_bytes_max,
            durable=settings.ack == "durable",
        )
        self._directory.start(now_ms())
        self.hub.announce()
        try:
            self._start_commands()
            await self._listen(loop)
        except ConfigurationError:
            await self._drain()
            await self._stop_commands()
            self._close_files()
            raise
        if settings.mqtt:
            self._mqtt = MqttDoor(self.hub, settings)
            self._mqtt.start()
        self._tasks = [
            asyncio.create_task(_every(TICK_S, self._tick), name="gateway-tick"),
            asyncio.create_task(_every(RETAIN_S, self._retain), name="gateway-retain"),
            asyncio.create_task(_every(REQUESTS_S, self._exchange), name="gateway-directory"),
        ]
        self._write_status()
        log.info(
            "gateway.listening", host=settings.host, port=self.port, tls_port=self.tls_port, policy=settings.policy
        )

    def _start_commands(self) -> None:
        """Take commands from the bus; before anybody can connect, so that every terminal that comes is asked for.

        Raises:
            ConfigurationError: the bus cannot be opened.
        """
        try:
            bus = open_commands(self._settings.data)
        except CommandError as error:
            raise ConfigurationError(f"cannot open the command bus: {error}") from error
        self.hub.commands = Dispatcher(self.hub, bus, self._directory.key_of)
        self.hub.commands.start()

    async def _stop_commands(self) -> None:
        """Bring what is known of commands to the bus, and close it."""
        if self.hub.commands is not None:
            await self.hub.commands.stop()
            self.hub.commands = None

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        settings, hub = self._settings, self.hub
        tls = self._tls_context()
        try:
            tcp = await loop.create_server(
                lambda: Doorstep(hub, Transport.TCP), settings.host, settings.port, backlog=LISTEN_BACKLOG
            )
            self._servers.append(tcp)
            self.port = tcp.sockets[0].getsockname()[1]
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: UdpDoor(hub), local_addr=(settings.host, self.port)
            )
            if tls is not None:
                server = await loop.create_server(
                    lambda: Doorstep(hub, Transport.TLS),
                    settings.host,
                    settings.tls_port,
                    backlog=LISTEN_BACKLOG,
                    ssl=tls,
                    ssl_handshake_timeout=HANDSHAKE_S,
                )
                self._servers.append(server)
                self.tls_port = server.sockets[0].getsockname()[1]
        except OSError as error:
            advice = (
                "stop what holds the port or choose another with --port"
                if error.errno == errno.EADDRINUSE
                else "--host must be an address of this machine, 0.0.0.0 for all of them"
            )
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; {advice}"
            ) from error

    def _tls_context(self) -> ssl.SSLContext | None:
        settings = self._settings
        if settings.tls_cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"cannot read the certificate {settings.tls_cert}: {error}; --tls-cert needs a PEM chain and "
                "--tls-key its key"
            ) from error
        return context

    async def stop(self) -> None:
        """The written order of shutdown, see the module."""
        log.info("gateway.stopping", links=len(self.hub.links))
        self.hub.draining = True
        for server in self._servers:
            server.close()
        for link in list(self.hub.links):
            link.pause_reading()
        await self._drain()
        self.hub.close_all("shutdown")
        if self._udp is not None:
            self._udp.close()
        await self._drain()
        if self._mqtt is not None:
            await self._mqtt.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop_commands()
        try:
            self._publish(*await self.hub.changes(0, 1), self.hub.readings.take_notes())
        except DirectoryError as error:
            log.warning("gateway.directory_failed", error=str(error))  # it is rebuilt at the next start
        self.hub.counters.flush()
        self._close_files()
        remove_run_file(self._settings.data, GATEWAY)

    def _close_files(self) -> None:
        """End the threads that write, then close what they wrote to."""
        self._threads.shutdown()
        self.hub.committer.stop()
        self._spool.close()
        self._directory.close()

    async def _drain(self) -> None:
        """Commit and answer what was read, unless the spool refuses or takes too long."""
        try:
            through = await asyncio.wait_for(self.hub.committer.drain(), DRAIN_S)
        except TimeoutError:
            through = False
        if not through:
            log.warning("gateway.not_drained", pending_bytes=self.hub.committer.pending_bytes)

    async def _tick(self) -> None:
        self.hub.tick()
        if self._mqtt is not None:
            self._mqtt.tick()

    async def _retain(self) -> None:
        """Let go of what is stored and old; commits go on meanwhile."""
        await self._on_thread(self._retain_now)

    def _retain_now(self) -> None:
        try:
            self._spool.retain(self._progress.minimum(), now_us())
        except SpoolError as error:
            log.warning("spool.retention_failed", code=error.code, error=str(error))
        metrics.SPOOL_BYTES.set(self._spool.info().bytes_on_disk)
        metrics.SPOOL_DAMAGED.inc(self._spool.damaged_count - self._damaged_told)
        self._damaged_told = self._spool.damaged_count

    async def _exchange(self) -> None:
        """Carry sessions to the directory and requests from it, and tell whether the broker is there."""
        if self._mqtt is not None and self._mqtt.state() != self._mqtt_told:
            await self._on_thread(self._write_status)
        self._round += 1
        changed, gone = await self.hub.changes(self._round % PUBLISH_PARTS, PUBLISH_PARTS)
        notes = self.hub.readings.take_notes()
        try:
            requests = await self._on_thread(self._publish, changed, gone, notes)
        except DirectoryError:
            self.hub.unpublished(gone)
            self.hub.readings.put_back(notes)
            raise
        if requests:
            await self._on_thread(self._finish, self.hub.kick(requests))

    async def _on_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Disk work beside the loop, one piece at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _publish(self, changed: list[LiveSession], gone: list[int], notes: list[TerminalNote]) -> list[KickRequest]:
        """Runs on the directory thread: write what changed, fetch what is asked when somebody wrote."""
        directory = self._directory
        directory.note(notes)
        if changed or gone:
            directory.publish(changed, gone)
        version = directory.version()
        if version == self._known_version:
            return []
        known, requests = directory.known(), directory.take_requests()
        self._known, self._known_version = known, version
        return requests

    def _finish(self, outcomes: list[tuple[int, str]]) -> None:
        for request_id, outcome in outcomes:
            self._directory.finish(request_id, outcome)

    def _write_status(self) -> None:
        """Tell other processes where we listen."""
        facts: dict[str, object] = {
            "pid": os.getpid(),
            "port": self.port,
            "tls_port": self.tls_port,
            "started_ms": self._started_ms,
        }
        if self._mqtt is not None:
            self._mqtt_told = facts["mqtt"] = self._mqtt.state()
        write_run_file(self._settings.data, GATEWAY, facts)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again; a failure does not end it, and is logged when it begins and when it is over."""
    failing = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            if not failing:
                log.exception("gateway.round_failed", work=getattr(work, "__name__", "?"))
            failing = True
        else:
            if failing:
                log.info("gateway.round_recovered", work=getattr(work, "__name__", "?"))
            failing = False
