"""`jtgate locate`: where a terminal is, now."""

from typing import Any

import click

from jtgate.cli.client import Client, with_api
from jtgate.cli.common import examples, json_option, print_facts
from jtgate.cli.sending import How, Span, finish, send, tell, with_how


@click.command(
    epilog=examples(
        "jtgate locate 13800138000",
        "jtgate locate 13800138000 --track 10m --every 5s",
        "jtgate locate 13800138000 --stop",
    )
)
@click.argument("phone")
@click.option("--track", "track_s", type=Span(), help="Have it report for so long: 10m, 2h.")
@click.option("--every", "every_s", type=Span(), default=10.0, help="… and so often. [default: 10s]")
@click.option("--stop", is_flag=True, help="End the tracking.")
@with_how
@with_api
@json_option
def locate(
    phone: str, track_s: float | None, every_s: float, how: How, client: Client, *, stop: bool, as_json: bool
) -> None:
    """Ask a terminal where it is 位置信息查询, or follow it for a while 临时位置跟踪."""
    if track_s is not None or stop:
        fields = {"interval_s": 0}
        if not stop:
            fields = {"interval_s": max(1, round(every_s)), "validity_s": round(track_s or 0)}
        found = send(client, phone, "tracking_control", fields, how)
        tell(found, as_json=as_json)
    else:
        found = send(client, phone, "location_query", {}, how)
        answer = found["answer"]
        tell(found, as_json=as_json, with_answer=False)
        if answer and not as_json:
            print_facts(_place(answer["body"].get("location", {})))
    finish([found], how)


def _place(location: dict[str, Any]) -> list[tuple[str, object]]:
    """A position in words."""
    items = location.get("items", ())
    mileage: dict[str, Any] = next((one["value"] or {} for one in items if one.get("name") == "mileage"), {})
    status = location.get("status")
    facts: list[tuple[str, object]] = [
        ("  time 时间", location.get("time")),
        ("  where 位置", f"{location.get('latitude')}, {location.get('longitude')}"),
        ("  speed 速度", f"{location.get('speed_kmh')} km/h, heading {location.get('heading_deg')}°"),
        ("  height 高程", f"{location.get('altitude_m')} m"),
    ]
    if isinstance(status, int):
        words = ["ignition on" if status & 1 else "ignition off", "positioned" if status & 2 else "not positioned"]
        facts.append(("  status 状态", ", ".join(words)))
    if "mileage_km" in mileage:
        facts.append(("  mileage 里程", f"{mileage['mileage_km']} km"))
    return facts
