"""Tokens that say by their beginning who gave them out: clouds, code hosting, build services, models.

One row is one provider; forms are from the providers' own documentation. A bound on the left keeps words out, a least
length on the right keeps names of functions out, and whatever is in a manual (`xxxx`, `EXAMPLE`) is nobody's.
"""

# ruff: noqa: E501 - one row is one line

from gateway.sensitivity.detectors.bundles import Row, anchored, beginnings, gated
from gateway.sensitivity.detectors.values import real
from gateway.sensitivity.sight import Words

_W = r"[\w\-]"  # the alphabet of base64url
_A = "[0-9A-Za-z]"
_H = "[0-9a-f]"


def token(id: str, prefix: str, body: str, words: Words | None = None) -> Row:
    """A row for a prefix and what follows it."""
    return anchored(
        f"secrets.{id}",
        beginnings(prefix),
        rf"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))({prefix}{body})",
        check=real,
        words=words,
        word=True,
    )


def around(id: str, behind: str, needles: str, body: str, back: int, words: Words | None = None) -> Row:
    """A row for a mark in the middle: what ends before one of some strings, and what they begin."""
    bound = behind if behind.startswith("/") else rf"(?<![0-9A-Za-z]){behind}"
    return anchored(f"secrets.{id}", needles.split(), body, check=real, words=words, behind=bound, back=back)


def named(id: str, names: str, expression: str) -> Row:
    """A row for a form that says little by itself: one of the provider's names must stand near."""
    return gated(
        f"secrets.{id}",
        names.split(),
        rf"(?<![0-9A-Za-z])({expression})",
        check=real,
        words=Words(*(f"{name}*" for name in names.split())),
    )


# fmt: off
ROWS: tuple[Row, ...] = (
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
    around("azure_devops", _A + "{76}", "AZDO", "AZDO[0-9A-Za-z]{4}", 80),
    named("phabricator", "phabricator conduit arcanist", "(?:cli|api)-[a-z0-9]{28}"),
    # Clouds.
    token("aws_key_id", "(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])", r"[A-Z0-9]{16}(?![0-9A-Za-z])"),
    token("aws_bedrock", "(?:ABSK|bedrock-api-key-)", "[A-Za-z0-9+/=]{60,}"),
    token("aws_mws", r"amzn\.mws\.", _H[:-1] + r"\-]{36}"),
    token("aws_session", "(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)", "[A-Za-z0-9+/=]{60,}"),
    token("google_api", "AIza", _W + "{35}"),
    token("google_oauth", r"ya29\.", r"[\w\-.]{20,}"),
    token("google_oauth_secret", "GOCSPX-", _W + "{24,}"),
    token("google_refresh", "1//0", _W + "{40,}"),
    named("google_hmac", "hmac gcs storage access_key", "GOOG1?[A-Z0-9]{18,61}"),
    around("google_fcm", "AAAA" + _W + "{7}", ":APA91b", ":APA91b" + _W + "{100,}", 11),
    around("azure_ad", r"[\w~.\-]{3}", "7Q~ 8Q~", r"[78]Q~[\w~.\-]{30,35}", 3),
    around("azure_storage", "[A-Za-z0-9+/]{76}", "+ASt +ABa +AMC +AEh +ARm", r"\+A(?:St|Ba|MC|Eh|Rm)[A-Za-z0-9+/]{4,8}={0,2}", 76),
    around("azure_search", _A + "{42}", "AzSe", "AzSe[0-9A-Za-z]{6}", 42),
    around("azure_cache", _A + "{33}", "AzCa", "AzCa[A-P][A-Za-z0-9]{5}=?", 33),
    around("azure_cosmos", _A + "{76}", "ACDb", "ACDb[A-Za-z0-9+/]{5}[AQgw]==", 76),
    around("azure_functions", _W + "{44}", "AzFu", r"AzFu[\w\-]{5}[AQgw]==", 44),
    around("azure_openai", _A + "{52}", "JQQJ9", "JQQJ9[0-9][0-9A-Za-z]{20,}", 52),
    token("digitalocean", "do[opr]_v1_", _H + "{64}"),
    token("alibaba", "LTAI", _A + "{13,24}"),
    token("tencent", "AKID", _A + "{32}"),
    token("yandex_api", "AQVN", _W + "{35,}"),
    token("yandex_iam", r"t1\.[A-Z0-9]", r"[\w\-]{1,400}={0,2}\.[\w\-]{80,}"),
    named("yandex_key", "yandex", r"YC[\w\-]{38}"),
    token("yandex_oauth", "y[0123]_", _W + "{54,}"),
    token("scaleway", "SCW", r"[A-Z0-9]{17}(?!\w)"),
    token("heroku", "HRKU-", _W + "{30,}"),
    token("fly", "(?:fo1_|FlyV1 |fm1_|fm2_|fm1a_|fm1r_|fm2a_|fm2r_)", r"[\w\-=+/,]{40,}"),
    token("netlify", "nfp_", _A + "{36,}"),
    token("vercel", "vc[pkiar]_", _A + "{24,}"),
    token("render", "rnd_", _A + "{28,}"),
    token("supabase", "sb(?:p|_secret)_", r"[\w\-]{30,}"),
    token("neon", "napi_", "[0-9a-z]{60,}"),
    token("planetscale", "pscale_(?:tkn|pw|oauth)_", r"[\w=.\-]{32,}"),
    token("aiven", "AVNS_", _W + "{18,}"),
    token("databricks", "dapi", r"[0-9a-h]{32}(?:-\d)?(?!\w)"),
    token("cloudflare_origin", r"v1\.0-", _H + f"{{24}}-{_H}{{100,}}"),
    token("cloudflare", "cf(?:ut|k|at)_", _A + "{36,}"),
    token("openshift", "sha256~", _W + "{43}"),
    token("scalingo", "tk-us-", _W + "{48}"),
    token("dbt", "dbt[cu]_", _W + "{30,}"),
    token("snowflake_pat", "ver:1-hint:", r"\d{1,12}-ETMsDgAA[\w+/\-]{20,}"),
    # Secrets, packages, builds.
    token("vault", r"hv[sbr]\.", _W + "{24,}"),
    named("vault_legacy", "vault unseal hashicorp", r"[sbr]\.[0-9A-Za-z]{24}(?!\w)"),
    token("vault_long", r"[sbr]\.(?:CAESI|AAAAAQ)", _W + "{60,}"),
    around("terraform", _A + "{14}", ".atlasv1.", r"\.atlasv1\.[\w\-=]{60,}", 14),
    token("doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"(?:[\w\-]{2,35}\.)?" + _A + "{40,44}"),
    token("infisical", r"st\.", r"[0-9a-f]{8}[\w.\-]{40,}"),
    token("onepassword", "(?:ops_eyJ|A3-)", r"[\w=+/\-]{26,}"),
    token("age", "AGE-SECRET-KEY-1", "[0-9A-Z]{50,}"),
    token("npm", "npm_", _A + "{36,}"),
    token("pypi", "pypi-AgE", _W + "{40,}"),
    token("rubygems", "rubygems_", _H + "{48}"),
    token("crates", "cio", r"[0-9A-Za-z]{32}(?!\w)"),
    token("nuget", "oy2", r"[a-z0-9]{43}(?!\w)"),
    token("clojars", "(?:CLOJARS_|clojars_)", "[a-z0-9]{60}"),
    token("packagist", "packagist_[ou][ru]t_", _H + "{40,}"),
    token("docker", "dckr_(?:pat|oat)_", _W + "{20,}"),
    token("jfrog_key", "AKC", "[0-9A-Za-z]{40,}"),
    token("jfrog_reference", "cmVmd", _A + "{59}"),
    named("jfrog_password", "artifactory jfrog", "AP[0-9A-F][0-9A-Za-z]{20,}"),
    token("pulumi", "pul-", _H + "{40}"),
    token("circleci", "CC(?:IPAT|IPRJ)_", _A + r"{20,}_" + _H + "{40}"),
    token("buildkite", "bk(?:ua|aj|ct|pi|at|pt)_", "[0-9a-zA-Z]{40,}"),
    token("sonar", "sq[uap]_", _H + "{40}"),
    token("snyk", "snyk_(?:uat|sat)\\.", r"[\w.\-]{40,}"),
    token("harness", r"[ps]at\.", r"[\w\-]{22}\.[0-9a-zA-Z]{24}\.[0-9a-zA-Z]{20}"),
    token("octopus", "API-", r"[A-Z0-9]{24,32}(?!\w)"),
    token("launchdarkly", "(?:sdk|mob|api)-", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    token("dependency_track", "(?:odt|alpine)_", _A + "{32,}"),
    token("infracost", "ico-", _A + "{32}"),
    token("prefect", "pn[ub]_", _A + "{36}"),
    token("tailscale", r"tskey-(?:[a-z]{2,12}-)?", _A + r"{6,}(?:-[0-9A-Za-z]{16,})?"),
    named("ngrok", "ngrok authtoken", "(?:2|ak_|cr_)[0-9A-Za-z]{26}_[0-9A-Za-z]{20,}"),
    token("chromatic", "chpt_", _H + "{12,}"),
    token("percy", "(?:web|app|auto|ss)_", _H + "{64}"),
    token("endor", r"endr\+", _W + "{16,}"),
    # Models.
    token("anthropic", "sk-ant-", _W + "{40,}"),
    token("openai", "sk-(?:proj|svcacct|admin|None)-", _W + "{20,}"),
    token("openrouter", "sk-or-", _W + "{40,}"),
    token("langfuse", "sk-lf-", _H[:-1] + r"\-]{36}"),
    token("secret_key", "sk-", r"(?:[a-z]{2,12}-)?[0-9A-Za-z][0-9A-Za-z_]{28,}"),
    token("groq", "gsk_", _A + "{40,}"),
    token("xai", r"xai-", _A + "{60,}"),
    token("huggingface", "(?:hf|api_org)_", "[A-Za-z0-9]{30,}"),
    token("replicate", "r8_", _A + "{30,}"),
    token("perplexity", "pplx-", _A + "{40,}"),
    token("fireworks", "fw_", _A + "{22,}"),
    token("together", "tgp_v1_", _W + "{40,}"),
    token("jina", "jina_", _A + "{50,}"),
    token("tavily", "tvly-", r"(?:dev-|prod-)?" + _A + "{28,}"),
    token("firecrawl", "fc-", r"[0-9a-f]{32}(?!\w)"),
    token("langsmith", "ls(?:v2_(?:pt|sk)_|__)", "[0-9a-f_]{32,}"),
    token("pinecone", "pcsk_", r"\w{50,}"),
    token("nvidia", "nvapi-", _W + "{50,}"),
    token("voyage", "pa-", _W + "{42,}"),
    token("cerebras", "csk-", "[0-9a-z]{40,}"),
    token("e2b", "e2b_", _H + "{40}"),
    token("llama_cloud", "llx-", _A + "{40,}"),
    token("apify", "apify_(?:api|proxy)_", _A + "{30,}"),
    named("modal", "modal", r"a[ks]-[0-9A-Za-z]{22}(?!\w)"),
    named("dify", "dify", r"(?:app|dataset)-[0-9A-Za-z]{24}(?!\w)"),
    token("elevenlabs", "sk_", r"[0-9a-f]{48}(?!\w)"),
    token("wandb", "(?:local-|wandb_v1_)", _A + "{40,}"),
    around("deepl", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", ":fx", ":fx", 36),
)
# fmt: on
