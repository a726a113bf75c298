"""Tokens of clouds, code hosting, builds and models: for each row one that it finds, and one that it must not.

Values are generated where `{A36}` stands, so that no token stands in this file.
"""

import pytest
from support.tokens import filled

from gateway.sensitivity.detectors.provider_tokens import ROWS
from gateway.sensitivity.sight import Sight

CASES = """
gateway | sk-gw-{W16} | sk-gw-{W5}
github | ghp_{A36} | ghp_{A12}
github_fine_grained | github_pat_{A50} | github_pat_{A16}
gitlab | glpat-{W20} | glpat-{W6}
gitlab_runner | GR1348941{W20} | GR1348941{W6}
bitbucket | ATBB{A32} | ATBB{A10}
atlassian | ATATT3{W50} | ATATT3{W16}
sourcegraph | sgp_{A16}{A24} | sgp_{A12}
sourcegraph_cody | slk_{H64} | slk_{H21}
azure_devops | {A76}AZDO{A4} | {A76}AZDX{A4}
phabricator | phabricator: cli-{a28} | phabricator: cli-{a9}
aws_key_id | AKIA{U16} | AKIA{U5}
aws_bedrock | ABSK{A60} | ABSK{A20}
aws_mws | amzn.mws.{G} | amzn.mws.{H12}
aws_session | IQoJb3JpZ2lu{A60} | IQoJb3JpZ2lu{A20}
google_api | AIza{W35} | AIza{W11}
google_oauth | ya29.{W20} | ya29.{W6}
google_oauth_secret | GOCSPX-{W24} | GOCSPX-{W8}
google_refresh | 1//0{W40} | 1//0{W13}
google_hmac | hmac key: GOOG1E{U57} | hmac key: GOOG1E{U9}
google_fcm | AAAA{W7}:APA91b{W100} | AAAA{W7}:APA91b{W20}
azure_ad | {A3}8Q~{A34} | {A3}8Q~{A9}
azure_storage | {A76}+ASt{A6}== | {A76}+XSt{A6}==
azure_search | {A42}AzSe{A6} | {A42}AzXx{A6}
azure_cache | {A33}AzCaA{A5} | {A33}AzXxA{A5}
azure_cosmos | {A76}ACDb{A5}A== | {A76}ACDx{A5}A==
azure_functions | {W44}AzFu{W5}A== | {W44}AzFx{W5}A==
azure_openai | {A52}JQQJ90{A20} | {A52}JQQJ8{A21}
digitalocean | doo_v1_{H64} | doo_v1_{H21}
alibaba | LTAI{A20} | LTAI{A6}
tencent | AKID{A32} | AKID{A10}
yandex_api | AQVN{W35} | AQVN{W11}
yandex_iam | t1.{A60}.{A86} | t1.{A60}.{A20}
yandex_key | yandex: YC{W38} | yandex: YC{W12}
yandex_oauth | y0_{W54} | y0_{W18}
scaleway | SCW{U17} | SCW{U5}
heroku | HRKU-{W30} | HRKU-{W10}
fly | fo1_{W43} | fo1_{W14}
netlify | nfp_{A36} | nfp_{A12}
vercel | vcp_{A24} | vcp_{A8}
render | rnd_{A28} | rnd_{A9}
supabase | sbp_{W30} | sbp_{W10}
neon | napi_{a60} | napi_{a20}
planetscale | pscale_tkn_{W32} | pscale_tkn_{W10}
aiven | AVNS_{W18} | AVNS_{W6}
databricks | dapi{H32} | dapi{H10}
cloudflare_origin | v1.0-{H24}-{H100} | v1.0-{H24}
cloudflare | cfut_{A36} | cfut_{A12}
openshift | sha256~{W43} | sha256~{W14}
scalingo | tk-us-{A48} | tk-us-{A16}
dbt | dbtc_{W30} | dbtc_{W10}
snowflake_pat | ver:1-hint:{D6}-ETMsDgAA{A40} | ver:1-hint:{D6}
vault | hvs.{W24} | hvs.{W8}
vault_legacy | vault: s.{A24} | vault: s.{A8}
vault_long | s.CAESI{W80} | s.CAESI{W26}
terraform | {A14}.atlasv1.{W60} | {A14}.atlasv2.{W60}
doppler | dp.pt.{A43} | dp.pt.{A9}
infisical | st.{H8}{W40} | st.{H8}{W13}
onepassword | ops_eyJ{A60} | ops_eyJ{A20}
age | AGE-SECRET-KEY-1{U50} | AGE-SECRET-KEY-1{U16}
npm | npm_{A36} | npm_{A12}
pypi | pypi-AgE{W40} | pypi-AgE{W13}
rubygems | rubygems_{H48} | rubygems_{H16}
crates | cio{A32} | cio{A10}
nuget | oy2{a43} | oy2{a14}
clojars | CLOJARS_{a60} | CLOJARS_{a20}
packagist | packagist_ort_{H40} | packagist_ort_{H13}
docker | dckr_pat_{W20} | dckr_pat_{W6}
jfrog_key | AKC{A40} | AKC{A13}
jfrog_reference | cmVmd{A59} | cmVmd{A19}
jfrog_password | artifactory: AP0{A20} | artifactory: AP0{A6}
pulumi | pul-{H40} | pul-{H13}
circleci | CCIPAT_{A20}_{H40} | CCIPAT_{A22}
buildkite | bkua_{A40} | bkua_{A13}
sonar | squ_{H40} | squ_{H13}
snyk | snyk_uat.{W40} | snyk_uat.{W13}
harness | pat.{W22}.{A24}.{A20} | pat.{A22}.{A24}
octopus | API-{U24} | API-{U8}
launchdarkly | sdk-{G} | sdk-{H12}
dependency_track | odt_{A32} | odt_{A10}
infracost | ico-{A32} | ico-{A10}
prefect | pnu_{A36} | pnu_{A12}
tailscale | tskey-auth-{A12}CNTRL-{A32} | tskey-{A3}
ngrok | ngrok authtoken 2{A26}_{A21} | ngrok authtoken 2{A26}
chromatic | chpt_{H12} | chpt_{H4}
percy | web_{H64} | web_{H21}
endor | endr+{W16} | endr+{W5}
anthropic | sk-ant-{W40} | sk-ant-{W13}
openai | sk-proj-{W20} | sk-proj-{W6}
openrouter | sk-or-{W40} | sk-or-{W13}
langfuse | sk-lf-{G} | sk-lf-{H12}
secret_key | sk-{A40} | sk-learn-{L9}
groq | gsk_{A40} | gsk_{A13}
xai | xai-{A60} | xai-{A20}
huggingface | hf_{A30} | hf_{A10}
replicate | r8_{A30} | r8_{A10}
perplexity | pplx-{A40} | pplx-{A13}
fireworks | fw_{A22} | fw_{A7}
together | tgp_v1_{W40} | tgp_v1_{W13}
jina | jina_{A50} | jina_{A16}
tavily | tvly-{A28} | tvly-{A9}
firecrawl | fc-{H32} | fc-{H10}
langsmith | lsv2_pt_{H32}_{H10} | lsv2_pt_{H10}_{H10}
pinecone | pcsk_{A50} | pcsk_{A16}
nvidia | nvapi-{W50} | nvapi-{W16}
voyage | pa-{W42} | pa-{W14}
cerebras | csk-{a40} | csk-{a13}
e2b | e2b_{H40} | e2b_{H13}
llama_cloud | llx-{A40} | llx-{A13}
apify | apify_api_{A30} | apify_api_{A10}
modal | modal: ak-{A22} | modal: ak-{A7}
dify | dify: app-{A24} | dify: app-{A8}
elevenlabs | sk_{H48} | sk_{H16}
wandb | wandb_v1_{A40} | wandb_v1_{A13}
deepl | {G}:fx | {G}:xx
"""
TABLE = [[part.strip() for part in line.split(" | ")] for line in CASES.strip().splitlines()]
BY_ID = {row.detector.id: row.detector for row in ROWS}


def found(row, text):
    return [text[hit.start : hit.end] for hit in BY_ID[f"secrets.{row}"].find(Sight(text))]


@pytest.mark.parametrize(("row", "token", "other"), TABLE, ids=[row for row, _, _ in TABLE])
def test_a_token_is_found_and_what_only_begins_so_is_not(row, token, other):
    token, other = filled(token), filled(other)
    for text in (token, f"key: {token}\n", f'"{token}",'):
        assert found(row, text), text
    assert found(row, f"key: {other}\n") == []


def test_every_row_has_its_cases():
    assert sorted(BY_ID) == sorted(f"secrets.{row}" for row, _, _ in TABLE)
