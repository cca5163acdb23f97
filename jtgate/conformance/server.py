"""Scenarios against a platform: we are its terminals, and know of it nothing but its address."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from jtgate.codecs import timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import TerminalGeneralAnswer
from jtgate.conformance import kit, wanted
from jtgate.conformance.frames import Sent, Stamp
from jtgate.conformance.kit import KitError
from jtgate.conformance.link import Link, Received, open_link
from jtgate.conformance.play import FIRST_LINK, Blocked, Broken, NotHere, Patience, Player, Unreachable
from jtgate.conformance.report import Report, Result, Status
from jtgate.conformance.scenario import Role, Scenario, Severity, Table, read_toml
from jtgate.conformance.trace import Trace

GENERAL_ANSWER: Final = 0x8001
#: Result of our answer to a command of the platform that no scenario expects.
_NOT_SUPPORTED: Final = 3
#: A scenario that takes longer is broken off, seconds.
SCENARIO_S_MAX: Final = 180.0
#: First of the phone numbers that are used when none is named; nobody has a number that begins with 000.
PHONE_BASE: Final = 80_800_000
#: Phones of one transport are so far from those of the other; the order of scenarios does not matter then.
_PHONES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a run is to be.

    Args:
        host: of the platform.
        port: of the platform.
        scenarios: what to play.
        editions: in which editions.
        transports: "tcp" and "udp".
        probe_udp: leave UDP out, with a note, when nobody answers there.
        phones: numbers that the platform knows; empty for invented ones.
        phone_base: first of the invented ones.
        auth_code: code of the phones, when they are not to register.
        policy: "strict" when the platform checks codes, "open" when it takes any, "auto" when that is to be found out.
        jobs: scenarios played at a time.
        patience: how long is waited.
    """

    host: str
    port: int
    scenarios: tuple[Scenario, ...]
    editions: tuple[Edition, ...] = tuple(Edition)
    transports: tuple[str, ...] = ("tcp", "udp")
    probe_udp: bool = True
    phones: tuple[str, ...] = ()
    phone_base: int = PHONE_BASE
    auth_code: str = ""
    policy: str = "auto"
    jobs: int = 8
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class _Job:
    """A scenario in one edition over one transport, with the phones it plays."""

    scenario: Scenario
    edition: Edition
    transport: str
    phones: tuple[str, ...]


class ServerPlayer(Player):
    """Plays one scenario against a platform.

    Args:
        job: what is played.
        options: of the run.
        samples: sample messages.
        codes: authentication codes by phone, as they were issued in this run.
        trace: where it is written down.
    """

    def __init__(
        self, job: _Job, options: ServerOptions, samples: Mapping[str, Table], codes: dict[str, str], trace: Trace
    ) -> None:
        super().__init__(job.scenario, job.edition, samples, options.patience, trace, GENERAL_ANSWER)
        self._job = job
        self._options = options
        self._codes = codes
        self.words.variables |= {f"phone{index}": phone for index, phone in enumerate(job.phones)}
        self.words.variables |= {"phone": job.phones[0], **_facts(job.phones[0])}
        self.add_steps({"connect": self._connect, "login": self._login, "alive": self._alive, "flood": self._flood})

    def hang_up(self) -> None:
        """End every connection."""
        for link in self.links.values():
            if not link.closed:
                link.close()

    async def _connect(self, step: Table) -> None:
        name, options = step.get("on", FIRST_LINK), self._options
        older = self.links.get(name)
        if older is not None and not older.closed:
            older.close()
        phone = self._job.phones[int(step.get("phone", 0))]
        stamp, over_udp = Stamp(self._job.edition, phone), self._job.transport == "udp"
        link = Link(name, stamp, self.trace, self._answer_command, is_datagrams=over_udp)
        try:
            await open_link(link, options.host, options.port, options.patience.answer_s)
        except OSError as error:
            raise Blocked(f"no connection: {error.strerror or type(error).__name__}") from error
        self.links[name] = link

    async def _login(self, step: Table) -> None:
        """Connect, register for a code unless one is known, authenticate."""
        name = step.get("on", FIRST_LINK)
        link = self.links.get(name)
        if link is None or link.closed:
            await self._connect(step)
            link = self.links[name]
        phone = link.stamp.phone
        self.words.variables |= {"phone": phone, **_facts(phone)}
        try:
            if not self._options.auth_code:
                await self._register(name, phone)
            self.words.variables["code"] = self._options.auth_code or self._codes[phone]
            await self._send({"do": "send", "on": name, "message": "authenticate", "as": f"login.{name}"})
            await self._expect({"do": "expect", "on": name, "answer_to": f"login.{name}"})
        except Broken as error:
            raise Blocked(f"the terminal could not log in: {error}") from error

    async def _register(self, name: str, phone: str) -> None:
        """0x0100; a platform that knows the terminal already says so, and then its earlier code holds."""
        label = f"register.{name}"
        known = phone in self._codes
        await self._send({"do": "send", "on": name, "message": "register", "as": label})
        allowed = [0, 1, 3] if known else 0
        fields = {"answer_serial": f"@{label}", "result": allowed}
        await self._expect(
            {"do": "expect", "on": name, "id": 0x8100, "answer_to": label, "fields": fields, "as": f"registered.{name}"}
        )
        code = wanted.decoded(self.received[f"registered.{name}"], self.words.edition).get("auth_code")
        if code:
            self._codes[phone] = code
        if phone not in self._codes:
            raise Broken("0x8100 终端注册应答 carries no code")

    async def _alive(self, step: Table) -> None:
        """The connection still answers, whatever the answer is."""
        name = step.get("on", FIRST_LINK)
        await self._send({"do": "send", "on": name, "message": "heartbeat", "as": f"alive.{name}"})
        await self._expect({"do": "expect", "on": name, "answer_to": f"alive.{name}", "result": [0, 1, 2, 3]})

    async def _flood(self, step: Table) -> None:
        """Many frames a second for some seconds; every one is answered once."""
        link = self.link(step)
        seconds = self.patience.seconds(float(step["seconds"]) * 1000)
        per_turn = max(1, round(float(step["per_second"]) / 20))
        began_s = monotonic()
        sent: list[Sent] = []
        while monotonic() - began_s < seconds:
            made = self.make({"message": step["message"], "as": f"flood.{len(sent)}", "count": per_turn}, link)
            for frame in made:
                link.note(frame)
            link.write(b"".join(frame.wire for frame in made), f"{len(made)} × 0x{made[0].msg_id:04x}")
            sent += made
            if link.closed:
                raise Broken(f"the connection was {link.closed} after {len(sent)} frames")
            await asyncio.sleep(max(0.0, began_s + len(sent) / per_turn / 20 - monotonic()))
        await self.collect(link, sent, results=[0], in_order=False, within_s=self.patience.within_s(step))

    def _answer_command(self, link: Link, received: Received) -> None:
        """A command that the platform sends of its own accord is answered "not supported", so that it goes on."""
        if received.msg_id in wanted.ANSWERS or received.msg_id < 0x8000 or link.closed:
            return
        answer = TerminalGeneralAnswer(
            answer_serial=received.header.serial, answer_id=received.msg_id, result=_NOT_SUPPORTED
        )
        spec = {"id": 0x0001, "body": answer.encode().hex(), "as": "answer to a command"}
        for frame in self.make(spec, link):
            link.write(frame.wire, f"0x0001 to 0x{received.msg_id:04x}, which no step expects")


def _facts(phone: str) -> dict[str, str]:
    """What else a terminal tells of itself, made from its phone."""
    digits = "".join(char for char in phone if char.isdecimal()).rjust(7, "0")
    return {"plate": f"测A{digits[-5:]}", "terminal_id": digits[-7:], "imei": digits.rjust(15, "0")[-15:]}


# --------------------------------------------------------------------------------------------------- the run


async def run(options: ServerOptions, release: str, on_result: Callable[[int, int, Result], None]) -> Report:
    """Play the scenarios.

    Args:
        options: what to play, and where.
        release: of the kit, for the report.
        on_result: called with the number of results so far, of all, and the latest.

    Raises:
        Unreachable: nobody answers there.
        KitError: the data of the kit is at fault.
    """
    samples = read_toml(kit.folder("scenarios") / "messages.toml")
    report = Report(
        role=Role.SERVER.value,
        target=f"{options.host}:{options.port}",
        release=release,
        started_at=timebase.iso(timebase.utc_now()),
        options=_told(options),
    )
    began_s = monotonic()
    codes: dict[str, str] = {}
    without_udp = await _probe(options, samples, codes)
    if without_udp:
        report.notes.append(without_udp)
    jobs = _jobs(options, skip_udp=bool(without_udp))
    results: dict[int, Result] = {}

    async def play(number: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            results[number] = await _play(jobs[number], options, samples, codes)
            on_result(len(results), len(jobs), results[number])

    together = asyncio.Semaphore(1 if options.phones else options.jobs)
    await asyncio.gather(*(play(n, together) for n, job in enumerate(jobs) if not job.scenario.alone))
    one = asyncio.Semaphore(1)
    await asyncio.gather(*(play(n, one) for n, job in enumerate(jobs) if job.scenario.alone))
    report.results = [results[number] for number in range(len(jobs))]
    report.seconds = monotonic() - began_s
    return report


def _told(options: ServerOptions) -> str:
    phones = f"phones {', '.join(options.phones)}" if options.phones else f"phones from {options.phone_base}"
    return (
        f"editions {' '.join(options.editions)}; {' '.join(options.transports)}; {phones}; policy {options.policy}; "
        f"answers awaited {options.patience.answer_s:g} s"
    )


async def _probe(options: ServerOptions, samples: Mapping[str, Table], codes: dict[str, str]) -> str:
    """See whether somebody is there; a sentence when UDP is to be left out.

    Raises:
        Unreachable: nobody is.
    """
    if "tcp" in options.transports:
        link = Link("probe", Stamp(Edition.V2013, "0"), Trace())
        try:
            await open_link(link, options.host, options.port, options.patience.answer_s)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error) or "no answer"
            raise Unreachable(f"no connection to {options.host}:{options.port}: {reason}") from error
        link.close()
    if "udp" not in options.transports:
        return ""
    phone = options.phones[0] if options.phones else str(options.phone_base - 1)
    job = _Job(_ANSWERS_AT_ALL, options.editions[0], "udp", (phone,))
    player = ServerPlayer(job, options, samples, codes, Trace())
    try:
        await player.play()
    except (Broken, Blocked) as error:
        if not options.probe_udp:
            raise Unreachable(f"nobody answers at {options.host}:{options.port} over UDP: {error}") from error
        return (
            "Nobody answers over UDP, so scenarios over UDP were skipped; TCP is the default of the standard (§10.5)."
        )
    finally:
        player.hang_up()
    return ""


#: Is anybody there? Over UDP that shows only when something is answered.
_ANSWERS_AT_ALL: Final = Scenario(
    id="probe",
    topic="probe",
    topic_zh="",
    title="",
    title_zh="",
    clause="",
    rule="",
    severity=Severity.INFO,
    editions=tuple(Edition),
    transports=("udp",),
    policy="",
    phones=1,
    alone=False,
    changes=(),
    steps=({"do": "connect"}, {"do": "alive"}),
)


def _jobs(options: ServerOptions, *, skip_udp: bool) -> list[_Job]:
    """Scenarios with editions, transports and phones; no phone is used twice when they are invented."""
    jobs: list[_Job] = []
    number = 0
    for scenario in options.scenarios:
        for transport in scenario.transports:
            if transport not in options.transports or (skip_udp and transport == "udp"):
                continue
            for edition in scenario.editions:
                if edition not in options.editions:
                    continue
                invented = tuple(str(options.phone_base + number + index) for index in range(scenario.phones))
                number += scenario.phones
                jobs.append(_Job(scenario, edition, transport, options.phones or invented))
    if number > _PHONES_MAX:
        raise KitError(f"{number} phones are wanted, {_PHONES_MAX} at most")
    return jobs


async def _play(job: _Job, options: ServerOptions, samples: Mapping[str, Table], codes: dict[str, str]) -> Result:
    """One scenario, and what came of it."""
    scenario = job.scenario
    severity = scenario.severity
    why = _why_not(job, options)
    if why:
        return Result(scenario, severity, job.edition, job.transport, Status.SKIPPED, why)
    if scenario.policy == "strict" and options.policy == "auto":
        severity = Severity.INFO
    trace = Trace()
    status, problem = Status.PASS, ""
    player = ServerPlayer(job, options, samples, codes, trace)
    try:
        await asyncio.wait_for(player.play(), SCENARIO_S_MAX)
    except Broken as error:
        status, problem = Status.FAIL, str(error)
    except Blocked as error:
        status, problem = Status.BLOCKED, str(error)
    except NotHere as error:
        status, problem = Status.SKIPPED, str(error)
    except TimeoutError:
        status, problem = Status.FAIL, f"it was not over after {SCENARIO_S_MAX:g} s"
    finally:
        player.hang_up()
    kept = trace if status in (Status.FAIL, Status.BLOCKED) else Trace()
    return Result(
        scenario,
        severity,
        job.edition,
        job.transport,
        status,
        problem,
        trace.elapsed_s,
        tuple(kept.entries()),
        kept.omitted,
    )


def _why_not(job: _Job, options: ServerOptions) -> str:
    """Why a scenario is not played here; empty when it is."""
    if job.scenario.policy == "strict" and options.policy == "open":
        return "the platform takes any code (--policy open)"
    if job.scenario.phones > len(job.phones):
        return f"it plays {job.scenario.phones} terminals; name as many with --phone"
    return ""
