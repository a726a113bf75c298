"""Small policy trees for tests. Whatever is JSON is YAML, so a file is given as plain data, as text, or as bytes."""

import json
from pathlib import Path

from gateway.core.decision import Facts
from gateway.core.labels import LEVELS
from gateway.policy.parse import parse
from gateway.policy.vocabulary import SECTIONS
from gateway.providers import BASE_URLS

SHIPPED = Path(__file__).parents[2] / "routing_policies"
WORDS = {section: [] for section in SECTIONS} | {
    "levels": list(LEVELS),
    "tags": ["secret", "pii"],
    "purposes": ["general", "hr"],
    "jurisdictions": ["eu", "us"],
    "persons": ["us_person", "eu_person"],
    "deployments": ["self_hosted", "vendor_api"],
    "zones": ["inhouse", "us-vendors"],
    "regions": ["eu", "us"],
    "origins": ["cn", "us"],
    "licences": ["mit", "proprietary"],
    "statuses": ["active", "suspended", "sunset", "retired"],
    "retentions": ["none", "zdr", "days_30"],
    "training": ["never", "allowed"],
    "audiences": ["anyone"],
}
BACKENDS = {
    "home": {
        "provider": "vllm",
        "base_url": "http://home/v1",
        "deployment": "self_hosted",
        "region": "eu",
        "retention": "none",
        "eligible_persons": ["us_person", "eu_person"],
    },
    "far": {
        "provider": "openai",
        "deployment": "vendor_api",
        "region": "us",
        "retention": "days_30",
        "eligible_persons": ["us_person"],
    },
    "dim": {"provider": "openai"},  # nobody declared anything
}
FACTS = Facts("internal", frozenset({"pii"}), "general", "default", "legal", "web", "k1", source_sensitivity="internal")


def encoded(files):
    """The files as bytes."""
    return {
        name: data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
        for name, data in files.items()
        if data is not None
    }


def policy(*rules, **fields):
    """A file of rules."""
    return {"policy": "p", "owner": "o", "rules": list(rules)} | fields


def tree(files=(), /, **more):
    """A tree that loads, with some files put in or (None) taken out; `more` names files of policies."""
    base = {
        "vocabulary.yaml": {section: dict.fromkeys(words, "x") for section, words in WORDS.items()},
        "catalog/a.yaml": {"backends": BACKENDS},
    }
    return base | dict(files) | {f"policies/{name}.yaml": data for name, data in more.items()}


def read(files=(), /, today="2026-11-22", **more):
    """What comes of such a tree."""
    return parse(encoded(tree(files, **more)), BASE_URLS, today=today)


def bundle(*rules, files=(), **fields):
    """The bundle of such a tree with one file of rules."""
    parsed = read(dict(files), main=policy(*rules, **fields))
    assert parsed.problems == ()
    return parsed.bundle


def places(parsed):
    """Each problem's place and code."""
    return [f"{each.mark} {each.code}" for each in parsed.problems]


def rule(effect, when=None, to=None, id=None, **fields):
    """One rule."""
    return {"id": id or effect, effect: {"when": when or {}, "to": to or {}}} | fields


def shipped():
    """The files of the tree that comes with the gateway."""
    paths = sorted([*SHIPPED.glob("**/*.yaml"), *SHIPPED.glob("dictionaries/*.txt")])
    return {path.relative_to(SHIPPED).as_posix(): path.read_bytes() for path in paths}


def written(directory, files):
    """A tree on disk."""
    for name, data in encoded(files).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    return directory


def at_home(directory):
    """The smallest tree on disk: our own machines may serve everything. Catalogs come from elsewhere."""
    vocabulary = {name: data for name, data in shipped().items() if name == "vocabulary.yaml"}
    return written(
        directory, {**vocabulary, "policies/base.yaml": policy(rule("permit", to={"deployment": "self_hosted"}))}
    )
