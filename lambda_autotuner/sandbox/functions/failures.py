"""How an exception of a function's own code looks: in the answer and in the log, by runtime.

Each runtime client has words of its own: Python's `[ERROR]` with a traceback, Node's `Invoke
Error` with a JSON text, Java's stack trace, and a JSON text from the others.
"""

from __future__ import annotations

import json
from typing import Any, Final

from lambda_autotuner.sandbox.world.archetypes import Archetype

_PYTHON_DEFAULT: Final = "ValueError"
_DEFAULTS: Final = {
    "python": _PYTHON_DEFAULT,
    "nodejs": "Error",
    "java": "java.lang.IllegalArgumentException",
    "dotnet": "ArgumentException",
    "ruby": "ArgumentError",
}


def family(runtime: str | None) -> str:
    """`python`, `nodejs`, `java`, ...; `provided` for what brings its own."""
    return next((name for name in _DEFAULTS if (runtime or "").startswith(name)), "provided")


def error_of(kind: Archetype | None, runtime: str | None) -> tuple[str, str]:
    """The exception that this kind of function raises: (type as its runtime names it, message)."""
    name, message = (kind.error_type, kind.error_message) if kind else ("", "Invalid request")
    own = family(runtime)
    if not name or (name == _PYTHON_DEFAULT and own != "python"):
        name = _DEFAULTS.get(own, "errorString")
    if own == "python":
        name = name.rsplit(".", 1)[-1]  # the class alone, without its module
    return (f"Function<{name}>" if own == "ruby" else name), message


def payload(kind: Archetype | None, runtime: str | None, request_id: str) -> dict[str, Any]:
    """What the invocation answers with."""
    name, message = error_of(kind, runtime)
    body: dict[str, Any] = {"errorMessage": message, "errorType": name}
    own = family(runtime)
    if own == "python":
        body |= {"requestId": request_id, "stackTrace": [_python_frame(name, message)]}
    elif own == "nodejs":
        body["trace"] = _node_stack(name, message)
    elif own == "java":
        body["stackTrace"] = [_JAVA_FRAME]
    elif own in {"dotnet", "ruby"}:
        body["stackTrace"] = ["/var/task/app.rb:41:in `handler'" if own == "ruby" else _DOTNET]
    return body


def log_text(kind: Archetype | None, runtime: str | None, request_id: str, stamp: str) -> str:
    """What the runtime writes about it, in the Text format."""
    name, message = error_of(kind, runtime)
    own = family(runtime)
    if own == "python":
        frames = _python_frame(name, message)
        return f"[ERROR] {name}: {message}\nTraceback (most recent call last):\n{frames}"
    if own == "nodejs":
        told = {"errorType": name, "errorMessage": message, "stack": _node_stack(name, message)}
        return f"{stamp}\t{request_id}\tERROR\tInvoke Error \t{_text(told)}\n"
    if own == "java":
        return f"{message}: {name}\n{name}: {message}\n\tat {_JAVA_FRAME}\n\n"
    if own == "ruby":
        told = payload(kind, runtime, request_id)
        return f"Error raised from handler method\n{_text(told)}\n"
    return _text(payload(kind, runtime, request_id)) + "\n"


def _python_frame(name: str, message: str) -> str:
    return f'  File "/var/task/app.py", line 41, in handler\n    raise {name}({message!r})\n'


_JAVA_FRAME: Final = "com.example.Handler.handleRequest(Handler.java:41)"
_DOTNET: Final = "at Example.Function.Handler(Request request) in /src/Function.cs:line 41"


def _node_stack(name: str, message: str) -> list[str]:
    return [f"{name}: {message}", "    at Runtime.handler (/var/task/index.js:41:11)"]


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
