"""Settings: where they come from, and what is said of wrong ones."""

import pytest
from pydantic import SecretStr

from gateway.settings import BadSettings, Settings, load, unknown_names


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """No settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GATEWAY_{name.upper()}", raising=False)
        monkeypatch.delenv(f"GATEWAY_{name.upper()}_FILE", raising=False)


def test_defaults_listen_on_loopback():
    settings = load()
    assert (settings.host, settings.port, settings.admin_host, settings.admin_port) == (
        "127.0.0.1",
        8080,
        "127.0.0.1",
        8081,
    )


def test_flags_win_over_environment_over_file(monkeypatch, tmp_path):
    (tmp_path / "gateway.toml").write_text('port = 1001\nadmin_port = 1002\nhost = "127.0.0.2"\n')
    monkeypatch.setenv("GATEWAY_PORT", "2001")
    monkeypatch.setenv("GATEWAY_ADMIN_PORT", "2002")
    settings = load(port=3001, admin_port=None)
    assert (settings.port, settings.admin_port, settings.host) == (3001, 2002, "127.0.0.2")


def test_every_problem_is_told_at_once(monkeypatch):
    monkeypatch.setenv("GATEWAY_PORT", "http")
    monkeypatch.setenv("GATEWAY_DURABILITY", "forever")
    with pytest.raises(BadSettings) as raised:
        load()
    assert "GATEWAY_PORT" in str(raised.value)
    assert "GATEWAY_DURABILITY" in str(raised.value)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"workers": 2}, "workers: a process serves for itself; use 1"),
        ({"port": 9000, "admin_port": 9000}, "admin_port: the same as port"),
        ({"port": 9000, "admin_port": 9000, "host": "0.0.0.0"}, "admin_port: the same as port"),
        ({"port": 9000, "admin_port": 9000, "host": "::"}, "admin_port: the same as port"),
        ({"database_url": "mysql://db/ledger"}, "database_url: not the URL of a PostgreSQL database"),
        ({"retention_days": 0}, "retention_days"),
        ({"valkey_url": "127.0.0.1:6379"}, "valkey_url: it begins with valkey://"),
        ({"valkey_url": "valkey://127.0.0.1"}, "valkey_url: replicas that share budgets need a ledger that they share"),
        ({"drain_seconds": 26}, "drain_seconds: it is a part of grace_seconds; set GATEWAY_GRACE_SECONDS higher"),
        ({"max_inflight": 0}, "max_inflight"),
        ({"port": 0}, "port"),
        ({"port": 70000}, "port"),
        ({"otel_endpoint": "127.0.0.1:4318"}, "otel_endpoint: not the base URL of a collector"),
        ({"otel_endpoint": "grpc://127.0.0.1:4317"}, "otel_endpoint: not the base URL of a collector"),
        ({"otel_endpoint": "http://me:secret@127.0.0.1:4318"}, "goes into GATEWAY_OTEL_HEADERS"),
        ({"otel_endpoint": "http://127.0.0.1:4318?key=secret"}, "goes into GATEWAY_OTEL_HEADERS"),
        ({"otel_sample": 1.1}, "otel_sample"),
        ({"otel_sample": "nan"}, "otel_sample"),
        ({"otel_headers": "Bearer secret"}, "otel_headers: not `name=value,name=value`"),
        ({"otel_headers": "a=b%0d%0ahost: other"}, "otel_headers: not `name=value,name=value`"),
        ({"otel_headers": "a b=c"}, "otel_headers: not `name=value,name=value`"),
        ({"otel_headers": "a=%20b"}, "otel_headers: not `name=value,name=value`"),
    ],
)
def test_what_cannot_work_is_refused(flags, said):
    with pytest.raises(BadSettings, match=said):
        load(**flags)


SECRET_URLS = {
    "valkey_url": [
        "valkey://:s3cr/et@db:6379/0",
        "valkey://:12/3secret@db:6379/0",
        "rediss://gw:s3cr#et@db",
        "unix://:s3cr/et@/run/valkey.sock",
        "unix://",
        "valkey://",
    ],
    "database_url": [
        "postgresql://gw:s3cr/et@db/gw",
        "postgres://gw:12/3secret@db/gw",
        "postgres://gw:12@3secret/@db/gw",
        "postgresql://gw:12?3secret@db/gw",
        "postgresql://gw:s3cr#et@db/gw",
        "postgresql://gw:s3cr[et@db/gw",
        "postgresql://gw:s3cret@db:none/gw",
        "postgresql:///gw",
    ],
}


@pytest.mark.parametrize(("name", "url"), [(name, url) for name, urls in SECRET_URLS.items() for url in urls])
def test_a_url_that_does_not_parse_is_refused_and_not_repeated(name, url):
    """Its pieces would be in the errors of what connects to it."""
    with pytest.raises(BadSettings, match=f"{name}: .*percent-encode the password") as raised:
        load(**{"database_url": "postgresql://db/ledger", name: url})
    assert not [piece for piece in ("s3cr", "et@", "3secret", url) if piece in str(raised.value)]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("valkey_url", "valkey://:s3cr%2Fet@db:6379/0"),
        ("valkey_url", "unix://:secret@/run/valkey.sock?db=1"),
        ("valkey_url", "unix:///run/valkey.sock"),
        ("valkey_url", "redis://[::1]:6379"),
        ("database_url", "postgresql://gw:p@ss@db/gw"),
        ("database_url", "postgresql://gw:secret@one:5432,two:5433/gw"),
        ("database_url", "postgresql://postgres:@/t0?host=/tmp/pg"),
        ("database_url", "postgresql://gw:secret@db/gw?user=a%40b"),
    ],
)
def test_a_url_that_parses_is_taken(name, url):
    settings = load(**{"database_url": "postgresql://db/ledger", name: url})
    assert getattr(settings, name).get_secret_value() == url


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_admin_may_listen_on_any_loopback(host):
    settings = load(admin_host=host)
    assert (settings.admin_host, settings.admin_is_loopback) == (host, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "192.168.1.5", "127.0.0.1.example.org"])
def test_what_others_can_reach_is_known_as_such(host):
    settings = load(admin_host=host)
    assert not settings.admin_is_loopback
    assert settings.exposed(admin_key=True) == ""
    assert "gateway keys create" in settings.exposed(admin_key=False)
    assert load().exposed(admin_key=False) == ""
    assert load(admin_host=host, scrape_token="0123456789abcdef").exposed(admin_key=False) == ""


@pytest.mark.parametrize(
    "token", ["", "short", "0123456789abcde", "0123456789 abcdef", "schlüssel-0123456789", "a\tb" * 9]
)
def test_a_scrape_token_that_can_be_guessed_or_not_be_sent_is_refused(token):
    with pytest.raises(BadSettings, match="scrape_token: at least 16 ASCII characters without spaces") as raised:
        load(scrape_token=token)
    assert not token or token not in str(raised.value)


SECRETS = {
    "database_url": "postgresql://gw:hush@db/ledger",
    "valkey_url": "valkey://:hush@store:6379/0",
    "scrape_token": "hush-0123456789abcdef",
    "otel_headers": "authorization=hush",
}


def test_every_secret_may_stand_in_a_file(monkeypatch, tmp_path):
    assert {name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None} == {*SECRETS}
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", str(tmp_path / name))
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", "")
    settings = load()
    assert {name: getattr(settings, name).get_secret_value() for name in SECRETS} == SECRETS
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "cannot read PATH: No such file or directory; NAME_FILE names a file"),
        ("", "its file PATH holds nothing; NAME_FILE names a file"),
        (" \n", "its file PATH holds nothing"),
        ("hush\nhush", "its file PATH holds more than one line"),
        (b"hush\xff", "its file PATH holds no text"),
    ],
)
@pytest.mark.parametrize("name", SECRETS)
def test_a_file_without_a_secret_is_named_and_never_shown(monkeypatch, tmp_path, name, held, said):
    path = tmp_path / "file"
    if held is not None:
        path.write_bytes(held if isinstance(held, bytes) else held.encode())
    monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", str(path))
    with pytest.raises(BadSettings) as raised:
        load()
    said = said.replace("PATH", str(path)).replace("NAME", f"GATEWAY_{name.upper()}")
    assert f"{name}: {said}" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_every_wrong_file_is_told_at_once_and_one_of_another_kind_by_its_value(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("mysql://gw:hush@db/ledger")
    monkeypatch.setenv("GATEWAY_VALKEY_URL_FILE", "missing")
    monkeypatch.setenv("GATEWAY_SCRAPE_TOKEN_FILE", str(tmp_path))
    with pytest.raises(BadSettings, match=r"(?s)scrape_token: cannot read.*valkey_url: cannot read missing"):
        load()
    monkeypatch.delenv("GATEWAY_VALKEY_URL_FILE")
    monkeypatch.delenv("GATEWAY_SCRAPE_TOKEN_FILE")
    monkeypatch.setenv("GATEWAY_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(BadSettings, match="database_url: not the URL of a PostgreSQL") as raised:
        load()
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_given_once(monkeypatch, tmp_path, name):
    (tmp_path / "file").write_text(SECRETS[name])
    monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", str(tmp_path / "file"))
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", SECRETS[name])
    with pytest.raises(BadSettings, match=f"{name}: set twice, as GATEWAY_{name.upper()} and as .*_FILE") as raised:
        load()
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("held", [b'database_url = "postgresql://u:hush@h/x\n', b"\xffhush", None])
def test_a_file_that_cannot_be_read_is_told_in_a_sentence_without_what_is_in_it(held, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if held is None:
        (tmp_path / "gateway.toml").touch()

        def refused(*_: object, **__: object) -> None:  # also where root runs this, whom no mode keeps out
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", refused)
        monkeypatch.setattr("builtins.open", refused)
    else:
        (tmp_path / "gateway.toml").write_bytes(held)
    with pytest.raises(BadSettings, match=r"gateway\.toml: cannot read it: ") as told:
        load()
    assert "hush" not in str(told.value)


def test_an_unknown_name_in_the_file_is_refused(tmp_path):
    (tmp_path / "gateway.toml").write_text("prot = 1\n")
    with pytest.raises(BadSettings, match="prot: unknown setting; known: host"):
        load()


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("GATEWAY_SCRAPE_TOKEN", "hush-hush-hush-hush")
    monkeypatch.setenv("GATEWAY_VALKEY_URL", "valkey://:hush@127.0.0.1")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://127.0.0.1/ledger")
    monkeypatch.setenv("GATEWAY_OTEL_HEADERS", "authorization=Bearer%20hush")
    assert "hush" not in repr(load())


@pytest.mark.parametrize("headers", ["Bearer hush", "a=hush%0a"])
def test_headers_that_cannot_be_read_are_not_repeated(headers):
    with pytest.raises(BadSettings) as raised:
        load(otel_headers=headers)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        (None, {}),
        ("", {}),
        ("Authorization=Basic%20dTpw=", {"authorization": "Basic dTpw="}),
        (" x-tenant = a%2Cb ,, api-key=k%3D1", {"x-tenant": "a,b", "api-key": "k=1"}),
    ],
)
def test_headers_for_a_collector_are_read_as_the_standard_variable_has_them(headers, pairs):
    assert load(otel_headers=headers).otel_header_pairs == pairs


def test_a_collectors_url_needs_no_slash_at_its_end():
    assert load(otel_endpoint="https://collector/otlp/").otel_endpoint == "https://collector/otlp"


def test_an_extra_catalog_is_not_signed_so_it_does_not_go_with_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSettings, match="extra_catalog: it is not signed, so it does not go with policy_key"):
        load(policy_key=tmp_path / "a", extra_catalog=tmp_path / "b")
    assert load(policy_key=tmp_path / "a").extra_catalog is None


@pytest.mark.parametrize(
    ("value", "url"), [(None, ""), ("", ""), ("postgresql://me:secret@db/ledger", "postgresql://me:secret@db/ledger")]
)
def test_the_ledger_is_in_a_file_unless_a_database_is_named(value, url):
    settings = load(database_url=value)
    assert settings.ledger_url == url
    assert "secret" not in repr(settings)


def test_a_name_that_no_setting_has_is_found(monkeypatch):
    before = set(unknown_names())
    for name in ("GATEWAY_PROT", "GATEWAY_PORT", "GATEWAY_VALKEY_URL_FILE", "GATEWAY_PORT_FILE", "OTHER"):
        monkeypatch.setenv(name, "1")
    assert set(unknown_names()) - before == {"GATEWAY_PROT", "GATEWAY_PORT_FILE"}
