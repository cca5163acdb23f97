"""What alarms are called, out of the tables of the standards."""

import pytest

from jtgate.codecs.alarm_names import alarm_name


@pytest.mark.parametrize(
    ("source", "alarm_type", "zh", "en"),
    [
        ("jt808:flag", 0, "紧急报警", "emergency"),
        ("jt808:flag", 29, "碰撞侧翻报警", "collision or rollover"),  # the latest edition names it so
        ("jt808:flag", 40, "保留位40", "reserved bit 40"),
        ("jt808:area:3:17:0", 20, "进出区域(多边形区域17进)", "region in/out (polygon 17, in)"),
        (
            "jt808:area:4:9:1",
            22,
            "路段行驶时间不足/过长(路段9过长)",
            "segment time too short/long (segment 9, too long)",
        ),
        ("jt808:area:0:5", 1, "超速报警(区域5)", "overspeed (area 5)"),
        ("jt808:area:odd", 1, "超速报警", "overspeed"),
        ("jt1078:video", 1, "视频信号遮挡", "video signal covered"),
        ("jt1078:driving", 1, "打电话", "phone call"),
        ("jsatl12:0x64", 1, "前向碰撞报警", "forward collision"),
        ("jsatl12:0x65", 1, "疲劳驾驶报警", "fatigue"),
        ("jsatl12:0x65", 0x0D, "玩手机报警", "playing with phone"),  # one dialect only
        ("jsatl12:0x65", 0x06, "探头遮挡报警 / 双手同时脱离方向盘报警", "camera covered / both hands off wheel"),
        ("jsatl12:0x65", 0x7E, "驾驶员状态监测类型0x7e", "DSM type 0x7e"),
        ("jsatl12:0x66", 0b110, "胎压过高报警 / 胎压过低报警", "pressure high / pressure low"),
        ("jsatl12:0x66", 0, "胎压", "tyre pressure"),
        ("jsatl12:0x99", 3, "jsatl12:0x99 type 3", "jsatl12:0x99 type 3"),
    ],
)
def test_an_alarm_has_a_name_in_both_languages(source: str, alarm_type: int, zh: str, en: str) -> None:
    """Bits with their area, items by dialect, and what no table names by its numbers."""
    assert alarm_name(source, alarm_type) == (zh, en)


def test_what_is_the_same_in_both_is_told_once() -> None:
    """As one text."""
    assert str(alarm_name("x:1", 2)) == "x:1 type 2"
    assert str(alarm_name("jt1078:video", 1)) == "视频信号遮挡 video signal covered"
