"""Tables of JT/T 1078: codecs, channels, streams, stores, and the 64-bit alarm field.

**Trap:** in 0x9101 and 0x9102 a stream 码流类型 is 0 = main, 1 = sub (`LIVE_STREAMS`); everywhere else, in
0x9201, 0x9205, 0x9206 and 0x1205, it is 1 = main, 2 = sub (`STREAMS`, and 0 = either in `STREAMS_WANTED`).
"""

from jtgate.codecs.jt808.tables import ALARM_FLAGS
from jtgate.codecs.jt1078.items import VIDEO_ALARMS
from jtgate.codecs.tables import Bits, Choice, Choices

#: 音视频编码类型 (§2.4, table 12 of the standard). These are not the payload types of RTP: G.711A is 8 there.
PAYLOAD_TYPES = Choices(
    # 0 reserved
    (1, "G.721", "G.721"),
    (2, "G.722", "G.722"),
    (3, "G.723", "G.723"),
    (4, "G.728", "G.728"),
    (5, "G.729", "G.729"),
    (6, "G.711A", "G.711A"),
    (7, "G.711U", "G.711U"),
    (8, "G.726", "G.726"),
    (9, "G.729A", "G.729A"),
    (10, "DVI4_3", "DVI4_3"),
    (11, "DVI4_4", "DVI4_4"),
    (12, "DVI4_8K", "DVI4_8K"),
    (13, "DVI4_16K", "DVI4_16K"),
    (14, "LPC", "LPC"),
    (15, "S16BE_STEREO", "S16BE_STEREO"),
    (16, "S16BE_MONO", "S16BE_MONO"),
    (17, "MPEGAUDIO", "MPEGAUDIO"),
    (18, "LPCM", "LPCM"),
    (19, "AAC", "AAC"),
    (20, "WMA9STD", "WMA9STD"),
    (21, "HE-AAC", "HE-AAC"),
    (22, "PCM_VOICE", "PCM_VOICE"),
    (23, "PCM_AUDIO", "PCM_AUDIO"),
    (24, "AAC-LC", "AAC-LC"),
    (25, "MP3", "MP3"),
    (26, "ADPCMA", "ADPCMA"),
    (27, "MP4AUDIO", "MP4AUDIO"),
    (28, "AMR", "AMR"),
    # 29–90 reserved
    (91, "透传", "transparent"),
    # 92–97 reserved for video
    (98, "H.264", "H.264"),
    (99, "H.265", "H.265"),
    (100, "AVS", "AVS"),
    (101, "SVAC", "SVAC"),
    # 102–110 reserved, 111–127 custom
)

#: 逻辑通道号 (§1.13, JT/T 1076-2016 table 2). Installers often ignore it: a default label, no more.
LOGICAL_CHANNELS = Choices(
    (0, "所有通道", "all channels"),
    (1, "驾驶员", "driver"),
    (2, "车辆正前方", "road ahead"),
    (3, "车前门", "front door"),
    (4, "车厢前部", "cabin, front part"),
    (5, "车厢后部", "cabin, rear part"),
    (6, "车后门", "rear door"),
    (7, "行李舱", "luggage hold"),
    (8, "车辆左侧", "left of the vehicle"),
    (9, "车辆右侧", "right of the vehicle"),
    (10, "车辆正后方", "behind the vehicle"),
    (11, "车厢中部", "cabin, middle"),
    (12, "车中门", "middle door"),
    (13, "驾驶席车门", "driver's door"),
    # 14–32 not in the table
    (33, "驾驶员(音频)", "driver, audio"),
    # 34–35 not in the table
    (36, "车厢前部(音频)", "cabin, front part, audio"),
    (37, "车厢后部(音频)", "cabin, rear part, audio"),
    # of driver-assistance devices in Guangdong and Jiangsu
    (0x64, "前向驾驶辅助", "forward ADAS"),
    (0x65, "驾驶员状态监测", "driver monitoring"),
    (0x67, "盲区监测", "blind spot"),
)

#: 输入音频采样率 of 0x1003 (§1.1).
SAMPLE_RATES = Choices(
    (0, "8 kHz", "8 kHz"),
    (1, "22.05 kHz", "22.05 kHz"),
    (2, "44.1 kHz", "44.1 kHz"),
    (3, "48 kHz", "48 kHz"),
)

#: 输入音频采样位数 of 0x1003 (§1.1).
SAMPLE_BITS = Choices((0, "8位", "8 bits"), (1, "16位", "16 bits"), (2, "32位", "32 bits"))

SUPPORTED = Choices((0, "不支持", "not supported"), (1, "支持", "supported"))

#: 数据类型 of 0x9101 (§1.3).
LIVE_DATA_TYPES = Choices(
    (0, "音视频", "audio and video"),
    (1, "视频", "video"),
    (2, "双向对讲", "two-way talk"),
    (3, "监听", "listen"),
    (4, "中心广播", "centre broadcast"),
    (5, "透传", "transparent"),
)

#: 码流类型 of 0x9101 and 0x9102 (§1.3, §1.4): see the trap above.
LIVE_STREAMS = Choices((0, "主码流", "main stream"), (1, "子码流", "sub-stream"))

#: 控制指令 of 0x9102 (§1.4).
LIVE_CONTROLS = Choices(
    (0, "关闭音视频传输", "close"),
    (1, "切换码流", "switch stream"),
    (2, "暂停该通道所有流的发送", "pause all streams of the channel"),
    (3, "恢复暂停前流的发送", "resume what was paused"),
    (4, "关闭双向对讲", "close two-way talk"),
)

#: 关闭音视频类型 of 0x9102 (§1.4).
CLOSE_KINDS = Choices(
    (0, "关闭该通道有关的音视频", "close all of the channel"),
    (1, "只关闭音频,保留视频", "close audio, keep video"),
    (2, "只关闭视频,保留音频", "close video, keep audio"),
)

_AV_TYPES = (
    Choice(0, "音视频", "audio and video"),
    Choice(1, "音频", "audio"),
    Choice(2, "视频", "video"),
)

#: 音视频资源类型 of 0x1205 (§1.7).
AV_TYPES = Choices(*_AV_TYPES)

#: 音视频资源类型 of 0x9201, 0x9205 and 0x9206.
AV_TYPES_WANTED = Choices(*_AV_TYPES, (3, "视频或音视频", "video, or audio and video"))

_STREAMS = (Choice(1, "主码流", "main stream"), Choice(2, "子码流", "sub-stream"))

#: 码流类型 of 0x1205: see the trap above.
STREAMS = Choices(*_STREAMS)

#: 码流类型 of 0x9201, 0x9205 and 0x9206: see the trap above.
STREAMS_WANTED = Choices((0, "所有码流", "either stream"), *_STREAMS)

_STORES = (Choice(1, "主存储器", "main store"), Choice(2, "灾备存储器", "backup store"))

#: 存储器类型 of 0x1205.
STORE_KINDS = Choices(*_STORES)

#: 存储器类型 of 0x9201, 0x9205 and 0x9206.
STORE_KINDS_WANTED = Choices((0, "所有存储器", "either store"), *_STORES)

#: 回放方式 of 0x9201 (§1.8).
PLAYBACK_MODES = Choices(
    (0, "正常回放", "normal"),
    (1, "快进回放", "fast forward"),
    (2, "关键帧快退回放", "key-frame rewind"),
    (3, "关键帧播放", "key-frame play"),
    (4, "单帧上传", "single-frame upload"),
)

#: 快进或快退倍数 of 0x9201 and 0x9202 (§1.8).
PLAYBACK_SPEEDS = Choices(
    (0, "无效", "not applicable"),
    (1, "1倍", "1×"),
    (2, "2倍", "2×"),
    (3, "4倍", "4×"),
    (4, "8倍", "8×"),
    (5, "16倍", "16×"),
)

#: 回放控制 of 0x9202 (§1.9).
PLAYBACK_CONTROLS = Choices(
    (0, "开始回放", "start"),
    (1, "暂停回放", "pause"),
    (2, "结束回放", "end"),
    (3, "快进回放", "fast forward"),
    (4, "关键帧快退回放", "key-frame rewind"),
    (5, "拖动回放", "seek"),
    (6, "关键帧播放", "key-frame play"),
)

#: 结果 of 0x1206 (§1.10).
UPLOAD_RESULTS = Choices((0, "成功", "success"), (1, "失败", "failure"))

#: 上传控制 of 0x9207 (§1.10).
UPLOAD_CONTROLS = Choices((0, "暂停", "pause"), (1, "继续", "resume"), (2, "取消", "cancel"))

#: 云台方向 of 0x9301 (§1.11).
PTZ_DIRECTIONS = Choices((0, "停止", "stop"), (1, "上", "up"), (2, "下", "down"), (3, "左", "left"), (4, "右", "right"))

#: 焦距调整方向 of 0x9302 and 光圈调整方式 of 0x9303.
PTZ_ADJUSTMENTS = Choices((0, "调大", "increase"), (1, "调小", "decrease"))

#: 启停标识 of 0x9304 and 0x9305.
PTZ_SWITCH = Choices((0, "停止", "off"), (1, "启动", "on"))

#: 变倍控制 of 0x9306.
PTZ_ZOOMS = Choices((0, "调大", "larger"), (1, "调小", "smaller"))

#: Where the video alarms stand in the 64-bit alarm field.
VIDEO_ALARM_SHIFT = 32

#: 报警标志 of 64 bits (§1.12): 0–31 as in 0x0200, 32–63 the video alarms. So the first DWORD on the wire is the
#: video half. The references of the standard's text point to the wrong tables here, and a device may have the
#: halves the other way round: in a received list the value is a hint, no more.
RESOURCE_ALARMS = Bits(*ALARM_FLAGS, *(row._replace(no=row.no + VIDEO_ALARM_SHIFT) for row in VIDEO_ALARMS))
