"""The rows of the store: names, types and natural keys, in one place for every back end.

Times are integer milliseconds since 1970 UTC (`_ms`), 0 = none. Natural keys make every write
repeatable (design D6): a resent frame, an overlapping batch or a replay of the spool leaves one row.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

#: Columns of `positions`, in the order of the tuples that `pipeline` hands to the store. Key: the first three.
POSITION_COLUMNS = (
    "terminal_id",  # key of `terminals`
    "device_time_ms",  # 时间; 0 when the terminal gave no calendar time
    "fingerprint",  # signed 64-bit FNV-1a over the location body
    "received_ms",
    "time_state",  # timebase.TIME_GOOD, TIME_NOT_A_DATE, TIME_IN_FUTURE
    "session_id",
    "spool_seq",  # group of the spool that holds the frame
    "serial",  # header serial 消息流水号
    "msg_id",  # 0x0200, 0x0201 or 0x0704
    "backfill",  # 1 for 0x0704 type 1, 盲区补报
    "alarm_flags",  # 报警标志
    "status",  # 状态
    "latitude",  # 纬度, signed degrees; NULL when out of range
    "longitude",  # 经度
    "altitude_m",  # 高程
    "speed_kmh",  # 速度
    "heading_deg",  # 方向
    "mileage_km",  # 0x01 里程
    "fuel_l",  # 0x02 油量
    "recorder_speed_kmh",  # 0x03 行驶记录功能获取的速度
    "alarm_event_id",  # 0x04 需要人工确认报警事件的ID
    "video_alarm_flags",  # 0x14 视频相关报警
    "video_loss_channels",  # 0x15 视频信号丢失
    "video_cover_channels",  # 0x16 视频信号遮挡
    "storage_fault_flags",  # 0x17 存储器故障
    "abnormal_driving_flags",  # 0x18 异常驾驶行为
    "fatigue_degree",  # 0x18, third byte, 0..100
    "vehicle_signals",  # 0x25 扩展车辆信号状态位
    "io_status",  # 0x2A IO状态位
    "analog_0",  # 0x2B bits 0–15, 模拟量 AD0
    "analog_1",  # 0x2B bits 16–31, AD1
    "signal_strength",  # 0x30 无线通信网络信号强度
    "satellites",  # 0x31 定位卫星数
    "extra_items",  # JSON [{"id": "0x64", "raw": "…"}, …]: every item without a column, or repeated, or of odd length
)

PositionRow = tuple[object, ...]


class PackedPositions(Protocol):
    """Positions as the compiled columns hold them (`codecs.twins.columns.LocationColumns`)."""

    def __len__(self) -> int:
        """How many rows."""
        ...

    def rows(self) -> list[PositionRow]:
        """The rows, each in the order of POSITION_COLUMNS."""
        ...

    def copy_rows(self, part: int = 0, parts: int = 1) -> bytes:
        """Rows as fields of PostgreSQL's binary COPY, in the order of POSITION_COLUMNS, without head and end.

        Args:
            part: which part of the rows, from 0.
            parts: into how many they are dealt out: terminal_id % parts.
        """
        ...

    def misdated(self, from_ms: int, to_ms: int) -> int:
        """How many rows have a doubtful time, or one that is not in [from_ms, to_ms)."""
        ...

    def days(self) -> list[int]:
        """Days of UTC (milliseconds of their beginning) on which the good times lie, rising."""
        ...

    def hours(self) -> list[tuple[int, int]]:
        """What the hourly figures have to be made anew for: (hour_ms, terminal_id), of good times only.

        terminal_id is 0, for all of them, in the hour of receipt and the one before: nearly every terminal is in it.
        """
        ...


class AlarmEventRow(NamedTuple):
    """One alarm fact: an item 0x64–0x67 (or dialect item), or an edge of a flag bit.

    Key: terminal_id, source, alarm_time_ms, fingerprint.
    """

    terminal_id: int
    source: str  # "jsatl12:0x64", "jt808:flag", "jt1078:video"
    alarm_time_ms: int  # time inside the alarm item, else device time of the report
    fingerprint: int  # of the item's raw value, or of (bit, phase)
    received_ms: int
    session_id: int
    spool_seq: int
    serial: int
    alarm_type: int  # type byte of the item, or the bit number
    phase: str  # "start", "end", "instant"; for flag edges "start" and "end"
    level: int | None
    latitude: float | None
    longitude: float | None
    speed_kmh: float | None
    alarm_number: str | None  # 报警标识号, hex
    attachment_count: int | None
    body: str  # JSON of the decoded item, {} for an edge


class CardEventRow(NamedTuple):
    """A 0x0702 driver identity report 驾驶员身份信息采集上报. Key: terminal_id, device_time_ms, fingerprint."""

    terminal_id: int
    device_time_ms: int
    fingerprint: int
    received_ms: int
    session_id: int
    spool_seq: int
    serial: int
    status: int | None  # 1 card inserted, 2 removed; None in the 2011 form
    read_result: int | None
    driver_name: str | None
    certificate: str | None
    issuer: str | None
    expiry: str | None  # YYYY-MM-DD
    id_number: str | None


class MessageRow(NamedTuple):
    """Any other message of a terminal. Key: terminal_id, msg_id, serial, fingerprint, received_ms.

    A row is not written when one with the same first four values was received within RESEND_WINDOW_MS
    before: that is a retransmission (§10.3).
    """

    terminal_id: int
    msg_id: int
    serial: int
    fingerprint: int  # of the body
    received_ms: int
    session_id: int
    spool_seq: int
    edition: str
    parts: int  # 1, or the number of sub-packages it came in
    name: str  # message name, "unknown" for an id we do not know
    body: str | None  # JSON of the decoded body, long binary fields elided; None when unknown
    raw: bytes  # the body


RESEND_WINDOW_MS = 10 * 60 * 1000
HOUR_MS = 3_600_000


class TerminalUpdate(NamedTuple):
    """What registration 0x0100 or authentication 0x0102 tells of a terminal; None keeps what is stored."""

    terminal_id: int
    at_ms: int
    edition: str | None = None
    phone: str | None = None
    province: int | None = None
    city: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    device_id: str | None = None  # 终端ID of the registration
    plate_color: int | None = None
    plate: str | None = None
    imei: str | None = None
    software_version: str | None = None
    registered_ms: int | None = None
    unregistered_ms: int | None = None
    last_seen_ms: int | None = None


class SessionOpened(NamedTuple):
    """A session came online. Key: session_id."""

    session_id: int
    terminal_id: int
    online_ms: int
    transport: str
    peer: str
    edition: str
    how: str


class SessionClosed(NamedTuple):
    """A session ended."""

    session_id: int
    closed_ms: int
    reason: str
    frames: int
    bad_frames: int
    bytes_in: int
    last_received_ms: int


class FaceEventRow(NamedTuple):
    """A picture of the driver and what a comparison made of it. Key: terminal_id, event_time_ms, fingerprint.

    Captures are DSM events 0x65 types 0x10 自动抓拍 and 0x11 驾驶员变更; the comparison itself is made elsewhere.
    """

    terminal_id: int
    event_time_ms: int
    fingerprint: int
    received_ms: int
    session_id: int | None
    spool_seq: int | None
    serial: int | None
    kind: str  # "capture", "driver_change", "compare"
    alarm_number: str | None  # 报警标识号, hex
    image_sha256: str | None
    image_path: str | None
    engine: str | None  # who compared, with its version
    score: float | None
    threshold: float | None
    result: str | None  # "match", "near", "no_match", "no_face"; None: not compared yet
    person: str | None  # key of `persons`
    updated_ms: int


class EpisodeRow(NamedTuple):
    """Alarm reports that are one and the same alarm. Key: terminal_id, source, alarm_type, started_ms.

    An episode whose reports turn out to belong to another one, because of reports that came late, is "withdrawn".
    """

    terminal_id: int
    source: str  # as of alarm_events
    alarm_type: int
    started_ms: int
    ended_ms: int | None  # None: still open
    last_ms: int  # the last report of it
    state: str  # "open", "closed", "withdrawn"
    ended_by: str | None  # "end" told so, "cleared" bit, "instant" has no duration, "silence" no end came
    level: int | None  # the gravest
    report_count: int  # different reports
    repeat_count: int  # reports of the same once more
    latitude: float | None  # where it began
    longitude: float | None
    speed_max_kmh: float | None
    peak_ms: int | None  # when that was
    places: str  # JSON: [[time_ms, latitude, longitude, speed_kmh], …], see `PLACES_MAX`
    risk_class: str  # "collision", "distraction", "fatigue", … see RISKS in pipeline/derive/merging.py
    risk_started_ms: int  # beginning of the risk event that it is part of: same vehicle and class, close together
    serial: int | None  # 消息流水号 of the first report, which 0x8203 人工确认 quotes
    alarm_event_id: int | None  # item 0x04, where the terminal asks for confirmation
    confirmed_ms: int | None  # 0x8203 was answered
    alarm_number: str | None  # 报警标识号, hex, of the first report that announced evidence
    alarm_numbers: str  # JSON: all of them, see `ALARM_NUMBERS_MAX`
    evidence_state: str  # "none", "asked", "arriving", "complete", "incomplete", "refused"
    plate: str | None
    plate_color: int | None
    person: str | None  # driver bound at the time
    person_confidence: float | None  # how sure that is, 0..1
    waybill: str | None
    updated_ms: int


#: Places kept of one episode: the first, the peak, the last, and those between as evenly as they come.
PLACES_MAX = 20
#: Identification numbers kept of one episode.
ALARM_NUMBERS_MAX = 50


class EvidenceFileRow(NamedTuple):
    """A file of evidence 报警附件 or multimedia 多媒体. Key: terminal_id, alarm_number, file_name.

    Before the terminal has named its files there is one row without a name; it is "withdrawn" when they are known.
    """

    terminal_id: int
    alarm_number: str  # 报警标识号, hex; "media:<id>" for a multimedia message 0x0801
    file_name: str  # "" not known yet
    file_type: int | None  # 0 picture, 1 audio, 2 video, 3 text, 4 other
    channel: int | None
    announced_bytes: int | None
    stored_bytes: int | None
    sha256: str | None
    path: str | None  # below the folder of files
    state: str  # "asked", "arriving", "complete", "incomplete", "refused", "withdrawn"
    missing: str | None  # JSON: [[offset, length], …] of what has not come
    announced_ms: int
    completed_ms: int | None
    updated_ms: int


class BindingRow(NamedTuple):
    """Who was on a vehicle, from when to when 人车关联. Key: plate, plate_color, role, person, started_ms, revision.

    A closed interval is never rewritten: a row of a later revision corrects it and says which. An interval that is
    corrected to nothing ends when it started. Nobody knows the driver: `person` is empty.
    """

    plate: str
    plate_color: int
    role: str  # "driver" 驾驶员, "escort" 押运员
    person: str  # key of `persons`; "" unknown
    started_ms: int
    revision: int  # 0 first
    ended_ms: int | None  # None: still on board
    confidence: float  # 0..1
    sources: str  # JSON: what spoke for it, each with its own confidence
    conflict: str | None  # JSON: who else was named, and by what
    terminal_id: int | None
    corrects: str | None  # JSON: {"person", "started_ms", "revision"} of the row that this one replaces
    reason: str | None
    updated_ms: int


class BindingConflictRow(NamedTuple):
    """Evidence about persons that does not agree. Key: plate, plate_color, role, kind, person, other, started_ms."""

    plate: str
    plate_color: int
    role: str
    kind: str  # "presence", "card_lent", "not_on_waybill", "phone_away", "no_binding", "no_escort", "two_vehicles"
    person: str  # who is bound, "" nobody
    other: str  # who else was named, "" nobody
    started_ms: int
    ended_ms: int | None
    facts: str  # JSON: what spoke for whom
    state: str  # "open", "closed", "withdrawn"
    updated_ms: int


class PhoneFixRow(NamedTuple):
    """Where the phone of a person was 手机定位. Key: person, fix_time_ms, fingerprint."""

    person: str  # key of `persons`
    fix_time_ms: int
    fingerprint: int  # of place and accuracy
    received_ms: int
    latitude: float  # WGS-84
    longitude: float
    accuracy_m: float
    speed_kmh: float | None
    heading_deg: float | None
    source: str  # who told it
    updated_ms: int


class DriverOverrideRow(NamedTuple):
    """Who drove by the word of an inspector. Key: plate, plate_color, role, started_ms, made_ms."""

    plate: str
    plate_color: int
    role: str
    started_ms: int
    made_ms: int  # when it was entered
    ended_ms: int | None
    person: str  # "" takes an earlier override back
    made_by: str  # name of the token
    evidence: str  # what it rests on
    updated_ms: int


class TripRow(NamedTuple):
    """A run between two stops of 20 minutes (P9). Key: terminal_id, started_ms."""

    terminal_id: int
    started_ms: int
    ended_ms: int | None  # None: still under way
    state: str  # "open", "closed", "withdrawn"
    plate: str | None
    plate_color: int | None
    start_latitude: float | None
    start_longitude: float | None
    end_latitude: float | None
    end_longitude: float | None
    distance_km: float
    drive_s: int
    stop_s: int
    speed_max_kmh: float | None
    point_count: int
    bad_point_count: int  # reports in it that are no valid points (P2)
    inferred_s: int  # of gaps over 300 s, judged by their mean speed (P4)
    laden: int | None  # 1 laden 重载, 0 empty 空载, None unknown
    waybill: str | None
    driver: str | None  # key of `persons`
    updated_ms: int


class StopRow(NamedTuple):
    """A stop 停车 (P4). Key: terminal_id, started_ms."""

    terminal_id: int
    started_ms: int
    ended_ms: int | None  # None: still standing
    state: str  # "open", "closed", "withdrawn"
    latitude: float | None
    longitude: float | None
    is_rest: int  # 1 when it has lasted 1,200 s
    acc_off_ms: int | None  # since when the ignition is off within it
    point_count: int
    inferred_s: int
    updated_ms: int


class ZoneVisitRow(NamedTuple):
    """A vehicle in a zone. Key: terminal_id, zone, entered_ms."""

    terminal_id: int
    zone: str  # key of `zones`
    entered_ms: int
    exited_ms: int | None  # None: still in it
    zone_kind: str
    state: str  # "open", "closed", "withdrawn"
    uncertain: int  # 1 when reports were missing for over 300 s at a border
    enter_latitude: float | None
    enter_longitude: float | None
    speed_max_kmh: float | None
    stop_s: int
    plate: str | None
    plate_color: int | None
    person: str | None
    waybill: str | None
    laden: int | None
    updated_ms: int


class PointQualityRow(NamedTuple):
    """How many reports of a terminal and local day are valid points (q4). Key: terminal_id, day_ms."""

    terminal_id: int
    day_ms: int  # beginning of the day, +08:00
    point_count: int
    valid_count: int
    faults: str  # JSON: check -> count
    updated_ms: int


class CheckpointRow(NamedTuple):
    """What the derivation knows of a terminal after its facts up to a time. Key: terminal_id, at_ms."""

    terminal_id: int
    at_ms: int  # newest fact in it
    state: bytes
    updated_ms: int


class QuarantineRow(NamedTuple):
    """A message that cannot be decoded, kept as it came. Key: received_us, fingerprint."""

    received_us: int
    fingerprint: int  # of the payload
    session_id: int
    spool_seq: int
    terminal: str  # digits without leading zeros, "" when the header cannot be read
    msg_id: int | None
    code: str  # ProtocolError.code
    offset: int
    field: str | None
    message: str
    payload: bytes  # header and body, unescaped


class PartRow(NamedTuple):
    """A sub-package whose message is not complete yet. Key: terminal_id, msg_id, serial, received_us."""

    terminal_id: int
    msg_id: int
    serial: int
    received_us: int
    session_id: int
    spool_seq: int
    payload: bytes


@dataclass(slots=True)
class StoreBatch:
    """All that one step of the pipeline writes, in one transaction together with its cursor."""

    columns: PackedPositions | None = None  # positions of the fast lane
    positions: list[PositionRow] = field(default_factory=list)  # and all others
    alarm_events: list[AlarmEventRow] = field(default_factory=list)
    card_events: list[CardEventRow] = field(default_factory=list)
    messages: list[MessageRow] = field(default_factory=list)
    face_events: list[FaceEventRow] = field(default_factory=list)
    episodes: list[EpisodeRow] = field(default_factory=list)
    evidence_files: list[EvidenceFileRow] = field(default_factory=list)
    bindings: list[BindingRow] = field(default_factory=list)
    binding_conflicts: list[BindingConflictRow] = field(default_factory=list)
    phone_fixes: list[PhoneFixRow] = field(default_factory=list)
    driver_overrides: list[DriverOverrideRow] = field(default_factory=list)
    trips: list[TripRow] = field(default_factory=list)
    stops: list[StopRow] = field(default_factory=list)
    zone_visits: list[ZoneVisitRow] = field(default_factory=list)
    point_quality: list[PointQualityRow] = field(default_factory=list)
    checkpoints: list[CheckpointRow] = field(default_factory=list)
    terminals: list[TerminalUpdate] = field(default_factory=list)
    opened: list[SessionOpened] = field(default_factory=list)
    closed: list[SessionClosed] = field(default_factory=list)
    close_sessions_before: list[tuple[int, int]] = field(default_factory=list)  # (session_id, at_ms): gateway restart
    quarantine: list[QuarantineRow] = field(default_factory=list)
    parts: list[PartRow] = field(default_factory=list)
    parts_done: list[tuple[int, int, int, int]] = field(default_factory=list)  # keys of PartRow
    zones: list[tuple[int, int]] = field(default_factory=list)  # (terminal_id, minutes): times are read in this zone

    @property
    def position_count(self) -> int:
        """Positions of both lanes."""
        return len(self.positions) + (len(self.columns) if self.columns is not None else 0)

    def hours(self) -> set[tuple[int, int]]:
        """Hours whose figures the positions change, see PackedPositions.hours."""
        found = set(self.columns.hours()) if self.columns is not None else set()
        for row in self.positions:
            terminal_id, time_ms, _, received_ms, state = row[:5]
            if (
                state == 0
                and isinstance(time_ms, int)
                and isinstance(received_ms, int)
                and isinstance(terminal_id, int)
            ):
                hour_ms = time_ms - time_ms % HOUR_MS
                is_live = 0 <= received_ms - hour_ms < 2 * HOUR_MS
                found.add((hour_ms, 0 if is_live else terminal_id))
        return found

    def all_positions(self) -> list[PositionRow]:
        """Positions of both lanes as rows."""
        return [*(self.columns.rows() if self.columns is not None else ()), *self.positions]


class Written(NamedTuple):
    """How many rows were new and how many were there already."""

    new: int
    repeated: int
