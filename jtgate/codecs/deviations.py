"""Every deviation from the standard that is tolerated when receiving, by name, with a sentence each.

A decoder adds the name to the list of deviations of the message and goes on. Names are constant:
they are counted as metrics and switched per terminal profile.
"""

from jtgate.codecs import header

BODY_TRAILING_BYTES = "body.trailing_bytes"
BODY_ENCRYPTED = "body.encrypted"
BODY_OLD_LAYOUT = "body.layout_2013_under_2019"
BODY_NEW_LAYOUT = "body.layout_2019_under_2013"
TEXT_UTF8 = "text.utf8"
TEXT_NOT_GBK = "text.not_gbk"
TEXT_PADDING = "text.padding"
TEXT_FULL_WIDTH = "text.full_width"
TIME_NOT_A_DATE = "time.not_a_date"
BCD_NOT_DIGITS = "bcd.not_digits"
VALUE_OUT_OF_RANGE = "value.out_of_range"
AUTHENTICATE_SHORT_TAIL = "authenticate.short_tail"
REGISTER_ANSWER_CODE_AFTER_FAILURE = "register_answer.code_after_failure"
LOCATION_ITEMS_OVERRUN = "location.items_overrun"
LOCATION_SIGNED_COORDINATE = "location.signed_coordinate"
ITEM_LENGTH_UNKNOWN = "location.item_length"
ITEM_TRAILING_BYTES = "location.item_trailing_bytes"
BATCH_WRONG_COUNT = "location_batch.wrong_count"
BATCH_ITEM_OVERRUN = "location_batch.item_overrun"
BATCH_ITEM_UNDECODED = "location_batch.item_undecoded"
PARAMETERS_WRONG_COUNT = "parameters.wrong_count"
PARAMETERS_OVERRUN = "parameters.overrun"
DRIVER_FIELDS_AFTER_REMOVAL = "driver_identity.fields_after_removal"
MEDIA_NO_LOCATION = "media_upload.no_location"

#: Name -> what the terminal did, in one sentence.
DEVIATIONS: dict[str, str] = {
    header.DEV_VERSION_BIT_SET: "Bit 14 of the properties is set before a 2011/2013 header.",
    header.DEV_VERSION_BIT_MISSING: "A 2019 header without bit 14.",
    header.DEV_PART_BIT_WRONG: "Bit 13 says otherwise than the length of the header.",
    header.DEV_LENGTH_MISMATCH: "The length field fits no header; the bits decided, the body is what is there.",
    header.DEV_PHONE_NOT_BCD: "The phone number holds nibbles A-F; it is kept as upper-case hex.",
    BODY_TRAILING_BYTES: "Bytes follow the last field; they are kept as `trailing`.",
    BODY_ENCRYPTED: "The body is encrypted and was left as it is.",
    BODY_OLD_LAYOUT: "A 2013 body under a 2019 header.",
    BODY_NEW_LAYOUT: "A 2019 body under a 2011/2013 header.",
    TEXT_UTF8: "Text in UTF-8 where the standard wants GBK.",
    TEXT_NOT_GBK: "Text that is neither GBK nor UTF-8; unreadable bytes show as U+FFFD.",
    TEXT_PADDING: "Text padded or terminated otherwise than its edition says.",
    TEXT_FULL_WIDTH: "A plate with full-width letters, shown with ordinary ones.",
    TIME_NOT_A_DATE: "Six BCD bytes that are no calendar time; they are kept as they came.",
    BCD_NOT_DIGITS: "A BCD field with nibbles A-F; it is kept as upper-case hex.",
    VALUE_OUT_OF_RANGE: "A number outside the range the standard allows; it is kept.",
    AUTHENTICATE_SHORT_TAIL: "0x0102 of 2019 whose IMEI or software version is missing or shorter than its field.",
    REGISTER_ANSWER_CODE_AFTER_FAILURE: "0x8100 with a code although the result is a failure.",
    LOCATION_ITEMS_OVERRUN: "The last additional item is longer than the body; the rest is kept as `trailing`.",
    LOCATION_SIGNED_COORDINATE: "A coordinate as two's complement instead of magnitude and hemisphere bit.",
    ITEM_LENGTH_UNKNOWN: "A known additional item of a length the table does not have; only its bytes are kept.",
    ITEM_TRAILING_BYTES: "An additional item longer than its known forms; the surplus is kept as its `trailing`.",
    BATCH_WRONG_COUNT: "0x0704 announces another number of items than it holds.",
    BATCH_ITEM_OVERRUN: "An item of 0x0704 is longer than what is left; what is left was decoded.",
    BATCH_ITEM_UNDECODED: "An item of 0x0704 that is no location; its bytes are kept.",
    PARAMETERS_WRONG_COUNT: "A parameter list announces another number of items than it holds.",
    PARAMETERS_OVERRUN: "The last parameter is longer than the body; the rest is kept as `trailing`.",
    DRIVER_FIELDS_AFTER_REMOVAL: "0x0702 with status 2 (card removed) that still carries the driver's fields.",
    MEDIA_NO_LOCATION: "0x0801 without the 28 bytes of location.",
}
