"""`lambda-autotuner mcp`: the toolbox for any MCP client."""

from __future__ import annotations

import asyncio

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door


@click.command("mcp")
@click.option(
    "--http",
    is_flag=True,
    help="Serve streamable HTTP at /mcp instead of standard input and output.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="This machine only.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--proposals",
    is_flag=True,
    help="Let tools leave proposals, which a person decides about here.",
)
@click.option("--model", help="Which model answers `ask`: offline, or provider:name.")
@common_options
@pass_door
def command(
    door: Door, /, *, http: bool, host: str, port: int, proposals: bool, model: str | None
) -> None:
    """Serve the toolbox over the Model Context Protocol; read-only by default."""
    import mlflow_integration as tracing
    from lambda_autotuner.agent import build_agent
    from lambda_autotuner.mcp.server import build_server, serve_http, serve_stdio

    door.override(model=model)
    tracing.initialize_mlflow(state_dir=door.settings.state_dir)
    with (
        door.open_workspace() as workspace,
        build_agent(settings=door.settings, workspace=workspace) as agent,
    ):
        server = build_server(agent, proposals=proposals)
        if http:
            door.say(f"MCP at http://{host}:{port}/mcp", style="dim")
            serve_http(server, host=host, port=port)
        else:
            asyncio.run(serve_stdio(server))
