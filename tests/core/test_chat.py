"""A request is read by a few named fields; every other byte travels on untouched."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import REDIRECTING, Demand, parse
from gateway.core.errors import Refusal, Refused

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'
HEAD = b'{"model":"m",' + MESSAGES
DEEP = 100_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
unknown_names = st.text(max_size=8).map(lambda text: "x-" + text)


def body(*members):
    return b",".join([HEAD, *members]) + b"}"


def content(*parts):
    return b'{"model":"m","messages":[{"role":"user","content":[' + b",".join(parts) + b"]}]}"


def refused(raw):
    with pytest.raises(Refused) as caught:
        parse(raw)
    return caught.value


@given(st.dictionaries(unknown_names, json_values, max_size=5), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=150, deadline=None)
def test_unknown_fields_survive_byte_for_byte_in_order(unknown, random, ascii_only):
    members = [b'"model":"m"', MESSAGES]
    members += [
        b"%b:%b" % (msgspec.json.encode(name), json.dumps(value, ensure_ascii=ascii_only).encode())
        for name, value in unknown.items()
    ]
    random.shuffle(members)
    raw = b"{" + b",".join(members) + b"}"
    chat = parse(raw)
    assert raw == chat.with_fields({})
    assert raw.replace(b'"model":"m"', b'"model":"other"', 1) == chat.with_fields({"model": b'"other"'})


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_request_or_refused(noise):
    for raw in (noise, HEAD + b',"x":' + noise + b"}", b'{"messages":[' + noise + b'],"model":"m"}'):
        try:
            chat = parse(raw)
        except Refused as error:
            assert error.refusal.status == 400  # noqa: PT017, any other exception fails
        else:
            assert json.loads(raw) == json.loads(chat.with_fields({}))


@pytest.mark.parametrize(
    "member",
    [
        b'"seed":123456789012345678901234567890',
        b'"seed":' + b"9" * 5000,
        b'"x":1.0',
        b'"x":1e5',
        b'"x":0.10000000000000000000001',
        b'"x":-0',
        b'"x":"\\u00e9\\/\\n"',
        b'"x":"\xc3\xa9"',
        b'"x":{"b":1, "a":[ 1,2 ], "b":2}',
        b'"x":null',
        b'"":1',
        b'"temperature":0.70',
        b'"max_tokens":1208925819614629174706176',
    ],
)
def test_a_value_keeps_its_bytes(member):
    assert body(member) == parse(body(member)).with_fields({})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, body(b'"stream":true', b'"x":[1, 2]')),
        ({"model": b'"b"'}, b'{"model":"b",' + MESSAGES + b',"stream":true,"x":[1, 2]}'),
        ({"x": b"null"}, body(b'"stream":true', b'"x":null')),
        ({"new": b"{}"}, body(b'"stream":true', b'"x":[1, 2]', b'"new":{}')),
        ({"b": b"1", "x": b"0", "a": b"2"}, body(b'"stream":true', b'"x":0', b'"b":1', b'"a":2')),
        ({'quo"te': b"1"}, body(b'"stream":true', b'"x":[1, 2]', b'"quo\\"te":1')),
    ],
)
def test_only_the_changed_fields_change(changed, expected):
    assert expected == parse(body(b'"stream":true', b'"x":[1, 2]')).with_fields(changed)


def test_space_between_fields_is_all_that_goes():
    raw = b' \n{ "model" : "m" ,\t' + MESSAGES + b' , "x" : { "a" : 1 } }\r\n'
    assert body(b'"x":{ "a" : 1 }') == parse(raw).with_fields({})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"model":"a","model":"b",' + MESSAGES + b"}", "b"),
        (b'{"model":"a",' + MESSAGES + b',"mod\\u0065l":"b"}', "b"),
        (b'{"mod\\u0065l":"b",' + MESSAGES + b',"model":"a"}', "a"),
    ],
)
def test_of_duplicate_names_we_forward_the_one_that_we_read(raw, expected):
    chat = parse(raw)
    forwarded = json.loads(chat.with_fields({}), object_pairs_hook=list)
    assert [expected] == [value for name, value in forwarded if name == "model"]
    assert expected == chat.view.model


MEMBERS = (
    b'"stream":true',
    b'"stream":false',
    b'"stream":null',
    b'"n":2',
    b'"n":3',
    b'"max_tokens":1',
    b'"max_t\\u006fkens":2',
    b'"tools":[{}]',
    b'"tools":null',
    b'"model":"other"',
    b'"logprobs":true',
    b'"logprobs":false',
    b'"messages":[{"role":"system","content":"longer"}]',
    b'"stream_options":{"include_usage":true}',
    b'"stream_options":null',
)


@given(st.lists(st.sampled_from(MEMBERS), max_size=8))
@settings(max_examples=200, deadline=None)
def test_the_view_and_the_forwarded_body_agree(members):
    chat = parse(body(*members))
    forwarded = chat.with_fields({})
    again = parse(forwarded)
    assert (chat.view, chat.needs, chat.text_bytes) == (again.view, again.needs, again.text_bytes)
    names = [name for name, _ in json.loads(forwarded, object_pairs_hook=list)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"hello",
        HEAD,
        body() + b"x",
        body() + body(),
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        body(b'"x":NaN'),
        body(b'"x":Infinity'),
        body(b'"x":-Infinity'),
        body(b'"max_tokens":NaN'),
        body(b'"x":01'),
        body(b'"x":1.'),
        body(b'"x":+1'),
        body(b'"x":[1,]'),
        body(b"'x':1"),
        body(b"1:2"),
        body(b'"x":"\x00"'),
        body(b'"x":"\\q"'),
        body(b'"x":"\xff"'),
        body(b'"x\xff":1'),
        body(b'"x":"\xed\xa0\x80"'),
        body(b'"x":"\xc0\xaf"'),
        body(b'"x":"\\ud800"'),
        body(b'"x":"\\udc00\\ud800"'),
        body(b'"\\ud800":1'),
        content(b'{"type":"text","text":"\\ud800"}'),
        content(b'{"type":"text","text":"\xff"}'),
        body(b'"x":' + b"[" * DEEP + b"]" * DEEP),
        body(b'"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        body(b'"x":' + b"[" * DEEP),
        body(b'"tools":[' + b"[" * DEEP + b"]" * DEEP + b"]"),
        content(b'{"type":"text","x":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        b'{"a":' * DEEP,
    ],
    ids=lambda raw: repr(raw[-30:]),
)
def test_what_is_not_json_is_refused(raw):
    error = refused(raw)
    assert (error.refusal, error.param, error.retry_after) == (Refusal.INVALID_JSON, None, None)


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"[]", None),
        (b"null", None),
        (b'"text"', None),
        (b"1", None),
        (b"[" * DEEP, None),
        (body(b'"model":1'), "model"),
        (body(b'"model":null'), "model"),
        (body(b'"messages":null'), "messages"),
        (body(b'"messages":"hi"'), "messages"),
        (body(b'"messages":[]'), "messages"),
        (body(b'"messages":["hi"]'), "messages[0]"),
        (body(b'"messages":[{"role":"user"},{"role":1}]'), "messages[1].role"),
        (body(b'"messages":[{"role":"user","content":5}]'), "messages[0].content"),
        (content(b'"hi"'), "messages[0].content[0]"),
        (content(b'{"type":"text","text":"a"}', b'{"type":"text","text":1}'), "messages[0].content[1].text"),
        (content(b'{"type":7}'), "messages[0].content[0].type"),
        (body(b'"stream":1'), "stream"),
        (body(b'"stream":"true"'), "stream"),
        (body(b'"stream_options":[]'), "stream_options"),
        (body(b'"stream_options":{"include_usage":"yes"}'), "stream_options.include_usage"),
        (body(b'"max_tokens":-1'), "max_tokens"),
        (body(b'"max_tokens":1.5'), "max_tokens"),
        (body(b'"max_tokens":"5"'), "max_tokens"),
        (body(b'"max_tokens":' + b"9" * 5000), "max_tokens"),
        (body(b'"max_completion_tokens":-1'), "max_completion_tokens"),
        (body(b'"n":0'), "n"),
        (body(b'"n":129'), "n"),
        (body(b'"n":99999999999999999999'), "n"),
        (body(b'"n":true'), "n"),
        (body(b'"tools":{}'), "tools"),
        (body(b'"functions":1'), "functions"),
        (body(b'"response_format":"json"'), "response_format"),
        (body(b'"response_format":{"type":1}'), "response_format.type"),
        (body(b'"logprobs":1'), "logprobs"),
        (body(b'"modalities":["text",1]'), "modalities[1]"),
        (body(b'"service_tier":1'), "service_tier"),
    ],
    ids=lambda raw: repr(raw[-40:]) if isinstance(raw, bytes) else None,
)
def test_a_wrong_type_is_refused_by_its_place(raw, param):
    error = refused(raw)
    assert (Refusal.INVALID_TYPE, param) == (error.refusal, error.param)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_who_wants_no_limit_is_told_how(name):
    """Clients of local servers say -1; OpenAI refuses that, too."""
    assert refused(body(b'"%b":-1' % name.encode())).message.endswith("; leave it out for no limit")


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"{}", "model"),
        (b"{" + MESSAGES + b"}", "model"),
        (b'{"model":"m"}', "messages"),
        (body(b'"messages":[{"content":"hi"}]'), "messages[0].role"),
        (body(b'"messages":[{"role":"user"},{}]'), "messages[1].role"),
    ],
)
def test_a_missing_field_is_refused_by_its_name(raw, param):
    error = refused(raw)
    assert (Refusal.MISSING_PARAMETER, param) == (error.refusal, error.param)
    assert f"missing required parameter: `{param}`" == error.message


@pytest.mark.parametrize(
    "raw",
    [
        body(b'"model":["classified"]'),
        body(b'"messages":"classified"'),
        body(b'"messages":[{"role":["classified"]}]'),
        body(b'"stream":"classified"'),
        body(b'"x":"classified'),
        body(b'"api_key":"classified"'),
        body(b'"classified":01'),
        body(b'"stream_options":{"include_usage":"classified"}'),
    ],
)
def test_a_refusal_never_quotes_the_body(raw):
    error = refused(raw)
    assert "classified" not in f"{error} {error.message} {error.param}"


@pytest.mark.parametrize("name", REDIRECTING)
@pytest.mark.parametrize("value", [b'"http://elsewhere"', b"null", b'""', b"{}"])
def test_a_body_cannot_redirect_the_call(name, value):
    error = refused(body(b'"%b":%b' % (name.encode(), value)))
    assert (Refusal.FORBIDDEN_PARAMETER, name) == (error.refusal, error.param)


@pytest.mark.parametrize("member", [b'"api\\u005fbase":"x"', b'"\\u0070roxy":"x"', b'"api_key":1,"api_key":2'])
def test_a_redirecting_name_cannot_hide(member):
    assert refused(body(member)).refusal == Refusal.FORBIDDEN_PARAMETER


@pytest.mark.parametrize("member", [b'"metadata":{"api_base":"x"}', b'"xproxy":1', b'"tools":[{"base_url":"x"}]'])
def test_only_the_top_level_can_redirect(member):
    assert body(member) == parse(body(member)).with_fields({})


@pytest.mark.parametrize(
    ("raw", "further"),
    [
        (body(), set()),
        (body(b'"tools":[{"type":"function"}]'), {"tools"}),
        (body(b'"functions":[{"name":"f"}]'), {"tools"}),
        (body(b'"tools":[]'), set()),
        (body(b'"tools":null', b'"functions":null'), set()),
        (content(b'{"type":"text","text":"a"}'), set()),
        (content(b'{"type":"image_url","image_url":{"url":"data:,"}}'), {"vision"}),
        (content(b'{"type":"input_audio","input_audio":{}}'), {"audio"}),
        (
            content(b'{"type":"text","text":"a"}', b'{"type":"image_url"}', b'{"type":"input_audio"}'),
            {"vision", "audio"},
        ),
        (body(b'"response_format":{"type":"json_schema"}'), {"json_schema"}),
        (body(b'"response_format":{"type":"json_object"}'), set()),
        (body(b'"response_format":{"type":"text"}'), set()),
        (body(b'"response_format":{"type":null}'), set()),
        (body(b'"response_format":{}'), set()),
        (body(b'"logprobs":true'), {"logprobs"}),
        (body(b'"logprobs":false'), set()),
        (body(b'"modalities":["text","audio"]'), {"audio"}),
        (body(b'"modalities":["text"]'), set()),
        (body(b'"modalities":[]'), set()),
        (
            body(b'"tools":[1]', b'"logprobs":true', b'"modalities":["audio"]'),
            {"tools", "hosted_tools", "logprobs", "audio"},
        ),
    ],
)
def test_a_request_says_what_it_needs(raw, further):
    assert frozenset({"chat", *further}) == parse(raw).needs


@pytest.mark.parametrize(
    "name",
    [
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "tools",
        "functions",
        "response_format",
        "logprobs",
        "modalities",
        "service_tier",
    ],
)
def test_null_means_unset(name):
    unset, null = parse(body()), parse(body(b'"%b":null' % name.encode()))
    assert (unset.view, unset.needs, unset.text_bytes) == (null.view, null.needs, null.text_bytes)
    assert (null.streamed, null.wants_usage, null.output_limit) == (False, False, None)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((), (False, False)),
        ((b'"stream":true',), (True, False)),
        ((b'"stream":false',), (False, False)),
        ((b'"stream":true', b'"stream_options":{"include_usage":true}'), (True, True)),
        ((b'"stream":true', b'"stream_options":{"include_usage":false}'), (True, False)),
        ((b'"stream":true', b'"stream_options":{"include_usage":null}'), (True, False)),
        ((b'"stream":true', b'"stream_options":{"other":1}'), (True, False)),
    ],
)
def test_a_stream_is_asked_for(members, expected):
    chat = parse(body(*members))
    assert expected == (chat.streamed, chat.wants_usage)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((), None),
        ((b'"max_tokens":5',), 5),
        ((b'"max_completion_tokens":6',), 6),
        ((b'"max_tokens":5', b'"max_completion_tokens":6'), 6),
        ((b'"max_tokens":5', b'"max_completion_tokens":null'), 5),
        ((b'"max_tokens":50', b'"max_completion_tokens":6'), 50),  # nobody knows which one is read
        ((b'"max_tokens":5', b'"max_completion_tokens":0'), None),
        ((b'"max_tokens":0',), None),
        ((b'"max_tokens":5', b'"n_predict":700'), 700),
        ((b'"max_tokens":5', b'"n_predict":-1'), None),
        ((b'"max_tokens":5', b'"max_new_tokens":"x"'), None),
        ((b'"max_tokens":5', b'"num_predict":null'), 5),
        ((b'"num_predict":7',), None),
        ((b'"max_tokens":18446744073709551616',), 2**64),
    ],
)
def test_the_largest_limit_counts(members, expected):
    assert expected == parse(body(*members)).output_limit


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (body(), 2),
        (body(b'"messages":[{"role":"user"}]'), 0),
        (body(b'"messages":[{"role":"user","content":null}]'), 0),
        (body(b'"messages":[{"role":"user","content":[]}]'), 0),
        (body(b'"messages":[{"role":"user","content":"h\xc3\xa9"}]'), 3),
        (body(b'"messages":[{"role":"user","content":"h\\u00e9"}]'), 3),
        (body(b'"messages":[{"role":"system","content":"abc"},{"role":"user","content":"de"}]'), 5),
        (content(b'{"type":"text","text":"ab"}', b'{"type":"text","text":"\xe2\x82\xac"}'), 5),
        (content(b'{"text":"ab"}'), 2),
        (content(b'{"type":"text","text":null}'), 0),
        (content(b'{"type":"image_url","image_url":{"url":"data:,aaaa"}}'), 6000),
        (body(b'"tools":[{"a":1}, [2]]'), 2 + 7 + 3),
        (body(b'"functions":[{"a":1}]'), 2 + 7),
    ],
)
def test_text_is_measured_in_bytes(raw, expected):
    assert expected == parse(raw).text_bytes


@pytest.mark.parametrize(
    "message",
    [
        b'{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",'
        b'"function":{"name":"f","arguments":"%b"}}]}' % (b"a" * 3000),
        b'{"role":"assistant","function_call":{"name":"f","arguments":"%b"}}' % (b"a" * 3000),
        b'{"role":"assistant","reasoning_content":"%b"}' % (b"a" * 3000),
        b'{"role":"assistant","refusal":"%b"}' % (b"a" * 3000),
    ],
    ids=["tool_calls", "function_call", "reasoning_content", "refusal"],
)
def test_all_text_of_the_messages_is_measured(message):
    assert parse(body(b'"messages":[' + message + b"]")).text_bytes >= 3000


@pytest.mark.parametrize(
    ("members", "limit", "choices", "needs"),
    [
        ((), None, 1, {"chat"}),
        ((b'"max_tokens":7', b'"n":3', b'"logprobs":true'), 7, 3, {"chat", "logprobs"}),
        ((b'"max_tokens":7', b'"max_completion_tokens":9'), 9, 1, {"chat"}),
        ((b'"max_tokens":7', b'"best_of":5'), 7, 5, {"chat"}),
        ((b'"max_tokens":7', b'"best_of":2', b'"n":3'), 7, 3, {"chat"}),
        ((b'"max_tokens":7', b'"best_of":null'), 7, 1, {"chat"}),
    ],
)
def test_a_demand_is_what_a_plan_needs_and_holds_no_text(members, limit, choices, needs):
    chat = parse(body(*members))
    assert chat.demand == Demand(frozenset(needs), chat.text_bytes, len(chat.view.messages), limit, choices)
    assert (chat.demand.input_bytes, chat.demand.messages) == (2, 1)


@pytest.mark.parametrize(
    ("part", "attached"),
    [
        (b'{"type":"text","text":"hello"}', 0),
        (b'{"type":"image_url","image_url":{"url":"https://x/y.png"}}', 44_000),
        (b'{"type":"input_audio","input_audio":{"data":"%b","format":"wav"}}' % (b"A" * 9000), 3_026),
        (b'{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}', 0),
        (b'{"type":"file","file":{"file_data":"%b"}}' % (b"A" * 9000), 21_048),
        (b'{"type":"file","file":{"file_data":"https://x/y.pdf"}}', 1_494_000),
        (b'{"type":"input_audio","input_audio":{"data":"https://x/y.mp3"}}', 1_494_000),
        (b'{"image_url":{"url":"https://x/y.png"}}', 44_000),
        (b'{"type":"refusal","refusal":"no"}', 0),
        (b'{"type":"hologram"}', 0),
        (b'{"type":"file","file":{"file_id":null}}', 1_494_000),
        (b'{"type":"video_url","video_url":{"url":"https://x/y.mp4"}}', 1_494_000),
    ],
)
def test_what_is_attached_counts_for_what_it_can_be_at_most(part, attached):
    chat = parse(content(part))
    assert chat.attached_bytes == chat.demand.attached_bytes == attached
    assert chat.text_bytes == (5 if b'"text"' in part else 0 if b"refusal" in part or b"hologram" in part else 6000)


LONG = b"x" * 90_000


@pytest.mark.parametrize(
    "raw",
    [
        body(b'"documents":["%b"]' % LONG),
        body(b'"prediction":{"type":"content","content":"%b"}' % LONG),
        b'{"model":"m","messages":[{"role":"assistant","content":"hi","reasoning_details":["%b"]}]}' % LONG,
        content(b'{"type":"thinking","thinking":"%b"}' % LONG),
    ],
)
def test_text_that_stands_where_nobody_looks_is_counted_all_the_same(raw):
    chat = parse(raw)
    assert 88_000 < chat.text_bytes + chat.attached_bytes < 91_000


def test_a_usual_request_counts_for_its_text_alone():
    chat = parse(body(b'"temperature":0.7', b'"user":"u1"', b'"metadata":{"a":"b"}'))
    assert (chat.text_bytes, chat.attached_bytes) == (2, 0)


def test_the_service_tier_is_read_and_forwarded():
    chat = parse(body(b'"service_tier":"fl\\u0065x"'))
    assert chat.demand.service == "flex"
    assert b'"service_tier":"fl\\u0065x"' in chat.with_fields({})
    assert parse(body()).demand.service == ""


@pytest.mark.parametrize("word", [b"My secret", b"a" * 33, b"x\\n", b"Flex", b"9"])
def test_a_service_tier_that_is_no_word_is_kept_by_nobody(word):
    assert parse(body(b'"service_tier":"%b"' % word)).demand.service == "other"


@pytest.mark.parametrize(
    "name", ["Model", "MODEL", "Max_Tokens", "me\u017f\u017fages", "Messages", "Models", "API_base", "N", "\u212aey"]
)
def test_a_name_that_some_servers_would_take_for_another_is_refused(name):
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "key": 1, name: 1}
    with pytest.raises(Refused) as refused:
        parse(json.dumps(body).encode())
    assert refused.value.refusal.status == 400
    assert refused.value.param == name.casefold()


def test_other_names_may_be_in_any_case():
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "safetySettings": [], "X": 1, "\u00e9": 2}
    assert set(body) == set(parse(json.dumps(body).encode()).fields)


@pytest.mark.parametrize("name", ["file_id", "file\\u005fid"])
def test_what_is_stored_at_a_provider_is_not_named(name):
    part = '{"type":"file","file":{"NAME":"f-1"}}'.replace("NAME", name)
    with pytest.raises(Refused) as refused:
        parse(b'{"model":"m","messages":[{"role":"user","content":[' + part.encode() + b"]}]}")
    assert "any caller could name another's" in refused.value.message


@pytest.mark.parametrize("best_of", [b"0", b"129", b"-1", b'"2"', b"1.5"])
def test_a_number_of_answers_that_cannot_be_meant_is_refused(best_of):
    with pytest.raises(Refused) as refused:
        parse(body(b'"best_of":' + best_of))
    assert refused.value.param == "best_of"
