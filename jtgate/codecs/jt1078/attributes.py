"""Audio and video attributes, and passenger flow (JT/T 1078 §1.1, §1.2)."""

from jtgate.codecs.declare import Message, bcd_time, byte, message, word
from jtgate.codecs.jt1078.tables import PAYLOAD_TYPES, SAMPLE_BITS, SAMPLE_RATES, SUPPORTED
from jtgate.codecs.timebase import WireTime


@message(0x9003, clause="1078 §1.1")
class QueryAvAttributes(Message):
    """0x9003 查询终端音视频属性."""


@message(0x1003, clause="1078 §1.1")
class AvAttributes(Message):
    """0x1003 终端上传音视频属性; it carries no serial of the query. Talk must use its audio codec."""

    audio_codec: int = byte("输入音频编码方式", table=PAYLOAD_TYPES)
    audio_channels: int = byte("输入音频声道数")
    sample_rate: int = byte("输入音频采样率", table=SAMPLE_RATES)
    sample_bits: int = byte("输入音频采样位数", table=SAMPLE_BITS)
    # The printed range exceeds 16 bits; the field is a WORD all the same (§7).
    audio_frame_bytes: int = word("音频帧长度", en="audio frame length")
    audio_output: int = byte("是否支持音频输出", table=SUPPORTED)
    video_codec: int = byte("视频编码方式", table=PAYLOAD_TYPES)
    audio_channels_max: int = byte("终端支持的最大音频物理通道数量")
    video_channels_max: int = byte("终端支持的最大视频物理通道数量")


@message(0x1005, clause="1078 §1.2")
class PassengerFlow(Message):
    """0x1005 终端上传乘客流量."""

    start: WireTime = bcd_time("起始时间")
    end: WireTime = bcd_time("结束时间")
    boarded: int = word("上车人数")
    alighted: int = word("下车人数")
