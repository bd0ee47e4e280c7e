"""bench schema"""

from __future__ import annotations

import json

import typer

from bench.cli.app import app


@app.command(epilog="Example: bench schema > suites/schema.json")
def schema() -> None:
    """Print the JSON Schema of suite files; editors complete and check them by it."""
    from bench.plan.suite import Suite

    data = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Suite.model_json_schema()}
    typer.echo(json.dumps(data, indent=1))
