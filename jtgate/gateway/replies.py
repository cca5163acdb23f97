"""Which message is answered by what (JT/T 808 §3.1, §8.2, §10.3)."""

from jtgate.codecs.catalogue import UNKNOWN_NAME, message_name
from jtgate.codecs.declare import Message
from jtgate.codecs.edition import Edition
from jtgate.codecs.header import Header, encode_frames
from jtgate.codecs.jt808 import MediaUpload, MediaUploadAnswer, PlatformPartsRequest, TimeAnswer
from jtgate.codecs.parts import Missing
from jtgate.codecs.profile import AUTO, Profile
from jtgate.codecs.registry import body_edition, encode_body
from jtgate.codecs.timebase import utc_now

#: Answers of a terminal to a command of ours: they end an exchange, so nobody answers them.
UNANSWERED = frozenset({0x0001, 0x0104, 0x0107, 0x0201, 0x0500, 0x0608, 0x0700, 0x0802, 0x0805, 0x1003, 0x1205})

#: Messages whose answer depends on what is in them: they are opened for that when they are encrypted.
READ_IDS = frozenset({0x0004, 0x0801, 0x0A00})

#: Encrypted blocks that hold all of an upload that its answer depends on: opening all would take seconds.
HEAD_BLOCKS = 2

#: Vendor messages seen in the field; result 0 keeps their senders quiet (§3.1, last paragraph).
VENDOR_UPLINKS = frozenset({0x0109, 0x0210, 0x0506, 0x1007, 0x1107, 0x1300, 0x2070, 0x6006})


def is_known_uplink(msg_id: int) -> bool:
    """Whether a terminal may send this id according to a standard or to common practice."""
    found = message_name(msg_id)
    return msg_id in VENDOR_UPLINKS or (found.upward and found.name != UNKNOWN_NAME)


def frame(message: Message, header: Header, serial: int, profile: Profile = AUTO) -> bytes:
    """A message of ours in the header form of the frame it answers: same edition, version byte and phone."""
    layout = profile.forced_edition or header.edition
    if isinstance(message, MediaUploadAnswer) and message.answer_serial is not None:
        layout = Edition.V2011  # told from the body of the upload; headers of 2011 and 2013 are the same
    (wire,) = encode_frames(
        message.INFO.msg_id,
        encode_body(message, layout, profile),
        phone=header.phone,
        serial=serial,
        edition=header.edition,
        protocol_version=header.protocol_version,
    )
    return wire


def specific_answer(header: Header, body: bytes, profile: Profile = AUTO) -> Message | None:
    """The answer that a whole message has of its own; None when it takes the general one.

    Args:
        header: of the message, or of its first part.
        body: the whole body; of an upload its first HEAD_BLOCKS blocks are enough.
        profile: of the terminal.

    Raises:
        BodyError: the body of an upload cannot be read.
    """
    if header.msg_id == 0x0004:
        return TimeAnswer(time=utc_now())
    if header.msg_id == 0x0801:
        return _media_answer(header, body, profile)
    return None


def _media_answer(header: Header, body: bytes, profile: Profile) -> MediaUploadAnswer | None:
    """0x8800 "complete": the media id and nothing else, in the 2011 form with serial in front (§8.1, §11 item 46).

    2011 terminals number their packages inside the body; only the last one completes the medium.
    """
    edition = body_edition(header.msg_id, body, header.edition, profile)
    upload = MediaUpload.decode(body, edition, profile=profile)
    if edition is not Edition.V2011:
        return MediaUploadAnswer(media_id=upload.media_id)
    if upload.package_no != upload.package_total:
        return None
    return MediaUploadAnswer(answer_serial=header.serial, media_id=upload.media_id)


def missing_parts(missing: Missing, serial: int, profile: Profile = AUTO) -> bytes:
    """0x8003 补传分包请求 in the header form of the parts that came."""
    header = missing.header
    request = PlatformPartsRequest(first_serial=missing.first_serial, part_numbers=missing.numbers)
    return frame(request, header, serial, profile)
