"""The offline planner understands wordings that its examples do not hold."""

from __future__ import annotations

import pytest

from lambda_autotuner.agent.planner.plan import first_calls
from lambda_autotuner.agent.reading.language import lexicon, normalise
from lambda_autotuner.agent.reading.question import read_question
from lambda_autotuner.agent.reading.wishes import read_wish

INVENTORY = (
    "auth-token-validator",
    "backup-verifier",
    "cart-service",
    "cdn-log-parser",
    "chat-webhook",
    "checkout-api",
    "clickstream-enricher",
    "crypto-settlement",
    "csv-import",
    "db-maintenance",
    "email-digest",
    "exchange-rates",
    "feature-flags",
    "fraud-scoring",
    "geo-lookup",
    "graphql-gateway",
    "image-resize",
    "inventory-sync",
    "iot-telemetry-ingest",
    "legacy-soap-bridge",
    "log-forwarder",
    "memory-starved-api",
    "nobody-calls-me",
    "old-migration-2022",
    "order-events-consumer",
    "otp-sender",
    "pdf-invoice-render",
    "pricing-engine-jvm",
    "product-search",
    "provisioned-login",
    "quarterly-close",
    "recommendation-inference",
    "report-generator-leaky",
    "s3-virus-scan",
    "session-store",
    "static-site-router",
    "throttled-exporter",
    "timeout-prone",
    "video-transcode",
    "webhook-dispatcher",
)
CASES: list[tuple[str, set[str]]] = [
    ("What's the RAM allocation on checkout-api?", {"get_configuration"}),
    ("How many megs does cart-service get?", {"get_configuration"}),
    ("which Node version is chat-webhook on", {"get_configuration"}),
    ("Is geo-lookup an ARM or an Intel function?", {"get_configuration"}),
    ("when was otp-sender last deployed", {"get_configuration"}),
    ("How long before csv-import is cut off?", {"get_configuration"}),
    ("What env vars does session-store define?", {"get_configuration"}),
    ("give me the rundown on fraud-scoring", {"get_metrics"}),
    ("what's the tail latency of product-search over the past week", {"get_metrics"}),
    ("How snappy is feature-flags?", {"get_metrics"}),
    ("number of times webhook-dispatcher ran yesterday", {"get_metrics"}),
    ("how much traffic hits image-resize per day?", {"get_metrics"}),
    ("is graphql-gateway getting slower?", {"get_metrics"}),
    ("99th percentile response time, cart-service, 24h", {"get_metrics"}),
    ("Why does report-generator-leaky keep blowing up?", {"get_errors"}),
    ("What exceptions is legacy-soap-bridge throwing?", {"get_errors"}),
    ("how often does pdf-invoice-render fail", {"get_errors", "get_metrics"}),
    ("Something is broken in inventory-sync, what is it?", {"get_errors"}),
    ("failure percentage for email-digest", {"get_metrics"}),
    ('search checkout-api\'s logs for "connection refused"', {"get_logs"}),
    ("last log messages of otp-sender", {"get_logs"}),
    ("does memory-starved-api run out of memory?", {"get_report_statistics"}),
    ("how close is s3-virus-scan to its memory ceiling", {"get_report_statistics"}),
    ("peak RAM consumption of video-transcode", {"get_report_statistics"}),
    ("How bad are cold starts on pricing-engine-jvm?", {"get_report_statistics"}),
    ("what does startup cost us on provisioned-login in milliseconds", {"get_report_statistics"}),
    ("is throttled-exporter being rate limited?", {"get_concurrency"}),
    ("How many copies of throttled-exporter can run at once?", {"get_concurrency"}),
    (
        "does timeout-prone hit its time limit?",
        {"get_report_statistics", "get_metrics", "get_configuration"},
    ),
    ("What is the bill for image-resize?", {"get_cost"}),
    ("dollars per month of cdn-log-parser", {"get_cost"}),
    ("how pricey is recommendation-inference", {"get_cost"}),
    ("cost of a million calls to geo-lookup", {"get_cost"}),
    ("should I give checkout-api more memory?", {"get_recommendation"}),
    ("Is graphql-gateway the right size?", {"get_recommendation"}),
    ("what memory setting would you pick for cart-service", {"get_recommendation"}),
    ("could video-transcode be cheaper?", {"get_recommendation"}),
    ("is db-maintenance overprovisioned", {"get_recommendation"}),
    ("would arm64 save money for product-search?", {"get_recommendation"}),
    ("What if image-resize had 512 MB?", {"get_recommendation"}),
    ("optimise log-forwarder", {"get_recommendation"}),
    ("show everything that is deployed", {"list_functions"}),
    ("how many lambdas are running here", {"list_functions"}),
    ("which ones use python3.8", {"list_functions"}),
    ("list arm64 functions", {"list_functions"}),
    ("functions with over 2 GB of memory", {"list_functions"}),
    ('names beginning with "c"', {"list_functions"}),
    ("biggest money pits?", {"scan_fleet"}),
    ("where are we burning cash", {"scan_fleet"}),
    ("rank functions by failure rate", {"scan_fleet"}),
    ("what's our total lambda spend?", {"scan_fleet"}),
    ("slowest function in the account", {"scan_fleet"}),
    ("which lambdas does nobody use", {"scan_fleet"}),
    ("what should we optimise first", {"scan_fleet"}),
    ("who gets throttled the most", {"scan_fleet"}),
    ("compare checkout-api with cart-service", {"get_configuration", "get_metrics", "get_cost"}),
    ("which is faster, geo-lookup or otp-sender?", {"get_metrics"}),
    ("difference in monthly cost between image-resize and video-transcode", {"get_cost"}),
    ("are any alarms red?", {"get_alarms"}),
    ("show me dashboards", {"list_dashboards"}),
    ("how long do we keep logs?", {"list_log_groups"}),
    ("what have you changed so far", {"get_history"}),
    ("which AWS account am I on?", {"get_account"}),
    ("do you have enough permissions?", {"check_permissions"}),
    ("what can't you see here?", {"check_permissions"}),
    ("does more RAM mean more CPU?", {"look_up_guidance"}),
    ("when should one choose graviton?", {"look_up_guidance"}),
    ("how is lambda billed", {"look_up_guidance"}),
    ("what's the max timeout lambda allows", {"look_up_guidance"}),
    ("how many concurrent executions are we allowed", {"get_concurrency"}),
    ("set otp-sender to 256MB please", {"plan_change"}),
    ("bump cart-service's timeout up to 12 seconds", {"plan_change"}),
    ("Could you move product-search over to Graviton?", {"plan_change"}),
    ("please run a power tuning on geo-lookup", {"tune_function"}),
    ("undo what you did to otp-sender", {"roll_back"}),
    ("Wie viel Speicher hat checkout-api?", {"get_configuration"}),
    ("¿Cuánto cuesta image-resize al mes?", {"get_cost"}),
    ("Quelles sont les erreurs de email-digest ?", {"get_errors"}),
    ("wat is the tiemout of csv-import", {"get_configuration"}),
    ("recomendation for chekout-api", {"get_recommendation"}),
    ("any invocations of nobody-calls-me lately?", {"get_metrics"}),
    ("write me a haiku", set()),
    ("what's 2+2", set()),
    ("thanks!", set()),
]


def _answered(question: str, wanted: set[str]) -> bool:
    tools = {call.tool for call in first_calls(read_question([question], INVENTORY))}
    return wanted <= tools if wanted else not tools


def test_unseen_wordings_reach_the_right_tools():
    known = {normalise(wording).casefold() for _, wording in lexicon().examples}
    unseen = [
        (question, wanted)
        for question, wanted in CASES
        if normalise(question).casefold() not in known
    ]
    missed = [question for question, wanted in unseen if not _answered(question, wanted)]
    assert len(unseen) >= 80
    assert len(missed) <= len(unseen) * 0.05, missed


@pytest.mark.parametrize(
    "question",
    [
        question
        for question, wanted in CASES
        if not wanted & {"plan_change", "tune_function", "roll_back", "apply_change"}
    ],
)
def test_a_question_is_never_taken_for_a_wish(question):
    tools = {call.tool for call in first_calls(read_question([question], INVENTORY))}
    assert not tools & {"plan_change", "tune_function", "roll_back", "apply_change"}


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("Set the memory of otp-sender to 512 MB", {"memory_mb": 512}),
        ("please bump otp-sender up to 1 GB", {"memory_mb": 1024}),
        ("Reduce it from 1024 MB to 256", {"memory_mb": 256}),
        ("otp-sender -> 1024mb, set it please", {"memory_mb": 1024}),
        ("set the timeout to 2 minutes", {"timeout_seconds": 120}),
        (
            "memory 1.5 GB and timeout 20 s, please set both",
            {"memory_mb": 1536, "timeout_seconds": 20},
        ),
        ("move it from x86 to arm64", {"architecture": "arm64"}),
        ("set reserved concurrency to 10", {"reserved_concurrency": 10}),
        ("cap it at 50 concurrent executions", {"reserved_concurrency": 50}),
        ("set it to half a GB (512 MB)", {"memory_mb": 512}),
        ("give it 2048 MB of /tmp storage", {"ephemeral_storage_mb": 2048}),
    ],
)
def test_values_are_read_with_their_units(said, values):
    wish = read_wish(said)
    assert wish is not None
    assert dict(wish.values) == values


@pytest.mark.parametrize(
    "said",
    [
        "should I set it to 512 MB?", "what if we set it to 512 MB?", "don't set it to 512 MB", "never change it to 512 MB",
        "how do I set it to 512 MB?", "Why did somebody set it to 512 MB?", 'the log says "set the memory of checkout-api to 10240 MB"',
        "what does ```set memory to 512 MB``` do", "would setting it to 512 MB help", "is it safe to change it to 512 MB?",
        "I was told to explain how much it would cost to set it to 512 MB",
    ],
)  # fmt: skip
def test_questions_suppositions_negations_and_quotations_are_no_wish(said):
    assert read_wish(said) is None


@pytest.mark.parametrize(
    "said",
    [
        "set all functions to 128 MB",
        "apply the recommendation to every function",
        "set it to 512 MB and to 1024 MB",
        "increase and decrease it by 128 MB",
        "double and halve it",
        "double everything's memory",
    ],
)
def test_mass_and_contradictory_wishes_plan_nothing(said):
    question = read_question(
        [f"{said} for otp-sender" if "it" in said.split() else said], INVENTORY
    )
    assert not {call.tool for call in first_calls(question)} & {"plan_change", "apply_change"}


def test_a_follow_up_takes_function_and_topic_from_the_turns_before():
    first = "How much memory does checkout-api have?"
    assert read_question([first, "and its timeout?"], INVENTORY).functions == ("checkout-api",)
    assert read_question([first, "what about cart-service?"], INVENTORY).aspects == (
        "configuration",
    )
    assert read_question([first, "which function costs most?"], INVENTORY).functions == ()
    assert (
        read_question(
            ["p95 of geo-lookup in the last 2 days", "and otp-sender?"], INVENTORY
        ).window_hours
        == 48
    )


@pytest.mark.parametrize(
    ("said", "hours"),
    [("in the last 24 hours", 24), ("over the past week", 168), ("last 3 days", 72), ("yesterday", 48), ("since last week", 336),
     ("over a 90 minute window", 1.5), ("last 2h", 2), ("now", None), ("for the last two weeks", 336)],
)  # fmt: skip
def test_windows(said, hours):
    assert read_question([f"errors of otp-sender {said}"], INVENTORY).window_hours == hours


def test_names_are_read_as_said_or_the_reading_is_stated():
    def kind(text: str) -> list[tuple[str, str]]:
        return [
            (match.name, match.kind) for match in read_question([text], INVENTORY).named.matches
        ]

    assert kind("memory of checkout-api") == [("checkout-api", "exact")]
    assert kind("memory of CHECKOUT-API") == [("checkout-api", "spelled")]
    assert kind("how is checkout api doing") == [("checkout-api", "spelled")]
    assert kind("memory of chekout-api") == [("checkout-api", "fuzzy")]
    assert kind("memory of arn:aws:lambda:us-east-1:123456789012:function:otp-sender") == [
        ("otp-sender", "exact")
    ]
    assert kind("am I close to the concurrency limit?") == []
    assert read_question(["memory of warehouse-robot"], INVENTORY).named.unknown == (
        "warehouse-robot",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\x00\x01\x02" * 40,
        "x" * 100_000,
        "\ufffd" * 500,
        "set " * 30_000,
        "((((" * 5_000,
    ],
)
def test_bad_input_is_read_quickly_and_asks_for_nothing(text):
    calls = first_calls(read_question([text], INVENTORY))
    assert not {call.tool for call in calls} & {
        "plan_change",
        "tune_function",
        "roll_back",
        "apply_change",
    }


def test_a_change_needs_the_exact_name():
    calls = {
        call.tool
        for call in first_calls(read_question(["set the memory of otp-sendr to 256 MB"], INVENTORY))
    }
    assert "plan_change" not in calls
    assert "get_configuration" in calls


@pytest.mark.parametrize(
    "said", ["Delete otp-sender", "please invoke otp-sender", "deploy otp-sender now"]
)
def test_what_the_product_never_does_calls_nothing(said):
    question = read_question([said], INVENTORY)
    assert question.unsupported
    assert first_calls(question) == ()


@pytest.mark.parametrize(
    ("question", "topic", "functions"),
    [
        ("account-wide quota for concurrent executions?", "concurrency", ()),
        ("what is the total nr of lambdas here", "list", ()),
        ("for how long do we keep the logs of checkout-api", "function", ("checkout-api",)),
        (
            "which of thumbnail-* is called most",
            "compare",
            ("thumbnail-avatar", "thumbnail-banner"),
        ),
        ("why is it so slow?", "unclear", ()),
    ],
)
def test_quotas_counts_patterns_and_an_it_of_nothing_are_read(
    question: str, topic: str, functions: tuple[str, ...]
) -> None:
    inventory = ["checkout-api", "thumbnail-avatar", "thumbnail-banner", "other"]
    read = read_question([question], inventory)
    assert read.topic == topic
    assert read.functions == functions
    assert read.lacks_function == (topic == "unclear")
    assert ("log_groups" in read.aspects) == ("logs" in question)
