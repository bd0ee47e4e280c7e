"""bench schema"""

from __future__ import annotations

import json

import typer

from bench.cli.app import app


@app.command(
    short_help="Print the JSON Schema of suite files.", epilog="Example: bench schema > suites/schema.json"
)
def schema() -> None:
    """Print the JSON Schema of suite files; editors complete and check them by it."""
    from bench.plan.schema import suite_schema

    typer.echo(json.dumps(suite_schema(), indent=1, ensure_ascii=False))
