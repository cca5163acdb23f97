"""Three times and how they hang together: the clock of the process, the run, and the simulated world.

A run begins at 0 on its own clock, so that times worked out from it are the same numbers in every run; only
`now` comes from the process.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunClock:
    """Converts between the three.

    Args:
        origin_s: monotonic time of the process at the start of the run, seconds.
        start_ms: device time 终端时间 at the start of the run, ms since 1970.
        speedup: simulated seconds for each second of the run.
    """

    origin_s: float
    start_ms: int
    speedup: float = 1.0

    def run_s(self, now: float) -> float:
        """Seconds of the run at a monotonic time."""
        return now - self.origin_s

    def now(self, simulated_s: float) -> float:
        """Monotonic time at which the simulated world reaches a time."""
        return self.origin_s + simulated_s / self.speedup

    def simulated_s(self, run_s: float) -> float:
        """Simulated seconds since the start, at a second of the run."""
        return run_s * self.speedup

    def device_ms(self, simulated_s: float) -> int:
        """Device time, ms since 1970, in whole seconds as a report has it."""
        return (self.start_ms + int(simulated_s * 1000)) // 1000 * 1000
