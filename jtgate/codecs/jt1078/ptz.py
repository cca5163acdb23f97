"""Pan, tilt and zoom of cameras 云台 (JT/T 1078 §1.11)."""

from jtgate.codecs.declare import Message, byte, message
from jtgate.codecs.jt1078.tables import (
    LOGICAL_CHANNELS,
    PTZ_ADJUSTMENTS,
    PTZ_DIRECTIONS,
    PTZ_SWITCH,
    PTZ_ZOOMS,
)


@message(0x9301, clause="1078 §1.11")
class PtzRotate(Message):
    """0x9301 云台旋转."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    direction: int = byte("方向", table=PTZ_DIRECTIONS)
    speed: int = byte("速度", default=0)


@message(0x9302, clause="1078 §1.11")
class PtzFocus(Message):
    """0x9302 云台调整焦距控制."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    focus: int = byte("焦距调整方向", table=PTZ_ADJUSTMENTS)


@message(0x9303, clause="1078 §1.11")
class PtzIris(Message):
    """0x9303 云台调整光圈控制."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    iris: int = byte("光圈调整方式", table=PTZ_ADJUSTMENTS)


@message(0x9304, clause="1078 §1.11")
class PtzWiper(Message):
    """0x9304 云台雨刷控制."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    wiper: int = byte("启停标识", table=PTZ_SWITCH)


@message(0x9305, clause="1078 §1.11")
class PtzInfrared(Message):
    """0x9305 红外补光控制."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    infrared: int = byte("启停标识", table=PTZ_SWITCH)


@message(0x9306, clause="1078 §1.11")
class PtzZoom(Message):
    """0x9306 云台变倍控制."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    zoom: int = byte("变倍控制", table=PTZ_ZOOMS)
