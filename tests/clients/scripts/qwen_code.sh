# One turn of Qwen Code, over chat completions.
export OPENAI_BASE_URL="$CLIENT_URL/v1" OPENAI_API_KEY="$CLIENT_KEY" OPENAI_MODEL="$CLIENT_MODEL"
mkdir -p "$HOME/.qwen"
printf '{"privacy": {"usageStatisticsEnabled": false}, "general": {"enableAutoUpdate": false}}' >"$HOME/.qwen/settings.json"
exec qwen --auth-type openai --yolo -p "Add up the numbers from 1 to 4."
