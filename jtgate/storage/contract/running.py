"""Running the contract: every check on a store of its own, one after the other, within a limit of time."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal, NamedTuple

from jtgate.storage.contract.checking import Check, ContractBroken, StoreOpener

State = Literal["kept", "broken", "not tried"]

#: Longest that a run may take, seconds.
LIMIT_S: Final = 600.0
#: Longest text of a fault.
_FAULT_MAX: Final = 1000

#: Makes an empty place for a store and gives what opens it; at its end the place is removed.
Place = Callable[[], AbstractContextManager[StoreOpener]]


class Result(NamedTuple):
    """What became of one promise."""

    theme: str
    name: str
    promise: str
    state: State
    seconds: float
    fault: str = ""


def run(
    place: Place, *, on_result: Callable[[Result], None], checks: Sequence[Check], limit_s: float = LIMIT_S
) -> list[Result]:
    """Make every check in a place of its own.

    A check that is not done when the time is over is broken, and those behind it are not tried: a store that hangs
    has been found, and waiting for it would tell nothing more.

    Args:
        place: makes an empty place for a store.
        on_result: is told each result when it is there.
        checks: the promises.
        limit_s: longest that all of them may take, seconds.

    Raises:
        StoreError: there is no place for a store.
    """
    deadline = time.monotonic() + limit_s
    results: list[Result] = []
    for check in checks:
        started = time.monotonic()
        state: State = "not tried"
        fault = f"the limit of {limit_s:g} s was reached"
        if started < deadline:
            with place() as open_store:
                fault = _fault_of(check, open_store, deadline - started)
            state = "broken" if fault else "kept"
        seconds = round(time.monotonic() - started, 3)
        result = Result(check.theme, check.name, check.promise, state, seconds, fault[:_FAULT_MAX])
        on_result(result)
        results.append(result)
    return results


def _fault_of(check: Check, open_store: StoreOpener, limit_s: float) -> str:
    """What is wrong, or ""; the check runs in a thread, so that one that hangs can be left behind."""
    faults: list[str] = []

    def attempt() -> None:
        try:
            check(open_store)
        except ContractBroken as error:
            faults.append(str(error))
        except Exception as error:  # noqa: BLE001  whatever a back end raises breaks the promise
            faults.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=attempt, name="contract", daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        return f"not done after {limit_s:.1f} s"
    return faults[0] if faults else ""
