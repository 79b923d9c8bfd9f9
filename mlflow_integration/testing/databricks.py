"""A stand-in for a Databricks workspace: a real mlflow server behind what Databricks adds.

Bearer tokens, its way of telling errors, the metadata document, the current user, absolute
experiment names, artifact addresses below `dbfs:/databricks/mlflow-tracking`, and presigned
uploads. `DATABRICKS_HOST` set to its address takes the real SDK's path. Point it to any server:
`python -m mlflow_integration.testing.databricks --upstream http://127.0.0.1:5000 --token ...`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mlflow_integration.testing.listening import Listening

_HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
)
_ROOT = "dbfs:/databricks/mlflow-tracking"
_TRACE_LOCATION = re.compile(rb'"mlflow-artifacts:(?://)?/([^/"]+)/traces/tr-')
_TRACE_CREDENTIALS = re.compile(r"/traces/([\w-]+)/credentials-for-data-(up|down)load$")
_RUN_CREDENTIALS = re.compile(r"/artifacts/credentials-for-(read|write)$")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> DatabricksStandIn:
        return self.server.owner  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.owner.calls[f"{self.command} {path}"] += 1
        if path == "/.well-known/databricks-config":
            self._json(200, {"oidc_endpoint": f"{self.owner.url}/oidc"})
        elif path.startswith("/presigned/"):
            self._presigned(path, body)
        elif not self._admitted():
            return
        elif path.endswith("/scim/v2/Me"):
            self._json(200, {"id": "1", "userName": self.owner.user, "active": True})
        elif "search-long-running" in path or path.startswith(("/v1/traces", "/api/5.0")):
            self._error(404, "ENDPOINT_NOT_FOUND", f"No API found for '{self.command} {path}'")
        elif found := _TRACE_CREDENTIALS.search(path):
            self._json(200, {"credential_info": self._credential(f"traces/{found[1]}")})
        elif _RUN_CREDENTIALS.search(path):
            self._run_credentials(body)
        elif not self._refused(path, body):
            self._forward(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - names that http.server looks for

    def _admitted(self) -> bool:
        owner = self.owner
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        if token == owner.expired_token:
            self._error(403, "403", "Invalid access token. [ReqId: 0000] The token has expired.")
        elif token in owner.powerless_tokens and not self.path.split("?")[0].endswith("/Me"):
            self._error(
                403, "PERMISSION_DENIED", f"User {owner.user} does not have permission to 'Edit'."
            )
        elif token != owner.token and token not in owner.powerless_tokens:
            status = 401 if not token else 403
            self._error(status, "PERMISSION_DENIED", "Invalid access token. [ReqId: 0000]")
        else:
            return True
        return False

    def _refused(self, path: str, body: bytes) -> bool:
        name = ""
        if path.endswith("/experiments/create"):
            name = str(json.loads(body or b"{}").get("name", ""))
        elif path.endswith("/experiments/get-by-name"):
            name = parse_qs(urlsplit(self.path).query).get("experiment_name", [""])[0]
        if not name or name.startswith("/"):
            return False
        self._error(
            400,
            "INVALID_PARAMETER_VALUE",
            f"Got an invalid experiment name '{name}'. An experiment name must be an absolute path"
            " within the Databricks workspace, e.g. '/Users/<some-username>/my-experiment'.",
        )
        return True

    def _credential(self, key: str) -> dict[str, Any]:
        return {
            "signed_uri": f"{self.owner.url}/presigned/{key}",
            "type": "AWS_PRESIGNED_URL",
            "headers": [],
        }

    def _run_credentials(self, body: bytes) -> None:
        wanted = json.loads(body or b"{}") if body else {}
        if not wanted:
            query = parse_qs(urlsplit(self.path).query)
            wanted = {"run_id": query.get("run_id", [""])[0], "path": query.get("path", [])}
        paths = wanted.get("path") or []
        infos = [
            {"run_id": wanted["run_id"], "path": p, **self._credential(f"{wanted['run_id']}/{p}")}
            for p in ([paths] if isinstance(paths, str) else paths)
        ]
        self._json(200, {"credential_infos": infos})

    def _presigned(self, path: str, body: bytes) -> None:
        key = path.removeprefix("/presigned/")
        if self.command == "PUT":
            self.owner.objects[key] = body
            self._answer(200, b"", [("ETag", '"0"')])
        elif key in self.owner.objects:
            self._answer(200, self.owner.objects[key], [("Content-Type", "application/json")])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", [])

    def _forward(self, body: bytes) -> None:
        parts = urlsplit(self.owner.upstream)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {
            k: v
            for k, v in self.headers.items()
            if k.lower() not in _HOP_HEADERS | {"authorization", "accept-encoding"}
        }
        connection.request(self.command, self.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        text = _TRACE_LOCATION.sub(rb'"' + _ROOT.encode() + rb"/\1/tr-", content)
        text = re.sub(rb'"mlflow-artifacts:(?://)?/', f'"{_ROOT}/'.encode(), text)
        # Databricks keeps spans as objects, never in its tables.
        text = text.replace(b'"TRACKING_STORE"', b'"ARTIFACT_REPO"')
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_HEADERS]
        self._answer(answer.status, text, kept)

    def _json(self, status: int, data: Any) -> None:
        self._answer(status, json.dumps(data).encode(), [("Content-Type", "application/json")])

    def _error(self, status: int, code: str, message: str) -> None:
        self._json(status, {"error_code": code, "message": message})

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class DatabricksStandIn(Listening):
    """A workspace with one user.

    Attributes:
        token: The token that is accepted.
        expired_token: A token that is refused as expired.
        powerless_tokens: Tokens that are valid but may not touch experiments.
        calls: How often each endpoint was called.
        objects: What was uploaded, by key (`traces/<id>` or `<run id>/<path>`).
    """

    handler = _Handler

    def __init__(
        self, upstream: str, *, token: str, user: str = "me@example.com", port: int = 0
    ) -> None:
        super().__init__(port)
        self.upstream = upstream.rstrip("/")
        self.token = token
        self.user = user
        self.expired_token = f"{token}-expired"
        self.powerless_tokens = {f"{token}-powerless"}
        self.calls: Counter[str] = Counter()
        self.objects: dict[str, bytes] = {}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A Databricks workspace for tests.")
    parser.add_argument("--upstream", required=True, help="Address of an mlflow server.")
    parser.add_argument("--token", required=True, help="The token to accept.")
    parser.add_argument("--user", default="me@example.com")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with DatabricksStandIn(
        options.upstream, token=options.token, user=options.user, port=options.port
    ) as server:
        print(server.url, flush=True)  # noqa: T201 - the address is the program's output
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
