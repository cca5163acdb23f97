"""Every setting, once: a flag, a JTGATE_… variable and a key of jtgate.toml, in that order of precedence.

`Settings` holds the values, `TABLE` says how each is written and what it means. The command line builds its
options from the table and docs/settings.md is printed from it, so a setting cannot exist in one place only.

    SettingsError           something is wrong with the configuration; exit code 78
    ├── SettingsFileError       jtgate.toml cannot be read or is not TOML
    ├── UnknownSetting          a key that no setting has
    ├── BadValue                a value the setting cannot have
    └── NotInThisRelease        a setting of the standard list that this release cannot honour yet
"""

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final, NamedTuple

from jtgate.mqtt.address import parse_address
from jtgate.settings_kinds import (
    ADDRESS,
    FILE,
    FILES,
    FOLDER,
    INTEGER,
    NAMES,
    NUMBER,
    SIZE,
    SIZE_UNITS,
    TEXT,
    URL,
    URLS,
    Kind,
)

#: Exit code of a configuration error: EX_CONFIG of sysexits.h. Children use it too.
EX_CONFIG: Final = 78

DEFAULT_CONFIG: Final = Path("jtgate.toml")
ENV_PREFIX: Final = "JTGATE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `jtgate serve`; see docs/settings.md. Times are seconds, sizes bytes unless named otherwise."""

    data: Path = Path("data")
    host: str = "0.0.0.0"  # noqa: S104  terminals come from outside
    port: int = 6808
    tls_port: int = 6809
    tls_cert: Path | None = None
    tls_key: Path | None = None
    http: str = "127.0.0.1:8080"
    store: str = ""  # "" = SQLite under the data folder
    redis: str = ""
    mqtt: str = ""  # broker with terminals behind it
    mqtt_up: str = "jt808/{phone}/up"
    mqtt_down: str = "jt808/{phone}/down"
    mqtt_group: str = "jtgate"  # of the shared subscription; "" subscribes alone
    mqtt_subscribers: int = 2  # connections that share the load
    mqtt_version: str = "5"  # 5 | 3.1.1
    mqtt_out: tuple[str, ...] = field(default=())  # brokers that get positions and alarms
    attachment_port: int = 6810  # -1: no attachment server
    attachment_address: str = ""  # HOST[:PORT] that terminals are told
    attachment_open: str = "no"  # no | yes: files of alarms that nobody asked for, too
    evidence_s3: str = ""  # s3://BUCKET/PREFIX?endpoint=URL: copies of all files
    evidence_days: float = 190.0
    routine_media_days: float = 30.0
    evidence_bytes_max: int = 200 << 20  # of all files of one alarm
    evidence_asks_max: int = 20  # open at a time, per terminal
    workers: int = 1
    policy: str = "open"  # open | known
    ack: str = "durable"  # durable | received
    unknown_result: int = 3  # result of 0x8001 to a message id nobody knows: 3, or 0 for terminals that loop on it
    connections_max: int = 65_536
    connections_per_address_max: int = 10_000
    auth_seconds: float = 60.0  # time to identify
    idle_seconds: float = 180.0  # nothing received for so long: closed
    frame_bytes_max: int = 4096
    bad_frames_max: int = 50  # in a row, without a good one between them
    parts_bytes_max: int = 64 << 20  # memory for sub-packages of all terminals together
    pending_bytes_max: int = 32 << 20  # received and not yet committed; above it reading pauses
    forwarders: tuple[str, ...] = field(default=())  # addresses allowed to carry many terminals on one link
    profiles: tuple[str, ...] = field(default=())  # files of profiles, see jtgate.profiles
    command_retry_seconds: float = 10.0  # T of T×(N+1)
    command_retries: int = 3
    rsa_key: Path | None = None  # private key of the platform; None: one of its own under the data folder
    spool_bytes_max: int = 8 << 30
    spool_keep_hours: float = 72.0
    store_keep_days: float = 190.0  # dynamic data are kept for at least six months (regulation R17)
    store_writers: int = 1  # connections that write positions to PostgreSQL
    log_format: str = "auto"  # auto | console | json
    log_level: str = "info"
    demo: int = 0  # simulated terminals beside the gateway

    def to_json(self, *, without: Collection[str] = ()) -> str:
        """One line of JSON, the form in which child processes get their settings.

        Args:
            without: fields to leave out.
        """
        values = {entry.name: getattr(self, entry.name) for entry in TABLE if entry.name not in without}
        return json.dumps({name: str(v) if isinstance(v, Path) else v for name, v in values.items()})

    def secrets(self) -> dict[str, str]:
        """Variables of the settings that may hold a password: a command line can be read by every user."""
        found = {entry.variable: getattr(self, entry.name) for entry in TABLE if entry.name in SECRET}
        return {name: value if isinstance(value, str) else ",".join(value) for name, value in found.items()}

    @classmethod
    def from_json(cls, text: str, *, env: Mapping[str, str] | None = None) -> "Settings":
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            env: where fields of SECRET stand that it leaves out.

        Raises:
            SettingsError: not JSON, an unknown key or a bad value.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SettingsFileError(f"--settings is not JSON: {error}", "pass what Settings.to_json() wrote") from error
        if not isinstance(values, dict):
            raise SettingsFileError("--settings is not a JSON object", "pass what Settings.to_json() wrote")
        for entry in TABLE:
            if entry.name in SECRET and entry.name not in values and (env or {}).get(entry.variable):
                values[entry.name] = (env or {})[entry.variable]
        return cls(**_parsed(values, lambda name: f"--settings: {name}"))  # type: ignore[arg-type]

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port of the HTTP server; IPv6 hosts without their brackets."""
        host, _, port = self.http.rpartition(":")
        return host.strip("[]"), int(port)


class SettingsError(Exception):
    """Something is wrong with the configuration.

    Args:
        message: what is wrong, and where it was said.
        advice: what to do about it.
    """

    code = "settings"

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class SettingsFileError(SettingsError):
    """The file cannot be read or is not TOML."""

    code = "settings.file"


class UnknownSetting(SettingsError):
    """A key that no setting has."""

    code = "settings.unknown"


class BadValue(SettingsError):
    """A value the setting cannot have."""

    code = "settings.value"


class NotInThisRelease(SettingsError):
    """A setting of the standard list that this release cannot honour yet."""

    code = "settings.not_in_this_release"


class Setting(NamedTuple):
    """One row of the table."""

    name: str  # field of Settings and key of jtgate.toml
    kind: Kind
    group: str
    help: str
    low: float | None = None  # smallest legal value
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The command-line option: --tls-port."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable: JTGATE_TLS_PORT."""
        return ENV_PREFIX + self.name.upper()

    @property
    def metavar(self) -> str:
        """How the value is written in help texts."""
        return "|".join(self.choices) if self.choices else self.kind.metavar

    @property
    def default(self) -> object:
        """The value when nobody says anything."""
        return _DEFAULTS[self.name]

    def parse(self, value: object, where: str) -> object:
        """Check a value and give it its type.

        Args:
            value: text, or what TOML made of it.
            where: place named in the error.

        Raises:
            BadValue: the value is of the wrong kind or out of range.
        """
        try:
            parsed = self.kind.parse(value)
        except ValueError as error:
            raise BadValue(f"{where}: {error}, got {value!r}", f"{self.name}: {self.help}") from None
        if self.choices and parsed not in self.choices:
            raise BadValue(f"{where}: {value!r} is none of {', '.join(self.choices)}", f"{self.name}: {self.help}")
        if isinstance(parsed, int | float) and not self._in_range(parsed):
            raise BadValue(f"{where}: {parsed} is not {self._range()}", f"{self.name}: {self.help}")
        return parsed

    def _in_range(self, number: float) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def _range(self) -> str:
        if self.high is None:
            return f"{self.low:.12g} or more"
        return f"between {self.low or 0:.12g} and {self.high:.12g}"


_DEFAULTS: Final[dict[str, object]] = {f.name: f.default for f in fields(Settings)}

_PORT_MAX = 65_535

_LISTEN = "Where it listens"
_KEEP = "What it keeps"
_TERMINALS = "How it treats terminals"
_LIMITS = "Limits"
_LOGS = "Logs"
_DEMO = "Demonstration"

#: In the order of the dataclass; a test compares the two.
TABLE: Final = (
    Setting("data", FOLDER, _KEEP, "Folder of the spool, the store and everything else that is kept."),
    Setting("host", TEXT, _LISTEN, "Address on which terminals are awaited."),
    Setting("port", INTEGER, _LISTEN, "TCP and UDP port for terminals; 0 takes any free one.", 0, _PORT_MAX),
    Setting("tls_port", INTEGER, _LISTEN, "Port for TLS, used once a certificate is given.", 0, _PORT_MAX),
    Setting("tls_cert", FILE, _LISTEN, "Certificate chain in PEM; turns TLS on."),
    Setting("tls_key", FILE, _LISTEN, "Private key of the certificate in PEM."),
    Setting("http", ADDRESS, _LISTEN, "Address of the HTTP API, /metrics and /health; port 0 takes any free one."),
    Setting(
        "store",
        URL,
        _KEEP,
        "Store: empty for SQLite under the data folder, sqlite:///PATH, postgresql://USER@HOST/DATABASE, or "
        "timescaledb://… where the server must have TimescaleDB. Put passwords into the variable or ~/.pgpass.",
    ),
    Setting("redis", URL, _KEEP, "Redis for several gateways (redis://…); not in this release."),
    Setting(
        "mqtt",
        URL,
        _LISTEN,
        "MQTT broker with terminals behind it: mqtt://USER@HOST:1883, or mqtts:// for TLS. Put passwords into the "
        "variable.",
    ),
    Setting("mqtt_up", TEXT, _LISTEN, "Topic on which a terminal publishes its frames; {phone} stands for its number."),
    Setting("mqtt_down", TEXT, _LISTEN, "Topic on which it hears answers and commands."),
    Setting("mqtt_group", TEXT, _LISTEN, "Group of the shared subscription; empty subscribes without one."),
    Setting("mqtt_subscribers", INTEGER, _LISTEN, "Connections to the broker that share the load.", 1, 16),
    Setting("mqtt_version", TEXT, _LISTEN, "Version of MQTT spoken with brokers.", choices=("5", "3.1.1")),
    Setting(
        "mqtt_out",
        URLS,
        _KEEP,
        "MQTT brokers that get every stored position and alarm: mqtt://HOST:1883/PREFIX?name=NAME&format=msgpack. "
        "Put passwords into the variable.",
    ),
    Setting(
        "attachment_port",
        INTEGER,
        _LISTEN,
        "TCP and UDP port for evidence files; 0 takes any free one, -1 none: no file is asked for then.",
        -1,
        _PORT_MAX,
    ),
    Setting(
        "attachment_address",
        TEXT,
        _LISTEN,
        "HOST or HOST:PORT that terminals are told to bring evidence to; none: the first address of this machine.",
    ),
    Setting(
        "attachment_open",
        TEXT,
        _TERMINALS,
        "yes = also take files of alarms that nobody asked for; in a laboratory only.",
        choices=("no", "yes"),
    ),
    Setting(
        "evidence_s3",
        URL,
        _KEEP,
        "Copies of all evidence files: s3://BUCKET/PREFIX?endpoint=URL. Keys are taken from AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY.",
    ),
    Setting("evidence_days", NUMBER, _KEEP, "How long evidence files stay; six months at least.", 183),
    Setting("routine_media_days", NUMBER, _KEEP, "How long multimedia stay that no alarm called for.", 0),
    Setting("evidence_bytes_max", SIZE, _LIMITS, "Size of all evidence files of one alarm together.", 1 << 20, 1 << 31),
    Setting("evidence_asks_max", INTEGER, _LIMITS, "Alarms of one terminal whose files are awaited.", 1, 10_000),
    Setting(
        "workers", INTEGER, _LISTEN, "Gateway processes; more than one needs Redis, so not in this release.", 1, 256
    ),
    Setting(
        "policy",
        TEXT,
        _TERMINALS,
        "Who may register: open = any terminal, known = those of `jtgate terminals add`.",
        choices=("open", "known"),
    ),
    Setting(
        "ack",
        TEXT,
        _TERMINALS,
        "When 0x8001 is sent: durable = after the spool is on disk; received = before, for comparison only.",
        choices=("durable", "received"),
    ),
    Setting(
        "unknown_result",
        INTEGER,
        _TERMINALS,
        "Result of 0x8001 to a message id nobody knows: 3 (not supported), or 0 for terminals that repeat for ever.",
        0,
        3,
    ),
    Setting("connections_max", INTEGER, _LIMITS, "Connections at a time.", 1, 10_000_000),
    Setting("connections_per_address_max", INTEGER, _LIMITS, "Connections at a time from one address.", 1, 10_000_000),
    Setting("auth_seconds", NUMBER, _LIMITS, "Time a connection has to say who it is.", 0.1, 86_400),
    Setting("idle_seconds", NUMBER, _LIMITS, "A session that sends nothing for so long is closed.", 0.1, 86_400),
    Setting("frame_bytes_max", SIZE, _LIMITS, "Longest frame, escaped, between two flags.", 64, 65_536),
    Setting(
        "bad_frames_max", INTEGER, _LIMITS, "Bad frames in a row after which a connection is closed.", 1, 1_000_000
    ),
    Setting("parts_bytes_max", SIZE, _LIMITS, "Memory for sub-packages of all terminals together.", 65_536),
    Setting("pending_bytes_max", SIZE, _LIMITS, "Received and not yet on disk; above it reading pauses.", 65_536),
    Setting("forwarders", NAMES, _TERMINALS, "Addresses allowed to carry many terminals on one connection."),
    Setting(
        "profiles", FILES, _TERMINALS, "Files of profiles: how kinds of terminals read what the standard leaves open."
    ),
    Setting(
        "command_retry_seconds",
        NUMBER,
        _TERMINALS,
        "First time-out of a command; after the N-th repetition it is N+1 times the one before, 5 minutes at most.",
        0.05,
        300,
    ),
    Setting("command_retries", INTEGER, _TERMINALS, "Repetitions of a command that is not answered.", 0, 10),
    Setting(
        "rsa_key",
        FILE,
        _TERMINALS,
        "Private RSA key in PEM for terminals that encrypt; without it one is made in the data folder when needed.",
    ),
    Setting(
        "spool_bytes_max", SIZE, _KEEP, "Size of the spool; when full, frames are refused, never dropped.", 1 << 20
    ),
    Setting("spool_keep_hours", NUMBER, _KEEP, "How long raw frames stay in the spool, for replay.", 0),
    Setting("store_keep_days", NUMBER, _KEEP, "How long decoded rows stay in the store.", 0),
    Setting("store_writers", INTEGER, _KEEP, "Connections that write positions to PostgreSQL at the same time.", 1, 8),
    Setting(
        "log_format",
        TEXT,
        _LOGS,
        "console for people, json for machines, auto = console on a terminal.",
        choices=("auto", "console", "json"),
    ),
    Setting(
        "log_level",
        TEXT,
        _LOGS,
        "Least important event that is logged.",
        choices=("debug", "info", "warning", "error", "critical"),
    ),
    Setting("demo", INTEGER, _DEMO, "Simulated terminals that drive beside the gateway.", 0, 100_000),
)

#: What stands for the number of a terminal in a topic.
PHONE: Final = "{phone}"
#: What may stand behind the question mark of --mqtt-out.
OUTLET_OPTIONS: Final = ("name", "format")

#: May hold a password.
SECRET: Final = ("store", "redis", "mqtt", "mqtt_out")

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?")
#: The length of the address has one byte in 0x9208, and terminals keep it in short buffers.
_HOST_BYTES_MAX: Final = 100

_STORES: Final = ("sqlite", "postgresql", "postgres", "timescaledb")

_BY_NAME: Final = {entry.name: entry for entry in TABLE}


def load(
    flags: Mapping[str, object] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings in force: flag, else variable, else file, else default.

    Args:
        flags: values given on the command line, by field name; None means not given.
        env: the environment; variables beginning with JTGATE_ that are no setting are left alone.
        config: the file; None reads ./jtgate.toml when there is one.

    Raises:
        SettingsError: a file that cannot be read, an unknown key, a bad value.
    """
    env = env or {}
    values = read_file(config)
    for entry in TABLE:
        said = (flags or {}).get(entry.name)
        if said is not None:
            values[entry.name] = entry.parse(said, entry.flag)
        elif entry.variable in env:
            values[entry.name] = entry.parse(env[entry.variable], entry.variable)
    return replace(Settings(), **values)  # type: ignore[arg-type]


def read_file(config: Path | None) -> dict[str, object]:
    """Checked values of a jtgate.toml by field name; empty when none is named and ./jtgate.toml is absent.

    Raises:
        SettingsError: see `load`.
    """
    path = config or DEFAULT_CONFIG
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        if config is None and isinstance(error, FileNotFoundError):
            return {}
        raise SettingsFileError(f"{path}: {error.strerror}", "name a readable file with --config FILE") from error
    except UnicodeDecodeError as error:
        raise SettingsFileError(f"{path}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsFileError(f"{path}: {error}", 'write one `key = value` a line, text in "quotes"') from error
    return _parsed(raw, lambda name: f"{path}:{_line_of(name, text)}: {name}")


def check_release(settings: Settings) -> None:
    """Refuse combinations that cannot work, before anything is started.

    Raises:
        NotInThisRelease: Redis or more than one gateway.
        BadValue: a certificate without its key, or the reverse, or one of them cannot be read; a broker or a topic
            that is none.
    """
    if settings.workers > 1:
        raise NotInThisRelease(
            f"--workers {settings.workers}: more than one gateway shares its sessions through Redis,"
            " which this release does not have",
            "leave --workers at 1",
        )
    if settings.redis:
        raise NotInThisRelease(
            "--redis: Redis is not in this release", "leave --redis out; spool and directory are embedded"
        )
    _check_mqtt(settings)
    _check_attachments(settings)
    scheme = settings.store.partition(":")[0]  # the rest may hold a password
    if scheme and (scheme not in _STORES or "://" not in settings.store):
        raise BadValue(
            f"--store: no store answers to {scheme}",
            "leave --store out, name a file (sqlite:///PATH) or a server (postgresql://USER@HOST/DATABASE)",
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "--tls-key" if settings.tls_key is None else "--tls-cert"
        raise BadValue(f"{missing} is missing", "give --tls-cert and --tls-key together")
    for flag, path in (("--tls-cert", settings.tls_cert), ("--tls-key", settings.tls_key)):
        if path is not None and not (os.path.isfile(path) and os.access(path, os.R_OK)):  # noqa: PTH113  never raises
            why = "cannot be read by this user" if os.path.isfile(path) else "is no file"  # noqa: PTH113
            raise BadValue(f"{flag}: {path} {why}", "name a PEM file that can be read")


def _check_mqtt(settings: Settings) -> None:
    """Addresses of brokers and topics of terminals; the text of an error quotes no password."""
    named: list[tuple[str, str, tuple[str, ...]]] = [("--mqtt", url, ()) for url in (settings.mqtt,) if url]
    named += [("--mqtt-out", url, OUTLET_OPTIONS) for url in settings.mqtt_out]
    for flag, url, options in named:
        try:
            parse_address(url, options)
        except ValueError as error:
            advice = "write it as mqtt://USER@HOST:1883, or mqtts:// for TLS"
            raise BadValue(f"{flag}: that is no address of a broker: {error}", advice) from None
    for flag, topic in (("--mqtt-up", settings.mqtt_up), ("--mqtt-down", settings.mqtt_down)):
        levels = topic.split("/")
        if levels.count(PHONE) != 1 or any(sign in topic for sign in "+#\0"):
            raise BadValue(
                f"{flag}: {topic!r} does not tell terminals apart",
                f"name a topic with {PHONE} as one of its levels and neither + nor #, as jt808/{PHONE}/up",
            )
    if settings.mqtt_up == settings.mqtt_down:
        raise BadValue("--mqtt-up and --mqtt-down are the same topic", "we would read our own answers: name two")


def _check_attachments(settings: Settings) -> None:
    """Port and addresses of the attachment server."""
    others = [("--port", settings.port)] + ([("--tls-port", settings.tls_port)] if settings.tls_cert else [])
    for flag, port in others:
        if settings.attachment_port == port > 0:
            raise BadValue(f"--attachment-port and {flag} are both {port}", "choose another port for one of them")
    try:
        split_address(settings.attachment_address)
    except ValueError as error:
        raise BadValue(f"--attachment-address: {error}", "write it as 203.0.113.10 or files.example.org:6810") from None
    if settings.evidence_s3:
        from jtgate.storage.s3 import parse_s3  # noqa: PLC0415  commands that need no storage start sooner

        try:
            parse_s3(settings.evidence_s3)
        except ValueError as error:
            raise BadValue(f"--evidence-s3: {error}", "docs/evidence.md shows how it is written") from None


def split_address(text: str) -> tuple[str, int]:
    """Host and port of HOST[:PORT]; ("", 0) for what is not said. An IPv6 host stands in brackets.

    Raises:
        ValueError: it is neither, or 0x9208 has no room for it.
    """
    match = _HOST_PORT.fullmatch(text)
    host, port = (match[1].strip("[]"), int(match[2] or 0)) if match else ("", 0)
    if text and (not host or port > _PORT_MAX or len(host) > _HOST_BYTES_MAX):
        raise ValueError(f"expected HOST or HOST:PORT, got {text!r}")
    return host, port


def warnings(settings: Settings) -> list[str]:
    """Settings that work and that nobody should be surprised by later."""
    found = []
    if settings.attachment_open == "yes":
        found.append("attachment_open is yes: anybody may bring files (--attachment-open no)")
    if settings.policy == "open":
        found.append("policy is open: any terminal may register (--policy known admits only `jtgate terminals add`)")
    if settings.ack == "received":
        found.append("ack is received: terminals are answered before their data is safe (--ack durable)")
    if not _is_loopback(settings.http_address[0]):
        found.append("http is open to other machines and has no TLS: put a proxy with TLS before it (docs/api.md)")
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parsed(raw: Mapping[str, object], where: Callable[[str], str]) -> dict[str, object]:
    """Check names and values of a mapping."""
    values: dict[str, object] = {}
    for name, value in raw.items():
        entry = _BY_NAME.get(name)
        if entry is None:
            close = difflib.get_close_matches(name, _BY_NAME, n=1)
            advice = f"did you mean {close[0]}?" if close else "docs/settings.md lists every key"
            raise UnknownSetting(f"{where(name)} is not a setting", advice)
        values[name] = entry.parse(value, where(name))
    return values


def _line_of(name: str, text: str) -> int:
    """Line of a key or table in a TOML text; 1 when it is written in some unusual way."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def shown(entry: Setting) -> str:
    """The default of a setting as people write it; "none" when there is none."""
    value = entry.default
    if value in (None, "", ()):
        return "none"
    if entry.kind is SIZE and isinstance(value, int):
        for unit in ("G", "M"):
            if value % SIZE_UNITS[unit] == 0:
                return f"{value // SIZE_UNITS[unit]}{unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)
