"""Latin America: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.latin import ROWS

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
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
