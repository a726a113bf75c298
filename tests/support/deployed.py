"""What a deployment may set."""

from pydantic import SecretStr

from gateway.settings import Settings, names

SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None}
KNOWN = {*names()}
"""Every name of the environment that is a setting, or the file of one."""
