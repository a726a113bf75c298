"""A small tree with a price book, and the commands about it."""

import time

import pytest
from support import price_data
from support.policy_trees import encoded, tree
from typer.testing import CliRunner

from gateway.cli import app

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
BOOK = f"""\
# ours
version: "2026-01-01"
models:
  plain: {{input: 2, output: 12, cache_read: 0.2, source: genai-prices 9.9.9, date: {TODAY}}} # fine
  rising:
    - {{input: 2, output: 12, source: a list, date: 2026-01-01}}
    - {{from: 2999-01-01, input: 9, output: 9, services: {{flex: 0.5}}, source: a list, date: {TODAY}}}
  mine: {{input: 0.5, output: 1, cache_write: 1, cache_write_long: 3, tiers: [{{above: 9, input: 1, output: 2}}], source: a contract, date: {TODAY}}}
"""
CATALOG = {
    "plain": {"provider": "openai", "price": "book", "aliases": ["smart"]},
    "rising": {"provider": "openai", "price": "book", "aliases": ["smart"]},
    "cheap": {"provider": "openai", "price": "book", "model": "mine", "aliases": ["low"]},
    "own": {"provider": "openai", "price": {"gpu_hour": 3.6, "tokens_per_second": 1000, "utilisation": 0.5}, "aliases": ["smart"], "source": "CMDB-1"},
    "spare": {"provider": "openai", "price": {"gpu_hour": 36, "tokens_per_second": 1}, "aliases": ["slow"]},
    "written": {"provider": "openai", "price": {"input": 15, "output": 75}},
    "unpriced": {"provider": "openai"},
}  # fmt: skip


class Run:
    """The commands, in a tree of their own."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.file = directory / "prices.yaml"

    def write(self, book: str) -> None:
        self.file.write_text(book)

    def __call__(self, *arguments: str):
        result = CliRunner().invoke(app, ["prices", *arguments, "--policies", str(self.directory)])
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    price_data.install(monkeypatch)
    files = tree({"catalog/a.yaml": {"backends": CATALOG}, "prices.yaml": BOOK})
    for name, raw in encoded(files).items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return Run(tmp_path / "tree")


@pytest.fixture
def today():
    return TODAY
