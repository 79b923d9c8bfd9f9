"""The real provider path: LangChain's OpenAI client against a stub of the protocol on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lambda_autotuner.agent import build_agent
from lambda_autotuner.agent.providers import connect, price_per_token, wants_advanced
from lambda_autotuner.errors import AccountError, SettingsError
from lambda_autotuner.settings import Settings, load_settings

Reply = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


class Stub:
    """A server that speaks enough of the protocol; `replies` are used up in order, the last stays."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                stub.requests.append(body)
                reply = stub.replies.pop(0) if len(stub.replies) > 1 else stub.replies[0]
                reply(self, body)

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"


def _send(handler: BaseHTTPRequestHandler, status: int, payload: Any, **headers: str) -> None:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    handler.send_response(status)
    for name, value in {
        "content-type": "application/json",
        "content-length": str(len(raw)),
        **headers,
    }.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(raw)


def completion(
    text: str | None = None, calls: list[tuple[str, str]] | None = None, finish: str | None = "stop"
) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{i}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for i, (name, arguments) in enumerate(calls)
            ]
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        if body.get("stream"):
            _stream(handler, message, finish, usage)
            return
        _send(
            handler,
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-4o-mini",
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": usage,
            },
        )

    return reply


def _stream(
    handler: BaseHTTPRequestHandler,
    message: dict[str, Any],
    finish: str | None,
    usage: dict[str, int],
) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()

    def event(delta: dict[str, Any], reason: str | None = None, **extra: Any) -> None:
        chunk = {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            **extra,
        }
        handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    event({"role": "assistant", "content": ""})
    for piece in (message.get("content") or "").split(" "):
        event({"content": piece + " "})
    for index, call in enumerate(message.get("tool_calls") or []):
        event({"tool_calls": [{"index": index, **call}]})
    if finish is None:
        return  # the connection ends without a reason: a cut stream
    event({}, finish)
    handler.wfile.write(b"data: [DONE]\n\n")


def status(code: int, **headers: str) -> Reply:
    return lambda handler, _body: _send(
        handler,
        code,
        {"error": {"message": "key sk-" + "live-secret is bad", "type": "x", "code": "x"}},
        **headers,
    )


def garbage(handler: BaseHTTPRequestHandler, _body: dict[str, Any]) -> None:
    _send(handler, 200, b"<html>not json</html>")


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def ask(stub, shared_workspace, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-" + "key")
    stub.requests.clear()

    def run(
        *replies: Reply, question: str = "How much memory does checkout-api have?", **settings: Any
    ) -> Any:
        stub.replies = list(replies)
        changed = shared_workspace.settings.model_copy(
            update={"model_base_url": stub.url, **settings}
        )
        with build_agent("openai:gpt-4o-mini", changed, workspace=shared_workspace) as agent:
            return agent.ask(question)

    return run


CALL = completion(
    calls=[("get_configuration", '{"function": "checkout-api"}')], finish="tool_calls"
)


def test_a_tool_call_and_an_answer(ask, stub):
    answer = ask(CALL, completion("checkout-api has 1024 MB of memory. [1]"))
    assert answer.text.startswith("checkout-api has 1024 MB of memory. [1]")
    assert answer.usage.input_tokens == 2000
    assert answer.usage.output_tokens == 200
    assert answer.usage.cost_usd == pytest.approx(2000 * 0.15e-6 + 200 * 0.6e-6)
    tools = {tool["function"]["name"] for tool in stub.requests[0]["tools"]}
    assert {"get_metrics", "plan_change", "scan_fleet"} <= tools
    assert stub.requests[0]["messages"][0]["role"] == "system"


def test_a_number_that_no_tool_gave_is_marked(ask):
    answer = ask(CALL, completion("checkout-api has 1024 MB and costs $4711.50 a month. [1]"))
    assert "$4711.50 [unverified]" in answer.text
    assert "1024 MB [unverified]" not in answer.text


def test_busy_provider_is_asked_again(ask, stub):
    answer = ask(status(429, retry_after="0"), CALL, completion("1024 MB [1]"))
    assert answer.text.startswith("1024 MB [1]")
    assert len(stub.requests) == 3


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_are_never_an_answer(ask, code, stub):
    with pytest.raises(AccountError, match=rf"refused the credentials \({code}\)") as caught:
        ask(status(code))
    assert "live-secret" not in str(caught.value)
    assert len(stub.requests) == 1


def test_a_fallback_is_for_failures_that_pass_and_never_for_credentials(ask, stub):
    answer = ask(status(503), CALL, completion("1024 MB [1]"), fallback_model="openai:gpt-4o")
    assert answer.text.startswith("1024 MB [1]")
    assert [request["model"] for request in stub.requests][:2] == ["gpt-4o-mini", "gpt-4o"]
    stub.requests.clear()
    with pytest.raises(AccountError, match="refused the credentials"):
        ask(status(401), completion("never read"), fallback_model="openai:gpt-4o")
    assert len(stub.requests) == 1
    stub.requests.clear()
    with pytest.raises(AccountError, match="refused the credentials"):
        ask(status(429, retry_after="0"), status(401), fallback_model="openai:gpt-4o")
    assert len(stub.requests) == 2


def test_a_broken_provider_leaves_the_evidence_and_says_so(ask):
    answer = ask(CALL, status(500), status(500), status(500))
    assert "1024 MB" in answer.text
    assert any("language model could not be used" in gap.what for gap in answer.gaps)
    assert "live-secret" not in answer.text


def test_what_is_not_json_is_not_an_answer(ask):
    answer = ask(garbage)
    assert answer.text.strip()
    assert "<html>" not in answer.text
    assert answer.gaps


def test_malformed_arguments_are_sent_back(ask, stub):
    answer = ask(
        completion(calls=[("get_configuration", '{"function": "check')], finish="tool_calls"),
        CALL,
        completion("1024 MB [1]"),
    )
    assert answer.text.startswith("1024 MB [1]")
    assert "not valid JSON" in json.dumps(stub.requests[1]["messages"])


def test_a_cut_answer_is_not_taken_for_a_whole_one(ask):
    answer = ask(
        CALL,
        completion("checkout-api has", finish="length"),
        completion("checkout-api has 1024 MB [1]"),
    )
    assert answer.text.startswith("checkout-api has 1024 MB [1]")


def test_a_cut_stream_is_noticed(stub, shared_workspace, monkeypatch):
    from langchain_openai import ChatOpenAI

    monkeypatch.setenv("OPENAI_API_KEY", "test-" + "key")
    stub.replies = [
        CALL,
        completion("checkout-api has", finish=None),
        completion("checkout-api has 1024 MB [1]"),
    ]
    model = ChatOpenAI(model="gpt-4o-mini", base_url=stub.url, streaming=True, max_retries=0)
    with build_agent(model, workspace=shared_workspace) as agent:
        answer = agent.ask("How much memory does checkout-api have?")
    assert answer.text.startswith("checkout-api has 1024 MB [1]")


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_end_a_stream_too(code, stub, shared_workspace, monkeypatch):
    from langchain_openai import ChatOpenAI

    monkeypatch.setenv("OPENAI_API_KEY", "test-" + "key")
    stub.replies = [status(code)]
    model = ChatOpenAI(model="gpt-4o-mini", base_url=stub.url, streaming=True, max_retries=0)
    with (
        build_agent(model, workspace=shared_workspace) as agent,
        pytest.raises(AccountError, match="refused the credentials"),
    ):
        agent.ask("How much memory does checkout-api have?")


def test_the_money_budget_ends_a_question(ask, shared_workspace):
    tight = shared_workspace.settings.agent.model_copy(update={"max_cost_usd": 0.0003})
    answer = ask(CALL, completion(calls=[("get_account", "{}")], finish="tool_calls"), agent=tight)
    assert answer.stopped_by == "$0.00"
    assert "1024 MB" in answer.text


def test_a_long_conversation_gets_the_advanced_model():
    settings = Settings(advanced_model="openai:gpt-4o")
    assert not wants_advanced(settings, ["a question"])
    assert wants_advanced(settings, ["q"] * 7)
    assert wants_advanced(settings, ["x" * 9_000])
    assert not wants_advanced(Settings(), ["q"] * 70)


def test_unknown_prices_are_unknown():
    assert price_per_token("openai:gpt-4o-mini") == (0.15e-6, 0.6e-6)
    assert price_per_token("somebody:new-model") is None
    assert price_per_token("offline") == (0.0, 0.0)


@pytest.mark.parametrize("name", ["openai:", "nonsense:model", "bedrock_converse:x"])
def test_a_model_that_cannot_be_used_is_one_clear_line(name, shared_workspace, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="model"):
        build_agent(name, workspace=shared_workspace).close()


@pytest.mark.parametrize(("name", "remedy"), [
    ("anthropic:claude-sonnet-4", "uv sync --extra anthropic"), ("anthropic:claude-sonnet-4", "uv pip install langchain-anthropic"),
    ("bedrock_converse:amazon.nova-pro", "uv sync --extra bedrock"), ("bedrock:x", "uv pip install langchain-aws"),
    ("ollama:llama3", "uv sync --extra ollama"), ("databricks:some-endpoint", "uv pip install databricks-langchain"),
    ("google_genai:gemini", "uv pip install langchain-google-genai"), ("claude-3", "uv sync --extra anthropic"),
])  # fmt: skip
def test_a_missing_package_is_one_line_with_what_installs_it(name, remedy):
    provider = name.split(":")[0]
    with pytest.raises(SettingsError) as caught:
        connect(name, load_settings({}, environ={}))
    message = str(caught.value)
    assert remedy in message
    assert f"--extra {provider}_" not in message
    assert "\n" not in message


def test_a_missing_key_is_named_and_not_a_class(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        connect("openai:some-model", load_settings({}, environ={}))
