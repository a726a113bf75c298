"""A self-hosted, OpenAI-compatible gateway: who may serve a request, who does it cheapest, and what it cost."""

__version__ = "0.1.0"
