"""JT/T 1078-2016: signalling, parameters and items on the JT/T 808 link, and the packets of the media stream."""

import jtgate.codecs.jt1078.items
import jtgate.codecs.jt1078.parameters  # noqa: F401  both declare what belongs to messages of 808
from jtgate.codecs.jt1078.attributes import AvAttributes, PassengerFlow, QueryAvAttributes
from jtgate.codecs.jt1078.live import LiveControl, LiveRequest, LiveStatus
from jtgate.codecs.jt1078.packets import Packet, PacketReader
from jtgate.codecs.jt1078.playback import PlaybackControl, PlaybackRequest
from jtgate.codecs.jt1078.ptz import PtzFocus, PtzInfrared, PtzIris, PtzRotate, PtzWiper, PtzZoom
from jtgate.codecs.jt1078.resources import QueryResources, Resource, ResourceList
from jtgate.codecs.jt1078.upload import FileUpload, FileUploadControl, FileUploadFinished

__all__ = [
    "AvAttributes",
    "FileUpload",
    "FileUploadControl",
    "FileUploadFinished",
    "LiveControl",
    "LiveRequest",
    "LiveStatus",
    "Packet",
    "PacketReader",
    "PassengerFlow",
    "PlaybackControl",
    "PlaybackRequest",
    "PtzFocus",
    "PtzInfrared",
    "PtzIris",
    "PtzRotate",
    "PtzWiper",
    "PtzZoom",
    "QueryAvAttributes",
    "QueryResources",
    "Resource",
    "ResourceList",
]
