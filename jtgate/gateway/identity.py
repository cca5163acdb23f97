"""Who may report, and with which code (design D9).

An authentication code 鉴权码 is an HMAC over the terminal's identity, so checking one needs no look-up and a
reconnect storm touches no database. Policy `open` takes every terminal (a demonstration, or a closed network);
`known` takes only registered ones, and only with the code we issued.
"""

import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

#: Characters of an authentication code: short, because small terminals truncate and 2019 echoes it behind a
#: BYTE length (§3.3 recommends at most 32); 80 bits, because it is the only secret of a terminal.
CODE_CHARS = 20

_SECRET_BYTES = 32


def load_secret(path: Path) -> bytes:
    """The installation's secret, created on first use, readable by its owner only.

    Raises:
        OSError: the file can neither be read nor created.
        ValueError: the file does not hold a secret.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = bytes.fromhex(path.read_text().strip())
        if len(secret) < _SECRET_BYTES:
            raise ValueError(f"{path} holds {len(secret)} of {_SECRET_BYTES} bytes; restore or remove it") from None
        return secret
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_hex(_SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return load_secret(path)


class Gatekeeper:
    """Decides on registrations and codes.

    Args:
        secret: key of the HMAC.
        policy: "open" or "known".
        known: gives the registered terminals; asked only under policy `known`.
    """

    def __init__(self, secret: bytes, policy: str, known: Callable[[], frozenset[str]]) -> None:
        if policy not in ("open", "known"):
            raise ValueError(f"policy is {policy!r}; it must be open or known")
        self._secret = secret
        self._known = known
        self.is_open = policy == "open"

    def code_for(self, terminal: str) -> str:
        """The authentication code of a terminal (digits without leading zeros)."""
        return hmac.digest(self._secret, terminal.encode(), "sha256").hex()[:CODE_CHARS]

    def may_register(self, terminal: str) -> bool:
        """Whether a registration of this terminal is accepted."""
        return terminal != "" and (self.is_open or terminal in self._known())

    def may_enter(self, terminal: str, code: str) -> bool:
        """Whether this terminal is let in with this code."""
        if terminal == "":
            return False
        if self.is_open:
            return True
        return terminal in self._known() and hmac.compare_digest(self.code_for(terminal).encode(), code.encode())

    def may_report_unauthenticated(self, terminal: str) -> bool:
        """Whether a terminal that never authenticates is taken at its word (§11 item 19)."""
        return self.is_open and terminal != ""
