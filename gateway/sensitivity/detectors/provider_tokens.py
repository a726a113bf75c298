"""Tokens that say by their beginning who gave them out: clouds, code hosting, build services, models.

One row is one provider; forms are from the providers' own documentation. A bound on the left keeps words out, a least
length on the right keeps names of functions out, and whatever is in a manual (`xxxx`, `EXAMPLE`) is nobody's.
"""

import re

from gateway.sensitivity.detector import Detector, pattern
from gateway.sensitivity.detectors.values import real
from gateway.sensitivity.sight import Words

_W = r"[\w\-]"  # the alphabet of base64url
_A = "[0-9A-Za-z]"
_H = "[0-9a-f]"


def token(id: str, prefix: str, body: str, trigger: str = "", words: Words | None = None) -> Detector:
    """A row for a prefix and what follows it. The prefix is the trigger, unless there is a better one."""
    bound = r"(?:\b|\\[nrt])" if re.match(r"[\w(\[]", prefix) else ""
    expression = f"{bound}({prefix}{body})"
    return pattern(f"secrets.{id}", "secret", expression, trigger=trigger or prefix, check=real, words=words)


ROWS: tuple[Detector, ...] = (
    # This gateway's own keys.
    token("gateway", "sk-gw-", _W + "{16,}"),
    # Code hosting.
    token("github", "gh[pousr]_", _A + "{36,}"),
    token("github_fine_grained", "github_pat_", r"\w{50,}"),
    token("gitlab", "gl(?:pat|dt|rt|rtr|ptt|cbt|soat|imt|ft|agent|ffct|oas|wt)-", r"[\w\-.]{20,}"),
    token("gitlab_runner", "GR1348941", _W + "{20,}"),
    token("bitbucket", "ATBB", _A + "{32,}"),
    token("atlassian", "AT(?:ATT|CTT|STT)3", r"[\w\-=+/]{50,}"),
    token("sourcegraph", "sgp_", _A + r"{16,}[\w]{20,}"),
    token("sourcegraph_cody", "slk_", _H + "{64}"),
    token("azure_devops", _A + "{76}AZDO", _A + "{4}", "AZDO"),
    token("gitea_runner", "gitea_", _A + "{36,}"),
    token("phabricator", "(?:cli|api)-", "[a-z0-9]{28}", words=Words("phabricator", "conduit", "arc", "arcanist")),
    # Clouds.
    token("aws_key_id", "(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])", r"[A-Z0-9]{16}\b"),
    token("aws_bedrock", "(?:ABSK|bedrock-api-key-)", "[A-Za-z0-9+/=]{60,}"),
    token("aws_mws", r"amzn\.mws\.", _H[:-1] + r"\-]{36}"),
    token("aws_session", "(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)", "[A-Za-z0-9+/=]{60,}"),
    token("google_api", "AIza", _W + "{35}"),
    token("google_oauth", r"ya29\.", r"[\w\-.]{20,}"),
    token("google_oauth_secret", "GOCSPX-", _W + "{24,}"),
    token("google_refresh", "1//0", _W + "{40,}"),
    token(
        "google_hmac",
        "GOOG1?[A-Z0-9]",
        "[A-Z0-9]{18,}",
        words=Words("hmac", "access*", "secret*", "key*", "gcs", "storage"),
    ),
    token("google_fcm", f"AAAA{_W}{{7}}:", _W + "{130,}", "AAAA[A-Za-z0-9_-]+:"),
    token("azure_ad", r"[\w~.\-]{3}[78]Q~", r"[\w~.\-]{30,35}", "[78]Q~"),
    token(
        "azure_storage",
        r"[A-Za-z0-9+/]{76}\+(?:ASt|ABa|AMC|AEh|ARm)",
        "[A-Za-z0-9+/]{4,8}={0,2}",
        r"\+A(?:St|Ba|MC|Eh|Rm)",
    ),
    token("azure_search", f"{_A}{{42}}AzSe", _A + "{6}", "AzSe"),
    token("azure_cache", f"{_A}{{33}}AzCa", "[A-P][A-Za-z0-9]{5}=?", "AzCa"),
    token("azure_cosmos", f"{_A}{{76}}ACDb", "[A-Za-z0-9+/]{5}[AQgw]==", "ACDb"),
    token("azure_functions", f"{_W}{{44}}AzFu", _W + r"{5}[AQgw]==", "AzFu"),
    token("azure_openai", f"{_A}{{52}}JQQJ9[0-9]", _A + "{20,}", "JQQJ9"),
    token("digitalocean", "do[opr]_v1_", _H + "{64}"),
    token("alibaba", "LTAI", _A + "{12,24}"),
    token("tencent", "AKID", _A + "{32}"),
    token("yandex_api", "AQVN", _W + "{35,}"),
    token("yandex_iam", r"t1\.[A-Z0-9]", _W + r"+={0,2}\." + _W + "{80,}"),
    token("yandex_key", "YC", _W + "{38}", f"YC{_W}", words=Words("yandex*", "secret*", "key*", "aws*")),
    token("yandex_oauth", "y[0-3]_", _W + "{54,}"),
    token("ibm_cos", "crn:v1:", r"\S{20,}", words=Words("apikey", "hmac*")),
    token("scaleway", "SCW[A-Z0-9]", r"[A-Z0-9]{16}\b"),
    token(
        "oracle_fingerprint",
        "ocid1\\.(?:user|credential)\\.",
        r"[\w.\-]{40,}",
        words=Words("secret", "key", "auth_token"),
    ),
    token("ovh", "EU\\.", _H + "{16}", words=Words("ovh*", "secret*")),
    token("heroku", "HRKU-", _W + "{30,}"),
    token("fly", "(?:fo1_|FlyV1 |fm[12][ar]?_)", r"[\w\-=+/,]{40,}"),
    token("netlify", "nfp_", _A + "{36,}"),
    token("vercel", "vc[pkiar]_", _A + "{24,}"),
    token("render", "rnd_", _A + "{28,}"),
    token("supabase", "sb(?:p|_secret)_", r"[\w\-]{30,}"),
    token("neon", "napi_", "[0-9a-z]{60,}"),
    token("planetscale", "pscale_(?:tkn|pw|oauth)_", r"[\w=.\-]{32,}"),
    token("aiven", "AVNS_", _W + "{18,}"),
    token("databricks", "dapi", r"[0-9a-h]{32}(?:-\d)?\b", "dapi[0-9a-h]"),
    token("cloudflare_origin", r"v1\.0-", _H + f"{{24}}-{_H}{{100,}}"),
    token("cloudflare", "cf(?:ut|k|at)_", _A + "{36,}"),
    token("openshift", "sha256~", _W + "{43}"),
    token("civo", "DAb75oyqVeaE7", _A + "{30,}"),
    token("hetzner", "hcloud_", _A + "{40,}"),
    token("linode", "LINODE_", _H + "{64}"),
    token("scalingo", "tk-us-", _W + "{48}"),
    token("dbt", "dbt[cu]_", _W + "{30,}"),
    token("astro", "ast(?:ro)?_", _A + "{40,}", "ast(?:ro)?_[0-9A-Za-z]{9}"),
    token("snowflake_pat", "ver:1-hint:", r"\d+-ETMsDgAA" + r"\S{20,}"),
    # Secrets, packages, builds.
    token("vault", r"hv[sbr]\.", _W + "{24,}"),
    token(
        "vault_legacy",
        r"[sbr]\.",
        _A + r"{24}\b",
        r"\b[sbr]\.[0-9A-Za-z]{9}",
        words=Words("vault*", "x-vault*", "hashicorp", "token*", "unseal"),
    ),
    token("vault_long", r"[sbr]\.", r"(?:CAESI|AAAAAQ)" + _W + "{60,}", r"[sbr]\.(?:CAESI|AAAAAQ)"),
    token("terraform", _A + r"{14}\.atlasv1\.", r"[\w\-=]{60,}", r"\.atlasv1\."),
    token("doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"(?:[\w\-]{2,35}\.)?" + _A + "{40,44}"),
    token("infisical", r"st\." + _H + r"{8}", r"\S{40,}", r"\bst\.[0-9a-f]{8}"),
    token("onepassword", "(?:ops_eyJ|A3-[A-Z0-9]{6}-)", r"[\w=+/\-]{26,}"),
    token("doppler_age", "AGE-SECRET-KEY-1", "[0-9A-Z]{50,}"),
    token("npm", "npm_", _A + "{36,}"),
    token("pypi", "pypi-AgE", _W + "{40,}"),
    token("rubygems", "rubygems_", _H + "{48}"),
    token("crates", "cio", _A + r"{32}\b", "cio[0-9A-Za-z]{9}"),
    token("nuget", "oy2", r"[a-z0-9]{43}\b", "oy2[a-z0-9]{9}"),
    token("clojars", "(?i:CLOJARS_)", "[a-z0-9]{60}"),
    token("packagist", "packagist_[ou][ru]t_", _H + "{40,}"),
    token("docker", "dckr_(?:pat|oat)_", _W + "{20,}"),
    token("jfrog_key", "AKC", r"[0-9A-Za-z]{40,}", "AKC[0-9A-Za-z]{9}"),
    token("jfrog_reference", "cmVmd", _A + "{59}"),
    token("jfrog_password", "AP[0-9A-F]", _A + "{20,}", words=Words("artifactory", "jfrog")),
    token("terraform_cloud_team", "tfc_", _A + "{40,}"),
    token("pulumi", "pul-", _H + "{40}"),
    token("circleci", "CC(?:IPAT|IPRJ)_", _A + r"{20,}_" + _H + "{40}"),
    token("buildkite", "bk(?:ua|aj|ct|pi|at|pt)_", "[0-9a-zA-Z]{40,}"),
    token("sonar", "sq[uap]_", _H + "{40}"),
    token("snyk", "snyk_(?:uat|sat)\\.", r"[\w.\-]{40,}"),
    token("harness", r"(?:pat|sat)\.", _W + r"{22}\.[0-9a-zA-Z]{24}\.[0-9a-zA-Z]{20}", r"[ps]at\.[\w-]{22}\."),
    token("octopus", "API-", r"[A-Z0-9]{24,32}\b", "API-[A-Z0-9]{24}"),
    token(
        "launchdarkly", "(?:sdk|mob|api)-", _H + "{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "(?:sdk|mob|api)-[0-9a-f]{8}-"
    ),
    token("dependency_track", "(?:odt|alpine)_", _A + "{32,}"),
    token("infracost", "ico-", _A + "{32}"),
    token("prefect", "pn[ub]_", _A + "{36}"),
    token("tailscale", r"tskey-(?:[a-z]+-)?", _A + r"{6,}(?:-[0-9A-Za-z]{16,})?"),
    token(
        "ngrok",
        "(?:2|ak_|cr_)",
        _A + "{26}_" + _A + "{20,}",
        "[0-9A-Za-z]{26}_[0-9A-Za-z]{20}",
        words=Words("ngrok*", "authtoken"),
    ),
    token("chromatic", "chpt_", _H + "{12,}"),
    token("percy", "(?:web|app|auto|ss)_", _H + "{64}", "(?:web|app|auto|ss)_[0-9a-f]{9}"),
    token("endor", r"endr\+", _W + "{16,}"),
    token("semgrep", "(?:sgp|semgrep)_app_", _H + "{40,}"),
    # Models.
    token("anthropic", "sk-ant-", _W + "{40,}"),
    token("openai", "sk-(?:proj|svcacct|admin|None)-", _W + "{20,}"),
    token("openrouter", "sk-or-", _W + "{40,}"),
    token("langfuse", "sk-lf-", _H[:-1] + r"\-]{36}"),
    token("secret_key", "sk-", r"(?:[a-z]{2,12}-)?" + _A + r"(?:[0-9A-Za-z_]|-[0-9A-Za-z]){28,}", "sk-[0-9A-Za-z-]{9}"),
    token("groq", "gsk_", _A + "{40,}"),
    token("xai", "xai-", _A + "{60,}"),
    token("huggingface", "(?:hf|api_org)_", r"[A-Za-z0-9]{30,}"),
    token("replicate", "r8_", _A + "{30,}"),
    token("perplexity", "pplx-", _A + "{40,}"),
    token("fireworks", "fw_", _A + "{22,}", "fw_[0-9A-Za-z]{20}"),
    token("together", "tgp_v1_", _W + "{40,}"),
    token("jina", "jina_", _A + "{50,}"),
    token("tavily", "tvly-", r"(?:dev-|prod-)?" + _A + "{28,}"),
    token("firecrawl", "fc-", _H + r"{32}\b", "fc-[0-9a-f]{9}"),
    token("langsmith", "ls(?:v2_(?:pt|sk)_|__)", r"[0-9a-f_]{32,}"),
    token("pinecone", "pcsk_", r"\w{50,}"),
    token("nvidia", "nvapi-", _W + "{50,}"),
    token("voyage", "pa-", _W + r"{42,}", r"pa-[\w-]{42}"),
    token("cerebras", "csk-", "[0-9a-z]{40,}"),
    token("e2b", "e2b_", _H + "{40}"),
    token("llama_cloud", "llx-", _A + "{40,}"),
    token("apify", "apify_(?:api|proxy)_", _A + "{30,}"),
    token("modal", "a[ks]-", _A + r"{22}\b", "a[ks]-[0-9A-Za-z]{22}", words=Words("modal*")),
    token(
        "dify",
        "(?:app|dataset)-",
        _A + r"{24}\b",
        "(?:app|dataset)-[0-9A-Za-z]{24}",
        words=Words("dify*", "api*", "key*", "bearer"),
    ),
    token("elevenlabs", "sk_", _H + r"{48}\b", "sk_[0-9a-f]{9}"),
    token("wandb", "(?:local-|wandb_v1_)", _A + "{40,}"),
    token("deepl", _H + r"{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", ":fx", "[0-9a-f]{12}:fx"),
)
