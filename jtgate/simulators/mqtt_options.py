"""Broker, topics and connections of a fleet over MQTT."""

import math
from dataclasses import dataclass, field

UP, DOWN = "jt808/{phone}/up", "jt808/{phone}/down"
PHONE = "{phone}"

#: Terminals on one connection when nothing else is asked for: brokers keep some 1,000 messages for a slow reader.
PER_CONNECTION = 500
CONNECTIONS_MAX = 10_000


def default_connections(terminals: int) -> int:
    """Connections for a fleet of this size."""
    return math.ceil(terminals / PER_CONNECTION)


def check_topic(topic: str) -> str:
    """A pattern of topics.

    Raises:
        ValueError: half a sentence on what is wrong.
    """
    if topic.count(PHONE) != 1:
        raise ValueError("it must have {phone} in it, once")
    if any(char in topic for char in "+#\0"):
        raise ValueError("it has a wildcard or a NUL in it")
    return topic


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """Where the broker is and what the topics are.

    Args:
        host: name or address.
        port: TCP port.
        connections: that carry all terminals.
        is_tls: with TLS; the system's authorities are trusted, or those of SSL_CERT_FILE.
        username: "" for none.
        password: "" for none.
        up: topic of what a terminal sends; {phone} stands for its number.
        down: topic of what it hears.
    """

    host: str
    port: int = 1883
    connections: int = 1
    is_tls: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    up: str = UP
    down: str = DOWN
