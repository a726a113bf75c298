"""What a gateway may have when something is imported into it."""

from gateway.core.catalog import Backend
from gateway.providers import BASE_URLS
from gateway.review.litellm.values import Own

FACTS = {
    "deployment": "vendor_api", "zone": "us-vendors", "region": "us", "weights_origin": "us", "operator_origin": "us",
    "licence": "proprietary", "status": "active", "retention": "days_30", "trains_on_data": "never",
    "audience": "anyone",
}  # fmt: skip
SOL = Backend(
    id="sol",
    provider="openai",
    base_url="https://api.openai.com/v1",
    model="gpt-5.6-sol",
    passport=dict(FACTS),
    aliases=("smart",),
    key_ref="env:OPENAI_API_KEY",
    capabilities=frozenset({"chat", "tools"}),
    context=1000,
    max_output=100,
)
WORDS = {"deployments": frozenset({"self_hosted", "vendor_api"}), "regions": frozenset({"eu", "us"})}
LATER = {"azure": None, "bedrock": None, "vertex": None, "nvidia": "https://integrate.api.nvidia.com/v1"}

OWN = Own(
    backends=(SOL,),
    base_urls={**LATER, **BASE_URLS},
    book={"gpt-5.6-sol": {"input": 4, "output": 20, "source": "a list", "date": "2026-11-22"}},
    words=WORDS,
    environment={"BASE": "http://box:8000/v1"},
)
