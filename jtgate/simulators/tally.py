"""What a fleet counts, and what it says at the end."""

from collections import Counter
from dataclasses import dataclass, field

from jtgate.simulators.histogram import Histogram


@dataclass(slots=True)
class Tally:
    """Counters of a whole fleet; every terminal adds to the same one.

    Frames that expect an answer end in exactly one of: answered, unanswered, carried_over, abandoned (or are
    still open). Frames are counted by message id when they are first sent.
    """

    connected: int = 0  # connections that came about
    connect_failed: int = 0
    registered: int = 0  # 0x8100 with a code
    authenticated: int = 0  # 0x0102 answered 0
    never_online: int = 0  # connection attempted, never authenticated; set at the end
    sent: Counter[int] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    unanswered: Counter[int] = field(default_factory=Counter)  # given up after all retransmissions, or open at the end
    carried_over: Counter[int] = field(default_factory=Counter)  # link lost first; sent anew later
    abandoned: Counter[int] = field(default_factory=Counter)  # link lost first; of no use later (heartbeat, login)
    resent: Counter[int] = field(default_factory=Counter)
    resent_after_fault: int = 0  # the correct frame after one sent damaged
    resent_on_request: int = 0  # parts asked for by 0x8003 or 0x8800
    results: Counter[int] = field(default_factory=Counter)  # of 0x8001, 0 to 4
    refused: Counter[str] = field(default_factory=Counter)  # registration, authentication, commands we do not know
    replies: Counter[int] = field(default_factory=Counter)  # our answers to commands
    replies_lost: int = 0  # late answers that were due after their link was gone
    commands: Counter[int] = field(default_factory=Counter)  # without repetitions
    commands_repeated: int = 0  # the same id, serial and body again: answered again, not executed again
    commands_executed: int = 0
    command_faults: Counter[str] = field(default_factory=Counter)
    disconnects: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    positions_acknowledged: int = 0
    positions_lost: int = 0  # refused, or fallen out of a full memory of the terminal
    messages_lost: Counter[int] = field(default_factory=Counter)  # other messages fallen out of a full memory
    positions_unsent: int = 0  # still in the memory of terminals at the end
    slots_skipped: int = 0  # reports not made because this process was late
    uploads: Counter[str] = field(default_factory=Counter)  # pictures: begun, complete, given up
    evidence: Counter[str] = field(default_factory=Counter)  # orders 0x9208, links, files, how orders ended
    evidence_faults: Counter[str] = field(default_factory=Counter)
    answers_repeated: int = 0
    answers_late: int = 0  # after the frame had been given up
    answers_wrong: int = 0  # quote a serial or id that was not sent
    answers_to_damaged: int = 0  # to a frame whose only copies had a wrong check byte
    requests_unknown: int = 0  # for parts of a message that is not there any more
    frames_bad: int = 0  # from the platform
    publishes_dropped: int = 0  # MQTT: more than a connection may have under way; the terminals send them again
    messages_unheard: int = 0  # MQTT: for a terminal that had no link when they came
    bytes_out: int = 0
    bytes_in: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)

    def failed(self, *, interrupted: bool) -> bool:
        """Something was not answered, or lost, or answered that must not be.

        Args:
            interrupted: the run was cut short, so what had not been sent yet is nobody's fault.
        """
        wrong = (
            sum(self.unanswered.values()),
            self.positions_lost,
            self.messages_lost.total(),
            self.answers_to_damaged,
            0 if interrupted else self.positions_unsent,
            0 if interrupted else self.never_online,
            0 if interrupted else self.uploads["given_up"],
        )
        return any(wrong)

    def as_json(self) -> dict[str, object]:
        """The counters as one JSON object; message ids in hex."""
        p50, p90, p99, longest = self.latency.percentiles()
        ids = sorted(self.sent)
        return {
            "connected": self.connected,
            "connect_failed": self.connect_failed,
            "registered": self.registered,
            "authenticated": self.authenticated,
            "never_online": self.never_online,
            "messages": {
                f"0x{msg_id:04x}": {
                    "sent": self.sent[msg_id],
                    "answered": self.answered[msg_id],
                    "unanswered": self.unanswered[msg_id],
                    "carried_over": self.carried_over[msg_id],
                    "abandoned": self.abandoned[msg_id],
                    "resent": self.resent[msg_id],
                }
                for msg_id in ids
            },
            "sent": sum(self.sent.values()),
            "answered": sum(self.answered.values()),
            "unanswered": sum(self.unanswered.values()),
            "resent": sum(self.resent.values()),
            "resent_after_fault": self.resent_after_fault,
            "resent_on_request": self.resent_on_request,
            "results": {str(result): self.results[result] for result in range(5)},
            "refused": dict(self.refused),
            "commands": {f"0x{msg_id:04x}": count for msg_id, count in sorted(self.commands.items())},
            "commands_executed": self.commands_executed,
            "commands_repeated": self.commands_repeated,
            "command_faults": dict(self.command_faults),
            "replies": {f"0x{msg_id:04x}": count for msg_id, count in sorted(self.replies.items())},
            "replies_lost": self.replies_lost,
            "disconnects": dict(self.disconnects),
            "faults": dict(self.faults),
            "alarms": dict(self.alarms),
            "uploads": dict(self.uploads),
            "evidence": {str(name): count for name, count in self.evidence.items()},
            "evidence_faults": {str(name): count for name, count in self.evidence_faults.items()},
            "positions": {
                "acknowledged": self.positions_acknowledged,
                "lost": self.positions_lost,
                "unsent": self.positions_unsent,
            },
            "messages_lost": {f"0x{msg_id:04x}": count for msg_id, count in sorted(self.messages_lost.items())},
            "slots_skipped": self.slots_skipped,
            "answers": {
                "repeated": self.answers_repeated,
                "late": self.answers_late,
                "wrong": self.answers_wrong,
                "to_damaged": self.answers_to_damaged,
            },
            "requests_unknown": self.requests_unknown,
            "frames_bad": self.frames_bad,
            "publishes_dropped": self.publishes_dropped,
            "messages_unheard": self.messages_unheard,
            "bytes_out": self.bytes_out,
            "bytes_in": self.bytes_in,
            "latency_ms": {"p50": p50, "p90": p90, "p99": p99, "max": longest},
        }
