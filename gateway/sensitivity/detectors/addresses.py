"""Streets with a number, in the ways of the languages that we know. Weak: a street alone names nobody."""

from gateway.sensitivity.detector import Detector, pattern

_PART = r"[\p{Lu}\d][\p{L}\d'\x{2019}.\-]*"
_NAME = rf"(?:{_PART}|de|del|de la|la|las|los|du|des|di|da|do|dos|van|der|von|y|e)"
_ENGLISH = (
    r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Ter|Way|Square|Sq|Parkway|"
    r"Pkwy|Highway|Hwy|Crescent|Close|Circle|Cir|Trail|Row|Mews|Loop"
)
_ROMANCE = (
    "calle|avenida|avda|av|paseo|plaza|pza|carrer|carretera|ctra|camino|ronda|glorieta|travesía|rua|travessa|praça|"
    "estrada|via|piazza|corso|viale|rue|boulevard|chemin|avenue|place|ul|os|al|pl|ulica|aleja"
)
_EITHER = "|".join(f"[{word[0].upper()}{word[0]}]{word[1:]}" for word in _ROMANCE.split("|"))
_FRENCH = r"rue|avenue|av\.|boulevard|bd|place|chemin|allée|impasse|quai|route|cours"
_JOINED = (
    r"straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|vägen|gatan|vej|gade|veien|gata|"
    r"katu|tie"
)
_APART = r"Straße|Strasse|Str\.|Weg|Platz|Allee|utca|út|u\.|ulice"

ROWS: tuple[Detector, ...] = (
    pattern(
        "address.english",
        "address",
        rf"\b(\d{{1,6}}[A-Za-z]?,? (?:[NSEW]\.? )?(?:{_PART} ){{1,4}}(?:{_ENGLISH})\b\.?"
        r"(?:,? (?:Apt|Suite|Ste|Unit|Floor|Fl|#)\.? ?[0-9A-Za-z\-]{1,6})?)",
        trigger=r"[0-9][A-Za-z]?,? [\p{Lu}0-9]",
    ),
    pattern(
        "address.romance",
        "address",
        rf"((?:\b(?:{_EITHER})\b\.?|\b[Cc]/\.?)[ ,]{{0,2}}{_NAME}(?:[ ,]{{1,2}}{_NAME}){{0,6}}"
        r"[ ,]{1,3}(?:[nN][º°o.]{0,2} ?)?(?:\d{1,5}[A-Za-z]?(?:[/\-]\d{1,4})?|s/n)"
        r"(?:,? ?\d{1,3} ?[ºª°]?,? ?[A-Z]{0,4}\b)?)",
        trigger=r"(?i)calle|avenida|avda|paseo|plaza|pza|carrer|carretera|ctra|camino|ronda|glorieta|travesía|rua |"
        r"travessa|praça|estrada|via |piazza|corso|viale|rue |boulevard|chemin|avenue|place|ul\.|os\.|al\.|pl\.|"
        r"av\.|ulica|aleja|c/",
    ),
    pattern(
        "address.french",
        "address",
        rf"\b(\d{{1,4}}(?: ?(?:bis|ter))?,? (?:{_FRENCH}) (?:[\p{{L}}'\x{{2019}}\-]+ ?){{1,6}})",
        trigger=rf"[0-9],? (?:bis|ter|{_FRENCH})",
    ),
    pattern(
        "address.germanic",
        "address",
        rf"((?:\b\p{{Lu}}[\p{{L}}\-]+(?:{_JOINED})|\b\p{{Lu}}[\p{{L}}\-]+ (?:{_APART})) \d{{1,4}} ?[a-zA-Z]?\b)",
        trigger=rf"(?:{_JOINED}|{_APART}) \d",
    ),
    pattern(
        "address.box",
        "address",
        r"(?i)\b((?:p\.? ?o\.? box|postfach|apartado|skr\. ?poczt\.|bp|psc) ?\d{1,6}(?:,? box \d{1,5})?)\b",
        trigger="(?i)box [0-9]|postfach|apartado|poczt|bp [0-9]|psc [0-9]",
    ),
    pattern(
        "address.chinese",
        "address",
        r"([\x{4e00}-\x{9fff}]{2,12}(?:路|街|道|巷|弄|胡同|大道)\s?\d{1,5}\s?(?:号|號|弄)"
        r"(?:[\x{4e00}-\x{9fff}\d\-]{0,16}(?:室|楼|单元|号))?)",
        trigger=r"[0-9]\s?(?:号|號|弄)",
    ),
)
