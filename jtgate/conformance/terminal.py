"""Scenarios against a terminal: we listen as its platform, it connects.

One terminal is tested, the first that says who it is (or the one that is named); others are turned away. Scenarios
follow one another on the connection that there is; some close it and wait until the terminal is back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.conformance import kit, wanted
from jtgate.conformance.frames import Stamp
from jtgate.conformance.kit import KitError
from jtgate.conformance.link import Link, Received
from jtgate.conformance.platform import HOWS, Platform, Wish
from jtgate.conformance.play import Blocked, Broken, NotHere, Patience, Player, Unreachable
from jtgate.conformance.report import Report, Result, Status
from jtgate.conformance.scenario import Role, Scenario, Table, read_toml
from jtgate.conformance.trace import Trace, frame_text

GENERAL_ANSWER: Final = 0x0001
#: Connections at a time; the terminal needs one, and one that it has not noticed to be dead.
LINKS_MAX: Final = 64
#: A scenario that takes longer is broken off, seconds.
SCENARIO_S_MAX: Final = 600.0
#: A connection that does not say who it is, seconds.
NAMELESS_S: Final = 30.0
#: Queries and settings of the runner itself.
_QUERY: Final = "runner.query"
_RESTORE: Final = "runner.restore"


@dataclass(frozen=True, slots=True)
class TerminalOptions:
    """What a run is to be.

    Args:
        host: to listen on.
        port: to listen on; 0 for any free one.
        scenarios: what to play.
        edition: of the terminal; None to learn it from its header.
        phone: digits of the terminal without leading zeros; "" for the first that connects.
        wait_s: how long a terminal is waited for, at first and whenever it has to come back.
        patience: how long answers are waited for.
    """

    host: str
    port: int
    scenarios: tuple[Scenario, ...]
    edition: Edition | None = None
    phone: str = ""
    wait_s: float = 120.0
    patience: Patience = field(default_factory=lambda: Patience(10.0))


class Bench:
    """Where the terminal is tested: the listener, its connections, the platform behind them.

    Args:
        phone: the terminal, "" to take the first.
    """

    def __init__(self, phone: str = "") -> None:
        self.phone = phone
        self.platform = Platform(self._logged_in)
        self.trace = Trace()
        self.link: Link | None = None
        self.changed = asyncio.Event()
        self.strangers = 0
        self._online: Link | None = None
        self._links: set[Link] = set()

    def accept(self) -> Link:
        """A connection for the listener."""
        link = Link("a", Stamp(Edition.V2013, "0"), self.trace, self._on_frame)
        self._links = {known for known in self._links if not known.closed}
        self._links.add(link)
        if len(self._links) > LINKS_MAX:
            asyncio.get_running_loop().call_soon(link.kill, "too many connections")
        asyncio.get_running_loop().call_later(NAMELESS_S, self._who_is_it, link)
        return link

    @property
    def is_online(self) -> bool:
        """The terminal is connected and let in."""
        return self.link is not None and self.link is self._online and not self.link.closed

    @property
    def is_connected(self) -> bool:
        """The terminal is connected and has said something."""
        return self.link is not None and not self.link.closed

    def close(self) -> None:
        """Hang up everywhere."""
        for link in self._links:
            if not link.closed:
                link.close()

    async def until(self, true: Callable[[], bool], within_s: float) -> bool:
        """Wait for something that the terminal does; False when it does not."""
        deadline_s = monotonic() + within_s
        while not true():
            self.changed.clear()
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                return False
            try:
                await asyncio.wait_for(self.changed.wait(), left_s)
            except TimeoutError:
                return true()
        return True

    def _on_frame(self, link: Link, received: Received) -> None:
        terminal = received.header.terminal
        self.phone = self.phone or terminal
        if terminal != self.phone:
            self.strangers += 1
            link.kill(f"terminal {terminal} is not tested here")
            return
        if self.link is not link:  # the newest connection counts; an older one is ended here and says no more
            older, self.link = self.link, link
            link.trace = self.trace
            if older is not None and not older.closed:
                older.close()
        self.platform.answer(link, received)
        self.changed.set()

    def _logged_in(self, link: Link) -> None:
        self._online = link

    def _who_is_it(self, link: Link) -> None:
        if link is not self.link and not link.closed:
            link.kill("it did not say who it is")


class TerminalPlayer(Player):
    """Plays one scenario against the terminal on a bench.

    Args:
        scenario: what is played.
        edition: of the terminal.
        bench: where the terminal is.
        options: of the run.
        samples: sample messages.
    """

    def __init__(
        self, scenario: Scenario, edition: Edition, bench: Bench, options: TerminalOptions, samples: Mapping[str, Table]
    ) -> None:
        super().__init__(scenario, edition, samples, options.patience, bench.trace, GENERAL_ANSWER)
        self._bench = bench
        self._wait_s = options.wait_s
        self.add_steps(
            {
                "online": self._come_online,
                "connected": self._connected,
                "answering": self._answering,
                "forget": self._forget,
                "again": self._again,
                "headers": self._headers,
            }
        )

    def link(self, step: Table) -> Link:  # noqa: ARG002  there is but one
        """The one connection there is; the last one when the terminal is away."""
        if self._bench.link is None:
            raise Blocked("the terminal is not connected")
        self.words.variables["code"] = self._bench.platform.codes.get(self._bench.phone, "")
        self.links = {"a": self._bench.link}
        return self._bench.link

    async def _come_online(self, step: Table) -> None:
        if step.get("fresh") and self._bench.link is not None:
            self._bench.link.close()
        within_s = self.patience.within_s(step) if "within_ms" in step else self._wait_s
        if not await self._bench.until(lambda: self._bench.is_online, within_s):
            raise Broken(f"the terminal did not log in within {within_s:g} s")
        self.link(step)

    async def _connected(self, step: Table) -> None:
        within_s = self.patience.within_s(step) if "within_ms" in step else self._wait_s
        if not await self._bench.until(lambda: self._bench.is_connected, within_s):
            raise Broken(f"the terminal did not connect within {within_s:g} s")
        self.link(step)

    async def _answering(self, step: Table) -> None:
        """From now on messages with an id (0 for all) are answered so; without an id everything rightly."""
        if "id" not in step:
            self._bench.platform.wishes.clear()
            return
        how = step.get("how", "rightly")
        if how not in HOWS:
            raise KitError(f"{self.scenario.id}: how is {how!r}; it can be {', '.join(HOWS)}")
        self._bench.platform.wishes[int(step["id"])] = Wish(how, int(step.get("result", 1)), step.get("times"))

    async def _forget(self, step: Table) -> None:
        self.link(step).inbox.clear()

    async def _again(self, step: Table) -> None:
        """A frame comes once more, byte for byte; or it does not, with `never`."""
        link, first = self.link(step), self.received[step["of"]]
        within_s = self.patience.within_s(step)
        not_before_s = self.patience.seconds(step.get("not_before_ms", 0))
        deadline_s = monotonic() + within_s
        told = frame_text(first.header, first.body)
        while True:
            for index, received in enumerate(link.inbox):
                if received.msg_id != first.msg_id or received.header.serial != first.header.serial:
                    continue
                if received.payload != first.payload:
                    raise Broken(f"{told} came again with the same serial and other bytes")
                if step.get("never"):
                    raise Broken(f"{told} came again although it was answered")
                if received.at_s - first.at_s < not_before_s:
                    raise Broken(f"{told} came again after {received.at_s - first.at_s:.2f} s already")
                del link.inbox[index]
                return
            if link.closed:
                raise Broken(f"the connection was {link.closed}")
            if not await link.until(deadline_s):
                if step.get("never"):
                    return
                raise Broken(f"{told} was not answered and did not come again within {within_s:g} s")

    async def _headers(self, step: Table) -> None:
        """The next frames have one header form: edition, version byte, phone."""
        link, count = self.link(step), int(step["count"])
        deadline_s = monotonic() + self.patience.within_s(step)
        seen: list[Received] = []
        while len(seen) < count:
            seen += link.inbox
            link.inbox.clear()
            for received in seen:
                header, first = received.header, seen[0].header
                form = (header.edition, header.protocol_version, header.phone)
                if form != (first.edition, first.protocol_version, first.phone) or header.deviations:
                    odd = ", ".join(header.deviations) or f"{form[0]}, version {form[1]}, phone {form[2]}"
                    raise Broken(f"{frame_text(header, received.body)}: {odd}")
            if len(seen) < count and not await link.until(deadline_s):
                raise Broken(f"only {len(seen)} of {count} frames came")

    # Parameters that a scenario changes are set back.

    async def read_parameters(self, ids: tuple[int, ...]) -> dict[int, bytes]:
        """The values that the terminal has now, by id; those it does not tell are left out."""
        try:
            await self._send({"do": "send", "message": "query_parameters", "as": _QUERY})
            await self._expect({"do": "expect", "id": 0x0104, "as": _QUERY})
            told = wanted.decoded(self.received[_QUERY], self.words.edition)["parameters"]
        except (Broken, Blocked, ProtocolError):
            return {}
        found = {int(item["id"], 16): bytes.fromhex(item["raw"]) for item in told}
        return {number: value for number, value in found.items() if number in ids}

    async def write_parameters(self, values: Mapping[int, bytes]) -> None:
        """Set parameters; whether the terminal obeys is no matter of the scenario."""
        items = b"".join(number.to_bytes(4) + bytes([len(value)]) + value for number, value in values.items())
        lead = bytes([len(values)]) * (2 if self.words.edition is Edition.V2011 else 1)
        try:
            await self._send({"do": "send", "id": 0x8103, "body": (lead + items).hex(), "as": _RESTORE})
            await self._expect({"do": "expect", "answer_to": _RESTORE, "result": [0, 1, 2, 3]})
        except (Broken, Blocked):
            return


# --------------------------------------------------------------------------------------------------- the run


async def run(
    options: TerminalOptions,
    release: str,
    on_result: Callable[[int, int, Result], None],
    on_listening: Callable[[str], None] = lambda _where: None,
) -> Report:
    """Listen, wait for the terminal, play the scenarios.

    Args:
        options: what to play.
        release: of the kit, for the report.
        on_result: called with the number of results so far, of all, and the latest.
        on_listening: called with the address once the terminal may connect.

    Raises:
        Unreachable: no terminal came, or the address cannot be listened on.
        KitError: the data of the kit is at fault.
    """
    samples = read_toml(kit.folder("scenarios") / "messages.toml")
    bench = Bench(options.phone)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(bench.accept, options.host or None, options.port)
    except OSError as error:
        raise Unreachable(f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
    where = f"{options.host or '*'}:{server.sockets[0].getsockname()[1]}"
    try:
        on_listening(where)
        if not await bench.until(lambda: bench.is_online, options.wait_s):
            raise Unreachable(_nobody(bench, where, options.wait_s))
        return await _play_all(options, release, bench, samples, on_result)
    finally:
        await stop_listening(server)
        bench.close()


async def stop_listening(server: asyncio.Server) -> None:
    """Close the listener after what it has just accepted: asyncio leaves a connection open whose server is gone."""
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    await asyncio.sleep(0)
    server.close()


def _nobody(bench: Bench, where: str, wait_s: float) -> str:
    """Why there is nothing to test."""
    if bench.link is not None:
        return f"terminal {bench.phone} connected to {where} and did not log in within {wait_s:g} s"
    other = f"; {bench.strangers} frames of other terminals were turned away" if bench.strangers else ""
    return f"no terminal connected to {where} within {wait_s:g} s{other}"


async def _play_all(
    options: TerminalOptions,
    release: str,
    bench: Bench,
    samples: Mapping[str, Table],
    on_result: Callable[[int, int, Result], None],
) -> Report:
    edition = options.edition or (bench.link.stamp.edition if bench.link is not None else Edition.V2013)
    mine = [scenario for scenario in options.scenarios if edition in scenario.editions]
    report = Report(
        role=Role.TERMINAL.value,
        target=bench.phone,
        release=release,
        started_at=timebase.iso(timebase.utc_now()),
        options=f"edition {edition}; answers awaited {options.patience.answer_s:g} s, it {options.wait_s:g} s",
    )
    began_s = monotonic()
    for scenario in mine:
        result = await _play(scenario, edition, bench, options, samples)
        report.results.append(result)
        on_result(len(report.results), len(mine), result)
    report.seconds = monotonic() - began_s
    if bench.strangers:
        report.notes.append(f"{bench.strangers} connections of other terminals were turned away.")
    return report


async def _play(
    scenario: Scenario, edition: Edition, bench: Bench, options: TerminalOptions, samples: Mapping[str, Table]
) -> Result:
    """One scenario, and what came of it."""
    status, problem = Status.PASS, ""
    trace = bench.trace = Trace()
    bench.platform.wishes.clear()
    player = TerminalPlayer(scenario, edition, bench, options, samples)
    before: dict[int, bytes] = {}
    try:
        if not await bench.until(lambda: bench.is_online, options.wait_s):
            raise Blocked(f"the terminal was not online within {options.wait_s:g} s")
        link = player.link({})
        link.trace = trace
        link.inbox.clear()
        link.bad.clear()
        if scenario.changes:
            before = await player.read_parameters(scenario.changes)
        await asyncio.wait_for(player.play(), SCENARIO_S_MAX)
    except Broken as error:
        status, problem = Status.FAIL, str(error)
    except Blocked as error:
        status, problem = Status.BLOCKED, str(error)
    except NotHere as error:
        status, problem = Status.SKIPPED, str(error)
    except TimeoutError:
        status, problem = Status.FAIL, f"it was not over after {SCENARIO_S_MAX:g} s"
    bench.platform.wishes.clear()
    kept = trace if status in (Status.FAIL, Status.BLOCKED) else Trace()
    result = Result(
        scenario,
        scenario.severity,
        edition,
        "tcp",
        status,
        problem,
        trace.elapsed_s,
        tuple(kept.entries()),
        kept.omitted,
    )
    if before and await bench.until(lambda: bench.is_online, options.wait_s):
        await player.write_parameters(before)
    return result
