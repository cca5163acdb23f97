"""Live audio and video (JT/T 1078 §1.3–§1.5)."""

from jtgate.codecs.declare import Message, byte, message, string, word
from jtgate.codecs.jt1078.tables import (
    CLOSE_KINDS,
    LIVE_CONTROLS,
    LIVE_DATA_TYPES,
    LIVE_STREAMS,
    LOGICAL_CHANNELS,
)


@message(0x9101, clause="1078 §1.3")
class LiveRequest(Message):
    """0x9101 实时音视频传输请求.

    With both ports given terminals normally take TCP: fill exactly one. A spoken announcement is data type 4 by the
    standard; some platforms use 2 for all speech (§7).
    """

    server: str = string("服务器IP地址", prefix=1, en="server address")
    tcp_port: int = word("服务器视频通道监听端口号(TCP)", default=0, en="TCP port")
    udp_port: int = word("服务器视频通道监听端口号(UDP)", default=0, en="UDP port")
    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    data_type: int = byte("数据类型", table=LIVE_DATA_TYPES)
    stream: int = byte("码流类型", table=LIVE_STREAMS)


@message(0x9102, clause="1078 §1.4")
class LiveControl(Message):
    """0x9102 音视频实时传输控制; what does not apply to the command is 0."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    command: int = byte("控制指令", table=LIVE_CONTROLS)
    close_kind: int = byte("关闭音视频类型", table=CLOSE_KINDS, default=0)
    stream: int = byte("切换码流类型", table=LIVE_STREAMS, default=0)


@message(0x9105, clause="1078 §1.5")
class LiveStatus(Message):
    """0x9105 实时音视频传输状态通知."""

    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    loss_percent: int = byte("丢包率", unit="%", valid=(0, 100))
