"""A caller can say that a request is more sensitive than it looks, and never that it is less."""

import json
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.calling import post
from support.upstream import OK, answer

from gateway.core.labels import LEVELS, RANK

WORDS = (*LEVELS, *(level.upper() for level in LEVELS), " Public ", "publíc", "pub lic", "", "0", "-1", "none", "null", "low",
         "public,public", "public;restricted", "unrestricted", "x" * 300, "public\t", "\x7fpublic",
         f"public{' ' * 250},restricted")  # fmt: skip
NAMES = ("x-gateway-sensitivity", "X-Gateway-Sensitivity", "X-GATEWAY-SENSITIVITY", "x-gateway-sensitivity ")
OTHERS = (
    "x-sensitivity",
    "sensitivity",
    "x-gateway-label",
    "x-gateway-tags",
    "x-gateway-floor",
    "x-gateway-opaque-as",
    "cookie",
)
TEXTS = {
    "hello there": "public",
    "write to mallory.jones@example.org about it": "confidential",
}
"""With what the detectors say. What is restricted is taken out before it is sent, so its label is another then."""
MEMBERS = (
    "user",
    "metadata",
    "sensitivity",
    "label",
    "x-gateway-sensitivity",
    "extra_headers",
    "safety_identifier",
    "store",
)


def readable(word: str) -> str | None:
    """The level that a header says, None: nobody can read it."""
    return word.strip().lower() if word.strip().lower() in RANK else None


said = st.lists(st.tuples(st.sampled_from(NAMES[:3]), st.sampled_from(WORDS)), max_size=3)
lies = st.lists(st.tuples(st.sampled_from(OTHERS), st.sampled_from(LEVELS)), max_size=3)
members = st.dictionaries(st.sampled_from(MEMBERS), st.sampled_from(LEVELS), max_size=3)


@pytest.mark.assures("threat H1")
def test_no_word_of_a_caller_lowers_a_label(gateway, upstream, key, showed):
    upstream.scripts["a"] = [answer(OK)]
    tried = 0

    @cache
    def detected(text: str) -> str:
        body = {"model": "a", "messages": [{"role": "user", "content": text}]}
        return post(gateway, key, body).headers["x-gateway-sensitivity"]

    assert {text: detected(text) for text in TEXTS} == TEXTS

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.sampled_from(list(TEXTS)),
        said,
        lies,
        members,
        st.sampled_from(["a", "pair", "all"]),
        st.sampled_from(["", "?sensitivity=public", "?x-gateway-sensitivity=public&label=public"]),
    )
    def holds(text, hints, others, more, model, query):
        nonlocal tried
        wrapped = {
            name: {"sensitivity": word} if name in ("metadata", "extra_headers") else word
            for name, word in more.items()
        }
        wrapped.pop("store", None)
        turn = {
            "role": "user",
            "content": f"{text}, for the {tried}th time",
        }  # else it is one conversation, which is raised
        body = {"messages": [turn], **wrapped, "model": model}
        pairs = [(name, word.encode("latin-1")) for name, word in [*hints, *others]]
        status, headers, _ = post(gateway, key, body, pairs, "/v1/chat/completions" + query)
        tried += 1
        if status == 400:
            return  # a header that no server may take
        words = [readable(part) for _, word in hints for part in word.split(",")]
        least = max([TEXTS[text], *(word or "restricted" for word in words)], key=RANK.__getitem__)
        assert status == 200, json.dumps(body)
        assert headers["x-gateway-sensitivity"] == least

    for name in ("a", "b", "c"):
        upstream.scripts[name] = [answer(OK)]
    holds()
    showed(
        f"{tried} requests: headers twice and in any case, metadata, `user`, aliases, queries",
        "no label below the detectors'",
    )


@pytest.mark.assures("threat H1")
@pytest.mark.parametrize("word", WORDS)
def test_a_label_is_read_whole_or_not_at_all(gateway, upstream, key, word):
    upstream.scripts["a"] = [answer(OK)]
    body = {"model": "a", "messages": [{"role": "user", "content": f"hello there, {len(word)} {word!r:.20}"}]}
    status, headers, _ = post(gateway, key, body, [("x-gateway-sensitivity", word.encode("latin-1"))])
    words = [readable(part) or "restricted" for part in word.split(",")]
    assert status == 400 or headers["x-gateway-sensitivity"] == max(words, key=RANK.__getitem__)
