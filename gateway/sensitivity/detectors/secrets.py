"""Credentials: keys, tokens, passwords, connection strings. One module for each way to know them."""

from gateway.sensitivity.detector import Detector
from gateway.sensitivity.detectors import assignments, connections, key_blocks, provider_tokens, vendor_tokens
from gateway.sensitivity.detectors.bundles import Row, bundle

# Every token with a prefix, and every key in base64, holds a run as long as no word of prose.
_RUN = r"[A-Za-z0-9+/_\-]{17}|PRIVATE KEY"
# And it mixes digits with letters or cases, or begins after a mark.
_MIXED = r"[0-9][A-Za-z]|[A-Za-z][0-9]|[a-z][A-Z]|[_\-][a-z]{14}|PRIVATE KEY"
_FORMS = (
    r"://[^\s/]*@|\$[0-9A-Za-z]+\$|\s-[A-Za-z\-]|\s/(?:p|pass|add|domain|active|expires)|:::|::[^\s:]*:[0-9A-Fa-f]|:(?:\d+|\*):[\w\-*]+:"
    r"|(?i:passw|pwd\s?=|pass:|key\s?=|key-string|sharedsecret|secret=|sig(?:nature)?=|authorization|bearer|credential|directoryentry|securestring"
    r"|auth\s?=\s?\(|thin:|(?:login|auth\w*|token|connection|sign_?in|log_?in)\(\s*[\"']|_auth|\"auth\"|community|identified\s|sqlplus|sqlldr|expdp|impdp|requirepass|masterauth"
    r"|unseal|bootstrap|kubeadm|\|\s*(?:sudo|passwd|chpasswd|su\b|docker|podman|cryptsetup|gpg|kinit)|(?:secret|key)\s+\d\s|secret\s+[\"']"
    r"|net\s+user|pbkdf2|scrypt:|bcrypt_|\{(?:ssha|sha|smd5|crypt|pbkdf2))"
)
_PHRASES = "(?i)mnemonic|(?:seed|recovery|secret) phrase"

# One trigger for each, with the rows behind it.
TABLE: dict[str, tuple[str, tuple[Row, ...]]] = {
    "secrets.tokens": (_RUN, (*provider_tokens.ROWS, *vendor_tokens.ROWS, *key_blocks.ROWS, assignments.LOOSELY)),
    "secrets.phrases": (_PHRASES, key_blocks.PHRASES),
    "secrets.forms": (_FORMS, connections.ROWS),
    "secrets.names": (assignments.TRIGGER, assignments.ROWS),
}

ROWS: tuple[Detector, ...] = (
    *(bundle(id, trigger, rows, gate=_MIXED if trigger is _RUN else None) for id, (trigger, rows) in TABLE.items()),
    assignments.MEMBER,
    assignments.LOOSE_MEMBER,
)
