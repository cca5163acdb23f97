"""What terminals do wrong when they hand over evidence files, done on purpose (T/JSATL 12 §4.8).

The dice decide for each order 0x9208 of a terminal, by its number, so that a run can be repeated. EVIDENCE_FAULTS says
how a right server ends up all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.rates import check_rates, pick, read_rates

#: How late a terminal comes that is late, seconds.
LATE_S = 20.0


class EvidenceFault(StrEnum):
    """A way to hand over files wrongly."""

    DROP = "drop"
    SKIP = "skip"
    REPEAT = "repeat"
    REORDER = "reorder"
    LENGTH = "length"
    OFFSET = "offset"
    LIST_SIZE = "list-size"
    SHORT_FILE = "short-file"
    EXTRA_FILE = "extra-file"
    FEWER_FILES = "fewer-files"
    DEAF = "deaf"
    LATE = "late"
    NEVER = "never"
    SILENT = "silent"
    STRANGER = "stranger"
    GREETING = "greeting"
    BARE = "bare"
    NAMES = "names"


class Outcome(StrEnum):
    """What comes of the files at a server that does everything right."""

    COMPLETE = "complete"  # every file, byte for byte
    INCOMPLETE = "incomplete"  # something of them is missing for good
    NOTHING = "nothing"  # no file at all


@dataclass(frozen=True, slots=True)
class EvidenceFaultTraits:
    """What a fault means.

    Args:
        about: one sentence for the help text.
        rate: share of orders hit when only the name is given.
        outcome: what a right server has in the end.
    """

    about: str
    rate: float
    outcome: Outcome = Outcome.COMPLETE


EVIDENCE_FAULTS: Mapping[EvidenceFault, EvidenceFaultTraits] = {
    EvidenceFault.DROP: EvidenceFaultTraits("the link drops in the middle, up to four times, and it comes again", 0.2),
    EvidenceFault.SKIP: EvidenceFaultTraits("leaves stretches out until 0x9212 asks for them", 0.1),
    EvidenceFault.REPEAT: EvidenceFaultTraits("sends data packets twice and three times", 0.05),
    EvidenceFault.REORDER: EvidenceFaultTraits("sends data packets in any order", 0.05),
    EvidenceFault.LENGTH: EvidenceFaultTraits("a data packet is shorter than its length says; comes again", 0.05),
    EvidenceFault.OFFSET: EvidenceFaultTraits("a data packet lies behind the end of its file; comes again", 0.02),
    EvidenceFault.LIST_SIZE: EvidenceFaultTraits("0x1210 tells wrong sizes, 0x1211 and 0x1212 right ones", 0.05),
    EvidenceFault.SHORT_FILE: EvidenceFaultTraits(
        "tells a size everywhere that the last file does not have", 0.02, Outcome.INCOMPLETE
    ),
    EvidenceFault.EXTRA_FILE: EvidenceFaultTraits("lists a file that it never sends", 0.02, Outcome.INCOMPLETE),
    EvidenceFault.FEWER_FILES: EvidenceFaultTraits("lists a file less than the alarm announced", 0.02),
    EvidenceFault.DEAF: EvidenceFaultTraits("leaves stretches out and never sends them", 0.02, Outcome.INCOMPLETE),
    EvidenceFault.LATE: EvidenceFaultTraits("connects --evidence-late-by seconds later", 0.05),
    EvidenceFault.NEVER: EvidenceFaultTraits("confirms 0x9208 and never connects", 0.05, Outcome.NOTHING),
    EvidenceFault.SILENT: EvidenceFaultTraits("connects and says nothing; comes again", 0.02),
    EvidenceFault.STRANGER: EvidenceFaultTraits("quotes an alarm number nobody gave out", 0.01, Outcome.NOTHING),
    EvidenceFault.GREETING: EvidenceFaultTraits("says 0x0102 and 0x0002 first", 0.05),
    EvidenceFault.BARE: EvidenceFaultTraits("sends no 0x1211", 0.02),
    EvidenceFault.NAMES: EvidenceFaultTraits("hostile file names", 0.05),
}

#: Faults that leave a server nothing to do but to wait long; `all` leaves them out.
_NOT_IN_ALL = (EvidenceFault.SILENT,)


class EvidenceFaultPlan:
    """How often each fault happens.

    Args:
        rates: share of orders, 0..1, for each fault; their sum is at most 1.
        late_s: how late a late terminal is, seconds.

    Raises:
        ValueError: a rate, or the sum of them, is out of range.
    """

    def __init__(self, rates: Mapping[EvidenceFault, float] | None = None, late_s: float = LATE_S) -> None:
        rates = rates or {}
        check_rates(rates)
        self.rates = {fault: rates[fault] for fault in EvidenceFault if fault in rates}
        self.late_s = late_s
        if sum(self.rates.values()) > 1.0:
            raise ValueError("the rates of all faults together exceed 1")

    @classmethod
    def parse(cls, text: str, late_s: float = LATE_S) -> "EvidenceFaultPlan":
        """Read `drop=0.5,skip=0.1`, `all` or `all=0.01`; "" is no faults.

        Args:
            text: names with an optional rate each.
            late_s: how late a late terminal is, seconds.

        Raises:
            ValueError: unknown name or bad rate.
        """
        usual = {fault.value: traits.rate for fault, traits in EVIDENCE_FAULTS.items()}
        in_all = [fault.value for fault in EvidenceFault if fault not in _NOT_IN_ALL]
        return cls({EvidenceFault(name): rate for name, rate in read_rates(text, usual, in_all).items()}, late_s)

    def draw(self, dice: Dice, count: int) -> EvidenceFault | None:
        """The fault of the `count`-th order of a terminal, if any."""
        return pick(self.rates, dice.roll(Purpose.EVIDENCE_FAULT, count)) if self.rates else None
