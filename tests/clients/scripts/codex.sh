# One turn of Codex, over Responses.
export GATEWAY_KEY="$CLIENT_KEY"
mkdir -p "$HOME/.codex"
cat >"$HOME/.codex/config.toml" <<END
model = "$CLIENT_MODEL"
model_provider = "gateway"
check_for_update_on_startup = false

[model_providers.gateway]
name = "gateway"
base_url = "$CLIENT_URL/v1"
wire_api = "responses"
env_key = "GATEWAY_KEY"

[analytics]
enabled = false
END
exec codex exec --skip-git-repo-check --sandbox danger-full-access "Add up the numbers from 1 to 4."
