"""Sub-packages 分包 back into messages, in any order (JT/T 808 §8.2). Sans-IO: time is an argument.

An assembly is found by (terminal, message id, total) and, among those of the same key, by its serials:

1. Parts carry consecutive serials, so `base = serial - (number - 1)` modulo 65536 is the same for all of
   one message: a part whose base an assembly has belongs to it.
2. Some senders stamp every part with the same serial: a part belongs to an assembly all of whose parts
   carry that very serial.
3. Neither: a new assembly.

When both rules point to different assemblies, one that has shown its style (two parts) wins over one that
has not, and else the second rule wins: a consecutive sender would have to use one serial for two parts.

A part that comes again after its message is complete (its answer was lost, §10.3) opens an assembly that
only repeats: nothing is asked for and it ends as Abandoned "repeated", which is no loss. As soon as a part
differs from the completed message it is a new message like any other.
"""

from array import array
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from jtgate.codecs.header import Header

#: What a part costs beside its body, in the account that `bytes_max` limits.
PART_OVERHEAD_BYTES = 256
#: What an incomplete message costs beside its parts, in the same account.
ASSEMBLY_OVERHEAD_BYTES = 1024
#: Numbers in one request: 0x8003 counts them in one byte. The next request names what is missing then.
NUMBERS_PER_REQUEST_MAX = 255
#: Requests, and messages given up for them, in one call of `due`.
REQUESTS_PER_CALL_MAX = 100
#: Messages given up for their silence in one call of `due`.
SILENT_PER_CALL_MAX = 1000
#: Parts of completed messages remembered (8 bytes each) to know repetitions; the oldest are forgotten first.
COMPLETED_PARTS_MAX = 1 << 18

REFUSED_NUMBER = "parts.number"  # 包序号 is 0 or above 消息总包数
REFUSED_TOTAL = "parts.total"  # 消息总包数 above the limit

ABANDONED_SILENT = "silent"  # nothing came for keep_s
ABANDONED_UNANSWERED = "unanswered"  # every request for missing parts stayed without effect
ABANDONED_MEMORY = "memory"  # evicted: bytes_max
ABANDONED_OPEN_LIMIT = "open_limit"  # evicted: open_per_terminal_max
ABANDONED_REPEATED = "repeated"  # nothing lost: parts of a message that was complete before


class Complete(NamedTuple):
    """Every part is there.

    `header` is that of part 1; `tokens` what `add` was given with the parts, in their order.
    """

    terminal: str
    header: Header
    body: bytes
    parts: int
    tokens: tuple[object, ...]


class Progress(NamedTuple):
    """A part was taken, others are missing.

    `duplicate`: a part with this number was there. `replaced`: its body was another, and the part with
    this token no longer counts. `kept`: the token of the new part is held; False for an exact repetition.
    """

    received: int
    total: int
    duplicate: bool = False
    kept: bool = True
    replaced: object = None


class Refused(NamedTuple):
    """The package item makes no sense, or announces too much."""

    code: str
    message: str


class Missing(NamedTuple):
    """Time to ask for parts with 0x8003 补传分包请求.

    `first_serial` is the serial of part 1, whether or not it came; `numbers` are the lowest missing, rising, at
    most NUMBERS_PER_REQUEST_MAX.
    """

    terminal: str
    header: Header
    first_serial: int
    numbers: tuple[int, ...]


class Abandoned(NamedTuple):
    """An incomplete message was given up; `tokens` are those of its parts, in the order of their numbers."""

    terminal: str
    header: Header
    received: int
    reason: str
    tokens: tuple[object, ...]


@dataclass(slots=True)
class _Part:
    serial: int
    digest: int
    body: bytes
    token: object


@dataclass(slots=True, eq=False)
class _Assembly:
    """Parts of one message as far as they came."""

    key: "Key"
    header: Header  # of the lowest part so far
    base: int
    serial: int  # of the part that came first
    last_at: float
    asked_at: float
    constant: bool = True  # every part so far carries `serial`
    requests: int = 0
    bytes_held: int = 0
    parts: dict[int, _Part] = field(default_factory=dict)
    repeats: "array[int] | None" = None  # digests of the completed message that it has repeated so far

    @property
    def terminal(self) -> str:
        return self.key[0]

    @property
    def total(self) -> int:
        return self.key[2]

    @property
    def first_serial(self) -> int:
        return self.serial if self.constant and len(self.parts) > 1 else self.base

    def missing(self) -> tuple[int, ...]:
        numbers = (number for number in range(1, self.total + 1) if number not in self.parts)
        return tuple(islice(numbers, NUMBERS_PER_REQUEST_MAX))


Key = tuple[str, int, int]  # terminal, message id, total


class PartBuffer:
    """Reassembles the sub-packaged messages of many terminals.

    Args:
        bytes_max: bodies and overhead of all parts and incomplete messages together; above it the assembly
            that has been silent longest is evicted.
        parts_max: highest 消息总包数 accepted.
        open_per_terminal_max: incomplete messages of one terminal; one more evicts the most silent, mere
            repetitions first.
        silence_s: after so long without a part the missing ones are asked for.
        requests_max: how often they are asked for, silence_s apart; 0 = never, and then only keep_s ends
            an assembly.
        keep_s: an assembly without a new part for so long is abandoned.
        keep_bodies: False for who only wants to know what is missing; `Complete.body` is then empty.
    """

    def __init__(
        self,
        bytes_max: int,
        parts_max: int = 4096,
        open_per_terminal_max: int = 8,
        silence_s: float = 5.0,
        requests_max: int = 5,
        keep_s: float = 300.0,
        *,
        keep_bodies: bool = True,
    ) -> None:
        self._bytes_max = bytes_max
        self._parts_max = parts_max
        self._open_max = open_per_terminal_max
        self._silence_s = silence_s
        self._requests_max = requests_max
        self._keep_s = keep_s
        self._keep_bodies = keep_bodies
        self._by_activity: OrderedDict[int, _Assembly] = OrderedDict()  # most silent first, by id()
        # Those that may be asked for, by id(): first whose last part or request is longest ago.
        self._askable: OrderedDict[int, _Assembly] = OrderedDict()
        self._by_key: dict[Key, list[_Assembly]] = {}
        self._by_terminal: dict[str, list[_Assembly]] = {}
        self._completed: OrderedDict[tuple[Key, int], tuple[float, array[int]]] = OrderedDict()
        self._completed_parts = 0
        self._evicted: list[Abandoned] = []
        self.bytes_held = 0
        #: parts, duplicates, completed, refused, requests, forgotten and abandoned_<reason>: how often each happened.
        self.counters: Counter[str] = Counter()

    def __len__(self) -> int:
        """Incomplete messages."""
        return len(self._by_activity)

    def add(
        self, terminal: str, header: Header, body: bytes, now: float, token: object = None
    ) -> Complete | Progress | Refused:
        """Take one part.

        Args:
            terminal: key of the terminal.
            header: its header, with a package item.
            body: its body.
            now: seconds on any clock that does not run backwards.
            token: given back with the message or its abandonment.

        Returns:
            Complete when this was the last one missing. A total of 1 is complete at once.
        """
        total, number = header.packet_total, header.packet_no
        self.counters["parts"] += 1
        if total is None or number is None or total == 1:
            self.counters["completed"] += 1
            return Complete(terminal, header, body if self._keep_bodies else b"", 1, (token,))
        if not 1 <= number <= total:
            self.counters["refused"] += 1
            return Refused(REFUSED_NUMBER, f"part {number} of {total}")
        if total > self._parts_max:
            self.counters["refused"] += 1
            return Refused(REFUSED_TOTAL, f"a message of {total} parts, {self._parts_max} at most")
        key = (terminal, header.msg_id, total)
        assembly = self._find(key, header, number)
        if assembly is None:
            assembly = self._open(key, header, number, now)
        progress = self._place(assembly, header, number, _Part(header.serial, hash(body), body, token), now)
        if len(assembly.parts) == total:
            return self._complete(assembly, now)
        while self.bytes_held > self._bytes_max and self._by_activity:
            self._evict(next(iter(self._by_activity.values())), ABANDONED_MEMORY)
        return progress

    def due(self, now: float) -> list[Missing | Abandoned]:
        """What has to happen by now: requests for missing parts, and messages that were given up.

        Call it about once a second: evicted messages wait here. What is above REQUESTS_PER_CALL_MAX and
        SILENT_PER_CALL_MAX waits for the next call, the most silent first.
        """
        events: list[Missing | Abandoned] = list(self._evicted)
        self._evicted.clear()
        for _ in range(SILENT_PER_CALL_MAX):
            assembly = next(iter(self._by_activity.values()), None)
            if assembly is None or now - assembly.last_at < self._keep_s:
                break
            events.append(self._abandon(assembly, ABANDONED_SILENT))
        for _ in range(REQUESTS_PER_CALL_MAX):
            assembly = next(iter(self._askable.values()), None)
            if assembly is None or now - max(assembly.asked_at, assembly.last_at) < self._silence_s:
                break
            events.append(self._ask(assembly, now))
        while self._completed and now - next(iter(self._completed.values()))[0] >= self._keep_s:
            self._forget_completed()
        return events

    def forget(self, terminal: str) -> int:
        """Drop what is incomplete of a terminal, without a report; returns how many messages."""
        dropped = list(self._by_terminal.get(terminal, ()))
        for assembly in dropped:
            self._remove(assembly)
        return len(dropped)

    def forget_open(self) -> int:
        """Drop every incomplete message and what is remembered of complete ones, without a report; returns how many.

        For when it is not certain that the parts counted here were kept: a part that was refused must come
        again, and must not be taken for one that has come.
        """
        dropped = list(self._by_activity.values())
        for assembly in dropped:
            self._remove(assembly)
        self._completed.clear()  # the part that completed a message may be the one that was refused
        self._completed_parts = 0
        self.counters["forgotten"] += len(dropped)
        return len(dropped)

    def _ask(self, assembly: _Assembly, now: float) -> Missing | Abandoned:
        """The next request for a silent assembly; the last one unanswered ends it."""
        if assembly.requests >= self._requests_max:
            return self._abandon(assembly, ABANDONED_UNANSWERED)
        assembly.requests += 1
        assembly.asked_at = now
        self._askable.move_to_end(id(assembly))
        self.counters["requests"] += 1
        return Missing(assembly.terminal, assembly.header, assembly.first_serial, assembly.missing())

    def _find(self, key: Key, header: Header, number: int) -> _Assembly | None:
        base = _base(header, number)
        by_base: _Assembly | None = None
        by_serial: _Assembly | None = None
        for assembly in self._by_key.get(key, ()):
            if assembly.base == base and not (assembly.constant and len(assembly.parts) > 1):
                by_base = assembly
            elif assembly.constant and assembly.serial == header.serial:
                by_serial = assembly
        if by_base is None or by_serial is None:
            return by_base or by_serial
        return by_base if len(by_base.parts) > 1 and len(by_serial.parts) == 1 else by_serial

    def _open(self, key: Key, header: Header, number: int, now: float) -> _Assembly:
        mine = self._by_terminal.get(key[0], ())
        if len(mine) >= self._open_max:
            self._evict(min(mine, key=lambda known: (known.repeats is None, known.last_at)), ABANDONED_OPEN_LIMIT)
        assembly = _Assembly(key, header, _base(header, number), header.serial, now, now)
        done = self._completed.get((key, assembly.base)) or self._completed.get((key, ~header.serial))
        if done is not None:
            assembly.repeats = done[1]
        self._by_terminal.setdefault(key[0], []).append(assembly)
        self._by_key.setdefault(key, []).append(assembly)
        self._by_activity[id(assembly)] = assembly
        self._account(assembly, ASSEMBLY_OVERHEAD_BYTES)
        return assembly

    def _place(self, assembly: _Assembly, header: Header, number: int, part: _Part, now: float) -> Progress:
        """Put a part in its place; the last one with a number wins."""
        assembly.last_at = now
        self._by_activity.move_to_end(id(assembly))
        earlier = assembly.parts.get(number)
        if earlier is not None:
            self.counters["duplicates"] += 1
            if earlier.digest == part.digest and (not self._keep_bodies or earlier.body == part.body):
                self._wait_to_ask(assembly)
                return Progress(len(assembly.parts), assembly.total, duplicate=True, kept=False)
            self._account(assembly, -_cost(earlier))
        assembly.constant = assembly.constant and part.serial == assembly.serial
        if not self._keep_bodies:
            part.body = b""
        assembly.parts[number] = part
        self._account(assembly, _cost(part))
        if number <= (assembly.header.packet_no or 0):
            assembly.header = header
        if assembly.repeats is not None and assembly.repeats[number - 1] != part.digest:
            assembly.repeats = None
        self._wait_to_ask(assembly)
        replaced = earlier.token if earlier is not None else None
        return Progress(len(assembly.parts), assembly.total, duplicate=earlier is not None, replaced=replaced)

    def _wait_to_ask(self, assembly: _Assembly) -> None:
        """A part came: ask silence_s from now at the earliest, and never for a mere repetition."""
        if self._requests_max and assembly.repeats is None:
            self._askable[id(assembly)] = assembly
            self._askable.move_to_end(id(assembly))

    def _complete(self, assembly: _Assembly, now: float) -> Complete:
        ordered = [assembly.parts[number] for number in range(1, assembly.total + 1)]
        # Which style of serials it was is kept apart by the sign.
        mark = ~assembly.serial if assembly.constant else assembly.base
        if self._completed.pop((assembly.key, mark), None) is not None:
            self._completed_parts -= assembly.total
        self._completed[assembly.key, mark] = (now, array("q", (part.digest for part in ordered)))
        self._completed_parts += assembly.total
        while self._completed_parts > COMPLETED_PARTS_MAX:
            self._forget_completed()
        self._remove(assembly)
        self.counters["completed"] += 1
        return Complete(
            assembly.terminal,
            assembly.header,
            b"".join(part.body for part in ordered),
            assembly.total,
            tuple(part.token for part in ordered),
        )

    def _forget_completed(self) -> None:
        (key, _), _ = self._completed.popitem(last=False)
        self._completed_parts -= key[2]

    def _evict(self, assembly: _Assembly, reason: str) -> None:
        self._evicted.append(self._abandon(assembly, reason))

    def _abandon(self, assembly: _Assembly, reason: str) -> Abandoned:
        self._remove(assembly)
        if assembly.repeats is not None:
            reason = ABANDONED_REPEATED
        self.counters[f"abandoned_{reason}"] += 1
        tokens = tuple(assembly.parts[number].token for number in sorted(assembly.parts))
        return Abandoned(assembly.terminal, assembly.header, len(assembly.parts), reason, tokens)

    def _remove(self, assembly: _Assembly) -> None:
        self._account(assembly, -assembly.bytes_held)
        del self._by_activity[id(assembly)]
        self._askable.pop(id(assembly), None)
        of_key = self._by_key[assembly.key]
        of_key.remove(assembly)
        if not of_key:
            del self._by_key[assembly.key]
        of_terminal = self._by_terminal[assembly.terminal]
        of_terminal.remove(assembly)
        if not of_terminal:
            del self._by_terminal[assembly.terminal]

    def _account(self, assembly: _Assembly, change: int) -> None:
        assembly.bytes_held += change
        self.bytes_held += change


def _base(header: Header, number: int) -> int:
    return (header.serial - (number - 1)) % 65536


def _cost(part: _Part) -> int:
    return PART_OVERHEAD_BYTES + len(part.body)
