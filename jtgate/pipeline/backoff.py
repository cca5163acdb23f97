"""How long to wait after a failure."""

import random


class Backoff:
    """Waiting times that double up to a limit, with jitter so that processes do not march in step."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self.failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        self.failures += 1
        full: float = min(self._max_s, self._first_s * 2 ** min(self.failures - 1, 16))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  no secret

    def succeeded(self) -> bool:
        """Start anew; True when there had been failures."""
        had, self.failures = self.failures > 0, 0
        return had
