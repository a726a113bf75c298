"""What a deployment may set."""

from pydantic import SecretStr

from gateway.settings import Settings

SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None}
KNOWN = {f"GATEWAY_{name.upper()}" for name in Settings.model_fields} | {
    f"GATEWAY_{name.upper()}_FILE" for name in SECRETS
}
"""Every name of the environment that is a setting, or the file of one."""
