"""Parameters 终端参数 of a simulated terminal: what it tells in 0x0104, what 0x8103 may change."""

from enum import IntEnum

from jtgate.simulators.identity import PLATE_YELLOW, Identity

#: Parameters a platform may set besides those that mean something to us.
PARAMETERS_MAX = 256
RETRIES_MAX = 20
SPEED_LIMIT_KMH = 80


class Parameter(IntEnum):
    """Parameters (table 6) that mean something to a simulated terminal."""

    HEARTBEAT = 0x0001  # 心跳发送间隔, s
    ANSWER_WAIT = 0x0002  # TCP消息应答超时时间, s
    RETRIES = 0x0003  # TCP消息重传次数
    INTERVAL = 0x0029  # 缺省时间汇报间隔, s
    SPEED_LIMIT = 0x0055  # 最高速度, km/h
    MILEAGE = 0x0080  # 车辆里程表读数, 0.1 km
    PLATE = 0x0083  # 车牌
    PLATE_COLOUR = 0x0084  # 车牌颜色


class Parameters:
    """The parameters of one terminal.

    Args:
        identity: plate.
        interval_s: between reports.
        heartbeat_s: between heartbeats.
        answer_wait_s: T.
        retries: retransmissions.
    """

    __slots__ = ("_plate", "_set", "_shipped", "answer_wait_s", "heartbeat_s", "interval_s", "retries", "tracking_s")

    def __init__(
        self, identity: Identity, *, interval_s: float, heartbeat_s: float, answer_wait_s: float, retries: int
    ) -> None:
        self._plate = identity.plate
        self._shipped = (interval_s, heartbeat_s, answer_wait_s, retries)
        self.tracking_s: float | None = None  # interval of a temporary tracking 临时位置跟踪
        self.reset()

    def reset(self) -> None:
        """恢复出厂设置: what was set is forgotten."""
        self._set: dict[int, bytes] = {}
        self.interval_s, self.heartbeat_s, self.answer_wait_s, self.retries = self._shipped

    @property
    def report_s(self) -> float:
        """Seconds between reports now."""
        return self.interval_s if self.tracking_s is None else self.tracking_s

    def all(self, mileage_m: float) -> dict[int, bytes]:
        """Every parameter by id; those that were set come on top."""
        own: dict[int, bytes] = {
            Parameter.HEARTBEAT: round(self.heartbeat_s).to_bytes(4),
            Parameter.ANSWER_WAIT: round(self.answer_wait_s).to_bytes(4),
            Parameter.RETRIES: self.retries.to_bytes(4),
            Parameter.INTERVAL: round(self.interval_s).to_bytes(4),
            Parameter.SPEED_LIMIT: SPEED_LIMIT_KMH.to_bytes(4),
            Parameter.MILEAGE: round(mileage_m / 100).to_bytes(4),
            Parameter.PLATE: self._plate.encode("gbk"),
            Parameter.PLATE_COLOUR: bytes([PLATE_YELLOW]),
        }
        return own | self._set

    def set(self, parameter: int, value: bytes) -> bool:
        """Keep a value, and follow it if it means something here; False when there is no room for more."""
        if parameter not in self._set and len(self._set) >= PARAMETERS_MAX:
            return False
        self._set[parameter] = value
        number = int.from_bytes(value) if len(value) == 4 else 0
        if number:
            match parameter:
                case Parameter.HEARTBEAT:
                    self.heartbeat_s = float(number)
                case Parameter.ANSWER_WAIT:
                    self.answer_wait_s = float(number)
                case Parameter.RETRIES:
                    self.retries = min(number, RETRIES_MAX)
                case Parameter.INTERVAL:
                    self.interval_s = float(number)
        return True
