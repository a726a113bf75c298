"""Credentials by their names: forms times values, and everything that only looks so."""

import pytest
import re2
from support.tokens import filled

from gateway.sensitivity.detectors.assignments import LOOSELY, MEMBER, ROWS, read_value
from gateway.sensitivity.sight import Sight

ALL = (*ROWS, LOOSELY)
KEY = filled("{A32}")
HEX = filled("{H40}")

FORMS = [
    'shop_{0} = "{1}"',
    "shop{2}: '{1}'",
    '"shop{2}": "{1}",',
    "SHOP_{3}={1}",
    "shop.{0} = {1}",
    'shop_{0} := "{1}"',
    'shop_{0} => "{1}"',
    'SHOP_{3} ?= "{1}"',
    'var shop{2} string = "{1}"',
    'val shop{2}: String = "{1}"',
    "shop{2} = '''{1}'''",
    "const shop_{0} = `{1}`;",
    'System.setProperty("SHOP_{3}", "{1}")',
    "<shop{2}>{1}</shop{2}>",
    "<shop{2}>\n  {1}\n</shop{2}>",
    '<add key="Shop{2}" value="{1}"/>',
    "- name: SHOP_{3}\n  value: {1}",
    '"shop{2}": {{\n  "value": "{1}"\n}}',
    'variable "shop_{0}" {{\n  default = "{1}"\n}}',
    "shop --{0}={1}",
    "shop --my-{0} {1}",
    "Get-Shop -Shop{2} {1}",
    "shop['{0}'] = \"{1}\"",
    '\\"shop_{0}\\": \\"{1}\\"',
    'if shop.{2} == "{1}" {{',
    "export SHOP_{3}='{1}'  # ours",
    "https://shop.test/?{0}={1}&x=1",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["api_key", "token", "client_secret", "password"])
def test_every_form_of_an_assignment_is_read(form, name):
    camel = "".join(part.capitalize() for part in name.split("_"))
    text = form.format(name, KEY, camel, name.upper())
    assert {text[hit.start : hit.end].strip() for hit in found(text)} == {KEY}


def found(text):
    return [hit for row in ROWS for hit in row.detector.find(Sight(text))]


def values(text):
    return [text[hit.start : hit.end] for row in ALL for hit in row.detector.find(Sight(text))]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('password = "sunflower"', "sunflower"),
        ("password: sunflower\n", "sunflower"),
        ("DB_PASSWORD=sunflower  # ours", "sunflower"),
        ("db_pass=sunflower7", "sunflower7"),
        ('my $pwd = "sunflower";', "sunflower"),
        ("user = 'bob'\npassword = 'open sesame'\n", "open sesame"),
        ('passphrase = "correct horse battery staple"', "correct horse battery staple"),
        ('define("DB_PASSWORD", "sunflower");', "sunflower"),
        ("the password is Tr0ub4dor and the user bob", "Tr0ub4dor"),
        ('the default password is "sunflower"', "sunflower"),
        ("the password for user 'bob' is 'sunflower'", "sunflower"),
        ("la contraseña es Tigre2023!", "Tigre2023!"),
        ("Das Passwort lautet Sommer2024!", "Sommer2024!"),
        ("le mot de passe est Soleil!2024", "Soleil!2024"),
        ("hasło: Kotek123!", "Kotek123!"),
        ("senha: Flamengo10!", "Flamengo10!"),
        ("密码: Abc12345!", "Abc12345!"),
        ("密码是 Abc12345!", "Abc12345!"),
        ("пароль: Zima2024!", "Zima2024!"),
        ('mail->Password = "x9!kq"', "x9!kq"),
        ("password: a{b)c$d}9>-_#e\n", "a{b)c$d}9>-_#e"),
        ("ado_pat = '" + filled("{b52}") + "'", filled("{b52}")),
        ("token-secret: f395a58d67679720", "f395a58d67679720"),
    ],
)
def test_a_password_may_be_a_word_where_the_form_says_so(text, secret):
    assert secret in values(text)


@pytest.mark.parametrize(
    "text",
    [
        'password = ""',
        'password = "password"',
        "password = None",
        "password = null",
        'password: "<your password>"',
        'password: "${DB_PASSWORD}"',
        "password: {{ db_password }}",
        "password = os.environ['DB_PASSWORD']",
        "password = getpass.getpass()",
        "password = request.form['password']",
        "password = user.password",
        "password = new_password",
        'password = "%s"',
        'password = "********"',
        'password = "xxxxxxxx"',
        'password = "changeme"',
        "password: str",
        "password: string;",
        "def login(self, user='', password=''):",
        "char *password = NULL;",
        'label: "Password:", hint: "Remember me:"',
        '"password": "Enter your password"',
        '"passwordLabel": "sunflower"',
        'this.addPassword = "#add-password";',
        "Forgot password? Reset it",
        "a strong password is important",
        "with the option --password you are asked for it",
        "git log --no-password whatever-comes-next",
        "a password hunter7",
        "the token is invalid",
        "the key to success is patience",
        "keyboard = 'qwertz-layout-7'",
        "bypass = 'sunflower7'",
        "pass: 12, fail: 3",
        "max_tokens: 4096",
        "token_type: Bearer",
        'next_page_token = "' + KEY + '"',
        'public_key = "' + KEY + '"',
        'api_key = "YOUR_API_KEY"',
        'api_key = "your-api-key-goes-here-now"',
        "api_key = settings.OPENAI_API_KEY",
        'api_key = "a1b2c3d4e5f6g7h8i9j0k1l2"',
        'secret_name = "prod/shop/database-credentials"',
        'secretKeyRef: "kubernetes-shop-secret"',
        'token = "csrf"',
        'tokenizer = "bert-base-uncased-v2"',
        "global', 'lambda', 'pass', 'raise'",
        '"ClientPassword",\n    "HighlightBracketProcessor"',
        "you can pass `dtype='float64'` here",
        "password=#{password}, domain=#{domain}",
        "password = '$($(dirname $0)/get LOCAL_PASSWORD)'",
        "IAMUserChangePassword = 'arn:aws:iam::aws:policy/IAMUserChangePassword'",
        "expiry = token.strftime('%Y-%m-%dT%H:%M:%SZ')",
    ],
)
def test_what_stands_for_a_credential_is_none(text):
    assert values(text) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (f"-Dsonar.login={HEX}", True),
        (f"sonar.login', '{HEX}", True),
        (f'postmark: "{filled("{G}")}"', True),
        (f"Jenkins-Crumb: {filled('{H32}')}", True),
        (f'client = Shopify("{KEY}")', True),
        (f"Set-Cookie: JSESSIONID={filled('{H32}').upper()}", True),
        (f"CC_TEST_REPORTER_ID: {filled('{H64}')}", True),
        (f"sha256: {filled('{H64}')}", False),
        (f"commit {HEX}", False),
        (f"github commit: {HEX}", False),
        (f"docker_image_digest: sha256:{filled('{H64}')}", False),
        (f"azure_tenant_id: {filled('{G}')}", False),
        (f"request_id = {filled('{G}')}", False),
        ("github = 'my-organisation/my-repository'", False),
        ('checksum = "' + filled("{H64}") + '"\ndependencies = [\n "docker",\n]', False),
    ],
)
def test_a_loose_name_needs_a_random_value_and_no_hash_beside_it(text, is_one):
    assert bool(values(text)) == is_one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"abc" rest', ("abc", True)),
        ("'a\"c'", ('a"c', True)),
        ('\\"abc\\",', ("abc", True)),
        ("\"'abc'\"", ("abc", True)),
        ('"""abc"""', ("abc", True)),
        ("&quot;abc&quot;", ("abc", True)),
        ('b"abc"', ("abc", True)),
        ('"cut off', ("cut", True)),
        ("abc, d", ("abc", False)),
        ("abc;", ("abc", False)),
        ('""', None),
        ("", None),
        (" abc", None),
    ],
)
def test_where_a_value_ends(text, expected):
    value = read_value(text, 0)
    assert (value and (text[value.start : value.end], value.quoted)) == expected


@pytest.mark.parametrize(
    ("key", "text", "is_one"),
    [
        ("password", "sunflower", True),
        ("dbPassword", "Tr0ub4dor", True),
        ("api_key", KEY, True),
        ("clientSecret", "x9!kq-72#a", True),
        ("password", "password", False),
        ("password", "${PASSWORD}", False),
        ("password", "Enter your password", False),
        ("password_hint", "sunflower", False),
        ("token_type", "Bearer", False),
        ("token", "bearer", False),
        ("key", "name", False),
        ("content", "sunflower", False),
        ("", KEY, False),
    ],
)
def test_a_member_is_a_credential_by_its_name(key, text, is_one):
    assert [hit.end for hit in MEMBER.find(Sight(text, key))] == [len(text)] * is_one
    assert re2.search(MEMBER.trigger, key) or not is_one


UUID = "3f2b9c1e-8d47-4a60-9b1f-27c4e5d6a801"


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        (f'{{"session_id": "{UUID}"}}', "user_id", False),
        (f"session_id={UUID}{UUID}", "x", True),
        (f"grafana_x = '{UUID}'", "x", True),
    ],
)
def test_a_session_that_an_agent_counts_is_no_secret(text, key, found):
    assert bool(list(LOOSELY.detector.find(Sight(text, key)))) is found


@pytest.mark.parametrize(
    ("key", "found"), [("prompt_cache_key", False), ("cacheKey", False), ("api_key", True), ("cache_api_key", True)]
)
def test_what_names_a_cache_is_no_secret(key, found):
    assert bool(list(MEMBER.find(Sight(KEY, key)))) is found
