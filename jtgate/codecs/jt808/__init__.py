"""JT/T 808 messages, editions 2011, 2013 and 2019: one declaration per message, one file per family."""

from jtgate.codecs.items import LocationItem
from jtgate.codecs.jt808.collection import DriverIdentity, UplinkTransparent
from jtgate.codecs.jt808.general import (
    Heartbeat,
    PlatformGeneralAnswer,
    PlatformPartsRequest,
    TerminalGeneralAnswer,
    TerminalPartsRequest,
    TimeAnswer,
    TimeQuery,
)
from jtgate.codecs.jt808.information import TextMessage
from jtgate.codecs.jt808.location import (
    LocationAnswer,
    LocationBase,
    LocationBatch,
    LocationQuery,
    LocationReport,
    UndecodedReport,
)
from jtgate.codecs.jt808.management import (
    Authenticate,
    ParametersAnswer,
    QueryGivenParameters,
    QueryParameters,
    Register,
    RegisterAnswer,
    SetParameters,
    Unregister,
)
from jtgate.codecs.jt808.multimedia import MediaEvent, MediaUpload, MediaUploadAnswer
from jtgate.codecs.jt808.parameters import Parameter

__all__ = [
    "Authenticate",
    "DriverIdentity",
    "Heartbeat",
    "LocationAnswer",
    "LocationBase",
    "LocationBatch",
    "LocationItem",
    "LocationQuery",
    "LocationReport",
    "MediaEvent",
    "MediaUpload",
    "MediaUploadAnswer",
    "Parameter",
    "ParametersAnswer",
    "PlatformGeneralAnswer",
    "PlatformPartsRequest",
    "QueryGivenParameters",
    "QueryParameters",
    "Register",
    "RegisterAnswer",
    "SetParameters",
    "TerminalGeneralAnswer",
    "TerminalPartsRequest",
    "TextMessage",
    "TimeAnswer",
    "TimeQuery",
    "UndecodedReport",
    "Unregister",
    "UplinkTransparent",
]
