"""`gateway policy`"""

import typer

from gateway.cli.policy import check, diff, drill, explain, lint, prove, replay, rollback, rollout, schema, sign, test

app = typer.Typer(help="Routing policy: check it, ask it, prove it, see what a change changes.", no_args_is_help=True)
app.command("check")(check.check)
app.command("diff")(diff.compare)
app.command("lint")(lint.lint)
app.command("test")(test.run_tests)
app.command("explain")(explain.explain_request)
app.command("schema")(schema.schema)
app.add_typer(drill.app, name="drill")
app.command("replay")(replay.replay_traffic)
app.command("prove")(prove.prove)
app.command("rollout")(rollout.roll_out)
app.command("rollback")(rollback.roll_back)
app.command("sign")(sign.sign)
