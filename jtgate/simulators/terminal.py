"""A simulated terminal 终端: its session, its reports, its memory for blind areas, its answers to commands.

    OFFLINE ──link──► REGISTERING ──0x8100 code──► AUTHENTICATING ──0x8001 0──► ONLINE
       ▲                  ▲                             │                         │
       │                  └───────────1 (refused)───────┘                         │
       └───────────── link lost, network lost, unanswered, refused too often ◄────┘
                      (with a code it starts at AUTHENTICATING next time)

Sans-IO: bytes and the monotonic time come in; `output`, `take_order` and `deadline` say what to write, what
to do with the link, and when to call `tick` at the latest. The world goes on while the link is down: reports
are made and kept, and sent as 0x0704 afterwards.
"""

import math
from collections.abc import Sequence

from jtgate.codecs.edition import Edition
from jtgate.codecs.errors import ProtocolError
from jtgate.codecs.framing import Frame, FrameReader
from jtgate.codecs.header import Header, parse_header
from jtgate.simulators import messages, reports
from jtgate.simulators.alarms import AlarmDesk
from jtgate.simulators.clock import RunClock
from jtgate.simulators.commands import Commands
from jtgate.simulators.delivery import HEARTBEAT, Delivery, LongMessage, Pending, Position
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.evidence import EvidenceShelf
from jtgate.simulators.faults import Fault, garbage
from jtgate.simulators.gallery import MEDIA, Gallery
from jtgate.simulators.identity import Identity
from jtgate.simulators.ledger import CommandsLedger, Ledger
from jtgate.simulators.memory import LOCATION, Memory, Todo
from jtgate.simulators.parameters import Parameters
from jtgate.simulators.roads import RoadGraph
from jtgate.simulators.rules import Rules
from jtgate.simulators.states import LinkOrder, State
from jtgate.simulators.tally import Tally
from jtgate.simulators.vehicle import Vehicle

#: Frames not answered; while there are so many, new positions go to the memory.
IN_FLIGHT_MAX = 24
#: Reports made up for in one call, and lateness after which they are skipped and counted instead.
CATCH_UP_MAX = 16
LATE_SLOTS_MAX = 30
#: Reports during which the network stays lost.
BLIND_SLOTS = (3, 12)
#: One of so many network losses leaves the old connection half open.
HALF_OPEN_CHANCE = 0.3
BACKOFF_S = (1.0, 30.0)
REFUSED_WAIT_S = 5.0
REFUSED_MAX = 3
#: After result 1 (failure) a position is kept back so long.
FAILURE_WAIT_S = 3.0
#: A fresh connection begins with garbage so many times as often as any other frame does.
GARBAGE_AT_START = 10

REGISTER = 0x0100
AUTHENTICATE = 0x0102
DRIVER = 0x0702

RESULT_OK, RESULT_FAILURE, RESULT_ALARM = 0, 1, 4

#: Pause between messages sent from the memory, seconds.
FLUSH_GAP_S = 0.2
#: Share of the report interval between one terminal and the next: they spread evenly, whatever their number.
_GOLDEN = 0.6180339887498949


class Terminal:
    """One simulated terminal.

    Args:
        identity: who it is.
        rules: common to the fleet.
        clock: times of the run.
        tally: counters of the fleet.
        dice: chances of this terminal.
        graph: roads.
        first_connect_s: when it first connects, seconds of the run.
        ledger: where acknowledged frames are noted, if anywhere.
        commands_ledger: where executed commands are noted, if anywhere.
    """

    __slots__ = (
        "_attempts",
        "_auth_code",
        "_card_no",
        "_clock",
        "_connect_at",
        "_connects",
        "_draining",
        "_ever_online",
        "_flush_at",
        "_grid_s",
        "_held",
        "_last_heartbeat_at",
        "_ledger",
        "_login_at",
        "_offset_s",
        "_order",
        "_reader",
        "_refused",
        "_slot",
        "alarms",
        "commands",
        "commands_ledger",
        "congested",
        "delivery",
        "dice",
        "evidence",
        "gallery",
        "identity",
        "memory",
        "parameters",
        "rules",
        "state",
        "tally",
        "vehicle",
    )

    def __init__(
        self,
        identity: Identity,
        rules: Rules,
        clock: RunClock,
        tally: Tally,
        dice: Dice,
        graph: RoadGraph,
        *,
        first_connect_s: float = 0.0,
        ledger: Ledger | None = None,
        commands_ledger: CommandsLedger | None = None,
    ) -> None:
        self.identity = identity
        self.rules = rules
        self.tally = tally
        self.dice = dice
        self.commands_ledger = commands_ledger
        self.state = State.OFFLINE
        self.vehicle = Vehicle(dice, graph)
        self.evidence = EvidenceShelf(identity, rules.evidence, tally) if rules.evidence is not None else None
        self.alarms = AlarmDesk(identity.edition, identity.terminal_id, dice, self.evidence)
        self.delivery = Delivery(identity, rules.faults, tally, dice, wait_s=rules.answer_wait_s, retries=rules.retries)
        self.memory = Memory(tally, dice)
        self.parameters = Parameters(
            identity,
            interval_s=rules.interval_s,
            heartbeat_s=rules.heartbeat_s,
            answer_wait_s=rules.answer_wait_s,
            retries=rules.retries,
        )
        self.gallery = Gallery(identity.edition, self, self.memory, tally, dice)
        self.commands = Commands(self)
        self.congested = False  # the shell cannot write as fast as we send
        self._clock = clock
        self._ledger = ledger
        self._reader = FrameReader()
        self._auth_code: str | None = None
        self._offset_s = identity.index * _GOLDEN % 1.0 * rules.interval_s
        self._slot = 0  # number of the next report
        self._grid_s = self.parameters.report_s  # seconds between slots
        self._order: LinkOrder | None = None
        self._connect_at = clock.origin_s + first_connect_s
        self._login_at = math.inf  # when to try again after a refusal
        self._attempts = 0  # connections in a row that did not come to ONLINE
        self._connects = 0
        self._refused = 0
        self._flush_at = 0.0  # not before this is anything sent from memory and todo
        self._last_heartbeat_at = 0.0
        self._ever_online = False
        self._draining = False
        self._held = False  # what is in memory and todo stays there
        self._card_no = 0  # driver reported last

    # What the shell asks.

    def output(self, now: float) -> list[bytes]:
        """The pieces to write now; over UDP each is a datagram."""
        return self.delivery.outbox.take(now)

    def take_order(self) -> LinkOrder | None:
        """What to do with the link, once."""
        order, self._order = self._order, None
        return order

    @property
    def deadline(self) -> float:
        """Monotonic time at which `tick` must be called at the latest."""
        due = min(self.delivery.deadline, self._login_at)
        due = min(due, self._connect_at if self.state is State.OFFLINE else self.commands.deadline)
        if not self._draining:
            due = min(due, self._clock.now(self._next_report_s()))
        if self.state is State.ONLINE:
            if not self._draining:
                due = min(due, self._heartbeat_at())
            if self._can_flush:
                due = min(due, self._flush_at)
        return due

    @property
    def quiet(self) -> bool:
        """Nothing is waiting: not for an answer, not in the memory."""
        return self.delivery.idle and not self.memory

    @property
    def unsent(self) -> int:
        """Positions in the memory."""
        return len(self.memory.positions)

    @property
    def attempted(self) -> bool:
        """A connection was asked for at least once."""
        return self._connects > 0

    @property
    def ever_online(self) -> bool:
        """It was authenticated at least once."""
        return self._ever_online

    # What the shell tells.

    def connected(self, now: float) -> None:
        """The link is up."""
        self.tally.connected += 1
        self._reader = FrameReader()
        self.commands.new_link()
        self._refused = 0
        rate = self.rules.faults.rates.get(Fault.GARBAGE, 0.0) * GARBAGE_AT_START
        if rate and self.dice.roll(Purpose.FAULT_DETAIL, -self._connects) < rate:
            self.tally.faults[Fault.GARBAGE] += 1
            self.delivery.outbox.put(garbage(self.dice, -self._connects), now)
        self._log_in(now)

    def connect_failed(self, now: float) -> None:
        """The link did not come up."""
        self.tally.connect_failed += 1
        self._go_offline(now, self._backoff_s())

    def lost(self, now: float, reason: str) -> None:
        """The link went down and we did not ask for it."""
        if self.state is not State.OFFLINE:
            self._drop(now, reason, None, self._backoff_s())

    def storm(self, now: float) -> None:
        """Drop out and come back at once, with all the others."""
        if self.state is State.ONLINE:
            self.tally.faults[Fault.STORM] += 1
            self._drop(now, "storm (simulated)", LinkOrder.ABORT, 0.0)

    def drain(self, now: float, *, flush: bool) -> None:
        """Make no more reports.

        Args:
            now: monotonic seconds.
            flush: still come back from a blind area and send what is in the memory.
        """
        self._draining = True
        if not flush:
            self._held = True
            self._connect_at = math.inf
        elif self.state is State.OFFLINE:
            wanted = bool(self.memory)
            self._connect_at = min(self._connect_at, now) if wanted else math.inf

    def received(self, data: bytes, now: float) -> None:
        """Bytes from the platform."""
        self.tally.bytes_in += len(data)
        for event in self._reader.feed(data):
            if not isinstance(event, Frame):
                self.tally.frames_bad += 1
                continue
            try:
                header, body = parse_header(event.payload)
                self._message(header, body, now)
            except ProtocolError:
                self.tally.frames_bad += 1

    def tick(self, now: float) -> None:
        """Do everything that is due."""
        if not self._draining:
            self._reports_due(now)
        if self.state is State.OFFLINE:
            if self._connect_at <= now:
                self._connect_at = math.inf
                self._connects += 1
                self._attempts += 1
                self._order = LinkOrder.OPEN
            return
        if self.delivery.retransmit(now):
            self._drop(now, "unanswered", LinkOrder.CLOSE, self._backoff_s())
            return
        self.commands.tick(now)
        if self._login_at <= now:
            self._log_in(now)
        if self.state is State.ONLINE:
            if not self._draining and self._heartbeat_at() <= now:
                self._last_heartbeat_at = now
                self.delivery.send(HEARTBEAT, b"", now)
            if self._can_flush and self._flush_at <= now:
                self._flush(now)

    # Reports.

    def _slot_s(self) -> float:
        """Simulated time of the next slot of the grid."""
        return self._clock.simulated_s(self._offset_s + self._slot * self.parameters.report_s)

    def _next_report_s(self) -> float:
        """Simulated time of the next report: the next slot, or the end of an alarm before it."""
        end_s = self.alarms.next_end_s
        return self._slot_s() if end_s is None else min(self._slot_s(), end_s)

    def _reports_due(self, now: float) -> None:
        late = int((self._clock.run_s(now) - self._offset_s) / self.parameters.report_s) - self._slot
        if late > LATE_SLOTS_MAX and self._ever_online:
            self.tally.slots_skipped += late
            self._slot += late
        for _ in range(CATCH_UP_MAX):
            simulated_s = self._next_report_s()
            if self._clock.now(simulated_s) > now:
                return
            self._report(simulated_s, now)

    def _report(self, simulated_s: float, now: float) -> None:
        """Live until then and report: a slot of the grid, or at once because an alarm has ended."""
        device_ms = self._clock.device_ms(simulated_s)
        self.vehicle.advance(simulated_s)
        items = self.alarms.end_due(simulated_s, device_ms, self.vehicle)
        slot = self._slot
        if simulated_s >= self._slot_s():
            self._slot += 1
            if self.dice.roll(Purpose.ALARM, slot) < self.rules.alarm_rate:
                begun = self.alarms.begin(slot, simulated_s, device_ms, self.vehicle)
                if begun is not None:
                    self.tally.alarms[begun[0]] += 1
                    items += begun[1]
        if not self._ever_online:
            return
        flags = self.alarms.flags
        body = reports.body_of(
            self.vehicle,
            self.identity.edition,
            alarm_flags=flags,
            device_ms=device_ms,
            dice=self.dice,
            count=slot,
            items=items,
            video_lost=self.alarms.video_lost,
        )
        position = Position(device_ms, body)
        ready = self.state is State.ONLINE and not self.congested and self.delivery.in_flight < IN_FLIGHT_MAX
        if ready:
            self.delivery.send(LOCATION, body, now, positions=(position,), flags=flags)
        else:
            self.memory.keep(position)
        self._besides(slot, device_ms, now)

    def _besides(self, slot: int, device_ms: int, now: float) -> None:
        """What may go along with a report: the driver's card, a picture, the loss of the network."""
        if self.vehicle.driver_no != self._card_no:
            self._change_card(device_ms)
        media_rate = self.rules.media_rate
        pictures = self.identity.edition is not Edition.V2011  # 2011 packs parts inside the body instead
        if pictures and media_rate and self.dice.roll(Purpose.MEDIA, slot) < media_rate:
            self.gallery.take_timed(device_ms)
        if self.state is not State.ONLINE:
            return
        if self.dice.roll(Purpose.BLIND, slot) < self.rules.blind_rate:
            slots = self.dice.between(Purpose.BLIND_LENGTH, slot, *BLIND_SLOTS)
            half_open = self.dice.roll(Purpose.BLIND_KIND, slot) < HALF_OPEN_CHANCE
            order = LinkOrder.ABANDON if half_open else LinkOrder.ABORT
            self._drop(now, "network lost (simulated)", order, slots * self.parameters.report_s)

    def _change_card(self, device_ms: int) -> None:
        """The old card is pulled, the new one inserted."""
        edition = self.identity.edition
        if self._card_no and edition is not Edition.V2011:
            self.memory.add(Todo(DRIVER, messages.card_removed(edition, device_ms)))
        self._card_no = self.vehicle.driver_no
        if self._card_no:
            self.memory.add(Todo(DRIVER, messages.card_inserted(self.identity, self._card_no, device_ms)))

    # Sending what has piled up.

    def _heartbeat_at(self) -> float:
        """2013 sends heartbeats only when nothing else is sent; 2011 and 2019 do not look at that (§10.1)."""
        if self.identity.edition is Edition.V2013:
            return self.delivery.last_sent_at + self.parameters.heartbeat_s
        return self._last_heartbeat_at + self.parameters.heartbeat_s

    @property
    def _can_flush(self) -> bool:
        """Something is waiting that may go out now."""
        if self._held or self.congested or self.delivery.in_flight >= IN_FLIGHT_MAX // 2:
            return False
        return bool(self.memory.positions) or self._todo_ready

    @property
    def _todo_ready(self) -> bool:
        """The next message other than a position may go out: pictures go one after the other."""
        todo = self.memory.todo
        return bool(todo) and (todo[0].media_id is None or self.delivery.upload is None)

    def _flush(self, now: float) -> None:
        """Send from the memory, a little at a time."""
        self._flush_at = now + FLUSH_GAP_S
        if self._todo_ready:
            todo = self.memory.todo.popleft()
            self.delivery.send(todo.msg_id, todo.body, now, media_id=todo.media_id)
        if self.memory.positions:
            msg_id, body, positions = self.memory.next_batch(self.identity.edition)
            self.delivery.send(msg_id, body, now, positions=positions)

    # The session.

    def _log_in(self, now: float) -> None:
        self._login_at = math.inf
        if self._auth_code is None:
            self.state = State.REGISTERING
            self.delivery.send(REGISTER, messages.registration(self.identity), now)
        else:
            self.state = State.AUTHENTICATING
            self.delivery.send(AUTHENTICATE, messages.authentication(self.identity, self._auth_code), now)

    def _registered(self, body: bytes, now: float) -> None:
        """0x8100 终端注册应答."""
        serial, result, code = messages.read_registered(body, self.identity.edition)
        if not self.delivery.settle(serial, REGISTER, now) or self.state is not State.REGISTERING:
            return
        if result != RESULT_OK:
            self._refuse("register", now)
            return
        self.tally.registered += 1
        self._auth_code = code
        self._log_in(now)

    def _authenticated(self, result: int, now: float) -> None:
        if self.state is not State.AUTHENTICATING:
            return
        if result != RESULT_OK:
            self._auth_code = None
            self._refuse("authenticate", now)
            return
        self.tally.authenticated += 1
        self.state = State.ONLINE
        self._ever_online = True
        self._attempts = 0
        self._last_heartbeat_at = now
        self._flush_at = now

    def _refuse(self, what: str, now: float) -> None:
        """The platform does not want us: try again later, from the beginning."""
        self.tally.refused[what] += 1
        self._refused += 1
        if self._refused >= REFUSED_MAX:
            self._drop(now, "refused", LinkOrder.CLOSE, BACKOFF_S[1])
        else:
            self._login_at = now + REFUSED_WAIT_S

    def _backoff_s(self) -> float:
        """Seconds until the next connection: doubled with each failure, and never the same for all."""
        low, high = BACKOFF_S
        wait_s = min(high, low * 2.0 ** min(self._attempts, 8))
        return wait_s * self.dice.between(Purpose.BACKOFF, self._connects, 0.5, 1.5)

    def _go_offline(self, now: float, wait_s: float) -> None:
        self.state = State.OFFLINE
        self._login_at = math.inf
        wanted = not self._draining or (not self._held and not self.quiet)
        self._connect_at = now + wait_s if wanted else math.inf

    def _drop(self, now: float, reason: str, order: LinkOrder | None, wait_s: float) -> None:
        """The link is gone or goes: keep what must still arrive.

        Args:
            now: monotonic seconds.
            reason: for the summary.
            order: what the shell is to do; None when the link is gone already.
            wait_s: until the next connection.
        """
        self.tally.disconnects[reason] += 1
        self._order = order
        positions: list[Position] = []
        again: list[Todo] = []
        messages_cut: dict[int, LongMessage] = {}
        if self.delivery.upload is not None:
            messages_cut[self.delivery.upload.first_serial] = self.delivery.upload
        for pending in self.delivery.lost():
            positions += pending.positions
            login = pending.msg_id in (REGISTER, AUTHENTICATE, HEARTBEAT)
            if pending.sends or pending.damaged:
                (self.tally.abandoned if login else self.tally.carried_over)[pending.msg_id] += 1
            if pending.long is not None:
                messages_cut[pending.long.first_serial] = pending.long
            elif not pending.positions and not login:
                again.append(Todo(pending.msg_id, pending.body))
        for message in messages_cut.values():
            positions += message.positions
            if not message.positions:
                again.append(Todo(message.msg_id, message.body, message.media_id))
        for todo in again:
            self.memory.add(todo)
        self.memory.take_back(positions)
        self.memory.blind = True
        self._go_offline(now, wait_s)

    def finish(self) -> None:
        """The run is over: what is still open was not answered, what is in the memory was not sent."""
        if self.delivery.upload is not None:
            self.tally.uploads["given_up"] += 1
        for pending in self.delivery.lost():
            if pending.sends or pending.damaged:
                self.tally.unanswered[pending.msg_id] += 1
        self.tally.positions_unsent += len(self.memory.positions)
        self.tally.never_online += self.attempted and not self._ever_online

    # What the platform says.

    def _message(self, header: Header, body: bytes, now: float) -> None:
        edition = self.identity.edition
        match header.msg_id:
            case 0x8001:  # 平台通用应答
                self._general_answer(*messages.read_general(body), now)
            case 0x8100:
                self._registered(body, now)
            case 0x8800:  # 多媒体数据上传应答
                media_id, missing, serial = messages.read_upload_answer(body, edition)
                if edition is Edition.V2011 and serial is not None:  # it answers the last package
                    self.delivery.settle(serial, MEDIA, now)
                elif missing:
                    upload = self.delivery.upload
                    known = upload if upload is not None and upload.media_id == media_id else None
                    self.delivery.repeat_parts(known, missing, now)
                else:
                    self.delivery.upload_complete(media_id, now)
            case 0x8003:  # 补传分包请求
                first_serial, numbers = messages.read_missing(body, edition)
                self.delivery.repeat_parts(self.delivery.long_message(first_serial), numbers, now)
            case _:
                self.commands.take(header, body, now)

    def _general_answer(self, serial: int, msg_id: int, result: int, now: float) -> None:
        pending = self.delivery.answer(serial, msg_id, result, now)
        if pending is None:
            return
        if msg_id == AUTHENTICATE:
            self._authenticated(result, now)
            return
        self.alarms.answered(pending.flags)
        message = pending.long
        if message is None:
            self._outcome(pending, pending.positions, pending.body, result, now)
        elif not message.open:
            self._outcome(pending, message.positions, message.body, message.result, now)

    def _outcome(self, pending: Pending, positions: Sequence[Position], body: bytes, result: int, now: float) -> None:
        """A whole message is answered."""
        stored = result in (RESULT_OK, RESULT_ALARM)
        if stored and self._ledger is not None:
            self._ledger.add(self.identity.phone, pending.msg_id, pending.serial, positions or [(0, body)])
        if not positions:
            return
        if stored:
            self.tally.positions_acknowledged += len(positions)
        elif result == RESULT_FAILURE:  # not stored now, perhaps later
            self.memory.take_back(positions)
            self._flush_at = max(self._flush_at, now + FAILURE_WAIT_S)
        else:
            self.tally.positions_lost += len(positions)

    # What commands need.

    def current_body(self) -> bytes:
        """A location body of the state of the last report."""
        return reports.body_of(
            self.vehicle,
            self.identity.edition,
            alarm_flags=self.alarms.flags,
            device_ms=self.device_ms(),
            dice=self.dice,
            count=self._slot,
            video_lost=self.alarms.video_lost,
        )

    def device_ms(self) -> int:
        """Device time of the last report."""
        return self._clock.device_ms(self.vehicle.time_s)

    def media_base(self, device_ms: int) -> bytes:
        """位置基本信息 for a medium: where the vehicle is, at a device time."""
        flags = self.alarms.flags
        return reports.base_of(self.vehicle, self.identity.edition, alarm_flags=flags, device_ms=device_ms)

    def restart(self, now: float, off_s: float, *, erase: bool = False) -> None:
        """Go off as after 终端复位 and come back.

        Args:
            now: monotonic seconds.
            off_s: so long.
            erase: forget registration and parameters.
        """
        if erase:
            self._auth_code = None
            self.parameters.reset()
            self.follow_parameters(now)
        if self.state is not State.OFFLINE:
            self._drop(now, "restart (commanded)", LinkOrder.CLOSE, off_s)

    def follow_parameters(self, now: float) -> None:
        """Parameters have changed: new time-outs, and another grid of reports when the interval is another."""
        self.delivery.wait_s = self.parameters.answer_wait_s
        self.delivery.retries = self.parameters.retries
        if self.parameters.report_s != self._grid_s:
            self._grid_s = self.parameters.report_s
            self._slot = math.floor((self._clock.run_s(now) - self._offset_s) / self._grid_s) + 1
