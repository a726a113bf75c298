"""What is in memory stays there: no dumps, and keys from files are in nobody's environment."""

import sys
from pathlib import Path

import pytest
from support import policy_trees
from support.calling import post
from support.server import backend, serving
from support.upstream import OK, answer

KEY = "canary-in-a-file-Q7xV2mdK9sWbT4hZ"


@pytest.mark.parametrize("reference", ["file:PATH", "env:CANARY"])
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.assures("threat X2")
def test_a_running_gateway_leaves_no_dump_and_no_key_in_an_environment(tmp_path, upstream, reference, showed):
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "token").write_text(f"scrape-{KEY}")
    upstream.scripts["filed"] = [answer(OK)]
    catalog = {"filed": backend(upstream.url("filed"), api_key=reference.replace("PATH", f"{tmp_path}/key"))}
    settings = {"CANARY_FILE": f"{tmp_path}/key", "GATEWAY_SCRAPE_TOKEN_FILE": f"{tmp_path}/token"}
    with serving(tmp_path / "gateway", catalog, policy_trees.at_home(tmp_path / "tree"), **settings) as server:
        body = {
            "model": "filed",
            "messages": [{"role": "user", "content": "x" * 1_200_000}],
        }  # large: another process scans
        assert post(server, server.key(), body).status == 200
        pid = server.process.pid
        children = [path.parent for path in Path("/proc").glob("[0-9]*/stat") if parent_of(path) == pid]
        ours = [Path(f"/proc/{pid}"), *children]
        limits = [next(line for line in (each / "limits").read_text().splitlines() if "core" in line) for each in ours]
        environments = [(each / "environ").read_bytes() for each in ours if readable(each / "environ")]
        arguments = [(each / "cmdline").read_bytes() for each in ours]
    assert KEY.encode() in upstream.requests("filed")[-1].head
    assert len(ours) > 1
    assert [line.split()[4:6] for line in limits] == [["0", "0"]] * len(ours)
    assert [text for text in (*environments, *arguments) if KEY.encode() in text] == []
    showed(
        f"the gateway and {len(children)} process of its own; keys by `{reference}`",
        "core limit 0 for each, not dumpable, key in no environment",
    )


def parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False  # of a process that may not be read, even by its own user
    return True
