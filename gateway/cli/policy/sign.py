"""`gateway policy sign`"""

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.adapters import policy_files, signing
from gateway.cli.common import cannot_run, print_json, settings_of
from gateway.cli.policy.common import Plain
from gateway.policy import signature
from gateway.policy.document import render
from gateway.review import lock


def sign(
    policies: Annotated[Path | None, typer.Argument(help="The policy tree (GATEWAY_POLICIES).")] = None,
    key: Annotated[str, typer.Option(help="The private key: env:NAME or file:PATH, Ed25519 in PEM.")] = "",
    version: Annotated[
        int | None, typer.Option(min=1, help="Its version; higher than any before. (default: the time, in seconds)")
    ] = None,
    format: Annotated[Plain, typer.Option(help="How to print.")] = Plain.text,
) -> None:
    """Sign a policy tree that loads: for CI, once it was reviewed, and to order a roll-back.

    Writes policy.sig. Gateways with GATEWAY_POLICY_KEY take a tree only if it is signed, and never one whose version is
    lower than that of the last. Exit code 1: the tree would not load; nothing is signed.
    """
    settings = settings_of(policies=policies)
    directory = settings.policies
    if not key:
        cannot_run("name the private key with --key: env:NAME or file:PATH")
    try:
        files = policy_files.read_tree(directory)
        proved = policy_files.read_beside(directory, lock.NAME)
        shown = {name: str(directory / name) for name in files}
        checked = policy_files.check_tree(files, proved, shown, None, str(directory / lock.NAME))
        if checked.bundle is None:
            typer.echo(render(checked.problems, checked.sources), err=True)
            typer.echo("\nthe tree would not load; nothing is signed", err=True)
            raise typer.Exit(1)
        before = _version_before(directory)
        if version is not None and version <= before:
            cannot_run(f"{signature.NAME} is version {before} already; take a higher one")
        signed = signature.signed_of(files, proved, version or max(int(time.time()), before + 1))
        made = signature.text(signing.signature_by(key, signed))
        if settings.policy_key is not None:
            _, why = signing.verified(settings.policy_key, files, proved, made.encode())
            if why:
                cannot_run(f"this key does not count here: {why}")
        path = policy_files.write_beside(directory, signature.NAME, made)
    except (policy_files.Unreadable, signing.Unusable) as error:
        cannot_run(str(error))
    except OSError as error:
        cannot_run(f"cannot write {directory / signature.NAME}: {error.strerror}")
    if format is Plain.json:
        print_json({"file": str(path), "digest": checked.bundle.digest, "version": signed.version})
    else:
        typer.echo(f"wrote {path} (digest {checked.bundle.digest}, version {signed.version})")


def _version_before(directory: Path) -> int:
    """The version of the signature that lies there, whoever made it; 0: there is none that can be read."""
    written = policy_files.read_beside(directory, signature.NAME)
    found = None if written is None else signature.parse(signature.NAME, written)[0]
    return 0 if found is None else found.version
