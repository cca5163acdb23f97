"""A scenario over TCP against a platform, faster than life: terminals log in, report, lose the network and come back.

The clock of the scenario is moved so that it ends at the present; otherwise a platform would take the reports for days
old. What is asked of a terminal is confirmed, and 0x9208 is obeyed: the files of its alarms are handed over.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

from jtgate.codecs import timebase
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, encode_frames, parse_header
from jtgate.simulators import messages
from jtgate.simulators.dice import Dice
from jtgate.simulators.evidence import EvidenceRules, EvidenceShelf
from jtgate.simulators.evidence_link import Senders
from jtgate.simulators.identity import Identity
from jtgate.simulators.ledger import EvidenceLedger
from jtgate.simulators.roads import shipped_graph
from jtgate.simulators.scenario_model import Scenario
from jtgate.simulators.scenario_run import (
    AUTHENTICATE,
    COMPARISON,
    REGISTER,
    Said,
    Script,
    What,
    authentication,
    registration,
    script_of,
)
from jtgate.simulators.tally import Tally

#: Frames of a terminal that wait for their answer; then it says nothing more until one comes.
IN_FLIGHT_MAX = 32
ANSWER_WAIT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
#: Connections tried in a row; then the terminal is given up.
CONNECT_TRIES = 5
CONNECT_PAUSE_S = 1.0
#: How long the end waits for files that are asked for or still on their way, seconds.
EVIDENCE_WAIT_S = 30.0
_READ_BYTES = 1 << 16

ORDER = 0x9208
#: Requests for parts of what was sent; over TCP nothing gets lost.
_PARTS_REQUESTS = (0x8003, 0x8800)


class PlayError(Exception):
    """The platform is not there, or does not want a terminal; the message says which."""


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a scenario is played.

    Args:
        host: address of the platform.
        port: its port.
        speed: seconds of the scenario in a second.
        evidence: which files alarms have, and how they are handed over; the dialect is that of each terminal.
        linger_s: how long terminals stay on line at the end, for platforms that ask for files later.
    """

    host: str = "127.0.0.1"
    port: int = 6808
    speed: float = 600.0
    evidence: EvidenceRules = field(default_factory=EvidenceRules)
    linger_s: float = 5.0


@dataclass(slots=True)
class Played:
    """What became of it."""

    sent: Counter[int] = field(default_factory=Counter)  # messages by id
    answered: int = 0
    refused: int = 0  # 0x8001 with another result than 0 and 4
    unanswered: int = 0
    lost: int = 0  # messages that could not be sent, because the link was gone
    commands: Counter[int] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    elapsed_s: float = 0.0

    @property
    def failed(self) -> bool:
        """Something was lost, refused or not answered."""
        return bool(self.refused or self.unanswered or self.lost)

    def as_json(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "ok": not self.failed,
            "elapsed_s": round(self.elapsed_s, 3),
            "messages": {f"0x{msg_id:04x}": count for msg_id, count in sorted(self.sent.items())},
            "answered": self.answered,
            "refused": self.refused,
            "unanswered": self.unanswered,
            "lost": self.lost,
            "commands": {f"0x{msg_id:04x}": count for msg_id, count in sorted(self.commands.items())},
            "evidence": dict(self.tally.evidence),
            "evidence_faults": {str(name): count for name, count in self.tally.evidence_faults.items()},
        }


def moved(scenario: Scenario, speed: float, now_ms: int | None = None) -> Scenario:
    """The same scenario, its clock moved so that it ends when playing ends.

    Args:
        scenario: which.
        speed: seconds of it in a second.
        now_ms: the present; that of the machine without.
    """
    now_ms = timebase.now_ms() if now_ms is None else now_ms
    first_s = min(truck.from_s for truck in scenario.trucks)
    ends_ms = now_ms + (scenario.end_s - first_s) / speed * 1000
    return replace(scenario, start_ms=int(ends_ms - scenario.end_s * 1000) // 1000 * 1000)


async def play(scenario: Scenario, options: PlayOptions, ledger: EvidenceLedger | None = None) -> Played:
    """Play a scenario to its end.

    Args:
        scenario: which; times are those it has, see `moved`.
        options: how.
        ledger: where it is noted which files were served.

    Raises:
        PlayError: a terminal does not get on line.
        ScenarioError: a motion makes no sense.
    """
    played = Played()
    senders = Senders(played.tally, ledger)
    graph = shipped_graph()
    started = monotonic()
    first_s = min(truck.from_s for truck in scenario.trucks)
    terminals = [
        _Player(
            script_of(scenario, truck, graph, options.evidence),
            options,
            played,
            senders,
            scenario.dice(truck),
            started - first_s / options.speed,
        )
        for truck in scenario.trucks
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for terminal in terminals:
                group.create_task(terminal.run(), name="scenario")
        await senders.finished(EVIDENCE_WAIT_S)
    except BaseExceptionGroup as group_error:
        found = group_error.subgroup(PlayError)
        if found is None:
            raise
        raise _first(found) from None
    finally:
        played.elapsed_s = monotonic() - started
        await senders.close()
    return played


class _Player:
    """One terminal."""

    def __init__(
        self,
        script: Script,
        options: PlayOptions,
        played: Played,
        senders: Senders,
        dice: Dice,
        origin_s: float,
    ) -> None:
        truck = script.truck
        self._script = script
        self._options = options
        self._played = played
        self._senders = senders
        self._dice = dice
        self._origin_s = origin_s  # monotonic time of second 0 of the scenario
        self._shelf = EvidenceShelf(
            Identity(0, truck.phone, truck.edition), replace(options.evidence, dialect=truck.dialect), played.tally
        )
        self._serial = 0
        self._code: str | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._waiting: dict[int, int] = {}  # serial -> message
        self._moved = asyncio.Event()  # something was answered, or the link is gone

    async def run(self) -> None:
        """Everything that the script says, each at its time."""
        try:
            for said in self._script.says:
                await asyncio.sleep(max(0.0, self._origin_s + said.at_s / self._options.speed - monotonic()))
                match said.what:
                    case What.LOGIN:
                        await self._log_in()
                    case What.LOSE:
                        await self._hang_up()
                    case What.SAY:
                        await self._say(said)
            await self._settled(0)
            await asyncio.sleep(self._options.linger_s)
        finally:
            await self._hang_up()

    # The link.

    async def _log_in(self) -> None:
        truck = self._script.truck
        for _ in range(CONNECT_TRIES):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    reader, self._writer = await asyncio.open_connection(self._options.host, self._options.port)
            except (OSError, TimeoutError):
                await asyncio.sleep(CONNECT_PAUSE_S)
                continue
            self._listener = asyncio.get_running_loop().create_task(self._listen(reader), name="scenario-link")
            if self._code is None:
                await self._send(REGISTER, registration(truck))
                await self._settled(0)
            if self._code is not None:
                await self._send(AUTHENTICATE, authentication(truck, self._code))
                await self._settled(0)
                return
            raise PlayError(f"the platform does not register {truck.phone}")
        raise PlayError(f"nothing answers at {self._options.host}:{self._options.port}")

    async def _hang_up(self) -> None:
        await self._settled(0)
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        with suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                for event in frames.feed(data):
                    with suppress(ProtocolError):
                        if isinstance(event, Frame):
                            self._message(*parse_header(event.payload))
                self._moved.set()
        self._writer = None
        self._moved.set()

    # What is said and heard.

    async def _say(self, said: Said) -> None:
        for one in said.announced:
            self._shelf.keep(one.number, one.item, one.kind)
        await self._send(said.msg_id, said.body)

    async def _send(self, msg_id: int, body: bytes) -> None:
        truck = self._script.truck
        frames = encode_frames(msg_id, body, phone=truck.phone, serial=self._serial, edition=truck.edition)
        first, self._serial = self._serial, (self._serial + len(frames)) & 0xFFFF
        await self._settled(IN_FLIGHT_MAX - 1)
        if self._writer is None:
            self._played.lost += 1
            return
        self._played.sent[msg_id] += 1
        for number in range(len(frames)):
            self._waiting[(first + number) & 0xFFFF] = msg_id
        try:
            self._writer.write(b"".join(frames))
            await self._writer.drain()
        except OSError:
            self._played.lost += 1

    async def _settled(self, most: int) -> None:
        """Wait until at most so many frames have no answer; those that get none are counted and forgotten."""
        end_at = monotonic() + ANSWER_WAIT_S
        while len(self._waiting) > most and self._writer is not None and monotonic() < end_at:
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(end_at - monotonic()):
                    await self._moved.wait()
        if len(self._waiting) > most:
            self._played.unanswered += len(self._waiting)
            self._waiting.clear()

    def _message(self, header: Header, body: bytes) -> None:
        edition = self._script.truck.edition
        match header.msg_id:
            case 0x8001:
                serial, _, result = messages.read_general(body)
                self._answered(serial, result)
            case 0x8100:
                serial, result, code = messages.read_registered(body, edition)
                if result == 0:
                    self._code = code
                self._answered(serial, result)
            case 0x8E10:  # 驾驶员身份识别上报应答: all parts have come
                for serial in [serial for serial, about in self._waiting.items() if about == COMPARISON]:
                    self._answered(serial, 0)
            case msg_id if msg_id in _PARTS_REQUESTS:
                pass
            case _:
                self._command(header, body)

    def _answered(self, serial: int, result: int) -> None:
        if self._waiting.pop(serial, None) is not None:
            self._played.answered += 1
            self._played.refused += result not in (0, 4)

    def _command(self, header: Header, body: bytes) -> None:
        """Confirm what is asked; files of alarms are handed over."""
        self._played.commands[header.msg_id] += 1
        result = 0
        if header.msg_id == ORDER:
            result = self._shelf.asked(header.serial, body, monotonic()).result or 0
            for order in self._shelf.take():
                self._senders.begin(order, self._dice, self._shelf.done)
        truck = self._script.truck
        answer = messages.general(header.serial, header.msg_id, result)
        frames = encode_frames(0x0001, answer, phone=truck.phone, serial=self._serial, edition=truck.edition)
        self._serial = (self._serial + len(frames)) & 0xFFFF
        if self._writer is not None:
            self._writer.write(b"".join(frames))


def _first(group: BaseExceptionGroup[PlayError]) -> PlayError:
    """One of the errors of a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, PlayError) else PlayError(str(error))
