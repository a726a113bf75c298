"""Central, eastern and south-eastern Europe, without Poland; Turkey and Israel: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.east import ROWS

CASES = {
    "cz.rodne": ("narozen 780123/3540 v Praze", "narozen 780123/3541 v Praze"),
    "cz.rodne.named": ("rodne cislo 340222 707", "there were 340222 707 of them in all"),
    "cz.ico": ("ico 136 74 566", "there were 136 74 566 of them in all"),
    "cz.card": ("obcansky prukaz MF480064", "there were MF480064 of them in all"),
    "hu.tax": ("adoazonosito 8868 563 754", "there were 8868 563 754 of them in all"),
    "hu.taj": ("taj 344 865 541", "there were 344 865 541 of them in all"),
    "hu.card": ("szemelyi 340028XF", "there were 340028XF of them in all"),
    "hu.firm": ("adoszam 93166075-4-40", "there were 93166075-4-40 of them in all"),
    "ro.cnp": ("1800101221144", "1800101221145"),
    "ro.cui": ("cui RO 05884521", "there were RO 05884521 of them in all"),
    "ro.card": ("carte de identitate AE 259625", "there were AE 259625 of them in all"),
    "bg.egn": ("7523169263", "7523169264"),
    "hr.oib": ("OIB 33392005961", "ukupno 33392005961"),
    "si.emso": ("0101006500006", "0101006500007"),
    "si.tax": ("davcna 40949460", "there were 40949460 of them in all"),
    "gr.afm": ("ΑΦΜ 123456783", "σύνολο 123456783"),
    "gr.amka": ("αμκα 16104046913", "there were 16104046913 of them in all"),
    "ru.inn": ("ИНН 7707083893", "всего 7707083893"),
    "ru.inn.person": ("инн 091526687120", "инн 091526677120"),
    "ru.snils": ("номер 112-233-445 95 выдан", "номер 112-233-445 96 выдан"),
    "ru.snils.bare": ("снилс 21945949810", "there were 21945949810 of them in all"),
    "ru.passport": ("паспорт 4509 123456", "всего 4509 123456"),
    "ru.licence": ("водительск 2755 370858", "there were 2755 370858 of them in all"),
    "ru.oms": ("полис 2001 4007 8628 2140", "there were 2001 4007 8628 2140 of them in all"),
    "ua.rnokpp": ("рнокпп 0790742309", "there were 0790742309 of them in all"),
    "ua.passport": ("паспорт 18860236 37906", "there were 18860236 37906 of them in all"),
    "tr.tckn": ("vatandaş 10000000146 geldi", "vatandaş 10000000145 geldi"),
    "tr.vkn": ("vkn 235 801 0555", "there were 235 801 0555 of them in all"),
    "tr.passport": ("pasaport K72527320", "there were K72527320 of them in all"),
    "il.id": ("תעודת זהות 123456782", "סך הכל 123456782"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
