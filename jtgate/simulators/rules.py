"""What all terminals of a simulated fleet have in common."""

from dataclasses import dataclass, field

from jtgate.simulators.command_faults import CommandFaultPlan
from jtgate.simulators.evidence import EvidenceRules
from jtgate.simulators.faults import FaultPlan


@dataclass(frozen=True, slots=True)
class Rules:
    """What all terminals of a fleet have in common.

    Args:
        interval_s: between location reports (parameter 0x0029).
        heartbeat_s: between heartbeats (parameter 0x0001).
        answer_wait_s: T (parameter 0x0002).
        retries: retransmissions (parameter 0x0003).
        alarm_rate: chance of an alarm with each report.
        blind_rate: chance of losing the network with each report.
        media_rate: chance of a picture with each report.
        faults: deliberate faults in what is sent.
        command_faults: deliberate faults in how commands are answered.
        evidence: files of alarms; None: alarms have none.
    """

    interval_s: float = 10.0
    heartbeat_s: float = 60.0
    answer_wait_s: float = 10.0
    retries: int = 3
    alarm_rate: float = 0.0
    blind_rate: float = 0.0
    media_rate: float = 0.0
    faults: FaultPlan = field(default_factory=lambda: FaultPlan({}))
    command_faults: CommandFaultPlan = field(default_factory=CommandFaultPlan)
    evidence: EvidenceRules | None = None
