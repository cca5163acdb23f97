"""A whole fleet hands over files; `simulate fleet --evidence` and `simulate scenario` as a user sees them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evidence_server import EvidenceServer
from tiny_platform import Seen, TinyPlatform, TinyServer

from jtgate.cli.simulate import simulate
from jtgate.codecs.edition import Edition
from jtgate.codecs.jsatl12.attachments import RequestAttachments
from jtgate.codecs.jt808.location import LocationReport
from jtgate.codecs.profile import Dialect
from jtgate.simulators import evidence_link
from jtgate.simulators.evidence import EvidenceRules
from jtgate.simulators.evidence_faults import EvidenceFault, EvidenceFaultPlan
from jtgate.simulators.fleet import Fleet, FleetOptions
from jtgate.simulators.rules import Rules


class Asker:
    """Answers as ever, and asks for the files of every alarm that announces some."""

    def __init__(self, server: EvidenceServer) -> None:
        self.server = server
        self.asked = 0
        self.platform = TinyPlatform()

    def __call__(self, seen: Seen) -> list[bytes] | None:
        """A frame; what is sent back."""
        if seen.header.msg_id != 0x0200:
            return None
        out = [self.platform.general(seen)]
        for item in LocationReport.decode(seen.body, seen.header.edition).items:
            number: Any = getattr(item.value, "alarm_number", None)
            if number is None or not number.attachment_count:
                continue
            self.asked += 1
            order = RequestAttachments(
                address="127.0.0.1",
                tcp_port=self.server.port,
                alarm_number=number,
                platform_number=f"{self.asked:032X}",
            )
            out.append(self.platform.frame(seen.header, 0x9208, order.encode(seen.header.edition)))
        return out


@pytest.mark.parametrize("edition", [Edition.V2013, Edition.V2019])
def test_a_fleet_hands_over_everything(edition: Edition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty terminals with drops in the middle: what the ledger names is what the server has."""
    monkeypatch.setattr(evidence_link, "BACKOFF_S", (0.01, 0.05))
    ledger = tmp_path / "served.jsonl"
    dialect = Dialect.GD if edition is Edition.V2019 else Dialect.SU

    async def live() -> tuple[Fleet, EvidenceServer, Asker]:
        async with EvidenceServer() as server:
            asker = Asker(server)
            async with TinyServer(asker) as platform:
                plan = EvidenceFaultPlan({EvidenceFault.DROP: 0.5, EvidenceFault.SKIP: 0.2})
                files = EvidenceRules(picture_bytes=3000, video_bytes=50_000, dialect=dialect, faults=plan)
                options = FleetOptions(
                    port=platform.port,
                    terminals=20,
                    edition=edition,
                    rules=Rules(interval_s=0.3, alarm_rate=0.3, evidence=files),
                    duration_s=2.0,
                    evidence_ledger=ledger,
                )
                fleet = Fleet(options)
                await fleet.run()
            return fleet, server, asker

    fleet, server, asker = asyncio.run(live())
    lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert asker.asked > 10
    assert fleet.tally.evidence["asked"] == asker.asked
    assert fleet.tally.evidence["complete"] == asker.asked
    assert fleet.tally.evidence_faults[EvidenceFault.DROP] > 0
    assert len(lines) == 2 * asker.asked == len(server.files)
    for line in lines:
        assert line["confirmed"]
        assert server.files[line["platform_number"], line["name"]].sha256 == line["sha256"]


def test_the_command_line_refuses_what_is_no_fault() -> None:
    """A usage error that names the faults there are."""
    result = CliRunner().invoke(simulate, ["fleet", "--evidence", "nonsense"])
    assert result.exit_code == 2
    assert "drop" in result.output
    result = CliRunner().invoke(simulate, ["scenario", "scripted-day", "--only-write"])
    assert result.exit_code == 2
    result = CliRunner().invoke(simulate, ["scenario", "no-such-day"])
    assert result.exit_code == 78
    assert "scripted-day" in result.output


def test_a_scenario_is_written_without_a_platform(tmp_path: Path) -> None:
    """Frames, feeds and registry rows; nothing is sent."""
    result = CliRunner().invoke(simulate, ["scenario", "scripted-day", "--write", str(tmp_path), "--only-write"])
    assert result.exit_code == 0, result.output
    assert "phones.jsonl: 690 rows" in result.output
    counts = json.loads(
        CliRunner()
        .invoke(simulate, ["scenario", "scripted-day", "--write", str(tmp_path), "--only-write", "--json"])
        .stdout
    )
    assert counts["waybills.jsonl"] == 2
