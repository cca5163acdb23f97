"""The checks of `jtgate doctor`, each a function that looks at one thing and says ok, warn or fail."""

import os
import platform
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from jtgate import runfiles, settings
from jtgate.api.health import LAG_SECONDS_MAX, pipeline_lag
from jtgate.api.metrics import children
from jtgate.cli.common import OTHER_USER, SPARE_FILES, bytes_text, duration
from jtgate.codecs import twins
from jtgate.codecs.timebase import iso_ms, now_ms, now_us
from jtgate.mqtt.address import parse_address
from jtgate.settings import Settings, SettingsError
from jtgate.storage import open_spool_reader
from jtgate.storage.open import SPOOL_NAME
from jtgate.storage.spool import SpoolError
from jtgate.storage.store import StoreError, StoreTooNew

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

#: Small durable writes that are timed, and what their 99th percentile may take: every answer waits for one.
_SYNCS: Final = 50
_SYNC_BYTES: Final = 4096
_SYNC_WARN_MS: Final = 30.0
_SYNC_FAIL_MS: Final = 1000.0

_DISK_FAIL_BYTES: Final = 256 << 20

#: Files larger than this are not read through: that would take minutes of disk.
_QUICK_CHECK_BYTES_MAX: Final = 1 << 30

#: How long a broker may take to accept a connection.
_BROKER_S: Final = 3.0

#: No jtgate ran before this and no terminal can say a year after 2099 (two digits).
_CLOCK_MIN_MS: Final = 1_767_225_600_000  # 2026-01-01
_CLOCK_MAX_MS: Final = 4_102_444_800_000  # 2100-01-01
_CLOCK_AHEAD_US: Final = 60_000_000


class Check(NamedTuple):
    """What was found."""

    name: str
    state: str
    found: str
    advice: str = ""


def python_version(_config: Settings) -> Check:
    """The interpreter; pip installs jtgate on 3.11 and later only."""
    return Check("python", OK, f"{platform.python_implementation()} {platform.python_version()}")


def compiled_twins(_config: Settings) -> Check:
    """Whether the hot code runs as machine code."""
    names = sorted(path.stem for path in Path(twins.__file__).parent.glob("*.py") if path.stem != "__init__")
    slow = [name for name in names if not twins.is_compiled(twins.load(name))]
    if not slow:
        return Check("compiled code", OK, ", ".join(names))
    if os.environ.get("JTGATE_PURE", "") not in ("", "0"):
        return Check("compiled code", WARN, "switched off by JTGATE_PURE", "unset JTGATE_PURE for full speed")
    return Check(
        "compiled code",
        WARN,
        f"{', '.join(slow)} run as plain Python: correct, several times slower",
        "install a C compiler and install jtgate again",
    )


def data_folder(config: Settings) -> Check:
    """Whether the data folder is there and can be written."""
    data = config.data
    if not data.exists():
        parent = next(p for p in data.absolute().parents if p.exists())
        if not os.access(parent, os.W_OK):
            return Check("data folder", FAIL, f"{data} cannot be made in {parent}", "name another one with --data DIR")
        return Check("data folder", OK, f"{data}: `jtgate serve` will make it")
    if not data.is_dir() or not os.access(data, os.W_OK | os.X_OK):
        return Check("data folder", FAIL, f"{data} cannot be written", "name another one, or change its owner")
    return Check("data folder", OK, str(data.resolve()))


def sync_latency(config: Settings) -> Check:
    """How long the disk takes to make a small write durable."""
    folder = config.data if config.data.is_dir() else next(p for p in config.data.absolute().parents if p.exists())
    times_ms: list[float] = []
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(_SYNCS):
                started = time.perf_counter()
                os.pwrite(file.fileno(), bytes(_SYNC_BYTES), 0)
                os.fdatasync(file.fileno())
                times_ms.append((time.perf_counter() - started) * 1000)
    except OSError as error:
        return Check("disk sync", FAIL, f"{folder}: {error.strerror}", "free the disk, or name another folder")
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    found = f"p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms for {_SYNCS} small writes"
    if cuts[98] > _SYNC_FAIL_MS:
        return Check("disk sync", FAIL, found, "every answer waits for one such write: use a faster disk")
    if cuts[98] > _SYNC_WARN_MS:
        return Check("disk sync", WARN, found, "answers take at least that long: a disk with a write cache helps")
    return Check("disk sync", OK, found)


def free_disk(config: Settings) -> Check:
    """Whether what is allowed to be kept also fits."""
    folder = config.data if config.data.is_dir() else next(p for p in config.data.absolute().parents if p.exists())
    free = shutil.disk_usage(folder).free
    found = f"{bytes_text(free)} free; the spool may take {bytes_text(config.spool_bytes_max)}"
    if free < _DISK_FAIL_BYTES:
        return Check("free disk", FAIL, found, "free some: frames are refused when the disk is full")
    if free < config.spool_bytes_max:
        return Check("free disk", WARN, found, "free some, or lower --spool-bytes-max")
    return Check("free disk", OK, found)


def open_files(config: Settings) -> Check:
    """Whether as many connections as are allowed can be open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Check("open files", OK, "no limit")
    found = f"limit {hard:,}; --connections-max {config.connections_max:,}"
    if hard < config.connections_max + SPARE_FILES:
        return Check(
            "open files",
            WARN,
            found,
            f"raise it to {config.connections_max + SPARE_FILES:,} (ulimit -Hn), or lower --connections-max",
        )
    return Check("open files", OK, found)


def port(config: Settings) -> Check:
    """Whether the port for terminals is ours or can be."""
    gateway = runfiles.running(config.data, runfiles.GATEWAY)
    if gateway is not None:
        return Check("port", OK, f"{gateway.get('port')} held by the running gateway (process {gateway.get('pid')})")
    if config.port == 0:
        return Check("port", OK, "any free one")
    for kind, name in ((socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")):
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((config.host, config.port))
            except OSError as error:
                found = f"{name} {config.host}:{config.port}: {error.strerror}"
                return Check(
                    "port", FAIL, found, f"find who has it (ss -lntup | grep {config.port}), or choose --port N"
                )
    return Check("port", OK, f"{config.host}:{config.port} is free")


def lock(config: Settings) -> Check:
    """Who serves from the data folder."""
    holder = runfiles.lock_holder(config.data)
    if holder is None:
        return Check("serving", OK, "nobody uses the data folder")
    if not runfiles.is_alive(holder):
        return Check("serving", WARN, f"process {holder} was killed; its children are finishing", "wait half a minute")
    return Check("serving", OK, f"process {holder}")


def crashes(config: Settings) -> Check:
    """Whether children had to be restarted."""
    found = children(config.data)
    if not found:
        return Check("processes", OK, "none running")
    text = ", ".join(
        f"{name} {child.get('state')}" + (f" ({child['restarts']} restarts)" if child.get("restarts") else "")
        for name, child in found.items()
    )
    if any(child.get("state") != "running" for child in found.values()):
        return Check("processes", FAIL, text, "read the log of `jtgate serve`")
    if any(child.get("restarts") for child in found.values()):
        return Check("processes", WARN, text, "read the log of `jtgate serve` for the reason")
    return Check("processes", OK, text)


def databases(config: Settings) -> Check:
    """SQLite's own quick check of every file that is not too large."""
    ours = sorted((*config.data.glob("*.db"), *(config.data / SPOOL_NAME).glob("*.db")))
    if not ours:
        return Check("databases", OK, "none yet")
    small = [path for path in ours if path.stat().st_size <= _QUICK_CHECK_BYTES_MAX]
    broken = [f"{path.relative_to(config.data)}: {fault}" for path in small if (fault := _fault_of(path))]
    if broken:
        advice = "stop serving, keep a copy, restore from a backup" if os.access(config.data, os.W_OK) else OTHER_USER
        return Check("databases", FAIL, "; ".join(broken), advice)
    skipped = (
        f", {len(ours) - len(small)} over {bytes_text(_QUICK_CHECK_BYTES_MAX)} skipped"
        if len(small) < len(ours)
        else ""
    )
    return Check("databases", OK, f"{len(small)} files are sound{skipped}")


def _fault_of(path: Path) -> str:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(1000)
            answer = next(iter(connection.execute("PRAGMA quick_check(1)")))[0]
        finally:
            connection.close()
    except apsw.Error as error:
        return str(error) if path.exists() else ""  # retention may delete a file while we look
    return "" if answer == "ok" else str(answer)


def lag(config: Settings) -> Check:
    """Whether the store keeps up with the spool."""
    if not config.data.is_dir():
        return Check("pipeline", OK, "nothing to do yet")
    try:
        behind = pipeline_lag(config)
    except StoreTooNew as error:
        return Check("pipeline", FAIL, str(error), "or serve another folder with --data DIR")
    except (SpoolError, StoreError) as error:
        if runfiles.lock_holder(config.data) is None:
            return Check("pipeline", OK, "nothing to do yet")
        return Check("pipeline", FAIL, str(error), "read the log of `jtgate serve`")
    if behind.groups == 0:
        return Check("pipeline", OK, f"all {behind.spooled_seq:,} commits of the spool are stored")
    found = f"{behind.groups:,} commits of the spool not stored yet, the oldest for {duration(behind.seconds)}"
    if runfiles.lock_holder(config.data) is None:
        return Check("pipeline", WARN, found, "they are stored at the next `jtgate serve`")
    if behind.seconds > LAG_SECONDS_MAX:
        return Check("pipeline", FAIL, found, "the store is too slow: read the log of `jtgate serve`")
    return Check("pipeline", OK, found)


def clock(config: Settings) -> Check:
    """Whether the clock of this machine can be right."""
    now = now_ms()
    found = iso_ms(now)
    if not _CLOCK_MIN_MS <= now < _CLOCK_MAX_MS:
        return Check("clock", FAIL, found, "set the clock: receive times and time-outs depend on it")
    newest_us = _newest_us(config.data)
    if newest_us > now_us() + _CLOCK_AHEAD_US:
        return Check("clock", WARN, f"{found}, behind the newest frame of the spool", "was the clock set back? use NTP")
    return Check("clock", OK, found)


def _newest_us(data: Path) -> int:
    if not data.is_dir():
        return 0
    try:
        reader = open_spool_reader(data)
        try:
            newest = reader.read(max(reader.last_seq() - 1, 0), groups_max=1)
        finally:
            reader.close()
    except (SpoolError, OSError):
        return 0
    return newest[-1].at_us if newest else 0


def brokers(config: Settings) -> Check:
    """Whether the MQTT brokers that are set can be reached; their passwords are not tried."""
    urls = [config.mqtt] if config.mqtt else []
    addresses = [parse_address(url, settings.OUTLET_OPTIONS) for url in (*urls, *config.mqtt_out)]
    if not addresses:
        return Check("MQTT", OK, "no broker is set")
    for address in addresses:
        try:
            socket.create_connection((address.host, address.port), _BROKER_S).close()
        except OSError as error:
            why = f"{address.shown}: {error.strerror or error}"
            return Check("MQTT", FAIL, why, "start the broker, or correct --mqtt and --mqtt-out")
    return Check("MQTT", OK, f"{', '.join(address.shown for address in addresses)} can be reached")


def choices(config: Settings) -> Check:
    """Settings that cannot work, or that one should know about."""
    try:
        settings.check_release(config)
    except SettingsError as error:
        return Check("settings", FAIL, error.message, error.advice)
    found = settings.warnings(config)
    if found:
        return Check("settings", WARN, "; ".join(found), "fine for a trial, not for vehicles on the road")
    return Check("settings", OK, f"policy {config.policy}, ack {config.ack}")


ALL: Final[tuple[Callable[[Settings], Check], ...]] = (
    python_version,
    compiled_twins,
    choices,
    data_folder,
    sync_latency,
    free_disk,
    open_files,
    clock,
    lock,
    crashes,
    port,
    brokers,
    databases,
    lag,
)


def run(config: Settings) -> Iterator[Check]:
    """Every check, in the order in which one would fix things; a check that breaks is itself a failure."""
    for check in ALL:
        try:
            yield check(config)
        except PermissionError as error:
            name = check.__name__.replace("_", " ")
            yield Check(name, FAIL, f"{error.filename}: {error.strerror}", OTHER_USER)
        except Exception as error:  # noqa: BLE001  the other checks are still worth making
            yield Check(
                check.__name__.replace("_", " "), FAIL, f"{type(error).__name__}: {error}", "report this as a bug"
            )
