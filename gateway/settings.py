"""Settings: defaults, gateway.toml, GATEWAY_* in the environment, flags; a later one wins. All wrong ones are told."""

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Port = Annotated[int, Field(ge=1, le=65535)]
_UNREADABLE_URL = (
    "no user, host and port can be read in it; percent-encode the password (`/` is `%2F`, `@` is `%40`, `#` is `%23`),"
    " and name a host"
)
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
VALKEY_SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")
LEAST_TOKEN = 16
"""Characters of a scrape token: it may be all that guards a listener."""


class BadSettings(Exception):
    """The settings cannot be used. The message names each that is wrong, and how to set it right."""


class _Unread:
    """What stands for a secret that a file should hold, and why it cannot be had."""

    def __init__(self, why: str) -> None:
        self.why = why


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets by file: `GATEWAY_NAME_FILE` is the path of a file that holds `GATEWAY_NAME`, for each secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        """The secret, or why there is none; None where no file is named."""
        if not _is_secret(field):
            return None, field_name, False
        name = f"GATEWAY_{field_name.upper()}"
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        twice = _Unread(f"set twice, as {name} and as {name}_FILE; leave one out") if os.environ.get(name) else None
        return twice or _read_secret(path, f"{name}_FILE"), field_name, False

    def __call__(self) -> dict[str, object]:
        """All that files hold."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _read_secret(path: str, name: str) -> str | _Unread:
    """The line that a file holds. What is said of a file never repeats what is in it."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        return _Unread(f"cannot read {path}: {error.strerror}; {name} names a file that holds the secret and no more")
    except UnicodeDecodeError:
        return _Unread(f"its file {path} holds no text; {name} names a file that holds the secret and no more")
    if len(text.splitlines()) != 1:
        found = "more than one line" if text else "nothing"
        return _Unread(f"its file {path} holds {found}; {name} names a file that holds the secret and no more")
    return text


class Settings(BaseSettings):
    """Everything that can be set. Each field is `GATEWAY_<NAME>` in the environment and `<name>` in gateway.toml.

    A secret may also stand in a file that `GATEWAY_<NAME>_FILE` names.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", toml_file="gateway.toml", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address that clients reach."""
    port: Port = 8080
    """Port that clients reach."""
    admin_host: str = "127.0.0.1"
    """Address of metrics and admin. One that is not loopback wants that an admin key was made, or a scrape token."""
    admin_port: Port = 8081
    """Port of metrics and admin."""
    policies: Path = Path("routing_policies")
    """The policy tree."""
    extra_catalog: Path | None = None
    """A further folder of catalog files, such as the servers that `gateway quickstart` found."""
    policy_key: Path | None = None
    """Ed25519 public keys (PEM). When set, only a policy tree that one of them signed is loaded."""
    state_dir: Path = Path(".gateway")
    """Journal, decisions and audit trail; without a database also keys, ledger, suspensions and budgets."""
    database_url: SecretStr | None = None
    """PostgreSQL that ledger, keys, suspensions and budgets are kept in (`postgresql://...`). None: in the state
    directory."""
    keys_max_age_seconds: Annotated[int, Field(ge=2)] = 600
    """How long keys of the database are taken after they were last read, while it is away. Then 503."""
    retention_days: Annotated[int, Field(ge=1)] = 400
    """How long single calls are kept in the ledger. Older ones are folded into hours."""
    durability: Literal["process", "power"] = "process"
    """What the ledger survives: `kill -9`, or also a power cut (fsync before each answer is complete)."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 32_000_000
    """Largest request body."""
    max_bodies_bytes: Annotated[int, Field(ge=1024)] = 256_000_000
    """Request bodies held at once, of those above 256 KiB; of one team half of it. As much again of answers that do not
    stream. More get 503 `gateway_overloaded`."""
    scrape_token: SecretStr | None = None
    """When set, /metrics wants it as a bearer token, or a key with the scope `metrics`. 16 characters at least."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes. One: more gateways are started each by itself, and share Valkey and PostgreSQL."""
    baseline: str = ""
    """A model of the catalog that all traffic is compared with in `gateway_saved_usd_total`. Empty: none."""
    valkey_url: SecretStr | None = None
    """Valkey that all replicas share budgets and rates on; without one each process counts for itself."""
    recognizer: Literal["", "presidio"] = ""
    """A further recogniser that tells what it finds and decides nothing. Empty: none."""
    otel_endpoint: str = ""
    """Base URL of an OpenTelemetry collector (OTLP over HTTP) that gets traces and metrics. Empty: nobody does."""
    otel_sample: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The share of requests that are traced, of those whose caller does not say."""
    otel_headers: SecretStr | None = None
    """What the collector wants as headers, `name=value,name=value`, percent-encoded."""
    max_inflight: Annotated[int, Field(ge=1)] = 4000
    """Calls under way at most. More get 503 `gateway_overloaded` at once."""
    drain_seconds: Annotated[int, Field(ge=0)] = 0
    """How long after SIGTERM new requests are still taken while /readyz says no, so that load balancers see it."""
    grace_seconds: Annotated[int, Field(ge=0)] = 25
    """How long after SIGTERM running requests may go on; the time of draining is a part of it."""

    @property
    def admin_is_loopback(self) -> bool:
        """Whether only this machine reaches metrics and admin."""
        return is_loopback(self.admin_host)

    def exposed(self, *, admin_key: bool) -> str:
        """Why the admin listener may not begin, if others could reach it and nobody ever said who may use it.

        `admin_key`: one was made. If none is in force any more it begins, and lets nobody in: the calendar must not
        keep the gateway from serving. With a scrape token alone it begins, too: whoever has the token may scrape, and
        nobody may do more until an admin key is made.
        """
        if self.admin_is_loopback or admin_key or self.scrape_token is not None:
            return ""
        return (
            f"admin_host: others can reach {self.admin_host}, and no admin key guards it; use 127.0.0.1, or make one:"
            " `gateway keys create --team TEAM --app APP --scope admin:read --scope admin:write`, or, where it is for"
            " Prometheus alone, set GATEWAY_SCRAPE_TOKEN (GATEWAY_ADMIN_HOST)"
        )

    @property
    def ledger_url(self) -> str:
        """Where the ledger and what replicas agree on are kept, in the clear; empty: in the state directory."""
        return self.database_url.get_secret_value() if self.database_url else ""

    @property
    def otel_header_pairs(self) -> dict[str, str]:
        """The headers for the collector, in the clear. Raises ValueError for what is no list of headers."""
        return _header_pairs(self.otel_headers.get_secret_value()) if self.otel_headers else {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file. Files of secrets are named by the environment."""
        return init_settings, _SecretFiles(settings_cls), env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _has_been_read(cls, value: object) -> object:
        if isinstance(value, _Unread):
            raise ValueError(value.why)  # noqa: TRY004  pydantic collects ValueErrors
        return value

    @field_validator("scrape_token")
    @classmethod
    def _is_hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        text = token.get_secret_value() if token is not None else "x" * LEAST_TOKEN
        if len(text) < LEAST_TOKEN or not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError(
                f"at least {LEAST_TOKEN} ASCII characters without spaces, since it may be all that guards the metrics;"
                " make one with `openssl rand -hex 32`"
            )
        return token

    @field_validator("valkey_url")
    @classmethod
    def _reachable(cls, url: SecretStr | None) -> SecretStr | None:
        scheme = url.get_secret_value().partition("://")[0] if url is not None else "valkey"
        if scheme not in VALKEY_SCHEMES:
            raise ValueError(f"it begins with {', '.join(f'{each}://' for each in VALKEY_SCHEMES)}")
        if url is not None and not _is_plain(url.get_secret_value()):
            raise ValueError(_UNREADABLE_URL)
        return url

    @field_validator("otel_endpoint")
    @classmethod
    def _collects(cls, url: str) -> str:
        if url and not (_is_plain(url) and urlsplit(url).scheme in ("http", "https") and not set(url) & set("@?# ")):
            raise ValueError(
                "not the base URL of a collector, such as http://127.0.0.1:4318; what it wants to know you by goes into"
                " GATEWAY_OTEL_HEADERS"
            )
        return url.rstrip("/")

    @field_validator("otel_headers")
    @classmethod
    def _headers(cls, headers: SecretStr | None) -> SecretStr | None:
        if headers is not None:
            _header_pairs(headers.get_secret_value())
        return headers

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        problems = []
        if self.workers > 1:
            problems.append(
                "workers: a process serves for itself; use 1, and start more gateways, each with a GATEWAY_STATE_DIR of"
                " its own, which share GATEWAY_VALKEY_URL and GATEWAY_DATABASE_URL"
            )
        if self.valkey_url is not None and not self.ledger_url:
            problems.append(
                "valkey_url: replicas that share budgets need a ledger that they share, from which budgets can be made"
                " anew; set GATEWAY_DATABASE_URL, too"
            )
        if self.drain_seconds > self.grace_seconds:
            problems.append("drain_seconds: it is a part of grace_seconds; set GATEWAY_GRACE_SECONDS higher")
        hosts = {self.host, self.admin_host}
        if self.port == self.admin_port and (len(hosts) == 1 or any(map(_is_every, hosts))):
            problems.append("admin_port: the same as port; set GATEWAY_ADMIN_PORT")
        if self.policy_key is not None and self.extra_catalog is not None:
            problems.append("extra_catalog: it is not signed, so it does not go with policy_key; leave one of them out")
        if self.ledger_url and not self.ledger_url.startswith(("postgresql://", "postgres://")):
            problems.append("database_url: not the URL of a PostgreSQL database (postgresql://user:password@host/name)")
        elif self.ledger_url and not _is_plain(self.ledger_url):
            problems.append(f"database_url: {_UNREADABLE_URL}")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _is_plain(url: str) -> bool:
    """Whether what connects will read it as it was meant, and so never takes a piece of the password for a host or a
    port, which it would name in errors. Hosts may be several; a socket is a path, or `?host=`."""
    try:
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
        if parts.scheme == "unix":
            return not hosts and bool(parts.path)
        if "@" in parts.path + parts.query + parts.fragment:
            return False
        named = [urlsplit(f"//{host}") for host in hosts.split(",")]
        return all(each.hostname and each.port != 0 for each in named) or (
            not hosts and "host" in parse_qs(parts.query)
        )
    except ValueError:  # of a port, say
        return False


def _header_pairs(text: str) -> dict[str, str]:
    """Headers as the standard variable has them: names and values percent-encoded. Raises ValueError."""
    pairs = {}
    for each in filter(None, map(str.strip, text.split(","))):
        name, equals, value = each.partition("=")
        name, value = unquote(name.strip()).lower(), unquote(value.strip())
        sent = value.isprintable() and value.isascii() and value == value.strip()
        if not (equals and _HEADER_NAME.fullmatch(name) and sent):
            raise ValueError(
                "not `name=value,name=value`; percent-encode a comma (`%2C`), leave out spaces around values"
            )
        pairs[name] = value
    return pairs


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_every(host: str) -> bool:
    """Whether an address to listen on is every one of this machine's."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def names() -> tuple[str, ...]:
    """Every name in the environment that is read: of a setting, or of the file that holds a secret one."""
    fields = Settings.model_fields.items()
    files = [f"GATEWAY_{name.upper()}_FILE" for name, field in fields if _is_secret(field)]
    return *(f"GATEWAY_{name.upper()}" for name, _ in fields), *files


def unknown_names() -> list[str]:
    """Names in the environment that look like settings, and are none."""
    return sorted(name for name in os.environ.keys() - set(names()) if name.startswith("GATEWAY_"))


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation == SecretStr | None


def load(**flags: object) -> Settings:
    """The settings in force; flags that are None were not given. Raises BadSettings with every problem."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines: list[str] = []
        for detail in error.errors():
            message = detail["msg"].removeprefix("Value error, ")
            if not detail["loc"]:
                lines += message.splitlines()
            elif detail["type"] == "extra_forbidden":
                lines.append(f"{detail['loc'][0]}: unknown setting; known: {', '.join(Settings.model_fields)}")
            else:
                name = str(detail["loc"][0])
                lines.append(f"{name}: {message[:1].lower()}{message[1:]} (GATEWAY_{name.upper()})")
        raise BadSettings("\n".join(lines)) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadSettings(f"gateway.toml: cannot read it: {why}") from None
