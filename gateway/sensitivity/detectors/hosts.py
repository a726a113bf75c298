"""Names and addresses of machines inside: they never decide by themselves, they only say that a text is from within."""

# ruff: noqa: E501, SIM905 - lists of words are read whole

import re

from gateway.sensitivity.detector import Detector, pattern
from gateway.sensitivity.sight import Sight

_WORDS = re.compile(r"[a-z]+")
_SPEAK_OF_HOSTS = frozenset(
    "host hostname hosts server servers ip ips address addresses ssh ping connect connects connected connection subnet subnets network networks"
    " gateway proxy dns url urls node nodes cluster clusters machine machines vm vms vpn port ports listen listening bind endpoint endpoints"
    " router firewall nat servidor adres rechner serveur curl telnet nslookup dig rdp ldap database db jenkins vcenter master replica deployed".split()
)
_NOT_HOSTS = frozenset(
    "self this cls window document config settings state data threading node module process app util utils lib core".split()
)
_LABELS = re.compile(r"[a-z0-9]{1,40}(?:-[a-z0-9]{1,40}){0,6}(?:\.[a-z0-9_\-]{1,63}){0,6}\Z")
_PUBLIC = frozenset(
    "localhost example host hostname server domain your-server user username server-name my-server test".split()
)


def _spoken_of(sight: Sight, start: int, end: int) -> bool:
    """Whether words of networks stand near, or in the member's name. Sets, as there may be a place every few characters."""
    low = sight.low
    near = f"{sight.key.lower()} {low[max(0, start - 60) : start]} {low[end : end + 30]}"
    return not _SPEAK_OF_HOSTS.isdisjoint(_WORDS.findall(near))


def _octets(sight: Sight, start: int, end: int) -> bool:
    """Four numbers up to 255 that are not a version, and either the form or the words of an address."""
    text = sight.text
    if any(int(part) > 255 for part in text[start:end].split(".")):
        return False
    before, after = text[max(0, start - 3) : start], text[end : end + 3]
    if before.endswith(("//", "@", "\\\\")) or re.match(r":\d\d|/\d", after):
        return True
    return _spoken_of(sight, start, end)


def _name(sight: Sight, start: int, end: int) -> bool:
    """A name below a domain of the inside, and not an attribute in a program: `self.local`, `threading.local()`."""
    text = sight.text
    name = text[start:end].lower()
    after = text[end : end + 1]
    if (after and after in "([=") or name.split(".", 1)[0] in _NOT_HOSTS or not _LABELS.match(name):
        return False
    in_url = text[max(0, start - 2) : start] == "//" or text[start - 1 : start] == "@"
    if in_url or name.endswith((".svc.cluster.local", ".home.arpa", ".compute.internal")) or name.count(".") >= 2:
        return True
    return (
        bool(re.match(r":\d{2,5}\b", text[end : end + 6]))
        or any(c in name for c in "-0123456789")
        or _spoken_of(sight, start, end)
    )


def _single(sight: Sight, start: int, end: int) -> bool:
    """A host without a dot is known inside only."""
    return sight.text[start:end].lower() not in _PUBLIC


ROWS: tuple[Detector, ...] = (
    # RFC 6762, 8375, ICANN's `.internal`, and what firms and clusters use.
    pattern(
        "host.name",
        "internal_host",
        r"(?i)\b((?:[a-z0-9_\-]{1,63}\.)+(?:internal|local|corp|lan|intra|intranet|localdomain|home\.arpa))\b",
        trigger=r"(?i)[a-z0-9]\.(?:internal|local|corp|lan|intra|home\.arpa)",
        check=_name,
    ),
    # RFC 1918.
    pattern(
        "host.private_address",
        "internal_host",
        r"\b((?:10\.\d{1,3}|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3})\b",
        trigger=r"(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d",
        check=_octets,
    ),
    pattern(
        "host.single_label",
        "internal_host",
        r"(?i)\b(?:https?|wss?|ssh|s?ftps?|postgres(?:ql)?|mysql|mongodb|rediss?|amqps?|ldaps?|smb|tcp|udp|grpc|nfs|rdp|vnc|telnet)://(?:[^\s/@\"'<>]{1,80}@)?"
        r"([a-z0-9][a-z0-9\-]{1,62})(?::\d{2,5})?(?:[/\s\"'<>),;]|$)",
        trigger=r"(?i)[a-z]://(?:[^\s/@\"'<>]+@)?[a-z0-9][a-z0-9\-]+(?:[:/\s\"'<>),;]|$)",
        check=_single,
    ),
)
