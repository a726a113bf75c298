"""Runs the side-by-side benchmark with this checkout among the peers, cold start included.

    python tests/bench/side_by_side.py BENCH_DIR [options of its run.py]

BENCH_DIR holds run.py and peers.toml. Traffic stays on loopback and is bounded by run.py. The gateway runs as it is
shipped: policy, keys, ledger, metrics and request log all on.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway.adapters.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
_CATALOG = """
backends:
  mock-model:
    provider: openai-compatible
    base_url: ${MOCK}/v1
    capabilities: [chat]
    price: {input: 1, output: 2}
    deployment: self_hosted
    zone: inhouse
    status: active
"""
_PEER = """
[gateway]
cmd = ["%(python)s", "-c", "%(start)s", "serve"]
env = { GATEWAY_STATE_DIR = "${WORK}/state", GATEWAY_PORT = "${PORT}", GATEWAY_ADMIN_PORT = "${PORT2}", GATEWAY_POLICIES = "%(policies)s", GATEWAY_EXTRA_CATALOG = "${WORK}/catalog" }
files = ["mock.yaml"]
headers = { Authorization = "Bearer %(key)s" }
"""
_START = "import shutil, os; shutil.copytree('{state}', os.environ['GATEWAY_STATE_DIR'], dirs_exist_ok=True); os.makedirs('catalog', exist_ok=True); shutil.copy('mock.yaml', 'catalog'); from gateway.cli import main; main()"


def main() -> int:
    bench, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        work = Path(temporary)
        (work / "state").mkdir()
        (work / "mock.yaml").write_text(_CATALOG)
        keys = Keys(work / "state")
        _, key = keys.create(team="bench", app="bench")
        keys.close()
        peers = (bench / "peers.toml").read_text().replace('files = ["', f'files = ["{bench}/')
        ours = _PEER % {
            "python": sys.executable,
            "start": _START.format(state=work / "state"),
            "policies": ROOT / "routing_policies",
            "key": key,
        }
        (work / "peers.toml").write_text(peers + ours)
        return subprocess.call(
            [sys.executable, bench / "run.py", "--peers", work / "peers.toml", *options], env=os.environ
        )


if __name__ == "__main__":
    sys.exit(main())
