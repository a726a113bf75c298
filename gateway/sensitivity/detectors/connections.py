"""Credentials by the form they are given in: URLs, connection strings, headers, commands, dumps of hashes."""

# ruff: noqa: E501 - one form is one line

import base64
import binascii
import re

from gateway.sensitivity.detector import Check
from gateway.sensitivity.detectors.bundles import Row, anchored, gated
from gateway.sensitivity.detectors.values import Strength, filler, placeholder, strength
from gateway.sensitivity.sight import Sight

_MODEL_USERS = frozenset({"user", "username", "usr", "login", "name", "uname", "my_user", "myuser", "youruser"})
_MODEL_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "pw", "p", "passw0rd", "yourpassword"})
_SIGIL = re.compile(
    r"[$%@:&][A-Za-z_{(]|\\?\$|<|\[|\{|.*\$\{|.*\{[A-Za-z0-9_.]*\}|\*+$|#{2,}|%[A-Za-z_]+%$|x{3,}$|X{3,}$|\.{3}"
)
_WHERE = re.compile(r"(?i)server|data.?source|host|user|uid|database|catalog|provider|driver|dsn|endpoint|port|account")


def given(sight: Sight, start: int, end: int) -> bool:
    """A check where the form says that a value is a credential: any value but a template or a variable."""
    value = sight.text[start:end]
    return not _SIGIL.match(value) and not placeholder(value) and len(set(value)) > 2


def fair(sight: Sight, start: int, end: int) -> bool:
    """A check where the form leaves a doubt: a value with digits or signs among its letters, or a random one."""
    value = sight.text[start:end]
    return not _SIGIL.match(value) and strength(value) >= Strength.FAIR


def strong(sight: Sight, start: int, end: int) -> bool:
    """A check where only a random value can be meant."""
    return strength(sight.text[start:end]) is Strength.STRONG


def _in_url(sight: Sight, start: int, end: int) -> bool:
    """`user:password@` of every manual is nobody's."""
    text = sight.text
    secret = text[start:end]
    user = text[max(0, start - 80) : start].rsplit("//", 1)[-1].rstrip(":").lower()
    if (
        _SIGIL.match(secret)
        or placeholder(secret)
        or (secret.lower() in _MODEL_PASSWORDS and user in _MODEL_USERS | {""})
    ):
        return False
    return len(set(secret)) > 2 and not _SIGIL.match(user)


def _in_string(sight: Sight, start: int, end: int) -> bool:
    """Among the other parts of a connection string: a server, a user, a catalogue."""
    value = sight.text[start:end].strip()
    around = sight.text[max(0, start - 200) : start] + sight.text[end : end + 120]
    if _SIGIL.match(value) or value.lower() in _MODEL_PASSWORDS or len(set(value)) < 3 or "(" in value:
        return False
    return len({m.group().lower() for m in _WHERE.finditer(around)} - {"endpoint"}) >= 2


def _basic(sight: Sight, start: int, end: int) -> bool:
    """What stands after `Basic` is base64 of `user:password`; where it was altered, something long and mixed will do."""
    value = sight.text[start:end]
    if filler(value):
        return False
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        return strength(value) >= Strength.FAIR
    head = decoded.split(b":", 1)[0]
    if b":" in decoded and head.isascii() and decoded.split(b":", 1)[1].lower() in {b"password", b"pass", b""}:
        return False
    return b":" in decoded or strength(value) >= Strength.FAIR


def _not_filler(sight: Sight, start: int, end: int) -> bool:
    """A check for forms that nothing else has."""
    return not filler(sight.text[start:end])


def _pair(sight: Sight, start: int, end: int) -> bool:
    """A user and a password joined by `:` on a command line."""
    user, _, secret = sight.text[start:end].strip("\"'").partition(":")
    if _SIGIL.match(secret) or _SIGIL.match(user) or placeholder(secret) or len(set(secret)) < 3:
        return False
    return not (user.lower() in _MODEL_USERS and secret.lower() in _MODEL_PASSWORDS)


def _form(id: str, needles: str, expression: str, check: Check = given) -> Row:
    """A row for a form: `needles`, of which one stands in every text that has it, and the form; group 1 is the secret."""
    return gated(f"secrets.{id}", tuple(needles.split("  ")), expression, check=check)


_VALUE = r"""["']?([^\s"'|;&<>]{1,200})"""
_LINE = r"[^\n|]{0,300}?"
_LOGINS = (
    r"login|authenticate|auth|sign_?in|log_?in|basic_?auth|HTTPBasicAuth|setBasicAuth|password_?credentials?|UsernamePasswordCredentials?"
    r"|UsernamePasswordAuthenticationToken|PasswordAuthentication|credentials|getConnection"
)
_CLIENTS = (
    r"psexec(?:64)?(?:\.exe)?|(?:docker|podman|oc|az) login|sqlcmd|mongo(?:sh|dump|restore|import|export)?|redis-cli|lftp|sshpass|snmpset"
    r"|ldap(?:search|modify)|evil-winrm|crackmapexec|nxc|net use|xfreerdp|bcp|influx|rabbitmqadmin|curlftpfs|smbmap"
)

# fmt: off
ROWS: tuple[Row, ...] = (
    # RFC 3986, 3.2.1: userinfo before the host. A password may hold `@` and `)` where people forget to escape them.
    anchored("secrets.url_userinfo", ("://",), r"://[^\s:/@\"'<>?#\\]{0,100}:([^\s/\"'<>\\?]{1,300})@[^\s@\"'<>]", check=_in_url),
    # ADO, ODBC, OLE DB, JDBC: key=value parts.
    _form("connection_string", "password  pwd", r"(?i)(?<![a-z_])(?:password|pwd)\s?=\s?([^\s;\"',<>&]{1,300})", _in_string),
    _form("account_key", "key=  sharedsecretvalue=", r"(?i)(?<![a-z])(?:AccountKey|SharedAccessKey|SharedSecretValue|AccessKey|PrimaryKey|SecondaryKey)=([A-Za-z0-9+/]{30,200}={0,2})", strong),
    _form("azure_app_configuration", "secret=", r"(?i)(?:azconfig\.io|Id=[\w+/\-]{4,40}:[\w+/]{4,80});?[^\n]{0,80}?Secret=([A-Za-z0-9+/]{36,200}={0,2})", strong),
    _form("sas", "sig=  signature=", r"(?i)[?&;](?:sig|signature)=([A-Za-z0-9+/%\-_]{32,300}=?=?)", strong),
    # RFC 7617, 6750, and what providers write in their place.
    _form("basic_header", "authorization", r"(?i)authorization[\"'\\]{0,3}\s?[:=,>]{1,2}\s{0,4}\\?[\"'`]?basic\s{1,4}([A-Za-z0-9+/_\-]{8,600}={0,2})", _basic),
    _form("bearer_header", "authorization  bearer", r"(?i)(?:authorization[\"'\\]{0,3}\s?[:=,>]{1,2}\s{0,4}\\*[\"'`]?(?:bearer|token|ssws|apikey|key|apitoken|api-token|oauth|genie-?key|discogs token=|bot|private-token)|(?<![a-z_])bearer):?\s{1,4}([\w.~+/\-=!|:$]{12,2000})", fair),
    _form("curl_user", "-u  --user  --proxy-user", r"(?:^|\s)(?:-u|--user|--proxy-user|-U)[ =]?([\"']?[\w.@\\\-+]{1,100}:[^\s\"']{1,200})", _pair),
    # Commands. `-p` means a password only to some of them.
    _form("command_p", " -p  -w  -a  /p:  /pass:", rf"(?i)(?<![a-z])(?:{_CLIENTS})(?![a-z])[^\n]{{0,300}}?\s(?:-p|-w|-a|/p:|/pass:|--pass)\s?{_VALUE}"),
    _form("mysql_p", "mysql  mariadb", rf"(?i)(?<![a-z])(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump)?)(?![a-z]){_LINE}\s-p([^\s\"'|;]{{3,200}})"),
    _form("archive_p", "7z  rar", rf"(?<![a-z])(?:7z[ar]?|unrar|rar)(?![a-z]){_LINE}\s-(?:p|hp)([^\s\"'|;]{{3,200}})"),
    _form("openssl_pass", "pass:", r"\s-?pass(?:in|out)?\s{1,4}pass:([^\s\"']{3,200})"),
    _form("zip_p", "zip -", rf"(?<![a-z])(?:un)?zip\s{_LINE}-P\s?([^\s\"'|;]{{3,200}})"),
    _form("samba_user", " -u", r"\s-U\s?[\"']?[\w.\\/\-]{1,80}%([^\s\"'%]{3,200})"),
    _form("auth_pair", "auth", r"(?i)(?<![a-z])auth\s?=\s?\(\s{0,4}[\"'][^\"'\n]{1,80}[\"']\s{0,4},\s{0,4}[\"']([^\"'\n]{4,200})[\"']\s{0,4}\)", fair),
    _form("oracle_thin", "thin:", r"(?i)(?<![a-z])thin:\w{1,40}/([^\s@/\"']{3,100})@"),
    _form("net_user", "net user", r"(?i)(?<![a-z])net\s{1,4}user\s{1,4}\S{1,80}\s{1,4}([^\s/\"']\S{3,80})\s{1,4}/(?:add|domain|active|expires)"),
    _form("store_password", "pass ", r"(?i)\s-(?:store|key|src|dest|trust)(?:store)?pass\s{1,4}[\"']?([^\s\"']{4,200})"),
    _form("piped_password", "echo", r"(?i)(?<![a-z])echo\s{1,4}(?:-[a-z]{1,4}\s{1,4})?[\"']?([^\s\"'|$`]{4,200})[\"']?\s{0,4}\|\s{0,4}(?:sudo\s{1,4}-S|passwd|(?:docker|podman)\s|su\s|cryptsetup|gpg|kinit)"),
    _form("chpasswd", "chpasswd", r"(?i)(?<![a-z])echo\s{1,4}(?:-[a-z]{1,4}\s{1,4})?[\"']?[\w.\-]{1,80}:([^\s\"'|$]{3,200})[\"']?\s{0,4}\|\s{0,4}(?:sudo\s{1,4})?chpasswd"),
    _form("powercli", "-pass", r"(?i)(?<![a-z])(?:Connect|New|Invoke|Enter|Set|Add)-[a-z0-9]{2,40}\s[^\n]{0,300}?\s-Pass(?:word)?\s{1,4}[\"']?([^\s\"'`|;]{3,200})"),
    _form("secure_string", "securestring", r"(?i)(?<![a-z])ConvertTo-SecureString\s{1,4}(?:-String\s{1,4})?(?:-AsPlainText\s{1,4})?[\"']?([^\s\"'$(\-][^\s\"']{3,200})"),
    _form("network_credential", "networkcredential(", r"(?i)NetworkCredential\(\s{0,4}@?\"[^\"\n]{0,100}\"\s{0,4},\s{0,4}@?\"([^\"\n]{1,200})\""),
    _form("directory_entry", "directoryentry(", r"(?i)DirectoryEntry\(\s{0,40}@?\"[^\"\n]{0,200}\"\s{0,4},\s{0,40}@?\"[^\"\n]{0,100}\"\s{0,4},\s{0,40}@?\"([^\"\n]{1,200})\""),
    _form("login_call", "login(  auth(  authenticate(  sign_in(  signin(  log_in(  credential(  credentials(  token(  authentication(  connection(", rf"(?i)(?<![a-z])(?:{_LOGINS})\(\s{{0,4}}[\"'][^\"'\n]{{1,100}}[\"']\s{{0,4}},\s{{0,4}}(?:[\"'][^\"'\n]{{1,100}}[\"']\s{{0,4}},\s{{0,4}})?[\"']([^\"'\n]{{4,200}})[\"']\s{{0,4}}\)", fair),
    # Files of programs.
    _form("netrc", "password", r"(?i)(?<![a-z])(?:login|user)\s{1,4}\S{1,100}\s{1,8}password\s{1,4}([^\s\"']{1,200})"),
    _form("block_password", "password  secret", r"(?im)^\s{0,40}(?:password|secret)\s{1,20}[\"']([^\"'\n]{1,200})[\"']\s{0,4}$"),
    _form("pgpass", ":", r"(?m)^[\w.\-*]{1,100}:(?:\d{2,5}|\*):[\w\-*]{1,80}:[\w.\-@*]{1,80}:([^\s:]{4,200})$", fair),
    _form("npm_auth", "_auth  _password", r"(?i)(?<![a-z0-9])_(?:auth|authToken|password)\s?=\s?\"?([A-Za-z0-9+/=_\-.]{8,400})", fair),
    _form("docker_auth", '"auth"', r"\"auth\"\s{0,4}:\s{0,4}\"([A-Za-z0-9+/]{8,400}={0,2})\"", _basic),
    _form("cisco", "secret   password   community   key   key-string ".replace("   ", "  "), r"(?i)(?<![a-z])(?:enable\s{1,4}(?:secret|password)|username\s{1,4}\S{1,60}\s{1,4}(?:privilege\s{1,4}\d{1,2}\s{1,4})?(?:secret|password)|snmp-server\s{1,4}community|key-string|(?:tacacs|radius)-server\s{1,4}key|pre-shared-key|password)\s{1,4}[0-9]\s{1,4}([^\s\"']{4,200})", fair),
    _form("snmp_community", "community", r"(?i)snmp-server\s{1,4}community\s{1,4}([^\s\"']{4,80})", fair),
    _form("sql_identified", "identified", r"(?i)(?<![a-z])identified\s{1,4}(?:with\s{1,4}\S{1,40}\s{1,4})?(?:by|as)\s{1,4}(?:password\s{1,4})?[\"']([^\"'\n]{1,200})[\"']"),
    _form("sql_password", "password", r"(?i)(?<![a-z])(?:create|alter)\s{1,4}(?:user|login|role)\s[^\n;]{0,200}?password\s{0,4}=?\s{0,4}N?[\"']([^\"'\n]{1,200})[\"']"),
    _form("sqlplus", "sqlplus  sqlldr  expdp  impdp", r"(?i)(?<![a-z])(?:sqlplus|sqlldr|expdp|impdp)\s{1,4}(?:-[a-z]{1,8}\s{1,4}){0,4}\w{1,40}/([^\s@/\"']{3,100})@"),
    _form("requirepass", "requirepass  masterauth", r"(?i)(?<![a-z])(?:requirepass|masterauth)\s{1,4}[\"']?([^\s\"']{4,200})"),
    _form("wireguard", "privatekey  presharedkey", r"(?i)(?<![a-z])(?:PrivateKey|PresharedKey)\s{0,4}=\s{0,4}([A-Za-z0-9+/]{42,43}=?)", strong),
    _form("vault_unseal", "unseal", r"(?i)(?<![a-z])unseal(?:\s{1,4}key(?:\s{1,4}\d{1,2})?\s{0,4}[:=]|\s{1,4}-\S{1,40}|)\s{1,4}([A-Za-z0-9+/]{40,100}={0,2})", strong),
    _form("machine_key", "validationkey  decryptionkey", r"(?i)(?:validation|decryption)Key\s{0,4}=\s{0,4}\"([0-9A-F]{32,200})", strong),
    _form("kubernetes_bootstrap", "token  kubeadm", r"(?i)(?:bootstrap.?token|kubeadm join|--token|discovery-token)[^\n]{0,100}?(?<![a-z0-9])([a-z0-9]{6}\.[a-z0-9]{16})(?![a-z0-9])", fair),
    _form("initial_password", "password", r"(?i)password[^\n]{0,80}(?:following|below|generated|proceed)[^\n]{0,120}\s{1,8}([0-9a-f]{32})(?![0-9a-f])", strong),
    # Hashes of passwords, in the forms of crypt(3) and its kin.
    _form("password_hash", "$", r"\$(?:2[abxy]?\$\d\d\$[./A-Za-z0-9]{50,60}|[156]\$(?:rounds=\d{1,8}\$)?[./A-Za-z0-9]{2,16}\$[./A-Za-z0-9]{22,100}|y\$[./A-Za-z0-9]{1,20}\$[./A-Za-z0-9]{1,100}\$[./A-Za-z0-9]{40,50}|apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|argon2(?:id|i|d)\$v=\d{1,3}\$[^\s\"'$]{1,60}\$[A-Za-z0-9+/]{1,100}\$[A-Za-z0-9+/]{16,200}|[PH]\$[./A-Za-z0-9]{31}|krb5(?:tgs|asrep|pa)\$\d{1,3}\$[^\s\"']{40,4000}|DCC2\$\S{30,200}|[89]\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43})", _not_filler),
    _form("framework_hash", "pbkdf2  scrypt:  bcrypt_sha  {ssha  {sha  {smd5  {crypt", r"(?<!\w)(?:pbkdf2_\w{2,12}\$\d{1,8}\$[^\s$]{1,80}\$[A-Za-z0-9+/=]{20,200}|pbkdf2:sha\d{1,3}:\d{1,8}\$\w{1,40}\$[0-9a-f]{40,128}|scrypt:\d{1,8}:\d{1,3}:\d{1,3}\$\w{1,40}\$[0-9a-f]{64,128}|bcrypt_sha256\$\$\S{50,80})|\{(?:SSHA(?:256|512)?|SHA|SMD5|CRYPT|PBKDF2\w{0,12})\}[A-Za-z0-9+/$.]{20,200}={0,2}"),
    _form("windows_hash", ":::  ::", r"(?i)(?<![^\s\"'])[^\s:\"']{1,80}:\d{3,6}:[0-9a-f]{32}:[0-9a-f]{32}:::|(?<![^\s\"'])[^\s:\"']{1,80}::[^\s:]{0,80}:[0-9a-f]{16}:[0-9a-f]{32}:[0-9a-f]{32,2000}"),
)
# fmt: on
