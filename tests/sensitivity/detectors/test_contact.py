import pytest

from gateway.sensitivity.detectors.contact import ROWS
from gateway.sensitivity.sight import Sight

EMAIL = ROWS[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to jan.kowalski+x@example.co.uk.", ["jan.kowalski+x@example.co.uk"]),
        ("a@xn--d1acufc.xn--p1ai", ["a@xn--d1acufc.xn--p1ai"]),
        ("пишите на иван@почта.рф, пожалуйста", ["иван@почта.рф"]),
        ("邮箱：li@qq.com。", ["li@qq.com"]),
        ("mailto:a_b@c.org?subject=x", ["a_b@c.org"]),
        ("a@b.de,c@d.fr", ["a@b.de", "c@d.fr"]),
        ("logo@2x.png", []),
        ("git@github.com:a/b.git", []),
        ("Co-Authored-By: Claude <noreply@anthropic.com>, no-reply@x.org", []),
        ("write to noreply.jones@example.org", ["noreply.jones@example.org"]),
        ("postgres://user:word@db.example.com/x", []),
        ("react@18.2.0", []),
        ("@decorator.of.python", []),
        ("a@localhost", []),
        ("info@firma.", []),
    ],
)
def test_mailboxes(text, found):
    assert [text[hit.start : hit.end] for hit in EMAIL.find(Sight(text))] == found
