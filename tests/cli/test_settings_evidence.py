"""Settings of evidence: the port, what terminals are told, and where copies go."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jtgate import runfiles, settings
from jtgate.settings import BadValue, Settings, split_address

WANTED = Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", 0)),
        ("203.0.113.10", ("203.0.113.10", 0)),
        ("files.example.org:7612", ("files.example.org", 7612)),
        ("[2001:db8::1]:7612", ("2001:db8::1", 7612)),
    ],
)
def test_what_terminals_are_told(text: str, expected: tuple[str, int]) -> None:
    """Host, or host and port."""
    assert split_address(text) == expected
    settings.check_release(replace(WANTED, attachment_address=text))


@pytest.mark.parametrize("text", ["a b", ":7612", "h:99999", "h:x", "http://h", "h" * 101, "车"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Before anything starts, with what to write instead."""
    with pytest.raises(BadValue, match="attachment-address"):
        settings.check_release(replace(WANTED, attachment_address=text))


def test_ports_must_differ() -> None:
    """Two listeners cannot share a port; any free one, and none, are fine."""
    for wanted in (
        replace(WANTED, attachment_port=WANTED.port),
        replace(WANTED, attachment_port=7001, tls_port=7001, tls_cert=Path(__file__), tls_key=Path(__file__)),
    ):
        with pytest.raises(BadValue, match="--attachment-port"):
            settings.check_release(wanted)
    for wanted in (
        replace(WANTED, attachment_port=0, port=0),
        replace(WANTED, attachment_port=-1),
        replace(WANTED, attachment_port=7001, tls_port=7001),
    ):
        settings.check_release(wanted)
    assert len({WANTED.port, WANTED.tls_port, WANTED.attachment_port}) == 3, "the defaults work together"


def test_where_copies_go_and_who_may_come() -> None:
    """A bucket is checked before anything starts, without quoting it; an open door is warned of."""
    settings.check_release(replace(WANTED, evidence_s3="s3://bucket/jt?endpoint=http://127.0.0.1:9000"))
    with pytest.raises(BadValue, match="--evidence-s3") as caught:
        settings.check_release(replace(WANTED, evidence_s3="s3://KEY:SECRET@bucket"))
    assert "SECRET" not in caught.value.message
    assert any("attachment_open" in text for text in settings.warnings(replace(WANTED, attachment_open="yes")))
    assert not any("attachment_open" in text for text in settings.warnings(WANTED))


def test_evidence_is_kept_for_six_months() -> None:
    """The regulation asks for six months: less cannot be set."""
    with pytest.raises(BadValue):
        settings.load({"evidence_days": "100"}, env={})


def test_where_evidence_is_brought_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting, else the address the server is bound to, else the first of this machine; none when it is off."""
    assert runfiles.evidence_address(tmp_path, "", 0) is None
    facts = {"pid": os.getpid(), "host": "0.0.0.0", "port": 7001, "udp_port": 7001}
    runfiles.write_run_file(tmp_path, runfiles.ATTACHMENTS, facts)
    monkeypatch.setattr(runfiles, "first_address", lambda: "192.0.2.7")
    assert runfiles.evidence_address(tmp_path, "", 0) == ("192.0.2.7", 7001)
    assert runfiles.evidence_address(tmp_path, "files.example", 7612) == ("files.example", 7612)
    runfiles.write_run_file(tmp_path, runfiles.ATTACHMENTS, facts | {"host": "10.1.2.3"})
    assert runfiles.evidence_address(tmp_path, "", 0) == ("10.1.2.3", 7001)


def test_the_first_address_is_one_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network it is the loopback."""
    assert runfiles.first_address().count(".") == 3
    monkeypatch.setattr(runfiles, "_ELSEWHERE", ("255.255.255.255", 9))  # nobody may send there
    assert runfiles.first_address() == "127.0.0.1"
