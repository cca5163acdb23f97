"""What terminals do wrong when they are commanded, done on purpose: late, doubled, wrong or missing answers.

The dice decide for each command of a terminal, by its number, so that a run can be repeated; the same command sent
again (JT/T 808 §10.3) meets the same fate. Whether it is executed all the same is written down in COMMAND_FAULTS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.rates import check_rates, pick, read_rates

#: How late a late answer is when nothing else is asked for, seconds: later than T of most platforms.
LATE_S = 15.0


class CommandFault(StrEnum):
    """A way to answer wrongly."""

    LATE = "late"
    TWICE = "twice"
    NEVER = "never"
    SECOND = "second"
    WRONG_SERIAL = "wrong-serial"
    WRONG_ID = "wrong-id"
    FAILURE = "failure"
    MESSAGE_ERROR = "message-error"
    NOT_SUPPORTED = "not-supported"
    LOST_PART = "lost-part"


@dataclass(frozen=True, slots=True)
class CommandFaultTraits:
    """What a fault means.

    Args:
        about: one sentence for the help text.
        rate: share of commands hit when only the name is given.
        result: 结果 that is answered instead of executing the command; None executes it.
    """

    about: str
    rate: float
    result: int | None = None


COMMAND_FAULTS: Mapping[CommandFault, CommandFaultTraits] = {
    CommandFault.LATE: CommandFaultTraits("executed, answered --late-by seconds later", 0.05),
    CommandFault.TWICE: CommandFaultTraits("executed, answered with the same frames twice", 0.05),
    CommandFault.NEVER: CommandFaultTraits("executed, never answered", 0.05),
    CommandFault.SECOND: CommandFaultTraits("executed, answered only when the command is repeated", 0.05),
    CommandFault.WRONG_SERIAL: CommandFaultTraits("executed, the answer quotes another serial", 0.02),
    CommandFault.WRONG_ID: CommandFaultTraits("executed, 0x0001 for another command is all that comes", 0.02),
    CommandFault.FAILURE: CommandFaultTraits("not executed, 0x0001 with result 1", 0.02, 1),
    CommandFault.MESSAGE_ERROR: CommandFaultTraits("not executed, 0x0001 with result 2", 0.02, 2),
    CommandFault.NOT_SUPPORTED: CommandFaultTraits("not executed, 0x0001 with result 3", 0.02, 3),
    CommandFault.LOST_PART: CommandFaultTraits("executed, answered in parts, one of them only when asked for", 0.02),
}


class CommandFaultPlan:
    """How often each fault happens.

    Args:
        rates: share of commands, 0..1, for each fault; their sum is at most 1.
        late_s: how late a late answer is, seconds.

    Raises:
        ValueError: a rate, or the sum of them, is out of range.
    """

    def __init__(self, rates: Mapping[CommandFault, float] | None = None, late_s: float = LATE_S) -> None:
        rates = rates or {}
        check_rates(rates)
        self.rates = {fault: rates[fault] for fault in CommandFault if fault in rates}
        self.late_s = late_s
        if sum(self.rates.values()) > 1.0:
            raise ValueError("the rates of all faults together exceed 1")

    @classmethod
    def parse(cls, text: str, late_s: float = LATE_S) -> "CommandFaultPlan":
        """Read `late=0.1,never=0.05`, `all` or `all=0.01`; "" is no faults.

        Args:
            text: names with an optional rate each.
            late_s: how late a late answer is, seconds.

        Raises:
            ValueError: unknown name or bad rate.
        """
        usual = {fault.value: traits.rate for fault, traits in COMMAND_FAULTS.items()}
        return cls({CommandFault(name): rate for name, rate in read_rates(text, usual, usual).items()}, late_s)

    def draw(self, dice: Dice, count: int) -> CommandFault | None:
        """The fault of the `count`-th command of a terminal, if any."""
        return pick(self.rates, dice.roll(Purpose.COMMAND_FAULT, count)) if self.rates else None
