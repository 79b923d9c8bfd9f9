"""The MCP server through the SDK's own client: same tools, same rules, same facts."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from lambda_autotuner.agent import Agent, build_agent
from lambda_autotuner.agent.tools import catalogue
from lambda_autotuner.errors import UsageError
from lambda_autotuner.mcp.server import build_server, serve_http
from lambda_autotuner.sandbox.process import start_private
from lambda_autotuner.settings import load_settings
from lambda_autotuner.workspace import private_workspace


@pytest.fixture(autouse=True)
def _no_tracing(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_TRACING", "false")


@pytest.fixture(scope="module")
def agent(tmp_path_factory, sandbox_now) -> Iterator[Agent]:
    folder = tmp_path_factory.mktemp("mcp")
    settings = load_settings({"state_dir": str(folder)}, environ={}, cwd=folder)
    with (
        start_private(seed=7, now=sandbox_now) as process,
        private_workspace(settings, sandbox=process, state_dir=folder) as workspace,
        build_agent("offline", workspace=workspace) as built,
    ):
        yield built


async def test_every_read_tool_and_ask_are_listed_and_no_write_tool(agent):
    async with Client(build_server(agent)) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(listed) == {"ask", *(tool.name for tool in catalogue() if tool.kind == "read")}
    assert listed["get_metrics"].input_schema["additionalProperties"] is False


async def test_write_tools_are_refused_read_only_and_only_propose_otherwise(agent):
    wanted = {"function": "otp-sender", "memory_mb": 256}
    async with Client(build_server(agent)) as client:
        refused = await client.call_tool("plan_change", wanted)
    assert refused.is_error
    assert refused.structured_content["error"]["code"] == "refused"
    async with Client(build_server(agent, proposals=True)) as client:
        proposed = await client.call_tool("plan_change", wanted)
    assert not proposed.is_error
    assert proposed.structured_content["status"].startswith("waiting")
    calls = agent.workspace.account.calls
    assert not [name for name in calls if "Update" in name]


async def test_ask_leaves_no_proposal_read_only_and_cannot_speak_for_a_person(agent):
    asked = "set the memory of otp-sender to 256 MB"
    mine = agent.ask("set the memory of session-store to 512 MB", session_id="person").proposals
    async with Client(build_server(agent)) as client:
        refused = await client.call_tool("ask", {"question": asked})
        await client.call_tool("ask", {"question": "no", "session": "person"})
        await client.call_tool("ask", {"question": "what about cart-service?", "session": "person"})
    assert refused.structured_content["proposals"] == []
    assert "read-only" in refused.content[0].text
    # What waits for a person still waits, and a program's words are not the person's turns.
    assert [p.id for p in agent.pending("person")] == [mine[0].id]
    assert "cart-service" not in " ".join(str(m.text) for m in agent.history("person"))
    async with Client(build_server(agent, proposals=True)) as client:
        proposed = await client.call_tool("ask", {"question": asked})
        await client.call_tool("ask", {"question": "yes", "session": "person"})
    assert [p["status"] for p in proposed.structured_content["proposals"]] == ["pending"]
    assert not [name for name in agent.workspace.account.calls if "Update" in name]
    agent.decide(mine[0].id, approved=False)


async def test_facts_are_those_of_python(agent):
    python = agent.ask("How much memory does checkout-api have?")
    async with Client(build_server(agent)) as client:
        asked = await client.call_tool(
            "ask", {"question": "How much memory does checkout-api have?"}
        )
        read = await client.call_tool("get_configuration", {"function": "checkout-api"})
        old = await client.call_tool("get_lambda_configuration", {"function_name": "checkout-api"})
    assert asked.content[0].text == python.text
    assert f"{read.structured_content['memory_mb']} MB" in python.text
    assert old.structured_content["memory_mb"] == read.structured_content["memory_mb"]


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("get_configuration", {"function": "no-such-function"}, "not_found"),
        ("get_configuration", {"function": "checkout-api", "region": "mars"}, "invalid_arguments"),
        ("get_metrics", {"function": "checkout-api", "window_hours": -1}, "invalid_arguments"),
        ("run_shell", {"command": "ls"}, "unknown_tool"),
        ("ask", {"question": 7}, "refused"),
    ],
)
async def test_bad_calls_get_a_code(agent, tool, arguments, code):
    async with Client(build_server(agent)) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content["error"]["code"] == code


def _posted(port: int, headers: dict[str, str]) -> int:
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **headers,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/mcp", body, sent)
        return connection.getresponse().status
    finally:
        connection.close()


async def test_http_on_loopback(agent):
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(
            build_server(agent).streamable_http_app(),
            host="127.0.0.1",
            port=port,
            log_level="error",
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    async with Client(f"http://127.0.0.1:{port}/mcp") as client:
        result = await client.call_tool("get_account", {})
    # A page in a browser of this machine is no client: neither by another name nor from its origin.
    assert await asyncio.to_thread(_posted, port, {"Host": "evil.example"}) == 421
    assert await asyncio.to_thread(_posted, port, {"Origin": "http://evil.example"}) == 403
    assert await asyncio.to_thread(_posted, port, {}) == 200
    server.should_exit = True
    thread.join(10)
    assert result.structured_content["account"] == agent.workspace.account.account_id


def test_nobody_else_can_come_in(agent):
    with pytest.raises(UsageError, match="this machine alone"):
        serve_http(build_server(agent), host="0.0.0.0", port=1)  # noqa: S104 - refused is the point


async def test_stdio_in_a_process_of_its_own(agent, tmp_path: Path):
    server = StdioServerParameters(
        command=sys.executable,
        args=["-c", "from lambda_autotuner.cli import main; main()", "mcp"],
        env={
            "LAMBDA_AUTOTUNER_STATE_DIR": str(tmp_path / "state"),
            "LAMBDA_AUTOTUNER_ENDPOINT_URL": agent.workspace.account.target.endpoint_url or "",
            "MLFLOW_ENABLE_TRACING": "false",
        },
        cwd=tmp_path,
    )
    async with Client(stdio_client(server)) as client:
        result = await client.call_tool("ask", {"question": "List my functions"})
    assert not result.is_error
    assert re.search(r"\d+ functions in account", result.content[0].text)
    assert json.dumps(result.structured_content)
