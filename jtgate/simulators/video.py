"""Video and evidence files 视频与报警附件 (JT/T 1078 §1, T/JSATL 12 §4.3) as far as a simulated terminal has them.

It opens no stream and uploads no recording: it says that it would. Files of alarms: `evidence`.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.jt1078 import (
    AvAttributes,
    FileUpload,
    FileUploadControl,
    FileUploadFinished,
    LiveControl,
    LiveRequest,
    LiveStatus,
    PlaybackControl,
    PlaybackRequest,
    PtzFocus,
    PtzInfrared,
    PtzIris,
    PtzRotate,
    PtzWiper,
    PtzZoom,
    QueryResources,
    Resource,
    ResourceList,
)
from jtgate.codecs.timebase import WireTime
from jtgate.simulators.answers import FAILED, OK, Reply, told
from jtgate.simulators.messages import read

AV_ATTRIBUTES = 0x1003
RESOURCES = 0x1205
UPLOAD_FINISHED = 0x1206

CHANNELS = 4
#: Recordings of a channel: half an hour each, so many back from now.
RECORDING = timedelta(minutes=30)
RECORDINGS = 12
RECORDING_BYTES = 40_000_000

_G711A, _H264 = 6, 98
_AUDIO_FRAME_BYTES = 320
_EITHER, _MAIN = 0, 1
_AUDIO_AND_VIDEO, _AUDIO = 0, 1

#: Commands that are read and confirmed.
CONFIRMED: dict[int, type[Message]] = {
    0x9102: LiveControl,
    0x9105: LiveStatus,
    0x9202: PlaybackControl,
    0x9207: FileUploadControl,
    0x9208: RequestAttachments,
    0x9301: PtzRotate,
    0x9302: PtzFocus,
    0x9303: PtzIris,
    0x9304: PtzWiper,
    0x9305: PtzInfrared,
    0x9306: PtzZoom,
}


#: Commands that ask for a stream.
STREAMS: dict[int, type[LiveRequest | PlaybackRequest]] = {0x9101: LiveRequest, 0x9201: PlaybackRequest}


class _Span(NamedTuple):
    start: datetime
    end: datetime


def attributes(edition: Edition) -> Reply:
    """0x9003 查询终端音视频属性."""
    message = AvAttributes(
        audio_codec=_G711A,
        audio_channels=1,
        sample_rate=0,
        sample_bits=1,
        audio_frame_bytes=_AUDIO_FRAME_BYTES,
        audio_output=1,
        video_codec=_H264,
        audio_channels_max=1,
        video_channels_max=CHANNELS,
    )
    return told(AV_ATTRIBUTES, message.encode(edition), quotes=False)


def stream(msg_id: int, body: bytes, edition: Edition) -> Reply:
    """0x9101 实时音视频传输请求 and 0x9201 远程录像回放请求; a channel it does not have is a failure."""
    request = read(STREAMS[msg_id], body, edition)
    return OK if request.channel <= CHANNELS else FAILED


def resources(serial: int, body: bytes, now: datetime, edition: Edition) -> Reply:
    """0x9205 查询资源列表; a long list goes out in parts.

    Args:
        serial: of the command.
        body: of the command.
        now: device time.
        edition: of the terminal.
    """
    query = read(QueryResources, body, edition)
    items: list[Resource] = []
    no_alarm_wanted = query.alarm_flags == 0
    for channel in range(1, CHANNELS + 1):
        if query.channel in (_EITHER, channel) and query.av_type != _AUDIO and no_alarm_wanted:
            items += (_resource(channel, query, span) for span in _spans(query, now))
    return told(RESOURCES, ResourceList(answer_serial=serial, items=tuple(items)).encode(edition))


def upload_finished(serial: int, body: bytes, edition: Edition) -> bytes:
    """0x1206 文件上传完成通知, success, for a 0x9206 文件上传指令."""
    read(FileUpload, body, edition)
    return FileUploadFinished(answer_serial=serial, result=0).encode(edition)


def _spans(query: QueryResources, now: datetime) -> list[_Span]:
    """The recordings that overlap what is asked for, the oldest first."""
    last = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    spans = [_Span(last - number * RECORDING, last - (number - 1) * RECORDING) for number in range(RECORDINGS, 0, -1)]
    return [span for span in spans if _before(query.start, span.end) and _before(span.start, query.end)]


def _before(first: WireTime, second: WireTime) -> bool:
    """Whether a time is before another; no bound is before and after everything."""
    return not isinstance(first, datetime) or not isinstance(second, datetime) or first < second


def _resource(channel: int, query: QueryResources, span: _Span) -> Resource:
    return Resource(
        channel=channel,
        start=span.start,
        end=span.end,
        alarm_flags=0,
        av_type=_AUDIO_AND_VIDEO,
        stream=query.stream or _MAIN,
        store=query.store or _MAIN,
        size_bytes=RECORDING_BYTES,
    )
