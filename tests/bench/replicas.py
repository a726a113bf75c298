"""What several gateways on one PostgreSQL and one Valkey come to, and what each part spends on a request. Run by hand.

    python tests/bench/replicas.py [SECONDS]

Needs nginx and wrk. One nginx is the upstream, another the load balancer; both answer for a few microseconds of CPU.
All parts share the cores of this machine, so requests a second say what this machine can do. CPU a request says what
each part can do on a core of its own: that is what to plan by.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
from support.replicas import named, replicas, tree
from support.server import backend, free_port
from support.stores import postgres
from threats.test_framing import nginx

CONNECTIONS = 48
ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'
)


@contextlib.contextmanager
def upstream(directory: Path) -> Iterator[int]:
    """A backend that always says the same."""
    directory.mkdir()
    port = free_port()
    (directory / "nginx.conf").write_text(
        f"""
        daemon off; pid {directory}/pid; error_log {directory}/error.log; worker_processes 1;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path
          {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s; keepalive_requests 1000000;
          server {{ listen 127.0.0.1:{port}; default_type application/json; location / {{ return 200 '{ANSWER}'; }} }}
        }}"""
    )
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert binary, "nginx is not installed"
    process = subprocess.Popen([binary, "-p", directory, "-c", directory / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def spent(processes: dict[str, list[psutil.Process]]) -> dict[str, float]:
    """CPU seconds by part, of all its processes."""
    return {
        part: sum(sum(each.cpu_times()[:2]) for one in found for each in (one, *one.children(recursive=True)))
        for part, found in processes.items()
    }


def measure(count: int, directory: Path, database: str, stores: dict[str, psutil.Process], seconds: int) -> None:
    """Loads so many replicas and prints what came of it."""
    tree(directory / "tree", 1_000_000)
    (directory / "nginx").mkdir()
    with upstream(directory / "upstream") as backend_port:
        catalog = {"m": backend(f"http://127.0.0.1:{backend_port}/v1", max_output=100)}
        with (
            replicas(count, directory, directory / "tree", catalog, database, GATEWAY_MAX_INFLIGHT="1000") as (
                servers,
                valkey,
            ),
            nginx(directory / "nginx", named(servers)) as port,
        ):
            key = servers[0].key(sensitivity="public")
            time.sleep(2)
            script = directory / "post.lua"
            script.write_text(
                'wrk.method="POST"\nwrk.headers["authorization"]="Bearer ' + key + '"\n'
                'wrk.headers["content-type"]="application/json"\n'
                'wrk.body=\'{"model":"m","max_tokens":20,"messages":[{"role":"user","content":"'
                + "x" * 1000
                + "\"}]}'\n"
            )
            processes = {"gateways": [psutil.Process(server.process.pid) for server in servers]}
            processes["PostgreSQL"] = [stores["PostgreSQL"]]
            processes["Valkey"] = [psutil.Process(valkey.client().info("server")["process_id"])]
            command = [
                "wrk",
                "-t1",
                f"-c{CONNECTIONS}",
                "-s",
                str(script),
                f"http://127.0.0.1:{port}/v1/chat/completions",
            ]
            subprocess.run([*command, "-d2s"], capture_output=True, check=True)
            before = spent(processes)
            asked = sum(server.metrics()["gateway_overhead_seconds_count"] for server in servers)
            said = subprocess.run([*command, f"-d{seconds}s"], capture_output=True, text=True, check=True).stdout
            time.sleep(3)  # what ended is carried over
            after = spent(processes)
            requests = sum(server.metrics()["gateway_overhead_seconds_count"] for server in servers) - asked
            assert "Non-2xx" not in said, said
            rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
            each = ", ".join(f"{part} {(after[part] - before[part]) / requests * 1e6:.0f}" for part in before)
            print(f"{count} replicas: {rate:.0f} requests/s here; CPU us a request: {each}", flush=True)


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    assert shutil.which("wrk"), "wrk is not installed"
    with postgres() as server, tempfile.TemporaryDirectory() as directory:
        server.ask("ALTER SYSTEM SET fsync = on")
        server.ask("SELECT pg_reload_conf()")
        postmaster = psutil.Process(server._server.get_pid())
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        for count in (1, 2, 3):
            measure(count, Path(directory) / str(count), server.url(), {"PostgreSQL": postmaster}, seconds)


if __name__ == "__main__":
    main()
