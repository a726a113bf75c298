"""Credentials by the form they are given in: for each form one that is found, and one that must not be."""

import base64

import pytest
from support.tokens import filled

from gateway.sensitivity.detectors.connections import ROWS
from gateway.sensitivity.sight import Sight

BY_ID = {row.detector.id: row.detector for row in ROWS}
PAIR = base64.b64encode(b"aladdin:" + b"opensesame7").decode()
MODEL = base64.b64encode(b"user:" + b"password").decode()
B64 = filled("{A42}") + "8="

# row, text, what is found in it
FOUND = [
    ("url_userinfo", "postgresql://app:Tr0ub4dor@db.test:5432/app", "Tr0ub4dor"),
    ("url_userinfo", "redis://:Tr0ub4dor@cache.test:6379/0", "Tr0ub4dor"),
    ("url_userinfo", "mongodb+srv://app:pa@ss12)@c.test/x", "pa@ss12)"),
    ("connection_string", "Server=db.test;Database=x;User Id=app;Password=Tr0ub4dor;", "Tr0ub4dor"),
    ("connection_string", "Data Source=1.2.3.4;Uid=app;Pwd=sunflower;", "sunflower"),
    ("account_key", f"AccountName=x;AccountKey={filled('{A86}')}==;", filled("{A86}") + "=="),
    ("azure_app_configuration", f"Endpoint=https://x.azconfig.io;Id=a1b2-l0-s0:abcdEFGH;Secret={B64}", B64),
    ("sas", f"https://x.blob.test/c?sv=2022&sig={filled('{A43}')}%3D", filled("{A43}") + "%3D"),
    ("basic_header", f"Authorization: Basic {PAIR}", PAIR),
    ("bearer_header", f"-H 'Authorization: Bearer {filled('{A40}')}'", filled("{A40}")),
    ("bearer_header", "Authorization: Bearer mF_9.Z6y-6.1HdM", "mF_9.Z6y-6.1HdM"),
    ("curl_user", "curl -u admin:Tr0ub4dor https://x.test", "admin:Tr0ub4dor"),
    ("command_p", "psexec \\\\host -u admin -p Tr0ub4dor cmd", "Tr0ub4dor"),
    ("command_p", "sshpass -p 'Tr0ub4dor' ssh root@x.test", "Tr0ub4dor"),
    ("command_p", "docker login -u bob -p Tr0ub4dor r.test", "Tr0ub4dor"),
    ("mysql_p", "mysqldump -u root -pTr0ub4dor shop", "Tr0ub4dor"),
    ("archive_p", "7z a -pTr0ub4dor x.7z", "Tr0ub4dor"),
    ("openssl_pass", "openssl rsa -in k -passin pass:Tr0ub4dor", "Tr0ub4dor"),
    ("zip_p", "zip -r -P Tr0ub4dor x.zip x", "Tr0ub4dor"),
    ("samba_user", "smbclient //s/x -U bob%Tr0ub4dor", "Tr0ub4dor"),
    ("auth_pair", "get(url, auth=('bob', 'Tr0ub4dor'))", "Tr0ub4dor"),
    ("oracle_thin", "jdbc:oracle:thin:scott/Tr0ub4dor@//db:1521/x", "Tr0ub4dor"),
    ("net_user", "net user bob Tr0ub4dor /add", "Tr0ub4dor"),
    ("store_password", "keytool -genkey -storepass Tr0ub4dor", "Tr0ub4dor"),
    ("piped_password", "echo Tr0ub4dor | sudo -S reboot", "Tr0ub4dor"),
    ("chpasswd", "echo 'root:Tr0ub4dor' | chpasswd", "Tr0ub4dor"),
    ("powercli", "Connect-VIServer v.test -User bob -Password Tr0ub4dor", "Tr0ub4dor"),
    ("secure_string", 'ConvertTo-SecureString "Tr0ub4dor" -AsPlainText -Force', "Tr0ub4dor"),
    ("network_credential", 'new NetworkCredential("bob", "sunflower")', "sunflower"),
    ("directory_entry", 'new DirectoryEntry("LDAP://x", "bob", "sunflower")', "sunflower"),
    ("login_call", "smtp.login('bob@x.test', 'Tr0ub4dor')", "Tr0ub4dor"),
    ("netrc", "machine x.test\n login bob\n password sunflower\n", "sunflower"),
    ("block_password", "credentials {\n  username 'bob'\n  password 'sunflower'\n}", "sunflower"),
    ("pgpass", "db.test:5432:shop:bob:Tr0ub4dor", "Tr0ub4dor"),
    ("npm_auth", f"//registry.test/:_authToken={filled('{A36}')}", filled("{A36}")),
    ("docker_auth", f'{{"auths": {{"r.test": {{"auth": "{PAIR}"}}}}}}', PAIR),
    ("cisco", "username admin password 7 0822455D0A16", "0822455D0A16"),
    ("snmp_community", "snmp-server community Pr1v4te RW", "Pr1v4te"),
    ("sql_identified", "GRANT ALL ON x.* TO bob IDENTIFIED BY 'sunflower'", "sunflower"),
    ("sql_password", "CREATE USER bob WITH PASSWORD 'sunflower'", "sunflower"),
    ("sqlplus", "sqlplus scott/sunflower@orcl", "sunflower"),
    ("requirepass", "requirepass sunflower", "sunflower"),
    ("wireguard", f"[Interface]\nPrivateKey = {B64}", B64),
    ("vault_unseal", f"Unseal Key 2: {filled('{A44}')}", filled("{A44}")),
    ("machine_key", f'<machineKey validationKey="{filled("{H64}").upper()}"', filled("{H64}").upper()),
    ("kubernetes_bootstrap", "kubeadm join 1.2.3.4:6443 --token kx3f9d.pz81bqn4rt7w2m6c", "kx3f9d.pz81bqn4rt7w2m6c"),
    ("initial_password", f"a password was generated. Use the following:\n\n{filled('{H32}')}\n", filled("{H32}")),
    ("password_hash", "$2b$12$" + filled("{A53}"), "$2b$12$" + filled("{A53}")),
    ("password_hash", "root:$6$" + filled("{A8}$") + filled("{A86}") + ":18000:", "$6$" + filled("{A8}$") + filled("{A86}")),
    ("framework_hash", "pbkdf2_sha256$260000$" + filled("{A12}$") + B64, "pbkdf2_sha256$260000$" + filled("{A12}$") + B64),
    ("windows_hash", f"bob:1001:{filled('{H32}')}:{filled('{H32}')}:::", f"bob:1001:{filled('{H32}')}:{filled('{H32}')}:::"),
]  # fmt: skip

PASSED = [
    ("url_userinfo", "postgres://user:password@localhost/db"),
    ("url_userinfo", "https://${USER}:${PASS}@x.test"),
    ("url_userinfo", "https://x.test:8080/a@b"),
    ("connection_string", "Server=x;User Id=y;Password={0};"),
    ("connection_string", "password=sunflower"),
    ("account_key", "AccountName=<name>;AccountKey=<key>;"),
    ("azure_app_configuration", "Endpoint=https://x.azconfig.io;Id=xxx;Secret=xxx"),
    ("sas", "?sig=abc"),
    ("basic_header", f"Authorization: Basic {MODEL}"),
    ("bearer_header", "Authorization: Bearer $TOKEN"),
    ("bearer_header", "Authorization: Bearer <your-access-token>"),
    ("curl_user", "curl -u user:password https://x.test"),
    ("curl_user", "docker run -u 1000:1000 x"),
    ("command_p", "psexec \\\\host -u admin -p %PASSWORD% cmd"),
    ("command_p", "mkdir -p build"),
    ("mysql_p", "mysql -u root -p shop"),
    ("archive_p", "7z x -p$PASS x.7z"),
    ("openssl_pass", "openssl rsa -passin pass:${PASS}"),
    ("zip_p", "zip -r x.zip x"),
    ("samba_user", "smbclient //s/x -U bob%$PASS"),
    ("auth_pair", "get(url, auth=(user, password))"),
    ("oracle_thin", "jdbc:oracle:thin:@//db:1521/x"),
    ("net_user", "net user bob /active:yes"),
    ("store_password", "keytool -genkey -storepass ${PASS}"),
    ("piped_password", "echo done | tee log"),
    ("chpasswd", "echo root:$PASS | chpasswd"),
    ("powercli", "Connect-VIServer v.test -Password $password"),
    ("secure_string", "ConvertTo-SecureString $plain -AsPlainText -Force"),
    ("network_credential", "new NetworkCredential(user, password)"),
    ("directory_entry", "new DirectoryEntry(path, user, password)"),
    ("login_call", "smtp.login('bob', password)"),
    ("netrc", "login user password"),
    ("block_password", "the password 'x' is wrong"),
    ("pgpass", "12:30:45:00:00"),
    ("npm_auth", "//registry.test/:_authToken=${NPM_TOKEN}"),
    ("docker_auth", '"auth": "basic"'),
    ("cisco", "password 7 characters long"),
    ("snmp_community", "snmp-server community public RO"),
    ("sql_identified", "identified by '${PASS}'"),
    ("sql_password", "ALTER USER bob WITH PASSWORD '<password>'"),
    ("sqlplus", "sqlplus /nolog"),
    ("requirepass", "requirepass ${REDIS_PASSWORD}"),
    ("wireguard", "PrivateKey = <your private key>"),
    ("vault_unseal", "vault operator unseal $KEY"),
    ("machine_key", 'validationKey="AutoGenerate,IsolateApps"'),
    ("kubernetes_bootstrap", "kubeadm token create"),
    ("initial_password", "a password was generated, see the following page"),
    ("password_hash", "$1$ and $2 and $3"),
    ("framework_hash", "pbkdf2_sha256 is what is used"),
    ("windows_hash", "std::vector<int>::iterator"),
]


@pytest.mark.parametrize(("row", "text", "secret"), FOUND)
def test_found(row, text, secret):
    (hit,) = BY_ID[f"secrets.{row}"].find(Sight(text))
    assert text[hit.start : hit.end] == secret


@pytest.mark.parametrize(("row", "text"), PASSED)
def test_passed_over(row, text):
    assert [text[hit.start : hit.end] for hit in BY_ID[f"secrets.{row}"].find(Sight(text))] == []


def test_every_row_has_its_cases():
    assert {f"secrets.{row}" for row, *_ in FOUND} == {f"secrets.{row}" for row, _ in PASSED} == set(BY_ID)
