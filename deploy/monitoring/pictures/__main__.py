"""Makes the pictures: `python -m deploy.monitoring.pictures`. Writes docs/pictures/*.png.

Exit code 1: a tool is missing, or a panel could not be drawn, or one is empty.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.monitoring.pictures.house import NOW
from deploy.monitoring.pictures.month import month

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
PICTURES = ROOT / "docs" / "pictures"
NEEDED = {
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
}
"""Programs, and the Debian packages that have them."""
_START_SECONDS = 60


def main() -> int:
    """Makes all pictures."""
    missing = {package: None for program, package in NEEDED.items() if shutil.which(program) is None}
    if missing:
        sys.stderr.write(
            f"pictures need Node (20.9 or newer), Chromium and Prometheus; on Debian: apt install {' '.join(missing)}\n"
        )
        return 1
    _install()
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="gateway-pictures-") as folder:
        blocks = _blocks(Path(folder))
        with _prometheus(Path(folder), blocks) as address:
            dashboards = sorted(DASHBOARDS.glob("*.json"))
            return _run("node", str(HERE / "shoot.mjs"), address, str(NOW), str(PICTURES), *map(str, dashboards))


def _run(*command: str) -> int:
    return subprocess.run(command, cwd=HERE, check=False).returncode


def _install() -> None:
    """Grafana's components, as package-lock.json names them; half a gigabyte, once."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        if _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"):
            sys.exit("npm could not install what package-lock.json names")
        installed.touch()


def _blocks(folder: Path) -> Path:
    """The month as a Prometheus keeps it."""
    written, blocks = folder / "month.openmetrics", folder / "blocks"
    month().write(written)
    command = ("promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=486h", "openmetrics")
    if _run(*command, str(written), str(blocks)):
        sys.exit("promtool could not read the month")
    return blocks


@contextmanager
def _prometheus(folder: Path, blocks: Path) -> Iterator[str]:
    """A Prometheus with these blocks and nothing to scrape; gives its address."""
    (folder / "prometheus.yml").write_text("{}\n", encoding="ascii")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = (
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={blocks}",
        "--storage.tsdb.retention.time=100y",  # the month is long ago, one day
        "--query.lookback-delta=11m",  # its beginning has a sample in ten minutes
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    server = subprocess.Popen(command)
    try:
        _wait_for(f"{address}/-/ready", server)
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(_START_SECONDS * 5):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None:
                sys.exit("prometheus did not start")
            time.sleep(0.2)
    sys.exit(f"prometheus is not ready after {_START_SECONDS} seconds")


if __name__ == "__main__":
    sys.exit(main())
