"""What the gateway counts: plain integers on the hot path, carried to Prometheus once a second."""

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter("jtgate_gateway_frames_total", "Frames committed to the spool")
COMMITS = Counter("jtgate_gateway_commits_total", "Group commits")
COMMIT_SECONDS = Histogram(
    "jtgate_gateway_commit_seconds",
    "Time of one group commit",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0),
)
UNSENT = Counter("jtgate_gateway_unsent_total", "Answers for connections that were lost meanwhile")
BYTES_IN = Counter("jtgate_gateway_received_bytes_total", "Bytes received from terminals")
REFUSED = Counter("jtgate_gateway_refused_by_spool_total", "Frames answered with failure", ["code"])
REJECTED = Counter("jtgate_gateway_rejected_total", "Stretches of bytes that are no frame", ["code"])
DEVIATIONS = Counter("jtgate_gateway_deviations_total", "Tolerated or refused peculiarities of terminals", ["name"])
CLOSED = Counter("jtgate_gateway_closed_total", "Connections closed", ["reason"])
OPENED = Counter("jtgate_gateway_opened_total", "Connections opened", ["transport"])
DROPPED_RECORDS = Counter("jtgate_gateway_session_records_dropped_total", "Session records given up")
PAUSED = Counter("jtgate_gateway_paused_total", "Times reading paused", ["why"])
CONNECTIONS = Gauge("jtgate_gateway_connections", "Open connections", multiprocess_mode="livesum")
ONLINE = Gauge("jtgate_gateway_sessions_online", "Sessions online", multiprocess_mode="livesum")
PENDING_BYTES = Gauge("jtgate_gateway_pending_bytes", "Bytes received, not yet committed", multiprocess_mode="livesum")
PARTS_BYTES = Gauge("jtgate_gateway_parts_bytes", "Bytes of sub-packages held", multiprocess_mode="livesum")
MQTT_MESSAGES = Counter("jtgate_gateway_mqtt_messages_total", "Messages of the MQTT broker by outcome", ["outcome"])
MQTT_UNSENT = Counter("jtgate_gateway_mqtt_unsent_total", "Messages that could not be given to the broker", ["why"])
MQTT_RECONNECTS = Counter("jtgate_gateway_mqtt_reconnects_total", "Connections to the broker that failed or were lost")
MQTT_CONNECTED = Gauge(
    "jtgate_gateway_mqtt_connected", "Connections subscribed at the broker", multiprocess_mode="livesum"
)
MQTT_UNACKNOWLEDGED = Gauge(
    "jtgate_gateway_mqtt_unacknowledged", "Messages that wait for their commit", multiprocess_mode="livesum"
)
COMMANDS = Counter("jtgate_gateway_commands_total", "Commands that ended, by state", ["state"])
COMMANDS_SENT = Counter("jtgate_gateway_commands_sent_total", "Commands written to terminals, repetitions included")
COMMANDS_REPEATED = Counter("jtgate_gateway_commands_repeated_total", "Commands repeated because no answer came")
COMMANDS_NO_ROOM = Counter("jtgate_gateway_commands_no_room_total", "Times commands of a terminal were left in the bus")
COMMANDS_HELD = Gauge("jtgate_gateway_commands_held", "Commands held in memory", multiprocess_mode="livesum")
COMMANDS_IN_FLIGHT = Gauge(
    "jtgate_gateway_commands_in_flight", "Commands that wait for their answer", multiprocess_mode="livesum"
)
COMMAND_SECONDS = Histogram(
    "jtgate_gateway_command_seconds",
    "From the first writing of a command to its answer",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
COMMAND_ANSWERS_STRANGE = Counter(
    "jtgate_gateway_command_answers_strange_total", "Answers of terminals that fit no command, or not well", ["why"]
)
COMMAND_PARTS_RESENT = Counter("jtgate_gateway_command_parts_resent_total", "Parts sent again for 0x0005")
COMMAND_BUS_FAILURES = Counter("jtgate_gateway_command_bus_failures_total", "Rounds that the command bus failed")
SPOOL_DAMAGED = Counter("jtgate_gateway_spool_damaged_total", "Segments of the spool found damaged by the writer")
SPOOL_BYTES = Gauge("jtgate_gateway_spool_bytes", "Bytes of the spool on disk", multiprocess_mode="livesum")


class Counters:
    """Counts since the last flush."""

    def __init__(self) -> None:
        self.frames = 0
        self.commits = 0
        self.paused_by_pending = 0
        self.paused_by_peer = 0
        self.session_records_dropped = 0
        self.unsent = 0
        self.mqtt_reconnects = 0
        self.mqtt_messages: Tally[str] = Tally()
        self.mqtt_unsent: Tally[str] = Tally()
        self.rejected: Tally[str] = Tally()
        self.deviations: Tally[str] = Tally()
        self.closed: Tally[str] = Tally()
        self.opened: Tally[str] = Tally()
        self.refused: Tally[str] = Tally()

    def committed(self, frames: int, seconds: float) -> None:
        """One group commit went through."""
        self.frames += frames
        self.commits += 1
        COMMIT_SECONDS.observe(seconds)

    def refused_by_spool(self, code: str, frames: int) -> None:
        """One group commit did not."""
        self.refused[code] += frames

    def flush(self) -> None:
        """Carry everything over to Prometheus and start at zero."""
        FRAMES.inc(self.frames)
        COMMITS.inc(self.commits)
        UNSENT.inc(self.unsent)
        MQTT_RECONNECTS.inc(self.mqtt_reconnects)
        PAUSED.labels("pending").inc(self.paused_by_pending)
        PAUSED.labels("peer").inc(self.paused_by_peer)
        DROPPED_RECORDS.inc(self.session_records_dropped)
        for tally, metric in (
            (self.rejected, REJECTED),
            (self.deviations, DEVIATIONS),
            (self.closed, CLOSED),
            (self.opened, OPENED),
            (self.refused, REFUSED),
            (self.mqtt_messages, MQTT_MESSAGES),
            (self.mqtt_unsent, MQTT_UNSENT),
        ):
            for label, count in tally.items():
                metric.labels(label).inc(count)
            tally.clear()
        self.frames = self.commits = self.unsent = self.mqtt_reconnects = 0
        self.paused_by_pending = self.paused_by_peer = self.session_records_dropped = 0
