"""A small policy tree on disk, good or spoilt, and the policy commands run on it."""

from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app

FILES = {
    "vocabulary.yaml": """\
levels: {public: a, internal: b, confidential: c, restricted: d}
tags: {}
purposes: {general: a, hr: b}
deployments: {self_hosted: a, vendor_api: b}
zones: {}
regions: {}
origins: {}
licences: {}
statuses: {}
retentions: {}
training: {}
audiences: {}
""",
    "catalog/a.yaml": """\
backends:
  home: {provider: openai, deployment: self_hosted, price: {input: 1, output: 2}, capabilities: [chat, tools]}
  far: {provider: openai, deployment: vendor_api, price: {input: 0.5, output: 1}}
  free: {provider: openai, deployment: self_hosted, aliases: [odd]}
""",
    "policies/a.yaml": """\
policy: base
owner: security
rules:
  - id: own
    permit: {to: {deployment: self_hosted}}
  - id: vendors
    permit: {when: {sensitivity: "<= internal"}, to: {deployment: vendor_api}}
  - id: no-hr
    why: People are not ours to give.
    forbid: {when: {purpose: hr}, to: {deployment: vendor_api}}
  - id: cheap
    prefer: {order: [cost]}
""",
}
BAD = """\
policy: base
owner: security
rules:
  - id: own
    permitt: {}
  - id: own
    forbid: {when: {purpos: hr}}
"""


def small_tree(folder):
    """Writes the tree."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def spoil(tree):
    """Makes a file wrong and adds one that does not belong."""
    (tree / "policies/a.yaml").write_text(BAD)
    (tree / "x.yaml").touch()


def run(*words, stdin=None):
    """The exit code, what was printed, and what was said."""
    result = CliRunner().invoke(app, ["policy", *map(str, words)], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def shipped():
    """Where the tree is that comes with the gateway."""
    return Path(__file__).parents[2] / "routing_policies"
