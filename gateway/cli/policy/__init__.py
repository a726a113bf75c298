"""`gateway policy`"""

import typer

from gateway.cli.deferred import defer

app = typer.Typer(help="Routing policy: check it, ask it, prove it, see what a change changes.", no_args_is_help=True)
COMMANDS = {
    "check": ("check:check", "Check a policy tree: everything that the server checks before it loads it."),
    "diff": ("diff:compare", "Show what a change changes: who may now send what to whom and could not before."),
    "lint": ("lint:lint", "Lint a policy tree: rules that change nothing, backends and requests out of reach."),
    "test": ("test:run_tests", "Run the tests of a policy tree, and say which rules and boundaries they reach."),
    "explain": (
        "explain:explain_request",
        "Explain a request: who may serve it, in which order, every rule that says so.",
    ),
    "schema": ("schema:schema", "Print JSON Schemas for the files of a policy tree, with its own words."),
    "drill": ("drill:app", "Rehearse what an order would do, before it is given."),
    "replay": ("replay:replay_traffic", "Decide past traffic again under a changed tree."),
    "prove": (
        "prove:prove",
        "Prove the invariants of a policy tree for all requests, or show a request that breaks one.",
    ),
    "rollout": ("rollout:roll_out", "Say which files on trial (`mode: shadow` or `warn`, with `promote`) are ready."),
    "rollback": ("rollback:roll_back", "Make the files of a tree what they were, if they would still load."),
    "sign": ("sign:sign", "Sign a policy tree that loads."),
}
defer(app, __name__, COMMANDS)
