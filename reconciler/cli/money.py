"""The verbs about money."""

from __future__ import annotations

import click

from reconciler.cli.console import data, out, safe
from reconciler.cli.options import CAP, DEBUG, DOLLARS, JSON, WORKSPACE, verb, with_options
from reconciler.cli.prepare import load


@click.command("cost", short_help="What was spent, and what is reserved.")
@with_options(WORKSPACE)
@click.option(
    "--by",
    type=click.Choice(["model", "provider", "day"]),
    default="model",
    help="How it is divided; model by default.",
)
@click.option("--csv", "as_csv", is_flag=True, help="The division as CSV, in dollars.")
@with_options(CAP, JSON, DEBUG)
@verb
def cost_(workspace: str, by: str, as_csv: bool, max_cost_usd: float | None, as_json: bool) -> int:
    """What was spent, what is reserved, the limit and what is left of it; by model, provider or day."""
    from reconciler.cli import render, render_costs
    from reconciler.costs import costs

    found = costs(workspace, load(workspace, {"budget.max_cost_usd": max_cost_usd}, "look").settings)
    if as_json:
        render.document(render_costs.fields(found), workspace, 0)
    elif as_csv:
        lines = (",".join(_cell(each) for each in row) + "\n" for row in render_costs.rows(found, by))
        data((line.encode() for line in lines), as_json=False)
    else:
        render_costs.costs(found, by)
    return 0


def _cell(text: str) -> str:
    """A cell of CSV; what begins as a formula is no formula."""
    guarded = f"'{text}" if text[:1] in "=+-@\t\r" else text
    return f'"{guarded.replace(chr(34), chr(34) * 2)}"' if any(c in guarded for c in ',"\n\r') else guarded


@click.command("limit", short_help="Limit what a workspace may spend.")
@with_options(WORKSPACE)
@click.option("--cost-usd", type=DOLLARS, metavar="USD", help="The most that it may spend, in all.")
@click.option("--none", "lift", is_flag=True, help="Take away the limit that is kept here.")
@with_options(JSON, DEBUG)
@verb
def limit_(workspace: str, cost_usd: float | None, lift: bool, as_json: bool) -> int:
    """
    Keep a limit of cost in the workspace, which every pass obeys, from cron too; without an option, tell it.

    The lowest of all limits holds, those of settings too. Raise it, and the next pass sends what it has held.
    """
    from reconciler.cli import render, render_costs
    from reconciler.costs import costs
    from reconciler.limiting import set_limit

    if lift and cost_usd is not None:
        raise click.UsageError("--cost-usd sets a limit, --none takes it away; give one of the two")
    settings = load(workspace, mode="look").settings
    if lift or cost_usd is not None:
        set_limit(workspace, settings, cost_usd)
    found = costs(workspace, settings)
    if as_json:
        render.document(render_costs.fields(found), workspace, 0)
        return 0
    for line in render_costs.lines(found):
        out(line)
    if found.cap.nano is None:
        out(safe("no limit of cost is set"))
    return 0


ALL = (cost_, limit_)
