"""The fields of a chat request that the gateway reads, as clients write them."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

ABSENT = Raw(b"")
"""Stands for a field that is not there."""

ATTACHED = ("image", "audio", "video", "file", "document")
"""Words in the type of a part that is no text."""

PART_BYTES = 6000
"""What an image, a sound or a file counts for as text; providers charge some hundred to two thousand tokens for one."""

IMAGE_BYTES = 50_000
"""What an image counts for at most: the dearest known reading of one is 16,384 tokens (Qwen-VL at high resolution)."""

FILE_BYTES = 3
"""Bytes of text for a byte of a file: what is packed in a document may be more than it looks."""

UNSEEN_BYTES = 1_500_000
"""What counts for a part at most that is only named (a file id, a video's address): a half million tokens."""


class Kind(msgspec.Struct):
    """The type of a tool."""

    type: str | None = None


class Part(msgspec.Struct):
    """One content part. Other kinds than text are seen by their type and size alone."""

    type: str = "text"
    text: str | None = None
    image_url: Raw = ABSENT
    file: Raw = ABSENT
    input_audio: Raw = ABSENT

    @property
    def inline_bytes(self) -> int:
        """The size of what is no text in it."""
        return len(bytes(self.image_url)) + len(bytes(self.file)) + len(bytes(self.input_audio))

    @property
    def is_text(self) -> bool:
        """Whether what it holds is text, by its type and by its members, since some servers go by those."""
        return not self.inline_bytes and not any(word in self.type for word in ATTACHED)

    @property
    def attached_bytes(self) -> int:
        """What a part that is no text counts for at most, as text."""
        if bytes(self.image_url) or self.type in ("image", "image_url"):
            return IMAGE_BYTES
        sent = bytes(self.file) or bytes(self.input_audio)
        if not sent or b"://" in sent or b'_id"' in sent:
            return UNSEEN_BYTES
        return max(PART_BYTES, FILE_BYTES * len(sent) if self.file else len(sent))


class Message(msgspec.Struct, omit_defaults=True):
    """One message, as far as size and needed capabilities ask."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    refusal: Raw = ABSENT


class StreamOptions(msgspec.Struct):
    """What the client asked of the stream."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class ResponseFormat(msgspec.Struct, omit_defaults=True):
    """The wanted shape of the answer."""

    type: str | None = None
    json_schema: Raw = ABSENT


class View(msgspec.Struct):
    """The fields of a request body that the gateway reads. Null means unset, as SDKs send it."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=128)] | None = None
    tools: list[Raw] | None = None
    functions: list[Raw] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    service_tier: str | None = None
