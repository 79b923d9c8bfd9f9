from __future__ import annotations

from collections import Counter

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.oracle import ORACLES
from lambda_autotuner.evaluation.schema import Difficulty
from lambda_autotuner.evaluation.selfcheck import check_suite
from lambda_autotuner.evaluation.suite import Selection, load_suite, select

_FILE = """version: 1
category: mine
about: Questions of my own for this test.
questions:
  - {{id: mine-1, group: mine-1, difficulty: easy, ask: how many?, {more}facts: [{{oracle: function_count}}]}}
"""


def write(path, more="", text=None):
    path.write_text(_FILE.format(more=more) if text is None else text)
    return path


def test_the_suite_is_as_large_and_as_wide_as_promised() -> None:
    suite = load_suite()
    assert len(suite.questions) >= 200
    assert len(suite.categories) >= 15
    assert {question.difficulty for question in suite.questions} == set(Difficulty)
    assert [difficulty.level for difficulty in Difficulty] == [1, 2, 3]
    assert min(Counter(question.category for question in suite.questions).values()) >= 8
    held_out = sum(question.held_out for question in suite.questions)
    assert 0.3 <= held_out / len(suite.questions) <= 0.6


def test_the_suite_has_no_static_faults() -> None:
    assert list(check_suite(load_suite())) == []


def test_held_out_wordings_are_not_among_the_planners_examples(repository) -> None:
    import yaml

    prompts = repository / "lambda_autotuner" / "data" / "prompts" / "planner.yaml"
    examples = {
        text.strip().lower()
        for texts in yaml.safe_load(prompts.read_text())["examples"].values()
        for text in texts
    }
    asked = {
        turn.ask.strip().lower()
        for question in load_suite().questions
        if question.held_out
        for turn in question.turns
    }
    assert not examples & asked


def test_every_oracle_is_used_or_documented() -> None:
    used = {spec.oracle for question in load_suite().questions for spec in question.facts}
    assert used <= set(ORACLES)
    assert all(oracle.about for oracle in ORACLES.values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("hold_out: true, ", "is not a key"),
        ("seed: -1, ", "seed"),
        ("tools: {must_no: [x]}, ", "must_no"),
        ("turns: [{ask: x}], ", "both"),
        ("answer: done, ", "state"),
        ("max_answer_chars: .nan, ", "max_answer_chars"),
        ("must_say: memory, ", "must_say should be a list"),
    ],
)
def test_a_malformed_question_is_refused_in_one_line(tmp_path, more, message) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_suite(write(tmp_path / "q.yaml", more))
    assert "mine-1" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "version: 2",
        "a: [",
        "version: 1\ncategory: x\nabout: 0123456789\nquestions: []",
        "\x00",
        "# nothing but a remark\n",
        "just words",
        "version: 1\ncategory: x\nabout: 0123456789\nquestions: many",
        "version: 1\ncategory: x\nabout: 0123456789\nquestions: [1]",
        "version: 1\n\t- a",
        "!!python/object/apply:os.system ['exit 1']",
        "version: 1\nversion: 1",
        "[" * 5000,
    ],
)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, text) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(write(tmp_path / "q.yaml", text=text))
    assert "q.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_given_twice_is_refused_with_its_line(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"line 5.*'difficulty' is given twice"):
        load_suite(write(tmp_path / "q.yaml", "difficulty: hard, "))


def test_text_of_another_encoding_is_refused(tmp_path) -> None:
    path = tmp_path / "q.yaml"
    path.write_bytes(_FILE.format(more="").replace("my own", "m\xfc own").encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        load_suite(path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("faults: [{kind: nonsense}], ", "throttle"),
        ("faults: [{kind: slow, secs: 1}], ", "secs"),
        (
            "setup: [{service: lambda, operation: PutFunctionConcurency}], ",
            "PutFunctionConcurrency",
        ),
        ("setup: [{service: lamda, operation: Invoke}], ", "lamda"),
    ],
)
def test_circumstances_that_no_account_can_have_are_found(tmp_path, more, message) -> None:
    (fault,) = check_suite(load_suite(write(tmp_path / "q.yaml", more)))
    assert fault.startswith("mine-1: ")
    assert message in fault


def test_what_is_not_there_is_said(tmp_path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load_suite(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="holds no question files"):
        load_suite(tmp_path)
    (tmp_path / "a.yaml").write_text(_FILE.format(more=""))
    (tmp_path / "b.yaml").write_text(_FILE.format(more=""))
    with pytest.raises(UsageError, match="share the id"):
        load_suite(tmp_path)


def test_unknown_ids_and_categories_name_the_nearest() -> None:
    suite = load_suite()
    with pytest.raises(UsageError, match="listing-count-1"):
        select(suite, Selection(ids=("listing-count1",)))
    with pytest.raises(UsageError, match="cost_analysis"):
        select(suite, Selection(categories=("cost_analisys",)))


def test_static_faults_are_found(tmp_path) -> None:
    bad = write(tmp_path / "q.yaml", "permissions: nobody, ")
    text = bad.read_text().replace("function_count", "function_cout") + (
        "  - {id: mine-2, group: mine-1, difficulty: easy, ask: how many?, facts: [{oracle: memory}]}\n"
    )
    faults = list(check_suite(load_suite(write(bad, text=text))))
    assert any("function_cout" in fault and "function_count" in fault for fault in faults)
    assert any("misses function" in fault for fault in faults)


def test_a_sample_is_stratified_and_stable() -> None:
    suite = load_suite()
    chosen = select(suite, Selection(sample_size=60))
    assert chosen == select(suite, Selection(sample_size=60))
    assert len(chosen) == 60
    everything = Counter(question.category for question in suite.questions)
    sampled = Counter(question.category for question in chosen)
    for category, count in everything.items():
        assert abs(sampled[category] - 60 * count / len(suite.questions)) <= 3
    assert select(suite, Selection(sample_size=60, seed=8)) != chosen
    assert len(select(suite, Selection(sample_size=10_000))) == len(suite.questions)


def test_the_digest_follows_the_content(tmp_path) -> None:
    first = load_suite(write(tmp_path / "a.yaml"))
    second = load_suite(write(tmp_path / "b.yaml", "held_out: true, "))
    assert first.digest == load_suite(tmp_path / "a.yaml").digest != second.digest
