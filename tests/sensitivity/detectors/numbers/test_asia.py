"""East and south-east Asia: a case that each row finds, and one that it must not find."""

from support.identifiers import wrong

from gateway.sensitivity.detectors.numbers.asia import ROWS

CASES = {
    "cn.resident": ("他是11010519491231002X的", "他是110105194912310021的"),
    "cn.resident.day": ("身份证 164932480510991", "身份证 164932480500991"),
    "cn.uscc": ("统一社会信用代码 287117134231683558", "统一社会信用代码 287117134231687558"),
    "cn.uscc.letters": ("公司91350100M000100Y43成立", "公司91350100M000100Y44成立"),
    "cn.passport": ("passport B3668998", "there were B3668998 of them in all"),
    "cn.driver": ("驾驶证 628676792710", "there were 628676792710 of them in all"),
    "cn.account": ("银行卡 0903 2151 4652 2783", "there were 0903 2151 4652 2783 of them in all"),
    "cn.social": ("社保 420065134", "there were 420065134 of them in all"),
    "tw.id": ("A123456789", "A123456788"),
    "hk.id": ("HKID A1234563", "HKID A1234564"),
    "sg.nric": ("he is S1234567D now", "he is S1234567E now"),
    "sg.uen": ("uen 29843386M", "uen 29843382M"),
    "kr.rrn": ("주민 951208-5616485", "주민 957208-5616485"),
    "kr.rrn.plain": ("주민 4212023356382", "there were 4212023356382 of them in all"),
    "kr.brn": ("220-81-62517", "220-81-62518"),
    "kr.licence": ("운전면허 21 70 740463 27", "운전면허 31 70 740463 27"),
    "kr.licence.plain": ("운전면허 216410133000", "운전면허 816410133000"),
    "kr.passport": ("passport M59455702", "there were M59455702 of them in all"),
    "jp.mynumber": ("123456789018", "123456789019"),
    "jp.licence": ("運転免許 941986694915", "there were 941986694915 of them in all"),
    "th.id": ("1-2345-67890-12-1", "1-2345-67890-12-2"),
    "my.nric": ("mykad 130210-26-9948", "mykad 130230-26-9948"),
    "my.nric.plain": ("mykad 460816717132", "mykad 464816717132"),
    "id.nik": ("nik 5279 6021 0368 8556", "nik 0279 6021 0368 8556"),
    "id.npwp": ("npwp 48 510 416 4 779 900", "there were 48 510 416 4 779 900 of them in all"),
    "ph.number": ("tin 270-156-903", "tin 670-156-903"),
    "ph.social": ("sss 15-1091121-4", "there were 15-1091121-4 of them in all"),
    "vn.cccd": ("cccd 383130327", "there were 383130327 of them in all"),
}


def test_every_row_finds_its_own_and_not_its_look_alike():
    assert wrong(ROWS, CASES) == []
