"""Messages as Gemini's contents."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from gateway.providers.gemini_content import UNSIGNED, Lacking, contents_of
from gateway.providers.gemini_models import family_of

OLD, SOME, NEW = "gemini-2.0-flash", "gemini-2.5-flash", "gemini-3.8-flash"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def contents(messages: object, model: str = SOME, *, vertex: bool = False) -> dict:
    made = contents_of(Raw(json.dumps(messages).encode()), family_of(model), vertex=vertex)
    return json.loads(msgspec.json.encode(made))


def turns(*messages: dict, model: str = SOME, vertex: bool = False) -> list:
    return contents(list(messages), model, vertex=vertex)["turns"]


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def called(*calls: tuple[str, str, str], signature: str | None = None, **more: object) -> dict:
    extra = {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
    made = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **(extra if at == 0 else {})}
        for at, (id, name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made, **more}


def tool(id: str, content: object, **more: object) -> dict:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def test_instructions_stand_apart_and_roles_are_renamed():
    made = contents(
        [
            {"role": "system", "content": "Be brief."},
            user("Hi"),
            {"role": "assistant", "content": [{"type": "text", "text": "Hello"}, {"type": "refusal", "refusal": "No"}]},
            {"role": "developer", "content": [{"type": "text", "text": "In verse."}]},
            user([{"type": "text", "text": "More"}, {"type": "text", "text": ""}]),
            user(""),
        ]
    )
    assert made["system"] == [{"text": "Be brief."}, {"text": "In verse."}]
    assert made["turns"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello"}, {"text": "No"}]},
        {"role": "user", "parts": [{"text": "More"}]},
    ]


def test_a_question_that_is_all_instruction_is_asked():
    made = contents([{"role": "system", "content": "Tell a joke."}], "gemma-3-27b-it")
    assert (made["system"], made["turns"]) == ([], [{"role": "user", "parts": [{"text": "Tell a joke."}]}])


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, INLINE),
        ({"type": "image_url", "image_url": PIXEL}, INLINE),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/a.JPG?w=1"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?w=1"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/photo/17"}},
            {"fileData": {"fileUri": "https://example.com/photo/17"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;name=a.pdf;base64,JVBERi0="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        ),
    ],
)
def test_what_is_no_text_goes_inline_or_by_its_address(part, said):
    assert turns(user([part])) == [{"role": "user", "parts": [said]}]


@pytest.mark.parametrize(
    ("messages", "model", "word"),
    [
        ([user([{"type": "image_url", "image_url": {"url": "http://example.com/a.png"}}])], SOME, "data URL"),
        ([user([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])], OLD, "data URL"),
        ([user([{"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}])], SOME, "data URL"),
        ([user([{"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}}])], SOME, "base64"),
        (
            [
                user(
                    [
                        {
                            "type": "image_url",
                            "image_url": {"url": "https://generativelanguage.googleapis.com/v1beta/files/x"},
                        }
                    ]
                )
            ],
            SOME,
            "data URL",
        ),
        ([user([{"type": "file", "file": {"file_id": "file-1"}}])], SOME, "by id"),
        ([user([{"type": "file", "file": {"file_data": "AAAA"}}])], SOME, "filename"),
        ([user([{"type": "input_audio", "input_audio": {"data": "AA", "format": "midi"}}])], SOME, "midi"),
        ([user([{"type": "video_url", "video_url": {"url": "x"}}])], SOME, "video_url"),
        ([user([{"type": "image_url"}])], SOME, "image_url"),
        ([user("")], SOME, "some text"),
        ([{"role": "critic", "content": "x"}], SOME, "critic"),
        ([{"role": "function", "name": "f", "content": "x"}], SOME, "function"),
        ([{"role": "system", "content": [{"type": "image_url", "image_url": PIXEL}]}], SOME, "nothing but text"),
        (
            [user("x"), {"role": "assistant", "content": [{"type": "image_url", "image_url": PIXEL}]}],
            SOME,
            "nothing but text",
        ),
        ([user("x"), {"role": "assistant", "audio": {"id": "a"}}], SOME, "`audio`"),
        ([user("x"), {"role": "assistant", "function_call": {"name": "f"}}], SOME, "`function_call`"),
        (
            [user("x"), {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]}],
            SOME,
            "custom",
        ),
        ([user("x"), tool("call_9", "y")], SOME, "call_9"),
        ([user("x"), called(("c", "f", "{}")), tool("c", [{"type": "image_url", "image_url": PIXEL}])], SOME, "`tool`"),
        ([user("x"), {"role": "assistant", "content": "The answer is"}], NEW, "go on"),
        ([{"role": "system", "content": "x"}, user("y")], "gemma-3-27b-it", "system messages"),
        ([{"role": 1}], SOME, "cannot read"),
    ],
)
def test_what_cannot_be_said_is_named(messages, model, word):
    with pytest.raises(Lacking, match=word):
        contents(messages, model)


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("https://example.com/a.png", True),
        ("HTTPS://example.com:8443/a.png", True),
        ("https://storage.googleapis.com/bucket/a.png?X-Goog-Signature=1", True),
        ("https://notgoogleapis.com/a.png", True),
        ("https://googleapis.com/a.png", False),
        ("https://GenerativeLanguage.googleapis.com/v1beta/files/a.png", False),
        ("https://generativelanguage.googleapis.com.:443/v1beta/files/a.png", False),
        ("https://example.com@generativelanguage.googleapis.com/a.png", False),
        ("https://generativelanguage.googleapis.com\\@example.com/a.png", False),
        ("http://example.com/a.png", False),
        ("gs://bucket/a.png", False),
    ],
)
def test_only_what_anybody_can_open_is_fetched(url, fetched):
    image = user([{"type": "image_url", "image_url": {"url": url}}])
    if fetched:
        assert turns(image)[0]["parts"] == [{"fileData": {"mimeType": "image/png", "fileUri": url}}]
    else:
        with pytest.raises(Lacking, match="data URL"):
            turns(image)


def test_types_go_by_the_names_that_gemini_knows():
    image = user([{"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}])
    assert turns(image)[0]["parts"] == [{"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}}]


def test_at_vertex_a_type_must_be_known():
    image = {"type": "image_url", "image_url": {"url": "https://example.com/photo/17"}}
    with pytest.raises(Lacking, match="type"):
        contents([user([image])], vertex=True)


def test_calls_and_their_answers():
    made = turns(
        user("Weather?"),
        called(("c1", "weather", '{"city": "Köln", "n": 9007199254740993}'), ("c2", "now", ""), signature="U0lH"),
        tool("c1", '{"celsius": 3}'),
        tool("c2", [{"type": "text", "text": "noon"}]),
        user("And?"),
        called(("c3", "weather", "not json"), signature="U0lH", content="I look."),
        tool("c3", "[1]"),
    )
    assert [turn["role"] for turn in made] == ["user", "model", "user", "user", "model", "user"]
    assert made[1]["parts"] == [
        {
            "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Köln", "n": 9007199254740993}},
            "thoughtSignature": "U0lH",
        },
        {"functionCall": {"id": "c2", "name": "now", "args": {}}},
    ]
    assert made[2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "weather", "response": {"celsius": 3}}},
        {"functionResponse": {"id": "c2", "name": "now", "response": {"result": "noon"}}},
    ]
    assert made[4]["parts"][0] == {"text": "I look."}
    assert made[4]["parts"][1]["functionCall"]["args"] == {"arguments": "not json"}
    assert made[5]["parts"][0]["functionResponse"]["response"] == {"result": "[1]"}


def test_a_tool_may_answer_with_an_image_where_the_model_can_see_it():
    made = turns(user("x"), called(("c", "f", "{}")), tool("c", [{"type": "image_url", "image_url": PIXEL}]), model=NEW)
    assert made[2]["parts"][0]["functionResponse"] == {
        "id": "c",
        "name": "f",
        "response": {"result": ""},
        "parts": [INLINE],
    }


@pytest.mark.parametrize(
    ("model", "signature", "first"),
    [(NEW, None, UNSIGNED), (SOME, None, None), (NEW, "U0lH", "U0lH"), (SOME, "U0lH", "U0lH")],
)
def test_the_first_call_bears_a_signature_where_the_model_wants_one(model, signature, first):
    made = turns(
        user("x"), called(("a", "f", "{}"), ("b", "f", "{}"), signature=signature), tool("a", "1"), model=model
    )
    assert [part.get("thoughtSignature") for part in made[1]["parts"]] == [first, None]


def test_the_signature_of_a_text_goes_back_with_it():
    said = {"role": "assistant", "content": "Hi", "extra_content": {"google": {"thought_signature": "U0lH"}}}
    assert turns(user("x"), said, user("y"))[1]["parts"] == [{"text": "Hi", "thoughtSignature": "U0lH"}]


def test_vertex_knows_no_ids_of_calls():
    made = turns(user("x"), called(("c", "f", "{}")), tool("c", "1"), vertex=True)
    assert made[1]["parts"][0]["functionCall"] == {"name": "f", "args": {}}
    assert made[2]["parts"][0]["functionResponse"] == {"name": "f", "response": {"result": "1"}}


def test_a_tool_message_may_name_its_function():
    made = turns(user("x"), tool("c", "1", name="f"))
    assert made[1]["parts"][0]["functionResponse"]["name"] == "f"


def test_a_refusal_was_said_too_and_a_call_may_have_no_id():
    said = {"role": "assistant", "refusal": "No.", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    assert turns(user("x"), said, user("y"))[1]["parts"] == [
        {"text": "No."},
        {"functionCall": {"name": "f", "args": {}}},
    ]


def test_hints_that_are_left_out_are_told():
    image = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
    assert contents([{**user([image]), "name": "Ann"}])["unsaid"] == ["detail", "name"]


_LEAF = (
    st.none()
    | st.booleans()
    | st.text(max_size=8)
    | st.just(PIXEL)
    | st.sampled_from(["c", "text", "image_url", "file"])
)
_ANY = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "image_url", "url", "file", "file_data", "id", "function", "name", "arguments"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "x"])},
    optional={"content": _ANY, "tool_calls": _ANY, "tool_call_id": _LEAF, "name": _LEAF, "extra_content": _ANY},
)


@settings(deadline=None)
@given(st.lists(_MESSAGE, max_size=4), st.sampled_from([OLD, SOME, NEW]))
def test_any_messages_become_turns_or_are_refused_in_words(messages, model):
    try:
        made = contents(messages, model)
    except Lacking as lacking:
        words = str(lacking)
    else:
        words = "taken" if made["turns"] and all(turn["parts"] for turn in made["turns"]) else ""
    assert words
