# One turn of opencode, over chat completions.
cat >opencode.json <<END
{
  "autoupdate": false,
  "share": "disabled",
  "model": "gateway/$CLIENT_MODEL",
  "small_model": "gateway/$CLIENT_MODEL",
  "provider": {
    "gateway": {
      "npm": "@ai-sdk/openai-compatible",
      "options": {"baseURL": "$CLIENT_URL/v1", "apiKey": "$CLIENT_KEY"},
      "models": {"$CLIENT_MODEL": {}}
    }
  }
}
END
export OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1
exec opencode run "Add up the numbers from 1 to 4."
