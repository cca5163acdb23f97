"""What real terminals and networks do wrong (JT/T 808 §11), done on purpose to frames that were right.

Every function takes a whole frame with its flags and returns what goes on the wire instead. Which frame is
hit is decided by the dice, so a run can be repeated; whether the platform must still answer the frame is
written down in FAULTS, so that the summary stays honest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jtgate.codecs.framing import ESCAPE, FLAG, escape, unescape, wrap
from jtgate.codecs.header import BODY_BYTES_MAX, LENGTH_MASK, PART_BIT, VERSION_BIT
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.rates import check_rates, pick, read_rates


class Fault(StrEnum):
    """A way to be wrong."""

    HALF = "half"
    GLUE = "glue"
    CHECKSUM = "checksum"
    REPEAT = "repeat"
    REORDER = "reorder"
    EDITION = "edition"
    LENGTH = "length"
    GARBAGE = "garbage"
    DRIP = "drip"
    STORM = "storm"


@dataclass(frozen=True, slots=True)
class FaultTraits:
    """What a fault means for the run.

    Args:
        about: one sentence for the help text.
        rate: share of frames hit when only the name is given (STORM: share of terminals, each time).
        answered: the platform must answer the frame all the same.
        datagrams: it makes sense over UDP and MQTT.
        parts: it is also done to sub-packages.
    """

    about: str
    rate: float
    answered: bool = True
    datagrams: bool = True
    parts: bool = True


FAULTS: Mapping[Fault, FaultTraits] = {
    Fault.HALF: FaultTraits("frame cut in two, the second half later", 0.02, datagrams=False),
    Fault.GLUE: FaultTraits("two frames in one segment, half of the time sharing one flag", 0.02, parts=False),
    Fault.CHECKSUM: FaultTraits("wrong check byte; sent again correctly later", 0.005, answered=False),
    Fault.REPEAT: FaultTraits("same frame twice", 0.01),
    Fault.REORDER: FaultTraits("frame overtaken by the one after it", 0.01),
    Fault.EDITION: FaultTraits("bit 14 says the other edition", 0.005),
    Fault.LENGTH: FaultTraits("length field too large, as if counted after escaping", 0.005, parts=False),
    Fault.GARBAGE: FaultTraits("bytes that are no frame before the first flag", 0.005),
    Fault.DRIP: FaultTraits("frame sent a few bytes at a time", 0.002, datagrams=False),
    Fault.STORM: FaultTraits("terminals dropping out and coming back at the same moment", 0.2),
}

#: Pause between the halves of a frame, seconds.
HALF_GAP_S = (0.02, 0.3)
#: Pieces and pause of a dripping frame: a frame of 120 bytes takes about a second.
DRIP_BYTES = 5
DRIP_GAP_S = 0.04
#: After a frame was sent damaged the right one follows so much later, seconds.
DAMAGE_RESEND_S = 2.0
#: Shorter than any frame: longer garbage would be one by accident, once in 256 times.
GARBAGE_BYTES_MAX = 12


class FaultPlan:
    """How often each fault happens.

    Args:
        rates: share of frames, 0..1, for each fault; their sum without STORM is at most 1.

    Raises:
        ValueError: a rate or the sum of them is out of range.
    """

    def __init__(self, rates: Mapping[Fault, float]) -> None:
        check_rates(rates)
        self.storm = rates.get(Fault.STORM, 0.0)
        self.rates = {fault: rates[fault] for fault in Fault if fault in rates and fault is not Fault.STORM}
        if sum(self.rates.values()) > 1.0:
            raise ValueError("the rates of all faults together exceed 1")

    @classmethod
    def parse(cls, text: str, *, datagrams: bool = False) -> "FaultPlan":
        """Read `half,checksum:0.01` or `all` or `all:0.01`; "" is no faults.

        Args:
            text: names with an optional rate each.
            datagrams: for UDP and MQTT: `all` leaves out what needs a stream.

        Raises:
            ValueError: unknown name, bad rate, or a fault that UDP and MQTT cannot have.
        """
        usual = {fault.value: traits.rate for fault, traits in FAULTS.items()}
        in_all = [fault.value for fault in Fault if FAULTS[fault].datagrams or not datagrams]
        rates = {Fault(name): rate for name, rate in read_rates(text, usual, in_all).items()}
        for fault in rates:
            if datagrams and not FAULTS[fault].datagrams:
                raise ValueError(f"fault {fault.value!r} needs a stream; leave it out or use TCP")
        return cls(rates)

    def draw(self, dice: Dice, count: int, *, part: bool) -> Fault | None:
        """The fault of the `count`-th frame of a terminal, if any.

        Args:
            dice: chances of the terminal.
            count: number of the frame, from 0.
            part: the frame is a sub-package.
        """
        if not self.rates:
            return None
        fault = pick(self.rates, dice.roll(Purpose.FAULT, count))
        return fault if fault is not None and (FAULTS[fault].parts or not part) else None


def payload_of(frame: bytes) -> bytes:
    """Header and body of a frame of ours, unescaped, without flags and check byte."""
    return unescape(frame[1:-1])[0][:-1]


def bad_checksum(frame: bytes, bits: int) -> bytes:
    """The frame with another check byte."""
    data = bytearray(unescape(frame[1:-1])[0])
    data[-1] ^= 1 + bits % 255
    return b"\x7e" + escape(bytes(data)) + b"\x7e"


def wrong_edition_bit(frame: bytes) -> bytes:
    """The frame with bit 14 turned over and everything else, check byte included, right (§11.10, 11.11)."""
    payload = bytearray(payload_of(frame))
    payload[2] ^= VERSION_BIT >> 8
    return wrap(bytes(payload))


def wrong_length(frame: bytes, bits: int) -> bytes:
    """The frame with a length field 2 to 4 too large (§11.8).

    The difference never makes the header look like one of another edition: 12 and 17 bytes less 2, 3 or 4
    are no header lengths. A length that would not fit its field is left as it is.
    """
    payload = bytearray(payload_of(frame))
    properties = int.from_bytes(payload[2:4])
    length = (properties & LENGTH_MASK) + 2 + bits % 3
    if length > BODY_BYTES_MAX or properties & PART_BIT:
        return frame
    payload[2:4] = ((properties & ~LENGTH_MASK) | length).to_bytes(2)
    return wrap(bytes(payload))


def halves(frame: bytes, bits: int) -> tuple[bytes, bytes]:
    """The frame cut at some byte, inside an escape if it has one and the dice like it."""
    escape_at = frame.find(ESCAPE)
    cut = escape_at + 1 if escape_at > 0 and bits & 1 else 1 + (bits >> 1) % (len(frame) - 1)
    return frame[:cut], frame[cut:]


def glued(first: bytes, second: bytes, *, shared_flag: bool) -> bytes:
    """Two frames as one piece, with two flags between them or only one (§11.4)."""
    return first + (second[1:] if shared_flag else second)


def garbage(dice: Dice, count: int) -> bytes:
    """1 to GARBAGE_BYTES_MAX bytes without a flag."""
    length = 1 + dice.bits(Purpose.FAULT_DETAIL, count) % GARBAGE_BYTES_MAX
    return dice.octets(Purpose.FAULT_DETAIL, count, length).replace(bytes([FLAG]), b"$")


def drips(frame: bytes) -> list[bytes]:
    """The frame in pieces of DRIP_BYTES."""
    return [frame[i : i + DRIP_BYTES] for i in range(0, len(frame), DRIP_BYTES)]
