"""Settings: defaults, gateway.toml, GATEWAY_* in the environment, flags; a later one wins. All wrong ones are told."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Port = Annotated[int, Field(ge=1, le=65535)]
_UNREADABLE_URL = (
    "no user, host and port can be read in it; percent-encode the password (`/` is `%2F`, `@` is `%40`, `#` is `%23`),"
    " and name a host"
)
VALKEY_SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")


class BadSettings(Exception):
    """The settings cannot be used. The message names each that is wrong, and how to set it right."""


class Settings(BaseSettings):
    """Everything that can be set. Each field is `GATEWAY_<NAME>` in the environment and `<name>` in gateway.toml."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", toml_file="gateway.toml", frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address that clients reach."""
    port: Port = 8080
    """Port that clients reach."""
    admin_host: str = "127.0.0.1"
    """Address of metrics and admin. One that is not loopback wants admin keys."""
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
    retention_days: Annotated[int, Field(ge=1)] = 400
    """How long single calls are kept in the ledger. Older ones are folded into hours."""
    durability: Literal["process", "power"] = "process"
    """What the ledger survives: `kill -9`, or also a power cut (fsync before each answer is complete)."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 32_000_000
    """Largest request body."""
    scrape_token: SecretStr | None = None
    """When set, /metrics wants it as a bearer token, or a key with the scope `metrics`."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes. One: more gateways are started each by itself, and share Valkey and PostgreSQL."""
    baseline: str = ""
    """A model of the catalog that all traffic is compared with in `gateway_saved_usd_total`. Empty: none."""
    valkey_url: SecretStr | None = None
    """Valkey that all replicas share budgets and rates on; without one each process counts for itself."""
    recognizer: Literal["", "presidio"] = ""
    """A further recogniser that tells what it finds and decides nothing. Empty: none."""
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
        """Why the admin listener may not begin, if others could reach it without a key; `admin_key`: there is one."""
        if self.admin_is_loopback or admin_key:
            return ""
        return (
            f"admin_host: others can reach {self.admin_host}, and no admin key guards it; use 127.0.0.1, or make one:"
            " `gateway keys create --team TEAM --app APP --scope admin:read --scope admin:write` (GATEWAY_ADMIN_HOST)"
        )

    @property
    def ledger_url(self) -> str:
        """Where the ledger and what replicas agree on are kept, in the clear; empty: in the state directory."""
        return self.database_url.get_secret_value() if self.database_url else ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("valkey_url")
    @classmethod
    def _reachable(cls, url: SecretStr | None) -> SecretStr | None:
        scheme = url.get_secret_value().partition("://")[0] if url is not None else "valkey"
        if scheme not in VALKEY_SCHEMES:
            raise ValueError(f"it begins with {', '.join(f'{each}://' for each in VALKEY_SCHEMES)}")
        if url is not None and not _is_plain(url.get_secret_value()):
            raise ValueError(_UNREADABLE_URL)
        return url

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
