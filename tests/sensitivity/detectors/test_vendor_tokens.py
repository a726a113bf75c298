"""Tokens of payments, messages, services and webhooks: for each row one that it finds, and one that it must not.

Values are generated where `{A36}` stands, so that no token stands in this file.
"""

import pytest
from support.tokens import filled

from gateway.sensitivity.detectors.vendor_tokens import ROWS
from gateway.sensitivity.sight import Sight

CASES = """
stripe | sk_live_{A10} | sk_live_{A3}
webhook_secret | whsec_{A24} | whsec_{A8}
square | sq0atp-{W20} | sq0atp-{W6}
square_access | EAAAE{W55} | EAAAE{W18}
square_sandbox | sandbox-sq0atb-{W22} | sandbox-sq0atb-{W7}
braintree | access_token$production${a16}${H32} | access_token$production${a16}
paypal | paypal: A{W79} | paypal: A{W26}
adyen | AQEa{W60} | AQEa{W20}
razorpay | rzp_live_{A14} | rzp_live_{A4}
flutterwave | FLWPUBK-{H12} | FLWPUBK-{H4}
gocardless | gocardless: live_{W40} | gocardless: live_{W13}
mollie | live_{A30} | live_{A10}
lob | live_{H31} | live_{H10}
plaid | access-sandbox-{G} | access-sandbox-{H12}
shopify | shpat_{H32} | shpat_{H10}
mercadopago | APP_USR-{D16}-{D6}-{H32}-{D9} | APP_USR-{D16}
easypost | EZAK{A54} | EZAK{A18}
shippo | shippo_live_{H40} | shippo_live_{H13}
duffel | duffel_test_{W40} | duffel_test_{W13}
paddle | pdl_live_{A30} | pdl_live_{A10}
polar | polar_pat_{A30} | polar_pat_{A10}
finicity | finicity: {H32} | finicity: {H10}
coinbase_key | organizations/{G}/apiKeys/{G} | organizations/{G}/apiKeys/x
freemius | secret_key: sk_{A29} | secret_key: sk_{A9}
worldpay | T_S_{G} | T_S_{H12}
slack | xoxb-{D12}-{D12}-{A24} | xoxb-{A8}
slack_app | xapp-{A20} | xapp-{A6}
slack_config | xoxe.xoxp-1-{A146} | xoxe.xoxp-1-{A48}
slack_webhook | hooks.slack.com/services/T{U8}/B{U8}/{A24} | hooks.slack.com/services/T{U8}/B{U8}/{A8}
discord_bot | M{A23}.{A6}.{A27} | M{A23}.{A6}.{A7}
discord_mfa | mfa.{W80} | mfa.{W26}
discord_webhook | discord.com/api/webhooks/{D15}/{W40} | discord.com/api/webhooks/{D15}/{W13}
telegram | {D9}:AA{A33} | {D9}:AA{A9}
twilio | SK{H32} | SK{H10}
twilio_account | AC{H32} | AC{H10}
sendgrid | SG.{W22}.{W43} | SG.{A16}
mailgun | key-{a32} | key-{a10}
mailgun_signing | mailgun: {H32}-{H8}-{H8} | mailgun: {H32}-{H8}
mailchimp | {H32}-us12 | {H32}-ux12
mandrill | mandrill: md-{W22} | mandrill: md-{W7}
brevo | xkeysib-{H60}-{A16} | xkeysib-{H64}
resend | re_{A8}_{A20} | re_{A8}_{A5}
klaviyo | pk_{H34} | pk_{H11}
courier | pk_prod_{U28} | pk_prod_{U9}
teams_webhook | webhook.office.com/webhookb2/{G}@{G}/IncomingWebhook/{H32} | webhook.office.com/webhookb2/{G}@{G}/Other/{H9}
outlook_webhook | outlook.office.com/webhook/{G}@{G}/IncomingWebhook/{H32} | outlook.office.com/webhook/{G}
power_automate | logic.azure.com/workflows/{H32}/triggers?sp=1&sig={W43} | logic.azure.com/workflows/{H32}/triggers?sp=1
zapier | hooks.zapier.com/hooks/catch/{D6}/{a7} | hooks.zapier.com/hooks/catch/
ifttt | maker.ifttt.com/trigger/lamp/with/key/{W43} | maker.ifttt.com/trigger/lamp/with/key/{W14}
feishu | open.feishu.cn/open-apis/bot/v2/hook/{G} | open.feishu.cn/open-apis/bot/v2/hook/{H8}
dingtalk | oapi.dingtalk.com/robot/send?access_token={H64} | oapi.dingtalk.com/robot/send?access_token={H21}
wecom | qyapi.weixin.qq.com/cgi-bin/webhook/send?key={G} | qyapi.weixin.qq.com/cgi-bin/webhook/send?key={H9}
mattermost | https://chat.corp.test/hooks/{a26} | https://chat.corp.test/hooks/incoming
google_chat | chat.googleapis.com/v1/spaces/AAAA/messages?key=k&token={W43} | chat.googleapis.com/v1/spaces/AAAA/messages
line_notify | line_notify: {A43} | line_notify: {A14}
thingsboard | https://demo.test/api/v1/{a20}/telemetry | https://demo.test/api/v1/{a20}/status
softlayer | api.softlayer.com/soap/v{D1}/{H64} | api.softlayer.com/soap/v{D1}/{H21}
blynk | oa2-client-id_{W20} | oa2-client-id_{W6}
airtable | pat{A14}.{A64} | pat{A14}
airtable_legacy | airtable: key{A14} | airtable: key{A4}
asana | 0/{D10}:{a32} | 0/{D10}:{a9}
linear | lin_api_{A30} | lin_api_{A10}
notion | secret_{A40} | secret_{A13}
figma | figd_{W35} | figd_{W11}
figma_uuid | figma: {D3}-{G} | figma: {D3}-{H12}
dropbox | sl.{W60} | sl.{W20}
clickup | pk_{D1}_{U32} | pk_{D5}_{U12}
typeform | tfp_{W40} | tfp_{W13}
contentful | CFPAT-{W40} | CFPAT-{W13}
contentstack | contentstack: cs{H18} | contentstack: cs{H6}
hubspot | pat-na1-{G} | pat-na1-{H12}
intercom | dG9rO{A54} | dG9rO{A18}
salesforce | 00D{A9}!{A60} | 00D{A12}
salesforce_consumer | 3MVG9{A60} | 3MVG9{A20}
zoho | 1000.{H32}.{H32} | 1000.{H32}
readme | rdme_{a60} | rdme_{a20}
adafruit | aio_{A28} | aio_{A9}
adobe | p8e-{W28} | p8e-{W9}
beamer | beamer: b_{W44} | beamer: b_{W14}
defined_networking | dnkey-{W26}-{W40} | dnkey-{A26}
dynatrace | dt0c01.{U24}.{U64} | dt0c01.{U24}.{U21}
facebook_user | EAA{A40} | EAA{A12}
facebook_app | {D15}|{W27} | {D15}|{A9}
twitter_bearer | AAAAAAAAAAAAAAAAAAAAA{A60} | AAAAAAAAAAAAAAAAAAAAA{A20}
twitter_access | {D15}-{A40} | {D15}-{A12}
twitch_stream | live_{D5}_{A20} | live_{D5}_{A7}
frameio | fio-u-{W60} | fio-u-{W20}
grafana_cloud | glc_{W30} | glc_{W10}
grafana_service | glsa_{A32}_{H8} | glsa_{A32}
grafana_api | eyJrIjoi{W40} | eyJrIjoi{W13}
mapbox | sk.eyJ{A60}.{A22} | pk.eyJ{A60}.{A22}
maxmind | {A6}_{A29}_mmk | {A6}_{A29}_mmx
new_relic | NRAK-{W26} | NRAK-{W8}
new_relic_browser | NRJS-{H19} | NRJS-{H6}
new_relic_licence | {H30}NRAL | {H12}NRAL
pixie | px-api-{G} | px-api-{H12}
okta | okta: 00{W38} | okta: 00{W12}
postman | PMAK-{a24}-{a30} | PMAK-{a24}-{a10}
rapidapi | {a10}msh{a15}jsn{a10} | {a10}msh{a15}
sentry_org | sntrys_{W60} | sntrys_{W20}
sentry_user | sntryu_{H64} | sntryu_{H21}
settlemint | sm_aat_{A16} | sm_aat_{A5}
zuplo | zpka_{A32} | zpka_{A10}
kagi | kagi: {W10}.{W43} | kagi: {A10}.{A20}
stackhawk | hawk.{W20}.{W20} | hawk.{A20}
truenas | login_with_api_key: {D1}-{A64} | login_with_api_key: 1-{A20}
pagerduty | pagerduty: u+{W18} | pagerduty: u+{W6}
uptimerobot | uptimerobot: u{D7}-{H24} | uptimerobot: u{D7}
checkly | cu_{H32} | cu_{H10}
honeycomb | hcaik_{A50} | hcaik_{A16}
axiom | xaat-{G} | xaat-{H12}
nightfall | NF-{A32} | NF-{A10}
pangea | pts_{b32} | pts_{b10}
stytch | secret-test-{W30} | secret-test-{W10}
pubnub | sec-c-{G} | sec-c-{H12}
ably | ably: {W6}.{W6}:{W43} | ably: {A6}.{A6}:{A20}
posthog | phx_{A32} | phx_{A10}
statsig | secret-{A40} | secret-{A13}
canva | cnvca{W40} | cnvca{W13}
intra42 | s-s4t2ud-{H60} | s-s4t2ud-{H20}
rootly | rootly_{H60} | rootly_{H20}
sentry_dsn | sentry dsn: https://{H32}@o12.ingest.sentry.io/{D6} | sentry dsn: https://{H32}@example.org/{D6}
cloudinary | cloudinary://{D15}:{A27}@demo | cloudinary://key:secret@demo
django | django-insecure-{A30} | django-insecure-{A10}
jwt_like | eyJ{A12}.ey{A20}.{A20} | eyJ{A12}.{A20}
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
