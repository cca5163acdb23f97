"""Playback of recordings (JT/T 1078 §1.8, §1.9)."""

from jtgate.codecs.declare import Message, byte, message, of_kind, string, word
from jtgate.codecs.jt1078.tables import (
    AV_TYPES_WANTED,
    LOGICAL_CHANNELS,
    PLAYBACK_CONTROLS,
    PLAYBACK_MODES,
    PLAYBACK_SPEEDS,
    STORE_KINDS_WANTED,
    STREAMS_WANTED,
)
from jtgate.codecs.jt1078.times import NO_TIME, NOT_USED, OpenTime
from jtgate.codecs.timebase import WireTime


@message(0x9201, clause="1078 §1.8")
class PlaybackRequest(Message):
    """0x9201 远程录像回放请求; terminals answer with 0x1205, with 0x0001, or with the stream alone (§7)."""

    server: str = string("服务器IP地址", prefix=1, en="server address")
    tcp_port: int = word("服务器音视频通道监听端口号(TCP)", default=0, en="TCP port")
    udp_port: int = word("服务器音视频通道监听端口号(UDP)", default=0, en="UDP port")
    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    av_type: int = byte("音视频类型", table=AV_TYPES_WANTED, en="AV type")
    stream: int = byte("码流类型", table=STREAMS_WANTED)
    store: int = byte("存储器类型", table=STORE_KINDS_WANTED)
    mode: int = byte("回放方式", table=PLAYBACK_MODES, default=0)
    speed: int = byte("快进或快退倍数", table=PLAYBACK_SPEEDS, default=0)
    start: WireTime = of_kind("开始时间", OpenTime(NOT_USED))
    end: WireTime = of_kind("结束时间", OpenTime("一直回放 play on"), default=NO_TIME)


@message(0x9202, clause="1078 §1.9")
class PlaybackControl(Message):
    """0x9202 远程录像回放控制; every playback is ended with control 2."""

    channel: int = byte("音视频通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    control: int = byte("回放控制", table=PLAYBACK_CONTROLS)
    speed: int = byte("快进或快退倍数", table=PLAYBACK_SPEEDS, default=0)
    position: WireTime = of_kind("拖动回放位置", OpenTime(NOT_USED), default=NO_TIME)
