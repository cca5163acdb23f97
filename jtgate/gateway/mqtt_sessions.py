"""Which persistent sessions this installation has at its broker: a small file in the data folder.

A broker goes on collecting messages for a session whose client never comes back; of a shared subscription it would get
its part for ever. So the names of our sessions stay the same over a restart, and one that the settings no longer want
is remembered until it has been emptied and ended.
"""

import json
import secrets
from pathlib import Path
from typing import Final

#: In the data folder.
FILE: Final = "mqtt.json"


class SessionBook:
    """The file.

    Args:
        data: the data folder.
        broker: address of the broker, without user and password; sessions at another one are forgotten.
    """

    def __init__(self, data: Path, broker: str) -> None:
        self._path = data / FILE
        self._broker = broker
        found = self._read()
        name = found.get("installation")
        self.installation = name if isinstance(name, str) and name else secrets.token_hex(6)
        sessions = found.get("sessions") if found.get("broker") == broker else None
        self._filters = {str(k): str(v) for k, v in sessions.items()} if isinstance(sessions, dict) else {}
        self._write()

    def client_id(self, number: int) -> str:
        """Name of one of our connections towards brokers; the same after every restart."""
        return f"jtgate-{self.installation}-{number}"

    def filter_of(self, client_id: str) -> str:
        """What a session is subscribed to; "" when it is not known."""
        return self._filters.get(client_id, "")

    def note(self, client_id: str, topic_filter: str) -> None:
        """A session is subscribed to something."""
        if self._filters.get(client_id) != topic_filter:
            self._filters[client_id] = topic_filter
            self._write()

    def forget(self, client_id: str) -> None:
        """A session was ended."""
        if self._filters.pop(client_id, None) is not None:
            self._write()

    def beyond(self, count: int) -> list[str]:
        """Sessions that are not among the first `count`."""
        wanted = {self.client_id(number) for number in range(count)}
        return [client_id for client_id in self._filters if client_id not in wanted]

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        facts = {"installation": self.installation, "broker": self._broker, "sessions": self._filters}
        beside = self._path.with_suffix(".tmp")
        beside.write_text(json.dumps(facts) + "\n", encoding="utf-8")
        beside.replace(self._path)
