"""A model behind the OpenAI protocol: its failures are told apart from its wrong answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lambda_autotuner.evaluation.comparison import Reading
from lambda_autotuner.evaluation.session import Options, compare_runs, evaluate
from lambda_autotuner.evaluation.suite import Selection
from lambda_autotuner.settings import Settings, load_settings

# Which question meets which provider; what is not named here is answered rightly.
BUSY, REFUSED, WRONG, BUSY_AFTER_TOOLS = (
    "config-arch-1", "config-runtime-1", "config-handler-1", "config-storage-1",
)  # fmt: skip
RIGHT = "config-memory-1"
ASKED = (RIGHT, BUSY, REFUSED, WRONG, BUSY_AFTER_TOOLS)
_WORDS = {RIGHT: "memory", BUSY: "x86", REFUSED: "runtime", WRONG: "handler",
          BUSY_AFTER_TOOLS: "storage"}  # fmt: skip


class Provider(BaseHTTPRequestHandler):
    """Answers by what the person asked: right, wrong, 429 or 401."""

    working = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        text = json.dumps(asked).lower()
        question = next(name for name, word in _WORDS.items() if word in text)
        looked = any(message["role"] == "tool" for message in body["messages"])
        if not self.working:
            if question == REFUSED:
                return self._send(401, {"error": {"message": "no", "type": "x", "code": "x"}})
            if question == BUSY or (question == BUSY_AFTER_TOOLS and looked):
                return self._send(429, {"error": {"message": "busy", "type": "x", "code": "x"}})
        return self._send(200, self._completion(question, body, looked=looked))

    def _completion(self, question: str, body: dict[str, Any], *, looked: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if not looked:
            name = "checkout-api" if question == RIGHT else self._function(body)
            call = {"name": "get_configuration", "arguments": json.dumps({"function": name})}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": call}]
        else:
            told = next(m["content"] for m in body["messages"] if m["role"] == "tool")
            wrong = question == WRONG and not self.working
            message["content"] = "It is 42. [1]" if wrong else f"{told} [1]"
        return {
            "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message,
                         "finish_reason": "stop" if looked else "tool_calls"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }  # fmt: skip

    def _function(self, body: dict[str, Any]) -> str:
        text = json.dumps(body["messages"][-1]["content"])
        words = text.replace("?", " ").replace('"', " ").replace(".", " ").split()
        return next(word for word in words if "-" in word)

    def _send(self, code: int, payload: dict[str, Any]) -> None:
        raw = json.dumps(payload).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", "test-" + "key")
    monkeypatch.setattr(Provider, "working", True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_failing_provider_is_no_wrong_answer_and_still_a_failure(
    provider: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "state_dir": settings.state_dir, "evaluation.results_dir": settings.evaluation.results_dir,
        "model": "openai:gpt-4o-mini", "model_base_url": provider,
    }  # fmt: skip
    changed = load_settings(values, cwd=settings.state_dir.parent)
    options = Options(Selection(ids=ASKED), fresh=True)
    sound = evaluate(changed, options)
    assert sound.summary["overall"]["success_rate"] == 1.0, [
        (r.question_id, r.scores.problems, r.error) for r in sound.results if not r.success
    ]
    monkeypatch.setattr(Provider, "working", False)
    broken = evaluate(changed, options)
    by_id = {result.question_id: result for result in broken.results}
    assert by_id[RIGHT].success
    assert by_id[WRONG].failure == "answer"
    for name in (BUSY, REFUSED, BUSY_AFTER_TOOLS):
        assert by_id[name].failure == "infrastructure", (name, by_id[name])
        assert by_id[name].error
    assert "refused the credentials (401)" in (by_id[REFUSED].error or "")
    overall = broken.summary["overall"]
    assert overall["success_rate"] == pytest.approx(1 / len(ASKED))
    assert overall["infrastructure_errors"] == 3
    comparison = compare_runs(sound.folder, broken.folder)
    assert comparison.reading in {Reading.WORSE, Reading.CANNOT_TELL}
