"""Latin America.

Sources: Receita Federal (CPF, CNPJ), SEGOB and SAT (CURP, RFC), Banxico (CLABE), AFIP (CUIT), SRCeI (RUT), DIAN (NIT),
DNIC (cédula), SUNAT (RUC).
"""

from gateway.sensitivity.checksums import luhn, varied, weighted, yymmdd
from gateway.sensitivity.shapes import Bare, Identifier
from gateway.sensitivity.sight import Words


def is_cpf(value: str) -> bool:
    """Two checks, weights 10 to 2 and 11 to 2 by 11."""
    first = weighted(value[:9], range(10, 1, -1)) * 10 % 11 % 10
    return (
        first == int(value[9])
        and weighted(value[:10], range(11, 1, -1)) * 10 % 11 % 10 == int(value[10])
        and varied(value)
    )


def is_cnpj(value: str) -> bool:
    """Two checks, weights 9 to 2 from the right in rounds; since 2026 twelve may be letters, by their code."""
    counts = [ord(letter) - 48 for letter in value]
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first = sum(map(int.__mul__, counts[:12], weights[1:])) * 10 % 11 % 10
    second = sum(map(int.__mul__, counts[:13], weights)) * 10 % 11 % 10
    return [first, second] == counts[12:] and varied(value)


def is_curp(value: str) -> bool:
    """A birthday, and weights 18 to 2 where Ñ stands between N and O."""
    signs = "0123456789ABCDEFGHIJKLMN_OPQRSTUVWXYZ"
    total = sum(signs.index(letter) * weight for letter, weight in zip(value[:17], range(18, 1, -1), strict=True))
    return yymmdd(value[4:]) and -total % 10 == int(value[17])


def is_rfc(value: str) -> bool:
    """A day of birth or foundation after the letters of the name."""
    return yymmdd(value[-9:-3])


def is_clabe(value: str) -> bool:
    """Weights 3, 7, 1, of each product the last digit."""
    total = sum(int(digit) * weight % 10 for digit, weight in zip(value[:17], (3, 7, 1) * 6, strict=False))
    return -total % 10 == int(value[17]) and varied(value)


def is_cuit(value: str) -> bool:
    """A kind of person, and weights 5, 4, 3, 2, 7, 6, 5, 4, 3, 2 by 11."""
    kinds = {"20", "23", "24", "25", "26", "27", "30", "33", "34"}
    check = -weighted(value[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return value[:2] in kinds and check == int(value[10])


def is_rut(value: str) -> bool:
    """Weights 2 to 7 from the right in rounds, by 11; K is a check of ten."""
    check = -sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(value[:-1]))) % 11
    return value[-1] == ("K" if check == 10 else str(check)) and varied(value[:-1])


def is_nit(value: str) -> bool:
    """Weights 3, 7, 13, 17, 19, 23, 29, 37, 41 from the right by 11."""
    rest = weighted(value[-2::-1], (3, 7, 13, 17, 19, 23, 29, 37, 41)) % 11
    return (rest if rest < 2 else 11 - rest) == int(value[-1]) and varied(value)


def is_ruc(value: str) -> bool:
    """Weights 5, 4, 3, 2, 7, 6, 5, 4, 3, 2 by 11."""
    check = 11 - weighted(value[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return value[:2] in {"10", "15", "17", "20"} and check % 10 == int(value[10])


def is_cedula_uy(value: str) -> bool:
    """Weights 2, 9, 8, 7, 6, 3, 4 by ten."""
    return -weighted(value[:-1].zfill(7), (2, 9, 8, 7, 6, 3, 4)) % 10 == int(value[-1]) and varied(value)


def is_cedula_ec(value: str) -> bool:
    """A province, and Luhn."""
    return 1 <= int(value[:2]) <= 24 and value[2] in "0123456" and luhn(value)


_CEDULA = ("cedula*", "documento*", "identidad", "c c", "cc", "dni*", "c i", "ci")

ROWS = (
    Identifier(
        id="br.cpf",
        kind="tax_id",
        shapes=("99999999999", "999 999 999 99"),
        words=Words("cpf*", "cadastro de pessoa*", "contribuinte*"),
        mixed=True,
        valid=is_cpf,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="br.cpf.grouped",
        kind="tax_id",
        shapes=("999 999 999 99",),
        separators=".-",
        words=Words("cpf*"),
        mixed=True,
        valid=is_cpf,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="br.cnpj",
        kind="tax_id",
        shapes=("99999999999999", "99 999 999 9999 99"),
        separators=".-/",
        words=Words("cnpj*"),
        mixed=True,
        valid=is_cnpj,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="br.rg",
        kind="national_id",
        shapes=("99 999 999 9", "99 999 999 A", "999999999", "99999999A", "9999999999", "9 999 999"),
        words=Words("rg", "registro geral", "identidade", "carteira de identidade"),
        separators=".-",
        mixed=True,
    ),
    Identifier(
        id="br.number",
        kind="other_id",
        shapes=(
            "99999999999",
            "999999999999",
            "999 9999 9999 9999",
            "999 99999 99 9",
            "999 9999 9999 999",
            "9999 9999 9999",
        ),
        words=Words(
            "cnh",
            "habilitacao",
            "pis*",
            "pasep",
            "nis",
            "titulo de eleitor",
            "titulo eleitoral",
            "sus",
            "cns",
            "renavam",
        ),
        mixed=True,
    ),
    Identifier(
        id="mx.curp",
        kind="national_id",
        shapes=("AAAA999999AAAAAAX9",),
        words=Words("curp*"),
        form=r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z]\d",
        valid=is_curp,
        bare=Bare.ANYWHERE,
        loose=True,
    ),
    Identifier(
        id="mx.rfc",
        kind="tax_id",
        shapes=("AAAA999999XXX", "AAA999999XXX", "AAAA 999999 XXX", "AAA 999999 XXX"),
        words=Words("rfc*", "contribuyente*"),
        valid=is_rfc,
        bare=Bare.ALONE,
    ),
    Identifier(
        id="mx.clabe",
        kind="bank_account",
        shapes=("9" * 18, "999 999 99999999999 9"),
        words=Words("clabe*", "cuenta*", "interbancaria"),
        valid=is_clabe,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="mx.nss",
        kind="national_id",
        shapes=("99999999999", "99 99 99 9999 9"),
        words=Words("nss", "imss", "seguro social"),
    ),
    Identifier(
        id="ar.cuit",
        kind="tax_id",
        shapes=("99999999999", "99 99999999 9"),
        words=Words("cuit*", "cuil*"),
        separators="-",
        valid=is_cuit,
        bare=Bare.ALONE,
        loose=True,
    ),
    Identifier(
        id="ar.dni",
        kind="national_id",
        shapes=("99999999", "9999999", "99 999 999", "9 999 999"),
        words=Words("dni*", "documento nacional*", "d n i", "documento", "l e", "l c"),
        separators=".",
    ),
    Identifier(
        id="cl.rut",
        kind="national_id",
        shapes=("99 999 999 X", "9 999 999 X", "99999999 X", "9999999 X", "999999999", "99999999A"),
        words=Words("rut*", "run", "r u t"),
        separators=".-",
        mixed=True,
        form=r"\d{7,8}[0-9K]",
        valid=is_rut,
        loose=True,
    ),
    Identifier(
        id="cl.rut.dotted",
        kind="national_id",
        shapes=("99 999 999 X", "9 999 999 X", "99999999 A"),
        words=Words("rut*", "run"),
        separators=".-",
        mixed=True,
        form=r"\d{7,8}[0-9K]",
        valid=is_rut,
        bare=Bare.ANYWHERE,
    ),
    Identifier(
        id="co.cedula",
        kind="national_id",
        shapes=("9999999999", "99999999", "9 999 999 999", "99 999 999", "9999999"),
        words=Words("cedula*", "c c", "cc", "ciudadania", "tarjeta de identidad"),
    ),
    Identifier(
        id="co.nit",
        kind="tax_id",
        shapes=("999 999 999 9", "999999999 9", "9999999999"),
        words=Words("nit"),
        mixed=True,
        valid=is_nit,
        loose=True,
    ),
    Identifier(
        id="pe.dni",
        kind="national_id",
        shapes=("99999999", "99999999 9"),
        words=Words("dni*", "documento nacional*", "reniec"),
    ),
    Identifier(
        id="pe.ruc",
        kind="tax_id",
        shapes=("99999999999",),
        words=Words("ruc*"),
        valid=is_ruc,
        loose=True,
    ),
    Identifier(
        id="uy.ci",
        kind="national_id",
        shapes=("9 999 999 9", "9999999 9", "99999999"),
        words=Words(*_CEDULA),
        separators=".-",
        mixed=True,
        valid=is_cedula_uy,
    ),
    Identifier(
        id="ec.cedula",
        kind="national_id",
        shapes=("9999999999", "999999999 9", "9999999999999"),
        words=Words(*_CEDULA, "ruc"),
        valid=lambda value: is_cedula_ec(value[:10]),
    ),
    Identifier(
        id="ve.cedula",
        kind="national_id",
        shapes=("A 99999999", "A 99 999 999", "A99999999", "A 99999999 9"),
        words=Words("cedula*", "ci", "rif", "c i"),
        form=r"[VEJG]\d{7,9}",
        mixed=True,
    ),
)
