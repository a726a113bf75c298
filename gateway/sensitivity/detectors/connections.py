"""Credentials by the form they are given in: URLs, connection strings, headers, commands, dumps of hashes."""

import base64
import binascii
import re

from gateway.sensitivity.detector import Check, Detector, pattern
from gateway.sensitivity.detectors.values import Strength, filler, placeholder, strength
from gateway.sensitivity.sight import Sight

_MODEL_USERS = frozenset({"user", "username", "usr", "login", "name", "uname", "my_user", "myuser", "youruser"})
_MODEL_PASSWORDS = frozenset({"password", "passwd", "pass", "pwd", "pw", "p", "passw0rd", "mypassword", "yourpassword"})
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
    if _SIGIL.match(value) or placeholder(value) or len(set(value)) < 3:
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


def _pair(sight: Sight, start: int, end: int) -> bool:
    """A user and a password joined by `:` on a command line."""
    user, _, secret = sight.text[start:end].strip("\"'").partition(":")
    if _SIGIL.match(secret) or _SIGIL.match(user) or placeholder(secret) or len(set(secret)) < 3:
        return False
    return not (user.lower() in _MODEL_USERS and secret.lower() in _MODEL_PASSWORDS)


def _form(id: str, expression: str, trigger: str, check: Check = given) -> Detector:
    return pattern(f"secrets.{id}", "secret", expression, trigger=trigger, check=check)


_VALUE = r"""["']?([^\s"'|;&<>]+)"""

ROWS: tuple[Detector, ...] = (
    # RFC 3986, 3.2.1: userinfo before the host. A password may hold `@` and `)` where people forget to escape them.
    _form(
        "url_userinfo",
        r"[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s:/@\"'<>?#\\]*:([^\s/\"'<>\\?]+)@[^\s@\"'<>]",
        r"://[^\s:/@\"'<>?#]*:[^\s/\"'<>?]+@",
        _in_url,
    ),
    # ADO, ODBC, OLE DB, JDBC: key=value parts.
    _form(
        "connection_string",
        r"(?i)(?:[;:\s\"',&?]|^)(?:password|pwd)\s?=\s?([^\s;\"',<>&]+)",
        r"(?i)(?:password|pwd) ?= ?[^\s;\"']+",
        _in_string,
    ),
    _form(
        "account_key",
        r"(?i)\b(?:AccountKey|SharedAccessKey|SharedSecretValue|AccessKey|PrimaryKey|SecondaryKey)=([A-Za-z0-9+/]{30,}={0,2})",
        r"(?i)key=[A-Za-z0-9+/]{4}|SharedSecretValue=",
        strong,
    ),
    _form(
        "azure_app_configuration",
        r"(?i)(?:azconfig\.io|Id=[\w+/\-]+:[\w+/]+);?.{0,80}Secret=([A-Za-z0-9+/]{36,}={0,2})",
        r"(?i);Secret=",
        strong,
    ),
    _form("sas", r"(?i)[?&;](?:sig|signature)=([A-Za-z0-9+/%\-_]{32,}=?=?)", r"(?i)[?&;]sig(?:nature)?=", strong),
    # RFC 7617, 6750, and what providers write in their place.
    _form(
        "basic_header",
        r"(?i)authorization[\"']?\s?[:=,>]{1,2}\s*[\"'`]?basic\s+([A-Za-z0-9+/_\-]{8,}={0,2})",
        r"(?i)authorization.{1,6}basic\s",
        _basic,
    ),
    _form(
        "bearer_header",
        r"(?i)(?:authorization[\"']?\s?[:=,>]{1,2}\s*\\*[\"'`]?(?:bearer|token|ssws|apikey|key|apitoken|api-token|oauth|genie-?key|discogs token=|bot|private-token)|\bbearer):?\s+([\w.~+/\-=!|:$]{12,})",
        r"(?i)authorization.{1,8}(?:bearer|token|ssws|key|oauth|bot)|bearer:? +[\w.~+/\-=]{8}",
        fair,
    ),
    _form(
        "curl_user",
        r"(?:^|\s)(?:-u|--user|--proxy-user|-U)[ =]?([\"']?[\w.@\\\-+]+:[^\s\"']+)",
        r"(?:-u|--user|--proxy-user|-U)[ =]?[\"']?[\w.@\\\-+]+:[^\s\"']",
        _pair,
    ),
    # Commands. `-p` means a password only to some of them.
    _form(
        "command_p",
        rf"(?i)\b(?:psexec(?:64)?(?:\.exe)?|docker login|podman login|oc login|az login|sqlcmd|mongo(?:sh|dump|restore|import|export)?|redis-cli|helm|lftp|sshpass|snmpset|ldapsearch|ldapmodify|evil-winrm|crackmapexec|nxc|hydra|wmic|net use|xfreerdp|rsync|bcp|influx|rabbitmqadmin|curlftpfs|smbmap)\b[^\n]*?\s(?:-p|-P|-w|-a|/p:|/pass:|--pass)\s?{_VALUE}",
        r"(?i)(?:psexec|login|sqlcmd|mongo|redis-cli|sshpass|ldap|winrm|mapexec|rdp|bcp|influx|rabbitmqadmin|smbmap).*\s(?:-p|-w|-a|/p:|/pass:|--pass)",
    ),
    _form(
        "mysql_p",
        r"(?i)\b(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump)?)\b[^\n|]*?\s-p([^\s\"'|;]{3,})",
        r"(?i)(?:mysql|mariadb).*\s-p\S",
    ),
    _form("archive_p", r"\b(?:7z[ar]?|unrar|rar)\b[^\n|]*?\s-(?:p|hp)([^\s\"'|;]{3,})", r"(?:7z|rar).*\s-h?p\S"),
    _form("openssl_pass", r"\bpass(?:in|out)?\s+pass:([^\s\"']{3,})", r"\spass:\S"),
    _form("zip_p", r"\b(?:un)?zip\b[^\n|]*?\s-P\s?([^\s\"'|;]{3,})", r"zip.*\s-P"),
    _form("samba_user", r"\s-U\s?[\"']?[\w.\\/\-]+%([^\s\"'%]{3,})", r"\s-U\s?[\"']?[\w.\\/\-]+%"),
    _form(
        "net_user",
        r"(?i)\bnet\s+user\s+\S+\s+([^\s/\"']\S{3,})\s+/(?:add|domain|active|expires)",
        r"(?i)net\s+user\s.*/(?:add|domain|active|expires)",
    ),
    _form(
        "store_password",
        r"(?i)\s-(?:store|key|src|dest|trust)(?:store)?pass\s+[\"']?([^\s\"']{4,})",
        r"(?i)-[a-z]*pass\s",
    ),
    _form(
        "sudo_password",
        r"(?i)\becho\s+(?:-[a-z]+\s+)?[\"']?([^\s\"'|$`]{4,})[\"']?\s*\|\s*(?:sudo\s+-S|passwd|docker login|su\b|cryptsetup|gpg|kinit)",
        r"(?i)echo.*\|\s*(?:sudo|passwd|docker|su|cryptsetup|gpg|kinit)",
    ),
    _form(
        "chpasswd",
        r"(?i)\becho\s+(?:-[a-z]+\s+)?[\"']?[\w.\-]+:([^\s\"'|$]{3,})[\"']?\s*\|\s*(?:sudo\s+)?chpasswd",
        r"chpasswd",
    ),
    _form(
        "powercli",
        r"(?i)\b(?:Connect-\w+|New-PSDrive|Invoke-\w+|Enter-PSSession)\b[^\n]*?\s-Pass(?:word)?\s+[\"']?([^\s\"'`|;]{3,})",
        r"(?i)\s-pass(?:word)?\s",
    ),
    _form(
        "secure_string",
        r"(?i)\bConvertTo-SecureString\s+(?:-String\s+)?(?:-AsPlainText\s+)?[\"']?([^\s\"'$(][^\s\"']{3,})",
        r"(?i)ConvertTo-SecureString",
    ),
    _form(
        "network_credential",
        r"(?i)\bNetworkCredential\(\s*@?\"[^\"]*\"\s*,\s*@?\"([^\"]+)\"",
        r"(?i)NetworkCredential\(",
    ),
    _form(
        "directory_entry",
        r"(?i)\bDirectoryEntry\(\s*@?\"[^\"]*\"\s*,\s*@?\"[^\"]*\"\s*,\s*@?\"([^\"]+)\"",
        r"(?i)DirectoryEntry\(",
    ),
    _form(
        "login_call",
        r"(?i)\b(?:login|authenticate|auth|sign_?in|log_?in|basic_?auth|HTTPBasicAuth|setBasicAuth|password_?credentials?|UsernamePasswordCredentials?|UsernamePasswordAuthenticationToken|PasswordAuthentication|credentials|getConnection)\(\s*[\"'][^\"'\n]+[\"']\s*,\s*(?:[\"'][^\"'\n]+[\"']\s*,\s*)?[\"']([^\"'\n]{4,})[\"']\s*\)",
        r"(?i)(?:login|auth\w*|sign_?in|log_?in|credentials?|token|getConnection)\(\s*[\"']",
        fair,
    ),
    # Files of programs.
    _form("netrc", r"(?i)\b(?:login|user)\s+\S+\s+password\s+([^\s\"']+)", r"(?i)(?:login|user)\s+\S+\s+password\s"),
    _form(
        "block_password",
        r"(?im)^\s*(?:password|secret)\s+[\"']([^\"'\n]+)[\"']\s*$",
        r"(?i)(?:password|secret)\s+[\"'][^\"'\n]+[\"']",
        given,
    ),
    _form(
        "pgpass",
        r"(?m)^[\w.\-*]+:(?:\d{2,5}|\*):[\w\-*]+:[\w.\-@*]+:([^\s:]{4,})$",
        r":(?:\d+|\*):[\w\-*]+:[\w.\-@*]+:[^\s:]",
        fair,
    ),
    _form(
        "npm_auth",
        r"(?i)\b_(?:auth|authToken|password)\s?=\s?\"?([A-Za-z0-9+/=_\-.]{8,})",
        r"(?i)_(?:auth|authToken|password) ?=",
        fair,
    ),
    _form("docker_auth", r"\"auth\"\s*:\s*\"([A-Za-z0-9+/]{8,}={0,2})\"", r"\"auth\"\s*:\s*\"", _basic),
    _form(
        "cisco",
        r"(?i)\b(?:enable\s+(?:secret|password)|username\s+\S+(?:\s+privilege\s+\d+)?\s+(?:secret|password)|snmp-server\s+community|key-string|(?:tacacs|radius)-server\s+key|pre-shared-key|\bkey)\s+(?:[0-9]\s+)([^\s\"']{4,})",
        r"(?i)(?:secret|password|community|key|key-string)\s+\d\s+\S",
        given,
    ),
    _form("snmp_community", r"(?i)\bsnmp-server\s+community\s+([^\s\"']{4,})", r"(?i)snmp-server\s+community", fair),
    _form(
        "sql_identified",
        r"(?i)\bidentified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?[\"']([^\"'\n]+)[\"']",
        r"(?i)identified\s.*(?:by|as)\s",
    ),
    _form(
        "sql_password",
        r"(?i)\b(?:create|alter)\s+(?:user|login|role)\b[^\n;]*?password\s*=?\s*N?[\"']([^\"'\n]+)[\"']",
        r"(?i)(?:user|login|role)\s.*password\s*=?\s*N?[\"']",
    ),
    _form(
        "sqlplus",
        r"(?i)\b(?:sqlplus|sqlldr|expdp|impdp|exp|imp)\s+(?:-\w+\s+)*\w+/([^\s@/\"']{3,})@",
        r"(?i)(?:sqlplus|sqlldr|exp|imp|dp)\s.*/",
    ),
    _form("requirepass", r"(?i)\b(?:requirepass|masterauth)\s+[\"']?([^\s\"']{4,})", r"(?i)requirepass|masterauth"),
    _form(
        "wireguard",
        r"(?i)\b(?:PrivateKey|PresharedKey)\s*=\s*([A-Za-z0-9+/]{42,43}=?)",
        r"(?i)(?:private|preshared)key\s*=",
        strong,
    ),
    _form(
        "vault_unseal",
        r"(?i)\bunseal(?:\s+key(?:\s+\d+)?\s*[:=]|\s+-\S+|)\s+([A-Za-z0-9+/]{40,}={0,2})",
        r"(?i)unseal",
        strong,
    ),
    _form(
        "machine_key",
        r"(?i)\b(?:validation|decryption)Key\s*=\s*\"([0-9A-F]{32,})",
        r"(?i)(?:validation|decryption)Key\s*=",
        strong,
    ),
    _form(
        "kubernetes_bootstrap",
        r"(?i)(?:bootstrap.?token|kubeadm join|--token)\S*[\s:=\"']+[^\n]*?\b([a-z0-9]{6}\.[a-z0-9]{16})\b",
        r"(?i)bootstrap.?token|kubeadm|--token",
        given,
    ),
    _form(
        "initial_password",
        r"(?i)password[^\n]{0,80}(?:following|below|generated|proceed)[^\n]*\s+([0-9a-f]{32})\b",
        r"(?i)password.*(?:following|below|generated|proceed)",
        strong,
    ),
    _form(
        "following_password",
        r"(?i)following password[^\n]{0,60}:\s+([^\s\"']{8,})\b",
        r"(?i)following password",
        strong,
    ),
    # Hashes of passwords, in the forms of crypt(3) and its kin.
    _form(
        "password_hash",
        r"(?:\$(?:2[abxy]?\$\d\d\$[./A-Za-z0-9]{50,}|[156]\$(?:rounds=\d+\$)?[./A-Za-z0-9]{2,16}\$[./A-Za-z0-9]{22,}|y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{40,}|apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|argon2(?:id|i|d)\$v=\d+\$[^\s\"'$]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]{16,}|[PH]\$[./A-Za-z0-9]{31}|scrypt\$\S{40,}|krb5(?:tgs|asrep|pa)\$\d+\$\S{40,}|DCC2\$\S{30,}|8\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43}|9\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43}))",
        r"\$(?:2[abxy]?|[15689]|y|apr1|argon2(?:id|i|d)|[PH]|scrypt|krb5(?:tgs|asrep|pa)|DCC2)\$",
        given,
    ),
    _form(
        "framework_hash",
        r"\b(?:pbkdf2[_:][\w:]*\$?\d*\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/=]{20,}|pbkdf2:sha\d+:\d+\$\w+\$[0-9a-f]{40,}|scrypt:\d+:\d+:\d+\$\w+\$[0-9a-f]{64,}|bcrypt_sha256\$\$\S{50,})|\{(?:SSHA(?:256|512)?|SHA|SMD5|CRYPT|PBKDF2\S*)\}[A-Za-z0-9+/$.]{20,}={0,2}",
        r"pbkdf2|scrypt:|bcrypt_sha|\{(?:SSHA|SHA|SMD5|CRYPT|PBKDF2)",
        given,
    ),
    _form(
        "windows_hash",
        r"(?i)[^\s:]+:\d{3,}:[0-9a-f]{32}:[0-9a-f]{32}:::|[^\s:]+::[^\s:]*:[0-9a-f]{16}:[0-9a-f]{32}:[0-9a-f]{32,}",
        r"(?i):\d{3,}:[0-9a-f]+:[0-9a-f]+::|::[^\s:]*:[0-9a-f]+:[0-9a-f]+",
        given,
    ),
)
