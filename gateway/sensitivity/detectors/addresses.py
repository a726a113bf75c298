"""Streets with a number, in the ways of the languages that we know. Weak: a street alone names nobody."""

from gateway.sensitivity.detector import Detector, pattern

_NAME = r"(?:[\p{Lu}\d][\p{L}\d'’.\-]*|de|del|de la|la|las|los|du|des|di|da|do|dos|van|der|von|y|e)"
_ENGLISH = (
    r"Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Ter|Way|Square|Sq|Parkway|"
    r"Pkwy|Highway|Hwy|Crescent|Close|Circle|Cir|Trail|Row|Mews|Loop"
)

ROWS: tuple[Detector, ...] = (
    pattern(
        "address.english",
        "address",
        r"\b(\d{1,6}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[\p{Lu}\d][\p{L}\d'’.\-]* ){1,4}(?:" + _ENGLISH + r")\b\.?(?:,? (?:Apt|Suite|Ste|Unit|Floor|Fl|#)\.? ?[0-9A-Za-z\-]{1,6})?)",
        trigger=r"[0-9],? [\p{Lu}0-9]",
    ),
    pattern(
        "address.spanish",
        "address",
        r"((?:\b(?:[Cc]alle|[Aa]venida|[Aa]vda|[Aa]v|[Pp]aseo|[Pp]laza|[Pp]za|[Cc]arrer|[Cc]arretera|[Cc]tra|[Cc]amino|[Rr]onda|[Gg]lorieta|[Tt]ravesía|[Rr]ua|[Tt]ravessa|[Pp]raça|[Ee]strada|[Vv]ia|[Pp]iazza|[Cc]orso|[Vv]iale|[Rr]ue|[Bb]oulevard|[Cc]hemin|[Aa]venue|[Pp]lace|ul|os|al|pl|[Uu]lica|[Aa]leja)\b\.?|\b[Cc]/\.?)[ ,]{0,2}"
        + _NAME
        + r"(?:[ ,]{1,2}"
        + _NAME
        + r"){0,6}[ ,]{1,3}(?:[nN][º°o.]{0,2} ?)?(?:\d{1,5}[A-Za-z]?(?:[/\-]\d{1,4})?|s/n)(?:,? ?\d{1,3} ?[ºª°]?,? ?[A-Z]{0,4}\b)?)",
        trigger=r"(?i)calle|avenida|avda|paseo|plaza|pza|carrer|carretera|ctra|camino|ronda|glorieta|travesía|rua|travessa|praça|estrada|via|piazza|corso|viale|rue|boulevard|chemin|avenue|place|ul\.|os\.|al\.|pl\.|av\.|ulica|aleja|c/",
    ),
    pattern(
        "address.french",
        "address",
        r"\b(\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd|place|chemin|allée|impasse|quai|route|cours) (?:[\p{L}'’\-]+ ?){1,6})",
        trigger=r"[0-9],? (?:bis|ter|rue|avenue|av|boulevard|bd|place|chemin|allée|impasse|quai|route|cours)",
    ),
    pattern(
        "address.germanic",
        "address",
        r"((?:\b\p{Lu}[\p{L}\-]+(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|vägen|gatan|vej|gade|veien|gata|katu|tie)|\b\p{Lu}[\p{L}\-]+ (?:Straße|Strasse|Str\.|Weg|Platz|Allee|utca|út|u\.|ulice)) \d{1,4} ?[a-zA-Z]?\b)",
        trigger=r"(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|vägen|gatan|vej|gade|veien|gata|katu|tie|Straße|Strasse|Str\.|Weg|Platz|Allee|utca|út|u\.|ulice) \d",
    ),
    pattern(
        "address.box",
        "address",
        r"(?i)\b((?:p\.? ?o\.? box|postfach|apartado|skr\. ?poczt\.|bp|psc) ?\d{1,6}(?:,? box \d{1,5})?)\b",
        trigger=r"(?i)box [0-9]|postfach|apartado|poczt|bp [0-9]|psc [0-9]",
    ),
    pattern(
        "address.chinese",
        "address",
        r"([\x{4e00}-\x{9fff}]{2,12}(?:路|街|道|巷|弄|胡同|大道)\s?\d{1,5}\s?(?:号|號|弄)(?:[\x{4e00}-\x{9fff}\d\-]{0,16}(?:室|楼|单元|号))?)",
        trigger=r"[0-9](?: ?)(?:号|號|弄)",
    ),
)
