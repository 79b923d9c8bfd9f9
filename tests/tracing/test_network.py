"""Private authorities, client certificates, passwords, proxies, and answers that are none."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import mlflow_integration as tracing
from mlflow_integration.environment import Destination
from mlflow_integration.probe import probe
from mlflow_integration.testing import DatabricksStandIn, FaultyServer
from mlflow_integration.testing.certificates import Authority
from mlflow_integration.testing.listening import free_port
from mlflow_integration.testing.proxies import ForwardProxy

TOKEN = "dapi" + "00aa11bb22cc33dd" * 2
# What `requests` says when verification is switched off on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path):
    import os

    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def ask_one(traced) -> None:
    with tracing.track_agent_execution("q") as execution:
        execution.set_answer("a")


def arrives(traced, server) -> None:
    """What was recorded gets to the server behind it all, once."""
    result = traced.deliver(60)
    assert result["pending"] == {}, result
    traced.uri = server.url
    assert len(traced.traces()) == 1
    assert len(traced.runs()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "file"),
        ("REQUESTS_CA_BUNDLE", "file"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "true"),
    ],
)
def test_a_private_authority(name, value, start, server, authority, monkeypatch):
    with FaultyServer("through", upstream=server.url, tls=authority.context(["127.0.0.1"])) as tls:
        traced = start(tls.url)
        assert (traced.status.enabled, traced.status.code) == (False, "tls")
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in (traced.status.remedy or "")
        ask_one(traced)
        assert traced.deliver(10)["pending"]["traces"] == 1
        monkeypatch.setenv(name, str(authority.file) if value == "file" else value)
        assert start(tls.url, experiment=traced.experiment).status.enabled
        arrives(traced, server)


def test_a_private_authority_before_databricks(start, server, authority, monkeypatch):
    with (
        DatabricksStandIn(server.url, token=TOKEN) as workspace,
        FaultyServer(
            "through", upstream=workspace.url, tls=authority.context(["127.0.0.1"])
        ) as tls,
    ):
        monkeypatch.setenv("DATABRICKS_HOST", tls.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        # It is not for Databricks: neither MLflow nor the SDK looks at it there.
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.file))
        traced = start("databricks")
        assert traced.status.code == "tls"
        assert "REQUESTS_CA_BUNDLE" in (traced.status.remedy or "")
        ask_one(traced)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        assert start("databricks", experiment=traced.experiment).status.enabled
        assert traced.deliver(60)["pending"] == {}
        assert len([key for key in workspace.objects if key.startswith("traces/")]) == 1


def test_a_server_that_wants_a_certificate_of_ours(start, server, authority, monkeypatch):
    context = authority.context(["127.0.0.1"], ask_client=True)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.file))
    with FaultyServer("through", upstream=server.url, tls=context) as tls:
        traced = start(tls.url)
        assert traced.status.code == "tls", traced.status
        assert "MLFLOW_TRACKING_CLIENT_CERT_PATH" in (traced.status.remedy or "")
        ask_one(traced)
        ours = authority.issue(["client"])
        monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(ours))
        assert start(tls.url, experiment=traced.experiment).status.enabled
        arrives(traced, server)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("another name", "use the name that the certificate is for"),
        ("expired", "must be renewed"),
        ("plain server", "write http://"),
        ("no such file", "is no readable file of certificates"),
        ("no key", "is no certificate with its key"),
        ("both", "exclude each other"),
    ],
)
def test_each_tls_failure_has_its_remedy(case, words, authority):
    names = ["other.example.com"] if case == "another name" else ["127.0.0.1"]
    tls = None if case == "plain server" else authority.context(
        names, days=-1 if case == "expired" else 30
    )  # fmt: skip
    variables = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(authority.file)}
    if case == "no such file":
        variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = "/no/such/file.pem"
    if case == "no key":
        variables["MLFLOW_TRACKING_CLIENT_CERT_PATH"] = str(authority.file)
    if case == "both":
        variables["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
    with FaultyServer("404", tls=tls) as server:
        address = server.url.replace("http://", "https://")
        found = probe(Destination(address, "x"), variables, seconds=10)
    assert found.code in {"tls", "configuration"}
    assert words in f"{found.reason}. {found.remedy}", found


@pytest.mark.parametrize("kind", ["variables", "file", "address", "token"])
def test_passwords_and_tokens(kind, start, server, monkeypatch, tmp_path):
    password = "pa55:w" + "ord/@%"
    pair = base64.b64encode(f"ann:{password}".encode()).decode()
    with FaultyServer("through", upstream=server.url) as guarded:
        guarded.authorization = f"Basic {pair}"
        address = guarded.url
        traced = start(address)
        assert traced.status.code == "unauthorized"
        ask_one(traced)
        if kind == "variables":
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        elif kind == "file":
            password = "pa55:w" + "ord/@"
            pair = base64.b64encode(f"ann:{password}".encode()).decode()
            guarded.authorization = f"Basic {pair}"
            (tmp_path / ".mlflow").mkdir()
            (tmp_path / ".mlflow" / "credentials").write_text(
                f"[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = {password}\n"
            )
        elif kind == "address":
            from urllib.parse import quote

            address = address.replace("http://", f"http://ann:{quote(password, safe='')}@")
        else:
            guarded.authorization = f"Bearer {TOKEN}"
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        again = start(address, experiment=traced.experiment)
        assert again.status.enabled, again.status
        arrives(traced, server)
    assert password not in traced.spooled_text()


@pytest.fixture
def company(server):
    """A proxy that knows two names which nobody can resolve here."""
    names = {"mlflow.company.test": "127.0.0.1", "workspace.company.test": "127.0.0.1"}
    with ForwardProxy(names, password="ann:se" + "cret") as proxy:
        yield proxy


def through(proxy: ForwardProxy) -> str:
    return f"http://{proxy.password}@127.0.0.1:{proxy.port}"


def test_http_through_a_proxy(start, server, company, monkeypatch):
    # MLflow's own server refuses names that it does not know, so one that does stands before it.
    named = FaultyServer("through", upstream=server.url)
    with named:
        _through_a_proxy(
            f"http://mlflow.company.test:{named.port}", start, server, company, monkeypatch
        )


def _through_a_proxy(address, start, server, company, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", company.url)
    traced = start(address)
    assert traced.status.code == "proxy", traced.status
    assert "HTTP 407" in (traced.status.reason or "")
    ask_one(traced)
    assert traced.deliver(10)["pending"]["traces"] == 1
    monkeypatch.setenv("HTTP_PROXY", through(company))
    again = start(address, experiment=traced.experiment)
    assert again.status.enabled, again.status
    arrives(traced, server)
    assert "cret" not in traced.spooled_text()


def test_https_through_a_proxy(start, server, company, authority, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", through(company))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    context = authority.context(["mlflow.company.test"])
    with FaultyServer("through", upstream=server.url, tls=context) as tls:
        traced = start(f"https://mlflow.company.test:{tls.port}")
        assert traced.status.enabled, traced.status
        ask_one(traced)
        arrives(traced, server)
        assert company.seen[f"CONNECT mlflow.company.test:{tls.port}"] > 1


def test_databricks_through_a_proxy(start, server, company, monkeypatch):
    monkeypatch.setenv("http_proxy", through(company))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    with DatabricksStandIn(server.url, token=TOKEN) as workspace:
        monkeypatch.setenv("DATABRICKS_HOST", f"http://workspace.company.test:{workspace.port}")
        traced = start("databricks")
        assert traced.status.enabled, traced.status
        ask_one(traced)
        assert traced.deliver(60)["pending"] == {}
        assert len([key for key in workspace.objects if key.startswith("traces/")]) == 1


def test_no_proxy_and_proxies_that_do_not_help(server, company, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    found = probe(Destination(server.url, "x"), seconds=10)
    assert found.code == "unreachable"
    assert "through the proxy" in (found.reason or "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8,other.test")
    assert probe(Destination(server.url, "x"), seconds=10).code is None
    monkeypatch.setenv("HTTPS_PROXY", through(company))
    found = probe(Destination("https://unknown.company.test", "x"), seconds=10)
    assert "refused the connection" in (found.reason or "")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    assert "not supported" in (probe(Destination("https://a.test", "x"), seconds=5).reason or "")


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("page", "configuration", "a page instead of JSON"),
        ("redirect", "configuration", "https://login.example.com/"),
        ("drip", "timeout", "did not answer"),
        ("429", "server_error", "wants fewer requests"),
        ("404", "configuration", "does not speak MLflow's protocol"),
    ],
)
def test_an_answer_that_is_none_is_no_success_and_loses_nothing(mode, code, words, start, server):
    with FaultyServer(mode, upstream=server.url) as faulty:
        traced = start(faulty.url, timeout_seconds=2.0)
        assert (traced.status.enabled, traced.status.code) == (False, code), traced.status
        assert words in (traced.status.reason or "")
        ask_one(traced)
        result = traced.deliver(8)
        assert result["pending"]["traces"] == 1
        assert not result["rejected"]
        faulty.mode = "through"
        faulty.released.set()
        arrives(traced, server)


@pytest.mark.parametrize("mode", ["page", "redirect", "429", "500", "404", "403"])
def test_answers_that_turn_bad_between_probe_and_delivery_lose_nothing(
    mode, start, server, monkeypatch
):
    from mlflow_integration import delivery

    with FaultyServer("through", upstream=server.url) as faulty:
        traced = start(faulty.url)
        ask_one(traced)
        monkeypatch.setattr(delivery, "require", lambda *_, **__: None)
        faulty.body = "<html>not now</html>"
        faulty.mode = mode
        for _ in range(5):
            result = traced.deliver(2)
            assert not result["rejected"], result
            assert result["pending"]["traces"] == 1
        faulty.mode = "through"
        arrives(traced, server)


def test_a_server_that_forgets_to_answer_gets_nothing_twice(start, server):
    with FaultyServer("through", upstream=server.url) as faulty:
        traced = start(faulty.url)
        ask_one(traced)
        with tracing.track_agent_execution("rated", log_run=False) as execution:
            execution.set_answer("a")
        tracing.log_assessment(execution.trace_id, "helpful", True)
        faulty.mode = "forgetful"
        for _ in range(6):
            traced.deliver(3)
        faulty.mode = "through"
        assert traced.deliver(60)["pending"] == {}
        traced.uri = server.url
        assert len(traced.traces()) == 2
        assert len(traced.runs()) == 1
        (rated,) = [t for t in traced.traces() if t.info.request_preview == "rated"]
        assert len(rated.info.assessments) == 1


@pytest.mark.parametrize(("status", "page"), [(500, None), (413, "<html>too large</html>")])
def test_one_record_that_the_server_stumbles_over_holds_nothing_up(status, page, start, server):
    with FaultyServer("through", upstream=server.url) as faulty:
        traced = start(faulty.url)
        faulty.poison, faulty.poison_status = b"poisonous", status
        faulty.poison_page = page or faulty.poison_page
        for text in ("poisonous", "good 1", "good 2"):
            with tracing.track_agent_execution(text, log_run=False) as execution:
                execution.set_answer("a")
        for _ in range(4):
            result = traced.deliver(3)
        assert result["delivered"]["traces"] == 2
        kept = (traced.spool / "rejected.jsonl").exists() or result["pending"].get("traces") == 1
        assert kept, result
        faulty.poison = None
        traced.uri = server.url
        assert sorted(t.info.request_preview for t in traced.traces()) == ["good 1", "good 2"]


def test_a_name_that_is_taken_and_a_missing_folder_are_named(tmp_path):
    from mlflow.exceptions import RestException

    from mlflow_integration.backend import resolve_experiment
    from mlflow_integration.errors import UnreachableError

    class Store:
        def __init__(self, code: str) -> None:
            self.code = code

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, *_: object) -> None:
            raise RestException({"error_code": self.code, "message": "Node named x already exists"})

    destination = Destination("databricks", "/Shared/team/x")
    for code, words in (("RESOURCE_ALREADY_EXISTS", "taken"), ("NOT_FOUND", "does not exist")):
        with pytest.raises(UnreachableError, match=words) as caught:
            resolve_experiment(Store(code), destination, create=True)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://adb-1.7.azuredatabricks.net/", "https://adb-1.7.azuredatabricks.net"),
        ("adb-1.7.azuredatabricks.net", "https://adb-1.7.azuredatabricks.net"),
        ("https://x.cloud.databricks.com/?o=123#x", "https://x.cloud.databricks.com"),
        (" https://x.cloud.databricks.com/browse ", "https://x.cloud.databricks.com"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_workspace_address_as_people_write_it(written, used):
    from mlflow_integration.environment import databricks_host

    assert databricks_host({"DATABRICKS_HOST": written}, None) == used


def test_a_token_that_the_workspace_calls_a_bad_parameter(monkeypatch):
    with FaultyServer("400") as faulty:
        faulty.body = '{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid access token."}'
        found = probe(
            Destination("databricks", "x", host=faulty.url), {"DATABRICKS_TOKEN": TOKEN}, seconds=5
        )
    assert found.code == "unauthorized"


def test_oauth_that_fails_is_not_called_a_missing_token(monkeypatch):
    with FaultyServer("401") as faulty:
        variables = {
            "DATABRICKS_HOST": faulty.url, "DATABRICKS_CLIENT_ID": "some-principal",
            "DATABRICKS_CLIENT_SECRET": "not-the-one",
        }  # fmt: skip
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found = probe(Destination("databricks", "x", host=faulty.url), variables, seconds=20)
    assert found.code == "unauthorized", found
    assert "DATABRICKS_CLIENT_ID" in (found.reason or "")
    assert "not-the-one" not in f"{found.reason}{found.remedy}"


def test_unity_catalog_is_not_for_traces(tmp_path):
    from mlflow_integration import pipeline

    status = pipeline.initialize_mlflow(
        state_dir=tmp_path, tracking_uri="databricks-uc", autolog=False
    )
    assert status.code == "configuration"
    assert "MLFLOW_REGISTRY_URI" in (status.remedy or "")
    assert Path(tmp_path).is_dir()
