"""Pictures, sound and video that a simulated terminal takes, stores and uploads (JT/T 808 §8.1).

What is stored is a list; the bytes of a medium follow from its number and are made when they are sent.
"""

import math
from collections import deque
from typing import NamedTuple, Protocol

from jtgate.codecs import registry, timebase
from jtgate.codecs.edition import Edition
from jtgate.codecs.jt808 import (
    CameraAnswer,
    LocationBase,
    MediaEvent,
    MediaItem,
    MediaItemWithoutId,
    MediaSearch,
    MediaSearchAnswer,
    RecordAudio,
    TakePicture,
    UploadOneMedia,
    UploadStoredMedia,
)
from jtgate.codecs.timebase import WireTime
from jtgate.simulators.answers import FAILED, OK, Answer, Duty, Reply, told
from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.memory import Memory, Todo
from jtgate.simulators.messages import read
from jtgate.simulators.tally import Tally

MEDIA_EVENT = 0x0800
MEDIA = 0x0801
SEARCH_ANSWER = 0x0802
CAMERA_ANSWER = 0x0805

#: Cameras 通道.
CHANNELS = 4
#: Pictures of one 0x8801; a platform may ask for thousands.
SHOTS_MAX = 8
#: Media that a terminal stores; then the oldest goes.
STORED_MAX = 64
#: Media that are there when the run begins, one every quarter of an hour before it.
STORED_AT_START = 40
STORED_EVERY_MS = 15 * 60_000
#: Media that wait for their upload; more are lost and counted.
UPLOADS_MAX = 2 * STORED_MAX
#: While so many messages wait in the memory of the terminal, an upload waits too.
WAITING_MAX = 4
WAITING_LOOK_S = 0.5
#: Bytes of a medium.
MEDIUM_BYTES = (2_000, 6_000)
#: Data in one 0x0801 of 2011, which packs parts inside the body.
PACKAGE_BYTES_2011 = 900

IMAGE, AUDIO, VIDEO = 0, 1, 2
JPEG, WAV, WMV = 0, 3, 4
BY_COMMAND, TIMED = 0, 1
STOP, RECORD_VIDEO = 0, 0xFFFF
UPLOAD_AT_ONCE = 0
SHOT_OK, SHOT_NO_CHANNEL = 0, 2
DELETE = 1

#: First and last bytes of a medium by 多媒体格式编码.
_WRAPPING = {JPEG: (b"\xff\xd8\xff\xe0", b"\xff\xd9"), WAV: (b"RIFF", b""), WMV: (b"\x30\x26\xb2\x75", b"")}


class Camera(Protocol):
    """What a gallery must know of its terminal."""

    def media_base(self, device_ms: int) -> bytes:
        """位置基本信息, 28 bytes, with this device time."""

    def device_ms(self) -> int:
        """Device time of the last report, ms since 1970."""


class Medium(NamedTuple):
    """A stored picture, sound or video."""

    media_id: int
    media_type: int
    media_format: int
    event: int
    channel: int
    device_ms: int
    base: bytes  # 位置基本信息 of its moment

    def event_body(self) -> bytes:
        """0x0800 多媒体事件信息上传."""
        return MediaEvent(
            media_id=self.media_id,
            media_type=self.media_type,
            media_format=self.media_format,
            event=self.event,
            channel=self.channel,
        ).encode()

    def data(self, dice: Dice) -> bytes:
        """The bytes, the same every time."""
        first, last = _WRAPPING[self.media_format]
        length = int(dice.between(Purpose.MEDIA_BYTES, self.media_id, *MEDIUM_BYTES))
        return first + dice.octets(Purpose.MEDIA_BYTES, self.media_id, length) + last


class Gallery:
    """The media of one terminal.

    Args:
        edition: decides the layouts.
        camera: the terminal.
        memory: where messages to send are put.
        tally: counters of the fleet.
        dice: chances of this terminal.
    """

    __slots__ = ("_camera", "_dice", "_edition", "_last_id", "_look_at", "_memory", "_stored", "_tally", "_uploads")

    def __init__(self, edition: Edition, camera: Camera, memory: Memory, tally: Tally, dice: Dice) -> None:
        self._edition = edition
        self._camera = camera
        self._memory = memory
        self._tally = tally
        self._dice = dice
        self._last_id = STORED_AT_START
        self._stored: dict[int, Medium] | None = None  # made when somebody asks for it
        self._uploads: deque[Medium] = deque()
        self._look_at = math.inf

    @property
    def deadline(self) -> float:
        """When `tick` has something to do."""
        return self._look_at

    def tick(self, now: float) -> None:
        """Go on uploading while there is room in the memory of the terminal."""
        if self._look_at > now:
            return
        while self._uploads and len(self._memory.todo) < WAITING_MAX:
            self._send(self._uploads.popleft())
        self._look_at = now + WAITING_LOOK_S if self._uploads else math.inf

    def duties(self) -> dict[int, Duty]:
        """What is done about each command."""
        return {
            0x8801: self._shoot,
            0x8802: self._search,
            0x8803: self._upload_found,
            0x8804: self._record,
            0x8805: self._upload_one,
        }

    def take_timed(self, device_ms: int) -> None:
        """A picture at its time, which goes out at once."""
        self._send(self._new(IMAGE, JPEG, TIMED, 1, device_ms))

    # Commands.

    def _shoot(self, serial: int, body: bytes, now: float) -> Reply:
        """0x8801 摄像头立即拍摄命令: 0x0001, 0x0805 since 2013, then the pictures unless they are to be stored."""
        order = read(TakePicture, body, self._edition)
        if order.channel > CHANNELS:
            return self._shot(serial, SHOT_NO_CHANNEL, ())
        kind = (VIDEO, WMV) if order.command == RECORD_VIDEO else (IMAGE, JPEG)
        shots = 1 if order.command == RECORD_VIDEO else min(order.command, SHOTS_MAX)
        device_ms = self._camera.device_ms()
        taken = [self._new(*kind, BY_COMMAND, order.channel, device_ms) for _ in range(shots)]
        self._store_or_upload(taken, is_upload=order.save == UPLOAD_AT_ONCE, now=now)
        return self._shot(serial, SHOT_OK, tuple(medium.media_id for medium in taken))

    def _shot(self, serial: int, result: int, media_ids: tuple[int, ...]) -> Reply:
        if self._edition is Edition.V2011:  # it has no 0x0805
            return OK if result == SHOT_OK else FAILED
        if result == SHOT_OK:
            answer = CameraAnswer(answer_serial=serial, result=result, media_ids=media_ids)
        else:
            answer = CameraAnswer(answer_serial=serial, result=result)
        return Reply(OK.result, (Answer(CAMERA_ANSWER, registry.encode_body(answer, self._edition)),))

    def _record(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8804 录音开始命令: what was recorded is there at once; to stop is always fine."""
        order = read(RecordAudio, body, self._edition)
        if order.command:
            taken = self._new(AUDIO, WAV, BY_COMMAND, 1, self._camera.device_ms())
            self._store_or_upload([taken], is_upload=order.save == UPLOAD_AT_ONCE, now=now)
        return OK

    def _search(self, serial: int, body: bytes, _now: float) -> Reply:
        """0x8802 存储多媒体数据检索; a long list goes out in parts."""
        found = self._found(read(MediaSearch, body, self._edition))
        items = tuple(self._item(medium) for medium in found)
        answer = MediaSearchAnswer(answer_serial=serial, items=items)
        return told(SEARCH_ANSWER, registry.encode_body(answer, self._edition))

    def _item(self, medium: Medium) -> MediaItem | MediaItemWithoutId:
        """多媒体检索项; 2011 has no media ids in it."""
        location = LocationBase.decode(medium.base, self._edition)
        media_type, channel, event = medium.media_type, medium.channel, medium.event
        if self._edition is Edition.V2011:
            return MediaItemWithoutId(media_type=media_type, channel=channel, event=event, location=location)
        return MediaItem(
            media_id=medium.media_id, media_type=media_type, channel=channel, event=event, location=location
        )

    def _upload_found(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8803 存储多媒体数据上传命令."""
        order = read(UploadStoredMedia, body, self._edition)
        self._upload_stored(self._found(order), order.delete, now)
        return OK

    def _upload_one(self, _serial: int, body: bytes, now: float) -> Reply:
        """0x8805 单条存储多媒体数据检索上传命令; result 1 for one that is not there."""
        order = read(UploadOneMedia, body, self._edition)
        medium = self._all().get(order.media_id)
        if medium is None:
            return FAILED
        self._upload_stored([medium], order.delete, now)
        return OK

    # Media.

    def _new(self, media_type: int, media_format: int, event: int, channel: int, device_ms: int) -> Medium:
        self._last_id += 1
        base = self._camera.media_base(device_ms)
        return Medium(self._last_id, media_type, media_format, event, channel, device_ms, base)

    def _all(self) -> dict[int, Medium]:
        if self._stored is None:
            now_ms = self._camera.device_ms()
            self._stored = {}
            for media_id in range(1, STORED_AT_START + 1):
                device_ms = now_ms - (STORED_AT_START + 1 - media_id) * STORED_EVERY_MS
                channel = 1 + media_id % CHANNELS
                base = self._camera.media_base(device_ms)
                self._stored[media_id] = Medium(media_id, IMAGE, JPEG, TIMED, channel, device_ms, base)
        return self._stored

    def _found(self, wanted: MediaSearch | UploadStoredMedia) -> list[Medium]:
        first_ms, last_ms = _bound(wanted.start, -math.inf), _bound(wanted.end, math.inf)
        return [
            medium
            for medium in self._all().values()
            if medium.media_type == wanted.media_type
            and wanted.channel in (0, medium.channel)
            and medium.event == wanted.event
            and first_ms <= medium.device_ms <= last_ms
        ]

    def _store_or_upload(self, media: list[Medium], *, is_upload: bool, now: float) -> None:
        if is_upload:
            self._queue(media, now)
            return
        stored = self._all()
        for medium in media:
            stored[medium.media_id] = medium
            if len(stored) > STORED_MAX:
                del stored[next(iter(stored))]

    def _upload_stored(self, media: list[Medium], delete: int, now: float) -> None:
        if delete == DELETE:
            for medium in media:
                self._all().pop(medium.media_id)
        self._queue(media, now)

    def _queue(self, media: list[Medium], now: float) -> None:
        """Upload them one after the other; what waits already does not wait twice."""
        waiting = {medium.media_id for medium in self._uploads}
        for medium in media:
            if medium.media_id in waiting:
                continue
            if len(self._uploads) < UPLOADS_MAX:
                self._uploads.append(medium)
            else:
                self._tally.messages_lost[MEDIA] += 1
        self._look_at = now

    def _send(self, medium: Medium) -> None:
        self._memory.add(Todo(MEDIA_EVENT, medium.event_body()))
        data = medium.data(self._dice)
        self._tally.uploads["begun"] += 1
        if self._edition is not Edition.V2011:
            self._memory.add(Todo(MEDIA, medium.event_body() + medium.base + data, medium.media_id))
            return
        data = medium.base + data
        packages = [data[at : at + PACKAGE_BYTES_2011] for at in range(0, len(data), PACKAGE_BYTES_2011)]
        for number, package in enumerate(packages, 1):
            counters = len(packages).to_bytes(4) + number.to_bytes(4)
            self._memory.add(Todo(MEDIA, medium.event_body() + counters + package))


def _bound(time: WireTime, none: float) -> float:
    """Device time of a bound of a search, ms; zeros, or what is no time, are no bound."""
    return timebase.to_ms(time) or none
