"""Latin America, Africa, Australia and New Zealand: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.south import ROWS

CASES = {
    "br.cpf": ("11144477735", "11144477736"),
    "br.cpf.grouped": ("pago por 111.444.777-35 ontem", "pago por 111.444.777-36 ontem"),
    "br.cnpj": ("da empresa 11.222.333/0001-81 ontem", "da empresa 11.222.333/0001-82 ontem"),
    "br.rg": ("rg 7-698-150", "there were 7-698-150 of them in all"),
    "br.number": ("cnh 267 51216 36 2", "there were 267 51216 36 2 of them in all"),
    "mx.curp": ("curp PAWM081213HFJMDW11", "there were PAWM781213HFJMDW11 of them in all"),
    "mx.rfc": ("rfc XWE 900803 954", "rfc XWE 900853 954"),
    "mx.clabe": ("032180000118359719", "032180000118359718"),
    "mx.nss": ("nss 40 51 60 7655 2", "there were 40 51 60 7655 2 of them in all"),
    "ar.cuit": ("20-12345678-6", "20-12345678-7"),
    "ar.dni": ("dni 2.813.474", "there were 2.813.474 of them in all"),
    "cl.rut": ("rut 2916399-5", "there were 2916399-5 of them in all"),
    "cl.rut.dotted": ("el 12.345.678-5 vive", "el 12.345.678-6 vive"),
    "co.cedula": ("cedula 54 054 200", "there were 54 054 200 of them in all"),
    "co.nit": ("nit 389639330 1", "there were 389639330 1 of them in all"),
    "pe.dni": ("dni 59829376 0", "there were 59829376 0 of them in all"),
    "pe.ruc": ("ruc 20852244306", "there were 20852244306 of them in all"),
    "uy.ci": ("cédula 1.234.567-2", "cédula 1.234.567-3"),
    "ec.cedula": ("cedula 032635309 1", "cedula 035635309 1"),
    "ve.cedula": ("cedula J 24517803", "there were J 24517803 of them in all"),
    "za.id": ("8001015009087", "8001015009086"),
    "ng.nin": ("nin 8690 297 3655", "there were 8690 297 3655 of them in all"),
    "ke.id": ("huduma 1896163", "there were 1896163 of them in all"),
    "ke.pin": ("kra P093208827C", "there were P093208827C of them in all"),
    "eg.id": ("egypt 31909255617392", "egypt 41909255617392"),
    "gh.card": ("the card GHA-123456789-0 is hers", "the card GHA-12345678-0 is hers"),
    "sa.id": ("iqama 1004743939", "iqama 3004743939"),
    "ae.id": ("emirates 784 9955 5827625 5", "emirates 788 9955 5827625 5"),
    "au.tfn": ("123 456 782", "123 456 789"),
    "au.abn": ("51 824 753 556", "52 824 753 556"),
    "au.acn": ("000 000 019", "000 000 018"),
    "au.medicare": ("2123 45670 1", "2123 25870 1"),
    "au.passport": ("passport T2637500", "there were T2637500 of them in all"),
    "nz.ird": ("IRD 49-091-850", "there were 49-091-850"),
    "nz.nhi": ("nhi MFA9536", "there were MFA9536 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
