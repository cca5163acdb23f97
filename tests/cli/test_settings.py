"""Settings: one table, four sources, typed errors."""

from dataclasses import fields
from pathlib import Path

import pytest

from jtgate import settings
from jtgate.settings import TABLE, BadValue, NotInThisRelease, Settings, SettingsFileError, UnknownSetting


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A path for a settings file."""
    return tmp_path / "jtgate.toml"


def test_table_and_dataclass_have_the_same_settings_in_the_same_order() -> None:
    """Nothing can be set that is not documented, and the reverse."""
    assert [f.name for f in fields(Settings)] == [entry.name for entry in TABLE]


def test_defaults_are_legal() -> None:
    """Every default passes the check its setting makes."""
    for entry in TABLE:
        assert entry.default == entry.parse(entry.default, "default")


def test_precedence_is_flag_variable_file_default(config: Path) -> None:
    """The nearest source wins, one setting at a time."""
    config.write_text("port = 1\ntls_port = 2\nconnections_max = 3\n")
    env = {"JTGATE_PORT": "10", "JTGATE_TLS_PORT": "20", "JTGATE_UNRELATED": "x"}

    loaded = settings.load({"port": 100, "host": None}, env=env, config=config)

    assert (loaded.port, loaded.tls_port, loaded.connections_max, loaded.frame_bytes_max) == (100, 20, 3, 4096)


def test_default_file_is_read_when_it_is_there(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """./jtgate.toml needs no flag; its absence is no error."""
    monkeypatch.chdir(config.parent)
    assert settings.load() == Settings()

    config.write_text('data = "/srv/jtgate"\nforwarders = ["10.0.0.1", "10.0.0.2"]\nspool_bytes_max = "2G"\n')

    loaded = settings.load()
    assert (Path("/srv/jtgate"), ("10.0.0.1", "10.0.0.2"), 2 << 30) == (
        loaded.data,
        loaded.forwarders,
        loaded.spool_bytes_max,
    )


def test_unknown_key_names_file_line_and_the_likely_word(config: Path) -> None:
    """A typo is found, not ignored."""
    config.write_text("# mine\nport = 7\nconections_max = 5\n")

    with pytest.raises(UnknownSetting) as raised:
        settings.load(config=config)

    assert (f"{config}:3: conections_max is not a setting", "did you mean connections_max?") == (
        raised.value.message,
        raised.value.advice,
    )


def test_unknown_table_is_found_too(config: Path) -> None:
    """[gateway] is no setting either."""
    config.write_text("port = 7\n\n[gateway]\nport = 5\n")

    with pytest.raises(UnknownSetting) as raised:
        settings.load(config=config)

    assert f"{config}:3: gateway is not a setting" == raised.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('port = "many"', "port: expected a whole number, got 'many'"),
        ("port = true", "port: expected a whole number, got True"),
        ("port = 70000", "port: 70000 is not between 0 and 65535"),
        ('policy = "closed"', "policy: 'closed' is none of open, known"),
        ("idle_seconds = nan", "idle_seconds: expected a finite number, got nan"),
        ('http = "8080"', "http: expected HOST:PORT, for example 127.0.0.1:8080, got '8080'"),
        ('http = "x:99999"', "http: expected HOST:PORT, for example 127.0.0.1:8080, got 'x:99999'"),
        (
            'spool_bytes_max = "8 gigs"',
            "spool_bytes_max: expected bytes, or a number with K, M, G or T (64M), got '8 gigs'",
        ),
        ("data = 5", "data: expected a path, got 5"),
        ("forwarders = [1]", "forwarders: expected a list of addresses, or one text with commas between them, got [1]"),
    ],
)
def test_bad_value_in_the_file_names_its_line(config: Path, line: str, said: str) -> None:
    """What is wrong, where, and what it is for."""
    config.write_text(f"\n{line}\n")

    with pytest.raises(BadValue) as raised:
        settings.load(config=config)

    assert f"{config}:2: {said}" == raised.value.message
    assert raised.value.advice.startswith(line.split(maxsplit=1)[0])


def test_bad_value_in_a_variable_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is named as the place."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(BadValue, match=r"^JTGATE_PORT: expected a whole number, got 'x'$"):
        settings.load(env={"JTGATE_PORT": "x"})


@pytest.mark.parametrize(("content", "said"), [(b"port =\n", "line 1"), (b'x = "\xff"', "not UTF-8 at byte 5")])
def test_broken_file_says_where(config: Path, content: bytes, said: str) -> None:
    """Neither bad TOML nor bad text is a traceback."""
    config.write_bytes(content)

    with pytest.raises(SettingsFileError, match=said):
        settings.load(config=config)


def test_named_file_must_exist(config: Path) -> None:
    """--config with a typo does not start with defaults."""
    with pytest.raises(SettingsFileError, match="No such file"):
        settings.load(config=config)


def test_children_get_exactly_the_same_settings() -> None:
    """to_json and from_json are inverse, paths, tuples and None included."""
    mine = Settings(data=Path("/x y"), tls_cert=Path("c.pem"), forwarders=("10.0.0.1",), idle_seconds=0.5, demo=3)

    assert mine == Settings.from_json(mine.to_json())
    assert Settings() == Settings.from_json(Settings().to_json())


@pytest.mark.parametrize("text", ["{", "[]", '{"prt": 1}', '{"port": "x"}'])
def test_child_settings_are_checked(text: str) -> None:
    """A child given nonsense says so."""
    with pytest.raises(settings.SettingsError, match="--settings"):
        Settings.from_json(text)


@pytest.mark.parametrize(("http", "address"), [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0))])
def test_http_address_in_parts(http: str, address: tuple[str, int]) -> None:
    """IPv6 loses its brackets."""
    assert address == Settings(http=http).http_address


@pytest.mark.parametrize(
    "wanted",
    [Settings(workers=2), Settings(redis="redis://x")],
)
def test_what_this_release_lacks_is_said(wanted: Settings) -> None:
    """A setting of the standard list is never silently without effect."""
    with pytest.raises(NotInThisRelease, match=r"not (in this release|have)"):
        settings.check_release(wanted)


def test_certificate_and_key_belong_together() -> None:
    """Half of TLS is no TLS."""
    with pytest.raises(BadValue, match="--tls-key is missing"):
        settings.check_release(Settings(tls_cert=Path("c.pem")))


def test_files_of_tls_are_looked_at_before_anything_starts(tmp_path: Path) -> None:
    """Said in a sentence, by `doctor` too, and not in the words of a library."""
    key = tmp_path / "key.pem"
    key.write_text("")
    with pytest.raises(BadValue, match=r"--tls-cert: .*c\.pem is no file"):
        settings.check_release(Settings(tls_cert=tmp_path / "c.pem", tls_key=key))
    settings.check_release(Settings(tls_cert=key, tls_key=key))


def test_defaults_warn_about_the_open_policy_only() -> None:
    """An operator reads at start what is risky."""
    assert [w.split()[0] for w in settings.warnings(Settings())] == ["policy"]
    assert [w.split()[0] for w in settings.warnings(Settings(policy="known", ack="received"))] == ["ack"]


@pytest.mark.parametrize(
    ("http", "is_open"),
    [
        ("127.0.0.1:8080", False),
        ("[::1]:8080", False),
        ("localhost:80", False),
        ("0.0.0.0:80", True),
        ("a.test:80", True),
    ],
)
def test_an_api_for_other_machines_is_warned_of(http: str, is_open: bool) -> None:
    """It has no TLS."""
    assert [w.split()[0] for w in settings.warnings(Settings(policy="known", http=http))] == ["http"] * is_open


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Settings(mqtt="tcp://user:hush@x"), "neither mqtt:// nor mqtts://"),
        (Settings(mqtt="mqtt://user:hush@x:0"), "its port"),
        (Settings(mqtt="mqtt://user:hush@"), "names no host"),
        (Settings(mqtt="mqtt://user:hush@x?name=a"), "'name' means nothing"),
        (Settings(mqtt_out=("mqtt://user:hush@x?nam=a",)), "'nam' means nothing"),
        (Settings(mqtt_up="jt808/up"), "does not tell terminals apart"),
        (Settings(mqtt_up="jt808/+/{phone}"), "does not tell terminals apart"),
        (Settings(mqtt_down="jt808/{phone}/up"), "the same topic"),
    ],
)
def test_brokers_and_topics_that_are_none_are_refused(wanted: Settings, said: str) -> None:
    """With half a sentence on why, and without the password."""
    with pytest.raises(BadValue) as caught:
        settings.check_release(wanted)
    assert said in caught.value.message
    assert "hush" not in caught.value.message + caught.value.advice


def test_brokers_reach_children_without_showing_on_their_command_line() -> None:
    """Both settings may hold passwords."""
    wanted = Settings(mqtt="mqtt://a:hush@x", mqtt_out=("mqtt://b:hush@y", "mqtt://z?name=n"))
    line = wanted.to_json(without=settings.SECRET)
    assert "hush" not in line
    assert Settings.from_json(line, env=wanted.secrets()) == wanted
