"""Every deviation from the standard that is tolerated when receiving, by name, with a sentence each.

A decoder adds the name to the list of deviations of the message and goes on. Names are constant:
they are counted as metrics and switched per terminal profile.
"""

from jtgate.codecs import framing, header

BODY_TRAILING_BYTES = "body.trailing_bytes"
BODY_ENCRYPTED = "body.encrypted"
ENCRYPTION_BITS_IGNORED = "header.encryption_bits_ignored"
BODY_OLD_LAYOUT = "body.layout_2013_under_2019"
BODY_NEW_LAYOUT = "body.layout_2019_under_2013"
TEXT_UTF8 = "text.utf8"
TEXT_NOT_GBK = "text.not_gbk"
TEXT_GBK = "text.gbk"
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
ITEM_ONE_BYTE_MORE = "location.item_one_byte_more"
ALARM_NUMBER_OTHER_DIALECT = "alarm_number.other_dialect"
VEHICLE_RECORD_CHECKSUM = "vehicle_record.checksum"
BATCH_WRONG_COUNT = "location_batch.wrong_count"
BATCH_ITEM_OVERRUN = "location_batch.item_overrun"
BATCH_ITEM_UNDECODED = "location_batch.item_undecoded"
PARAMETERS_WRONG_COUNT = "parameters.wrong_count"
PARAMETERS_OVERRUN = "parameters.overrun"
DRIVER_FIELDS_AFTER_REMOVAL = "driver_identity.fields_after_removal"
MEDIA_NO_LOCATION = "media_upload.no_location"
TEXT_TOO_LONG = "text.too_long"
TEXT_NOT_UTF16 = "text.not_utf16"
LIST_WRONG_COUNT = "list.wrong_count"
LIST_AFTER_DELETE_ALL = "list.after_delete_all"
ATTRIBUTES_OTHER_WIDTHS = "attributes.other_widths"
CONTROL_BINARY_NUMBER = "terminal_control.binary_number"
CONTROL_SHORT = "terminal_control.short"
CONTROL_OTHER_PARAMETERS = "terminal_control.other_parameters"
TRACKING_AFTER_STOP = "tracking_control.validity_after_stop"
WAYBILL_WRONG_LENGTH = "waybill.wrong_length"
SATELLITES_OTHER_BODY = "satellite_status.other_body"
RESOURCE_LIST_WRONG_TOTAL = "resource_list.wrong_total"
RESOURCE_LIST_ITEM_CUT = "resource_list.item_cut"
MEDIA_PACKET_FLAGS = "media_packet.flags"
MEDIA_PACKET_MARKER = "media_packet.marker"
MEDIA_PACKET_LONG = "media_packet.long"
MEDIA_PACKET_EMPTY = "media_packet.empty"
AREA_ANSWER_UNDECODED = "area_query_answer.undecoded"
MEDIA_LOCATION_REPEATED = "media_upload.location_repeated"
MEDIA_PADDING = "media_upload.padding"
MEDIA_SEARCH_NO_ID = "media_search_answer.no_id"
CAMERA_IDS_AFTER_FAILURE = "camera_answer.ids_after_failure"
RECORDER_BARE_BLOCK = "recorder.bare_block"
RECORDER_WRONG_HEAD = "recorder.wrong_head"
RECORDER_NO_CHECK = "recorder.no_check"
RECORDER_WRONG_CHECK = "recorder.wrong_check"
RECORDER_OVERRUN = "recorder.overrun"
RECORDER_REMAINDER = "recorder.remainder"
RECORDER_BLOCK_UNDECODED = "recorder.block_undecoded"
COMPRESSED_WRONG_LENGTH = "compressed_data.wrong_length"
COMPRESSED_NOT_GZIP = "compressed_data.not_gzip"
COMPRESSED_TOO_LONG = "compressed_data.too_long"

#: Name -> what the terminal did, in one sentence.
DEVIATIONS: dict[str, str] = {
    framing.DEV_BAD_CHECKSUM: "A wrong check byte from a terminal whose profile says that it cannot compute one.",
    header.DEV_VERSION_BIT_SET: "Bit 14 of the properties is set before a 2011/2013 header.",
    header.DEV_VERSION_BIT_MISSING: "A 2019 header without bit 14.",
    header.DEV_PART_BIT_WRONG: "Bit 13 says otherwise than the length of the header.",
    header.DEV_LENGTH_MISMATCH: "The length field fits no header; the bits decided, the body is what is there.",
    header.DEV_PHONE_NOT_BCD: "The phone number holds nibbles A-F; it is kept as upper-case hex.",
    BODY_TRAILING_BYTES: "Bytes follow the last field; they are kept as `trailing`.",
    BODY_ENCRYPTED: "The body is encrypted and was left as it is.",
    ENCRYPTION_BITS_IGNORED: "Encryption bits before a plain body, from a terminal whose profile says so.",
    BODY_OLD_LAYOUT: "A 2013 body under a 2019 header.",
    BODY_NEW_LAYOUT: "A 2019 body under a 2011/2013 header.",
    TEXT_UTF8: "Text in UTF-8 where the standard wants GBK.",
    TEXT_NOT_GBK: "Text that is neither GBK nor UTF-8; unreadable bytes show as U+FFFD.",
    TEXT_GBK: "Text in GBK from a terminal whose profile says UTF-8.",
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
    ITEM_ONE_BYTE_MORE: "An alarm item that announces one byte more than it has; the items after it fit only so.",
    ALARM_NUMBER_OTHER_DIALECT: "An alarm identification number that is not as long as the terminal's dialect has it.",
    VEHICLE_RECORD_CHECKSUM: "A block of a vehicle data record file whose checksum is wrong.",
    BATCH_WRONG_COUNT: "0x0704 announces another number of items than it holds.",
    BATCH_ITEM_OVERRUN: "An item of 0x0704 is longer than what is left; what is left was decoded.",
    BATCH_ITEM_UNDECODED: "An item of 0x0704 that is no location; its bytes are kept.",
    PARAMETERS_WRONG_COUNT: "A parameter list announces another number of items than it holds.",
    PARAMETERS_OVERRUN: "The last parameter is longer than the body; the rest is kept as `trailing`.",
    DRIVER_FIELDS_AFTER_REMOVAL: "0x0702 with status 2 (card removed) that still carries the driver's fields.",
    MEDIA_NO_LOCATION: "0x0801 without the 28 bytes of location.",
    TEXT_TOO_LONG: "Text longer than the standard allows; it is kept.",
    TEXT_NOT_UTF16: "Text that should be UTF-16BE and is not; unreadable characters show as U+FFFD.",
    LIST_WRONG_COUNT: "A list announces another number of elements than it holds.",
    LIST_AFTER_DELETE_ALL: "A list follows the order to delete everything, after which nothing should.",
    ATTRIBUTES_OTHER_WIDTHS: "0x0107 whose maker, model or terminal id has another width than its edition says.",
    CONTROL_BINARY_NUMBER: "A number of 0x8105 as a binary word, or padded, instead of plain decimal text.",
    CONTROL_SHORT: "0x8105 with fewer fields than its command has; those missing are empty.",
    CONTROL_OTHER_PARAMETERS: "Parameters of 0x8105 that are not those of its command; they are kept as they came.",
    TRACKING_AFTER_STOP: "0x8202 with a validity although its interval 0 stops the tracking.",
    WAYBILL_WRONG_LENGTH: "0x0701 announces another length than its content has.",
    SATELLITES_OTHER_BODY: "0x0205 from a terminal that is not of 2019 and means something else by it; it is kept.",
    RESOURCE_LIST_WRONG_TOTAL: "0x1205 announces another number of items than it holds; all that are there were read.",
    RESOURCE_LIST_ITEM_CUT: "The last item of 0x1205 is cut off; its bytes are kept as `trailing`.",
    MEDIA_PACKET_FLAGS: "A JT/T 1078 packet whose fifth byte is not 0x81.",
    MEDIA_PACKET_MARKER: "A JT/T 1078 packet whose marker bit says otherwise than its sub-packet mark.",
    MEDIA_PACKET_LONG: "A JT/T 1078 packet of more than 950 bytes.",
    MEDIA_PACKET_EMPTY: "A JT/T 1078 packet without a body.",
    AREA_ANSWER_UNDECODED: "DATA of 0x0608 that is neither whole bodies nor items; its bytes are kept.",
    MEDIA_LOCATION_REPEATED: "0x0801 whose location is repeated inside the data, in every part.",
    MEDIA_PADDING: "A JPEG with filling behind its end.",
    MEDIA_SEARCH_NO_ID: "0x0802 since 2013 whose items have no media id, as in 2011.",
    CAMERA_IDS_AFTER_FAILURE: "0x0805 with a list of ids although the result is a failure.",
    RECORDER_BARE_BLOCK: "Recorder data without the frame AA75 or 557A around it.",
    RECORDER_WRONG_HEAD: "A recorder frame that begins with 557A in a request, or with AA75 in an answer.",
    RECORDER_NO_CHECK: "A recorder frame without its XOR.",
    RECORDER_WRONG_CHECK: "A recorder frame whose XOR is wrong.",
    RECORDER_OVERRUN: "A recorder frame that announces more data than there is; what is there was decoded.",
    RECORDER_REMAINDER: "Recorder data with bytes behind its last whole block; they are kept as `trailing`.",
    RECORDER_BLOCK_UNDECODED: "A data block whose length does not fit its command; its bytes are kept.",
    COMPRESSED_WRONG_LENGTH: "0x0901 announces another length than it has.",
    COMPRESSED_NOT_GZIP: "0x0901 whose data is no gzip, or is damaged or cut off.",
    COMPRESSED_TOO_LONG: "0x0901 that becomes longer than we decompress.",
}
