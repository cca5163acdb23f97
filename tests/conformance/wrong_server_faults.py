"""What the wrong little platform can do wrong, and which scenarios have to notice."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One fault.

    Args:
        scenarios: those that must fail.
        edition: in which edition.
        transport: over what.
    """

    scenarios: tuple[str, ...]
    edition: str = "2013"
    transport: str = "tcp"


def _by(*scenarios: str, edition: str = "2013", transport: str = "tcp") -> Fault:
    return Fault(scenarios, edition, transport)


FAULTS: dict[str, Fault] = {
    # session
    "no_register_answer": _by("session.register"),
    "register_wrong_serial": _by("session.register"),
    "no_code": _by("session.register"),
    "long_code": _by("session.code-is-plain"),
    "code_after_failure": _by("session.no-code-after-failure"),
    "register_once": _by("session.register-again"),
    "plate_needed": _by("session.register-without-plate", edition="2011"),
    "malformed_register_silent": _by("session.register-malformed"),
    "no_authenticate_answer": _by("session.authenticate"),
    "code_used_up": _by("session.authenticate-after-reconnect"),
    "any_code": _by("session.wrong-code", "session.code-of-another"),
    "code_of_anybody": _by("session.code-of-another"),
    "bare_code_refused": _by("session.authenticate-bare-code", edition="2019"),
    "imei_needed": _by("session.authenticate-without-imei", edition="2019"),
    "empty_code_silent": _by("session.authenticate-malformed"),
    "strangers_ignored": _by("session.report-before-login"),
    "no_logout_answer": _by("session.unregister"),
    "annex_id_dropped": _by("session.unregister-2011-annex", edition="2011"),
    "dead_after_unregister": _by("session.register-after-unregister"),
    # answers
    "no_heartbeat_answer": _by("answers.heartbeat"),
    "wrong_serial": _by("answers.heartbeat", "answers.location"),
    "wrong_id": _by("answers.heartbeat", "answers.location", "delivery.interleaved"),
    "heartbeat_body_ignored": _by("answers.heartbeat-with-body"),
    "no_location_answer": _by("answers.location"),
    "long_general": _by("answers.location"),
    "unknown_items_refused": _by("answers.location-items"),
    "overrun_silent": _by("answers.location-item-overrun"),
    "times_checked": _by("answers.location-impossible-time"),
    "malformed_accepted": _by("answers.location-malformed"),
    "malformed_silent": _by("answers.location-malformed"),
    "batch_answers_each_item": _by("answers.batch"),
    "batch_overrun_closes": _by("answers.batch-damaged"),
    "no_driver_answer": _by("answers.driver-identity"),
    "no_transparent_answer": _by("answers.transparent"),
    "no_media_event_answer": _by("answers.media-event"),
    "media_leading_serial": _by("answers.media-upload", "parts.media-complete"),
    "media_count_zero": _by("answers.media-upload", "parts.media-complete"),
    "unknown_closes": _by("answers.unknown-id"),
    "high_ids_close": _by("answers.id-of-other-standards"),
    "answers_answers": _by("answers.none-to-answers"),
    "attributes_close": _by("answers.spontaneous-attributes"),
    "no_time_answer": _by("answers.time", edition="2019"),
    "time_is_local": _by("answers.time-is-utc", edition="2019"),
    "parts_request_closes": _by("answers.parts-request", edition="2019"),
    # header
    "header_2013": _by("header.in-kind", edition="2019"),
    "version_1": _by("header.version-byte", edition="2019"),
    "phone_stripped": _by("header.full-phone"),
    "hex_phone_closes": _by("header.hex-phone"),
    "phones_as_text": _by("header.phone-forms"),
    "version_bit_trusted": _by("header.version-bit-set"),
    "version_bit_needed": _by("header.version-bit-missing", edition="2019"),
    "reserved_bit_refused": _by("header.reserved-bit"),
    "wrong_length_closes": _by("header.wrong-length"),
    "wrong_length_dropped": _by("header.wrong-length-answered"),
    "encryption_closes": _by("header.encryption"),
    "encryption_accepted": _by("header.encryption-not-supported"),
    "other_phone_dropped": _by("header.phone-change"),
    "serial_of_one_byte": _by("header.serial-wrap"),
    "serial_must_rise": _by("header.serial-constant"),
    "echoes_serials": _by("header.own-serials"),
    # framing
    "loses_glued": _by("framing.glued"),
    "no_reassembly": _by("framing.drip"),
    "escape_lost_at_the_end": _by("framing.cut-in-escape"),
    "waits_for_all": _by("framing.one-and-a-half"),
    "answers_not_escaped": _by("framing.escaped-serial"),
    "check_before_unescape": _by("framing.escaped-check"),
    "limit_1024": _by("framing.longest"),
    "pairs_of_flags": _by("framing.shared-flag", "framing.lost-opening-flag", "framing.lost-closing-flag"),
    "empty_closes": _by("framing.more-flags"),
    "garbage_first_closes": _by("framing.garbage-first"),
    "garbage_between_closes": _by("framing.garbage-between", "framing.garbage-random"),
    "http_kills": _by("framing.http-probe"),
    "bad_checksum_closes": _by("framing.bad-checksum"),
    "checksum_not_checked": _by("framing.bad-checksum-unanswered"),
    "bad_escape_closes": _by("framing.bad-escape"),
    "short_closes": _by("framing.too-short"),
    "stuck_without_flag": _by("framing.too-long"),
    "half_frame_stays": _by("framing.half-a-frame-then-gone"),
    # delivery
    "drops_repetitions": _by("delivery.resend"),
    "answers_twice": _by("delivery.answered-once"),
    "loses_some": _by("delivery.pipelined", "delivery.flood"),
    "reverse_order": _by("delivery.pipelined-in-order"),
    "answers_latest_connection": _by("delivery.two-terminals"),
    "oldest_wins": _by("delivery.takeover"),
    "late_close_ends_session": _by("delivery.takeover"),
    "old_stays_open": _by("delivery.takeover-closes"),
    "resets_resented": _by("delivery.reconnects"),
    "comes_back_too_soon": _by("delivery.end-of-sending"),
    "idle_closes": _by("delivery.idle"),
    # parts
    "parts_unanswered": _by("parts.whole-answered"),
    "last_part_answered_only": _by("parts.each-answered", "parts.one-by-one"),
    "no_upload_answer": _by("parts.media-complete"),
    "parts_must_be_in_order": _by("parts.out-of-order"),
    "counts_duplicates": _by("parts.duplicated"),
    "never_asks": _by("parts.missing"),
    "asks_for_all": _by("parts.missing"),
    "byte_count": _by("parts.request-form", edition="2019"),
    "asks_with_wrong_serial": _by("parts.request-form"),
    "parts_block_others": _by("parts.other-messages-between"),
    "parts_by_id_only": _by("parts.two-messages"),
    "parts_need_rising_serials": _by("parts.equal-serials"),
    "one_of_one_waits": _by("parts.one-of-one"),
    "impossible_number_closes": _by("parts.impossible-number"),
    "at_most_64_parts": _by("parts.many"),
    "no_wrap": _by("parts.serial-wraps"),
    "repeated_parts_dropped": _by("parts.begun-again"),
    "last_part_again_silent": _by("parts.resent-after-completion"),
    "packages_of_2011_silent": _by("parts.packages-of-2011", edition="2011"),
    # UDP
    "answers_first_address": _by("udp.moved", transport="udp"),
    "first_frame_of_datagram": _by("udp.several-frames", transport="udp"),
    "garbage_ends_udp": _by("udp.garbage", transport="udp"),
}
