"""Addresses of brokers: mqtt://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX][?NAME=VALUE&…], mqtts:// for TLS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """Where a broker is and who we are there.

    Args:
        host: name or address.
        port: TCP port.
        is_tls: with TLS.
        username: "" for none.
        password: "" for none.
        prefix: path of the URL without its slashes.
        options: what stands behind the question mark.
    """

    host: str
    port: int
    is_tls: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Address for people and logs, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.is_tls else 'mqtt'}://{host}:{self.port}"


def parse_address(url: str, options: tuple[str, ...] = ()) -> MqttAddress:
    """Read the URL of a broker.

    Args:
        url: see the module.
        options: names that may stand behind the question mark.

    Raises:
        ValueError: half a sentence on what is wrong; it quotes neither user nor password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("it begins with neither mqtt:// nor mqtts://")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("its port is no number from 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise ValueError("it names no host" if not parts.hostname else "its port is no number from 1 to 65535")
    given = parse_qsl(parts.query, keep_blank_values=True)
    unknown = sorted({name for name, _ in given} - set(options))
    if unknown or parts.fragment:
        known = f"; possible is {', '.join(options)}" if options else ""
        raise ValueError(f"{unknown[0]!r} means nothing there{known}" if unknown else "there is a # in it")
    return MqttAddress(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "mqtts",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.path.strip("/"),
        dict(given),
    )
