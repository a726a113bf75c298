"""Errors of a Responses request name the client's own field, and never what stands in it."""

import msgspec
import pytest
from msgspec import Raw

from gateway.core.errors import Refused
from gateway.surfaces.responses_reading import present, read


class Inner(msgspec.Struct):
    text: str


class Outer(msgspec.Struct):
    parts: list[Inner]


OUTER = msgspec.json.Decoder(Outer)
LIST = msgspec.json.Decoder(list[int])


@pytest.mark.parametrize(
    ("body", "where", "code", "param"),
    [
        (b'{"parts":[{"text":1}]}', "", "invalid_type", "parts[0].text"),
        (b'{"parts":[{"text":1}]}', "input[3]", "invalid_type", "input[3].parts[0].text"),
        (b'{"parts":[{}]}', "input[3]", "missing_required_parameter", "input[3].parts[0].text"),
        (b"{}", "", "missing_required_parameter", "parts"),
        (b"{}", "input[3]", "missing_required_parameter", "input[3].parts"),
        (b"[]", "", "invalid_type", None),
        (b'"secret"', "input[3]", "invalid_type", "input[3]"),
        (b"{", "", "invalid_json", None),
        (b'{"parts":[{"text":"\xff"}]}', "", "invalid_json", None),
        (b'{"parts":[' * 5000, "", "invalid_json", None),
    ],
)
def test_an_error_names_the_field(body, where, code, param):
    with pytest.raises(Refused) as refused:
        read(OUTER, body, where)
    assert (refused.value.refusal.code, refused.value.param) == (code, param)
    assert "secret" not in refused.value.message


def test_a_list_within_a_field_has_its_path():
    with pytest.raises(Refused) as refused:
        read(LIST, b'[1,"x"]', "tools")
    assert refused.value.param == "tools[1]"


@pytest.mark.parametrize(("raw", "says"), [(None, False), (Raw(b"null"), False), (Raw(b""), False), (Raw(b"0"), True)])
def test_null_says_nothing(raw, says):
    assert present(raw) is says
