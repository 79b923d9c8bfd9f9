"""The commands recommend, tune and scan as a person or a program calls them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner.aws.session import Account
from lambda_autotuner.cli.main import cli, run
from lambda_autotuner.sandbox.process import SandboxProcess

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.setenv("LAMBDA_AUTOTUNER_ENDPOINT_URL", sandbox.endpoint_url)
    monkeypatch.setenv("LAMBDA_AUTOTUNER_TUNING_MAX_INVOCATIONS", "6")
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(cli, list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def default_account(connect: Callable[[str], Account]) -> Account:
    return connect("123456789012")


def test_recommend_speaks_json_alone_on_standard_output(command: Run) -> None:
    code, out, _ = command("recommend", "cart-service", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["function"] == "cart-service"
    assert document["recommendation"]["kind"] in {"change", "keep", "need_more_data"}
    assert document["active"] is False


def test_recommend_in_words_with_a_page(command: Run, tmp_path: Path) -> None:
    code, out, err = command(
        "recommend", "cart-service", "--objective", "slo:p95<900ms", "--html", "page.html"
    )
    assert code == 0
    assert out.startswith("cart-service: ")
    assert "\x1b" not in out
    assert "page.html" in err
    assert "<svg" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("recommend", "cart-servise"), 2, "cart-service"),
        (("recommend", "cart-service", "--objective", "happiness"), 2, "Unknown objective"),
        (("recommend", "cart-service", "--sizes", "128,x"), 2, "--sizes"),
        (("recommend", "cart-service", "--sizes", "100"), 2, "128"),
        (("recommend", "cart-service", "--min-memory", "2048", "--max-memory", "512"), 2, "above"),
        (("tune", "image-resize", "--yes"), 3, "--copy"),
        (("tune", "image-resize", "--copy"), 3, "--yes"),
        (("tune", "cart-service", "--copy", "-y", "--payload", "{"), 2, "is not JSON"),
        (("tune", "cart-service", "--payload", "{}", "--events", "x"), 2, "cannot be combined"),
        (("tune", "cart-service", "--payload", "@none.json"), 2, "cannot be read"),
        (("tune", "cart-service", "--payload-s3", "s3://bucket"), 2, "s3://bucket/key"),
        (("tune", "cart-service", "--concurrency", "0"), 2, "concurrency"),
    ],
)
def test_bad_input_gets_one_clear_line(
    command: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = command(*words)
    assert found == code
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_a_dry_run_names_the_price_and_invokes_nothing(
    command: Run, default_account: Account
) -> None:
    code, out, _ = command("tune", "image-resize", "--copy", "--dry-run")
    assert code == 0
    assert "never more than $" in out
    assert "Side effects are likely" in out
    names = [f["FunctionName"] for f in default_account.pages("lambda", "ListFunctions")]
    assert not [name for name in names if "autotuner" in name]
    code, out, _ = command("tune", "image-resize", "--dry-run", "--json")
    assert json.loads(out)["refusal"].startswith("$LATEST of image-resize")


def test_tune_tells_what_it_learned_and_answers(command: Run) -> None:
    code, out, err = command("tune", "cart-service", "--copy", "--yes", "--no-picture")
    assert code == 0
    assert "[6/6, $" in err or "to lose" in err
    assert "invocations for $" in out


def test_power_tunings_input_file(command: Run, tmp_path: Path) -> None:
    document = {
        "powerValues": [128, 256, 512],
        "num": 5,
        "payload": [{"payload": {"a": 1}, "weight": 3}, {"payload": {"b": 2}, "weight": 1}],
        "strategy": "balanced",
        "balancedWeight": 0.7,
        "discardTopBottom": 0.2,
        "dryRun": True,
    }
    (tmp_path / "input.json").write_text(json.dumps(document))
    options = ("tune", "cart-service", "--copy", "--power-tuning", "input.json", "--json")
    code, out, err = command(*options)
    assert code == 0
    found = json.loads(out)
    assert found["sizes_mb"] == [128, 256, 512]
    assert found["max_invocations"] == 15
    assert list(found["payloads"].values()) == [0.75, 0.25]
    assert "discardTopBottom is not used" in err
    code, out, _ = command(*options, "--sizes", "256,512", "--max-invocations", "4")
    assert json.loads(out)["sizes_mb"] == [256, 512]
    assert json.loads(out)["max_invocations"] == 4
    (tmp_path / "input.json").write_text('{"num": 1}')
    code, _, err = command(*options)
    assert code == 2
    assert "num" in err


def test_scan_as_table_json_and_csv(command: Run, tmp_path: Path) -> None:
    code, out, err = command("scan", "--top", "5", "--deep", "0", "--csv", "all.csv")
    assert code == 0
    lines = [line for line in out.splitlines() if line.strip()]
    assert len(lines) == 6
    assert lines[0].startswith("function")
    assert "API calls" in err
    table = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert len(table) == 60
    code, out, _ = command("scan", "--deep", "0", "--json", "--csv", "all.csv")
    assert [row["function"] for row in json.loads(out)["rows"]] == [r["function"] for r in table]


def test_ctrl_c_ends_promptly_with_130_and_leaves_nothing(
    sandbox: SandboxProcess, tmp_path: Path, default_account: Account
) -> None:
    environment: dict[str, Any] = {
        **os.environ,
        "LAMBDA_AUTOTUNER_ENDPOINT_URL": sandbox.endpoint_url,
        "LAMBDA_AUTOTUNER_STATE_DIR": str(tmp_path / "state"),
    }
    # With pauses the run lasts for seconds, however late this process sees what it says.
    words = ["tune", "session-store", "--copy", "--yes", "--no-picture", "--pause", "2000"]
    child = subprocess.Popen(
        [sys.executable, "-c", "from lambda_autotuner.cli import main; main()", *words],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    for line in child.stderr:
        if " ms" in line:
            break
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in err
    assert out == ""
    names = [f["FunctionName"] for f in default_account.pages("lambda", "ListFunctions")]
    assert not [name for name in names if "autotuner" in name]
