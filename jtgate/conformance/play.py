"""The steps that scenarios against platforms and against terminals have in common.

A step either passes or raises Broken with a sentence: what was expected, what came. A step that cannot be carried
out because of the scenario itself raises KitError; that is a fault of ours, or of who wrote the scenario.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from time import monotonic
from typing import Any, Final

from jtgate.codecs.edition import Edition
from jtgate.conformance import frames
from jtgate.conformance import wanted as meets
from jtgate.conformance.frames import Sent
from jtgate.conformance.kit import KitError
from jtgate.conformance.link import Link, Received
from jtgate.conformance.scenario import Scenario, Table
from jtgate.conformance.trace import Trace, frame_text
from jtgate.conformance.wanted import Wanted
from jtgate.conformance.words import Words

#: Name of the connection that a step means when it names none.
FIRST_LINK: Final = "a"
#: Between the pieces of a frame that is cut.
GAP_MS: Final = 20
#: Length of a silence when the step does not say.
SILENCE_MS: Final = 400
#: Times that bytes are repeated by `fill:`.
FILL_MAX: Final = 1 << 20
#: Frames told of when something else came than was expected.
TOLD_MAX: Final = 4


class Broken(Exception):
    """A rule does not hold; the message says what was expected and what came."""


class Blocked(Exception):
    """It did not come to what the scenario is about; the message says why."""


class NotHere(Exception):
    """The rule does not apply to what is tested; the message says why."""


class Unreachable(Exception):
    """Nothing can be tested: nobody is there."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited.

    Args:
        answer_s: for an answer, when the step does not say.
        scale: all times that scenarios name are multiplied by it; below 1 for tests of the kit itself.
    """

    answer_s: float = 5.0
    scale: float = 1.0

    def within_s(self, step: Table) -> float:
        """How long the step waits for what it expects."""
        return self.seconds(step["within_ms"]) if "within_ms" in step else self.answer_s

    def seconds(self, ms: Any) -> float:
        """A time of a scenario."""
        return float(ms) / 1000 * self.scale


class Player:
    """Plays the steps of one scenario.

    Args:
        scenario: what is played.
        edition: in which edition.
        samples: sample messages by name.
        patience: how long is waited.
        trace: where it is written down.
        general_id: the general answer of the other side: 0x8001 of platforms, 0x0001 of terminals.
    """

    def __init__(
        self,
        scenario: Scenario,
        edition: Edition,
        samples: Mapping[str, Table],
        patience: Patience,
        trace: Trace,
        general_id: int,
    ) -> None:
        self.scenario = scenario
        self.patience = patience
        self.trace = trace
        self.words = Words(edition, samples)
        self.links: dict[str, Link] = {}
        self.frames: dict[str, Sent] = {}
        self.received: dict[str, Received] = {}
        self._general_id = general_id
        self._steps: dict[str, Callable[[Table], Awaitable[None]]] = {
            "prepare": self._prepare,
            "send": self._send,
            "expect": self._expect,
            "answers": self._answers,
            "silence": self._silence,
            "closed": self._closed,
            "close": self._close,
            "kill": self._kill,
            "wait": self._wait,
            "serials": self._serials,
        }

    def add_steps(self, steps: Mapping[str, Callable[[Table], Awaitable[None]]]) -> None:
        """Steps of one kind of scenario only."""
        self._steps |= steps

    async def play(self) -> None:
        """All steps.

        Raises:
            Broken: the rule does not hold.
            KitError: the scenario cannot be played.
        """
        for step in self.scenario.steps:
            await self._steps[step["do"]](step)
        for link in self.links.values():
            if link.bad:
                raise Broken(f"the other side sent bytes that are no frame: {link.bad[0]}")

    def link(self, step: Table) -> Link:
        """The connection that a step means."""
        name = step.get("on", FIRST_LINK)
        if name not in self.links:
            raise KitError(f"{self.scenario.id}: there is no connection {name!r} yet")
        return self.links[name]

    # Sending.

    async def _prepare(self, step: Table) -> None:
        self.make(step, self.link(step))

    async def _send(self, step: Table) -> None:
        link = self.link(step)
        if "frames" in step:
            parts = self._pieces(step["frames"])
        else:
            parts = [(made.wire, made) for made in self.make(step, link)]
        for _, sent in parts:
            if sent is not None:
                link.note(sent)
        pieces = [data for data, _ in parts]
        if step.get("join") == "shared_flag":
            pieces = [piece[1:] if number else piece for number, piece in enumerate(pieces)]
        told = ", ".join(self._told(sent, data) for data, sent in parts[:TOLD_MAX])
        told += f" and {len(parts) - TOLD_MAX} more" if len(parts) > TOLD_MAX else ""
        await self._write(link, b"".join(pieces), told, step)

    def make(self, step: Table, link: Link) -> list[Sent]:
        """The frames that a step describes, known by their labels from now on."""
        made = list(frames.build(step, link.stamp, self.words))
        for frame in made:
            self.frames[frame.label] = frame
        return made

    async def _write(self, link: Link, data: bytes, told: str, step: Table) -> None:
        pieces = frames.cut(data, step.get("cut"))
        gap_s = self.patience.seconds(step.get("gap_ms", GAP_MS))
        with link.undisturbed() as put:
            for number, piece in enumerate(pieces, 1):
                if link.closed:
                    raise Broken(f"the connection was {link.closed} while it was being written to")
                put(piece, told if len(pieces) == 1 else f"{told} (piece {number} of {len(pieces)})")
                if number < len(pieces):
                    await asyncio.sleep(gap_s)

    def _pieces(self, named: Sequence[str]) -> list[tuple[bytes, Sent | None]]:
        """Frames by label (`burst.*` for many), and bytes: `hex:7e00`, `text:GET /`, `fill:41*6000`."""
        found: list[tuple[bytes, Sent | None]] = []
        for name in named:
            if name.startswith("hex:"):
                found.append((self.words.hex_bytes(name[4:]), None))
            elif name.startswith("text:"):
                found.append((name[5:].encode(), None))
            elif name.startswith("fill:"):
                byte, _, times = name[5:].partition("*")
                found.append((self.words.hex_bytes(byte) * min(int(times), FILL_MAX), None))
            else:
                found += [(frame.wire, frame) for frame in self.labelled(name)]
        return found

    def labelled(self, name: str) -> list[Sent]:
        """The frames of a label or a pattern of labels."""
        found = [frame for label, frame in self.frames.items() if fnmatchcase(label, name)]
        if not found:
            raise KitError(f"{self.scenario.id}: no frame is called {name!r}")
        return found

    @staticmethod
    def _told(sent: Sent | None, data: bytes) -> str:
        if sent is None:
            return f"{len(data)} bytes"
        return f"0x{sent.msg_id:04x} serial {sent.serial}{' (damaged)' if sent.damaged else ''}"

    # Expecting.

    async def _expect(self, step: Table) -> None:
        link = self.link(step)
        tables = step.get("any") or [step]
        choices = [Wanted.of(table, self.words, self.frames, self._general_id) for table in tables]
        began_s = monotonic()
        deadline_s = began_s + self.patience.within_s(step)
        strict = bool(step.get("strict"))
        problems: list[str] = []
        while True:
            found = self._match(link, choices, problems, strict=strict)
            if found is not None:
                break
            if problems:
                raise Broken(problems[0])
            if link.closed and not link.is_datagrams:
                if any(choice.closed for choice in choices):
                    return
                if step.get("optional"):
                    return
                raise Broken(f"the connection was {link.closed}; expected: {self._either(choices)}")
            if not await link.until(deadline_s):
                self._gave_up(link, step, choices, began_s)
                return
        self._keep(step, found, began_s)

    def _match(self, link: Link, choices: Sequence[Wanted], problems: list[str], *, strict: bool) -> Received | None:
        """Take the first frame of the inbox that is one of the choices."""
        seen: list[str] = []
        for index, received in enumerate(link.inbox):
            for choice in choices:
                if not choice.concerns(received, link):
                    continue
                problem = choice.problem(received, link)
                if problem is None:
                    del link.inbox[index]
                    return received
                seen.append(problem)
            if strict:
                if not seen:
                    seen.append(f"expected {self._either(choices)}, came {frame_text(received.header, received.body)}")
                break
        problems[:] = seen
        return None

    def _keep(self, step: Table, received: Received, began_s: float) -> None:
        """What the step wants to remember of the frame, and whether it came too early."""
        early_s = self.patience.seconds(step.get("not_before_ms", 0)) - (received.at_s - began_s)
        if "not_before_ms" in step and early_s > 0:
            raise Broken(f"it came after {received.at_s - began_s:.2f} s, {early_s:.2f} s too early")
        if "as" in step:
            self.received[step["as"]] = received
            self.words.serials[step["as"]] = received.header.serial
        for variable, field in step.get("save", {}).items():
            self.words.variables[variable] = meets.decoded(received, self.words.edition)[field]

    def _gave_up(self, link: Link, step: Table, choices: Sequence[Wanted], began_s: float) -> None:
        if step.get("optional") or any(choice.silence for choice in choices):
            return
        if "or_skip" in step:
            raise NotHere(step["or_skip"])
        came = [frame_text(r.header, r.body) for r in link.inbox if r.at_s >= began_s]
        other = f"; came instead: {'; '.join(came[:TOLD_MAX])}" if came else ""
        raise Broken(
            f"nothing came within {self.patience.within_s(step):g} s; expected: {self._either(choices)}{other}"
        )

    @staticmethod
    def _either(choices: Sequence[Wanted]) -> str:
        return ", or ".join(choice.text for choice in choices)

    async def _answers(self, step: Table) -> None:
        """Each of many frames is answered once, in any order or in the order in which they were sent."""
        link = self.link(step)
        named = step["to"] if isinstance(step["to"], list) else [step["to"]]
        wanted = [frame for name in named for frame in self.labelled(name)]
        await self.collect(
            link,
            wanted,
            results=step.get("result", [0]),
            in_order=step.get("order") == "sent",
            within_s=self.patience.within_s(step),
        )
        if "quiet_ms" in step:
            await self._stay_silent(
                link, self.patience.seconds(step["quiet_ms"]), {self._general_id}, "a second answer"
            )

    async def collect(
        self, link: Link, wanted: Sequence[Sent], *, results: Iterable[int], in_order: bool, within_s: float
    ) -> None:
        """Take the general answers to many frames.

        Raises:
            Broken: one is missing, comes twice, quotes what was not sent, has another result or comes out of order.
        """
        due = {(frame.serial, frame.msg_id): number for number, frame in enumerate(wanted)}
        allowed, done, last = set(results), 0, -1
        deadline_s = monotonic() + within_s
        open_ones = dict(due)
        while open_ones:
            rest: list[Received] = []
            for received in link.inbox:
                key = received.quoted
                if received.msg_id != self._general_id or key is None:
                    rest.append(received)
                    continue
                told = frame_text(received.header, received.body)
                if key not in due and key not in link.sent:
                    raise Broken(f"{told}: no such frame was sent")
                if key not in due:
                    rest.append(received)
                    continue
                if key not in open_ones:
                    raise Broken(f"{told}: answered twice")
                number = open_ones.pop(key)
                if received.body[4] not in allowed:
                    raise Broken(f"{told}: expected result {sorted(allowed)}")
                if in_order and number < last:
                    raise Broken(f"{told}: out of order, after the answer to serial {wanted[last].serial}")
                last, done = number, done + 1
            link.inbox[:] = rest
            if not open_ones:
                return
            if link.closed and not link.is_datagrams:
                raise Broken(f"the connection was {link.closed} after {done} of {len(wanted)} answers")
            if not await link.until(deadline_s):
                serial, msg_id = next(iter(open_ones))
                raise Broken(
                    f"{done} of {len(wanted)} answered within {within_s:g} s; the first without an answer is "
                    f"0x{msg_id:04x} serial {serial}"
                )

    async def _silence(self, step: Table) -> None:
        ids = set(step["ids"]) if "ids" in step else None
        await self._stay_silent(
            self.link(step), self.patience.seconds(step.get("ms", SILENCE_MS)), ids, "nothing was to be sent"
        )

    async def _stay_silent(self, link: Link, for_s: float, ids: set[int] | None, why: str) -> None:
        deadline_s = monotonic() + for_s
        while True:
            for received in link.inbox:
                if self._breaks_silence(received) if ids is None else received.msg_id in ids:
                    raise Broken(f"{why}: {frame_text(received.header, received.body)}")
            if not await link.until(deadline_s):
                return
            if link.closed and not link.is_datagrams:
                raise Broken(f"the connection was {link.closed}")

    def _breaks_silence(self, received: Received) -> bool:
        """Whether a frame counts as an answer; commands of the other side may come at any time."""
        return received.msg_id in meets.ANSWERS

    # The rest.

    async def _closed(self, step: Table) -> None:
        link = self.link(step)
        deadline_s = monotonic() + self.patience.within_s(step)
        while not link.closed:
            if not await link.until(deadline_s):
                raise Broken(f"the connection is still open after {self.patience.within_s(step):g} s")

    async def _close(self, step: Table) -> None:
        self.link(step).close()
        await asyncio.sleep(0)

    async def _kill(self, step: Table) -> None:
        self.link(step).kill()
        await asyncio.sleep(0)

    async def _wait(self, step: Table) -> None:
        await asyncio.sleep(self.patience.seconds(step["ms"]))

    async def _serials(self, step: Table) -> None:
        """The next frames of the other side carry serials that rise by one; repeated frames do not count."""
        link = self.link(step)
        count, ids = int(step["count"]), set(step.get("ids", ()))
        deadline_s = monotonic() + self.patience.within_s(step)
        last: Received | None = None
        taken = 0
        while taken < count:
            for received in link.inbox:
                if ids and received.msg_id not in ids:
                    continue
                if last is not None and received.payload == last.payload:
                    continue
                if last is not None and received.header.serial != (last.header.serial + 1) & 0xFFFF:
                    raise Broken(
                        f"serial {received.header.serial} follows {last.header.serial}: "
                        + frame_text(received.header, received.body)
                    )
                last, taken = received, taken + 1
            link.inbox.clear()
            if taken < count and not await link.until(deadline_s):
                raise Broken(f"only {taken} of {count} frames came within {self.patience.within_s(step):g} s")
