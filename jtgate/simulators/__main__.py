"""A small fleet that drives until it is stopped: `python -m jtgate.simulators --port 6808 --terminals 20`.

What `jtgate serve --demo N` starts beside the gateway; `jtgate simulate fleet` has all the options.
"""

import argparse
import os
import signal
import sys

from jtgate.parent import watch_parent
from jtgate.simulators.fleet import FleetError, FleetOptions, run_fleet
from jtgate.simulators.rules import Rules

#: So that there is something to see: chances with each report.
ALARM_RATE, BLIND_RATE, MEDIA_RATE = 0.02, 0.002, 0.001


def main() -> int:
    """Read the arguments and run; 0, or 78 when this machine cannot carry so many terminals."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.simulators", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address of the platform")
    parser.add_argument("--port", type=int, default=6808, help="its port")
    parser.add_argument("--terminals", type=int, default=20, help="how many vehicles")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between reports")
    parser.add_argument("--seed", type=int, default=1, help="another number is another fleet")
    chosen = parser.parse_args()
    options = FleetOptions(
        host=chosen.host,
        port=chosen.port,
        terminals=chosen.terminals,
        rules=Rules(interval_s=chosen.interval, alarm_rate=ALARM_RATE, blind_rate=BLIND_RATE, media_rate=MEDIA_RATE),
        seed=chosen.seed,
        drain_s=3.0,
    )
    watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))  # the fleet ends with who started it
    try:
        run_fleet(options)
    except FleetError as error:
        sys.stderr.write(f"error: {error}\n")
        return 78
    return 0


if __name__ == "__main__":
    sys.exit(main())
