"""Upload of recordings to an FTP server (JT/T 1078 §1.10)."""

from jtgate.codecs.declare import Message, byte, message, of_kind, qword, string, word
from jtgate.codecs.jt1078.tables import (
    AV_TYPES_WANTED,
    LOGICAL_CHANNELS,
    RESOURCE_ALARMS,
    STORE_KINDS_WANTED,
    STREAMS_WANTED,
    UPLOAD_CONTROLS,
    UPLOAD_RESULTS,
)
from jtgate.codecs.jt1078.times import NO_BOUND, OpenTime
from jtgate.codecs.tables import Bit, Bits
from jtgate.codecs.timebase import WireTime

#: 任务执行条件; without all three bits the terminal waits for a link that is among them.
CONDITIONS = Bits(
    Bit(0, "WiFi下可下载", "over WiFi"),
    Bit(1, "LAN连接时可下载", "over LAN"),
    Bit(2, "3G/4G连接时可下载", "over 3G/4G"),
)
ANY_LINK = 7


@message(0x9206, clause="1078 §1.10")
class FileUpload(Message):
    """0x9206 文件上传指令; the terminal chooses the names of the files."""

    server: str = string("服务器地址", prefix=1, en="server address")
    port: int = word("FTP服务器端口号", en="FTP port")
    user: str = string("用户名", prefix=1)
    password: str = string("密码", prefix=1)
    path: str = string("文件上传路径", prefix=1)
    channel: int = byte("逻辑通道号", table=LOGICAL_CHANNELS, clause="1078 §1.13")
    start: WireTime = of_kind("开始时间", OpenTime(NO_BOUND))
    end: WireTime = of_kind("结束时间", OpenTime(NO_BOUND))
    alarm_flags: int = qword("报警标志", table=RESOURCE_ALARMS, clause="1078 §1.12", default=0)
    av_type: int = byte("音视频资源类型", table=AV_TYPES_WANTED, en="AV type", default=0)
    stream: int = byte("码流类型", table=STREAMS_WANTED, default=0)
    store: int = byte("存储位置", table=STORE_KINDS_WANTED, default=0)
    condition: int = byte("任务执行条件", table=CONDITIONS, default=ANY_LINK)


@message(0x1206, clause="1078 §1.10")
class FileUploadFinished(Message):
    """0x1206 文件上传完成通知."""

    answer_serial: int = word("应答流水号")
    result: int = byte("结果", table=UPLOAD_RESULTS)


@message(0x9207, clause="1078 §1.10")
class FileUploadControl(Message):
    """0x9207 文件上传控制; the serial is that of the 0x9206."""

    answer_serial: int = word("应答流水号")
    control: int = byte("上传控制", table=UPLOAD_CONTROLS)
