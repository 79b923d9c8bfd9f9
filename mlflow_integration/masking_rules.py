"""What a secret looks like: shapes of known tokens, telling names, plain values.

Each rule is gated by literals that every match contains, so that a text without them is
scanned at the speed of a substring search and not of a regular expression.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One shape of a secret.

    Attributes:
        name: What the replacement calls it.
        gates: Literals, one of which every match contains; lower-case when `folded`.
        pattern: The shape. Nothing in it may be tried again from every position of a long run
            of characters, so that a hostile megabyte costs no more than an honest one: a
            look-behind keeps it from starting inside a run, or a bound from going on for ever.
        keep: A group reference that is kept in front of the replacement.
        folded: Whether the shape ignores case, so that the gates are looked up in lower case.
        in_words: Whether the gate always stands in a run of 12 and more token characters.
        guard: A part that the gates of several rules share, looked up before them.
    """

    name: str
    gates: tuple[str, ...]
    pattern: re.Pattern[str]
    keep: str = ""
    folded: bool = False
    in_words: bool = True
    guard: str = ""

    @property
    def replacement(self) -> str:
        """The text that stands for the secret; `keep` is a group reference kept in front."""
        return f"{self.keep}[masked:{self.name}]"


_GUARDS = {"signature": "=", "storage-key": "=", "webhook": "hook"}
_ANYWHERE = frozenset({"private-key", "telegram-token", "connection-string"})


def _rule(name: str, gates: str, pattern: str, keep: str = "", flags: int = 0) -> Rule:
    folded = "(?i)" in pattern
    in_words = not folded and name not in _ANYWHERE
    guard = _GUARDS.get(name, "")
    literals = tuple(gates.split())
    return Rule(name, literals, re.compile(pattern, flags), keep, folded, in_words, guard)


# Not inside a longer run of token characters.
_START = r"(?<![A-Za-z0-9_-])"

_SCHEME = r"(?<![A-Za-z0-9+.-])([a-zA-Z][a-zA-Z0-9+.-]{1,30}://)"

RULES: tuple[Rule, ...] = (
    _rule(
        "private-key",
        "PRIVATE",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        flags=re.DOTALL,
    ),
    _rule("private-key", "Private-Lines:", r"(Private-Lines: \d+\s+)[A-Za-z0-9+/=\s]+", r"\1"),
    _rule("aws-access-key", "AKIA ASIA", r"\b(?:AKIA|ASIA)[A-Z0-9]{12,20}\b"),
    _rule(
        "aws-session-token",
        "IQoJb3JpZ2lu FwoGZXIvYXdz FQoGZXIvYXdz",
        r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9/+=%]{16,}",
    ),
    _rule(
        "signature",
        "x-amz- sig= ture=",
        r"(?i)((?:[?&;]|^|\b)(?:x-amz-(?:signature|security-token|credential)|sig|signature)=)"
        r"[^&\s\"'<>]{8,}",
        r"\1",
    ),
    # Signed (two dots) and encrypted (four) tokens; the second part may be empty or cut off.
    _rule(
        "jwt",
        "eyJ",
        _START + r"eyJ[A-Za-z0-9_-]{6,}\.(?:[A-Za-z0-9_-]{6,}|(?=\.))(?:\.[A-Za-z0-9_-]*){0,3}",
    ),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _START + r"gh[pousr]_[A-Za-z0-9_]{20,}"),
    _rule(
        "gitlab-token",
        "glpat- gldt- glrt- glptt-",
        _START + r"gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_.-]{16,}",
    ),
    _rule("slack-token", "xox xapp-", _START + r"(?:xox[a-z]|xapp)[-.][A-Za-z0-9.-]{8,}"),
    _rule(
        "webhook",
        "hooks.slack.com /api/webhooks/ webhook.office.com",
        r"(?i)(hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/"
        r"|webhook\.office\.com/)[A-Za-z0-9/@_-]{8,}",
        r"\1",
    ),
    _rule(
        "databricks-token", "dapi dose dkea", _START + r"(?:dapi|dose|dkea)[0-9a-f]{30,40}(?:-\d+)?"
    ),
    _rule("api-key", "sk-", _START + r"sk-[A-Za-z0-9_-]{16,}"),
    _rule(
        "payment-key",
        "_live_ _test_ whsec_",
        _START + r"(?:(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,})",
    ),
    _rule(
        "google-key", "AIza ya29. GOCSPX-", _START + r"(?:AIza|ya29\.|GOCSPX-)[A-Za-z0-9._-]{20,}"
    ),
    _rule("google-key", "1//0", r"(?<![\w/])1//0[A-Za-z0-9_-]{24,}"),
    _rule(
        "azure-secret",
        "8Q~ 7Q~",
        r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{28,38}",
    ),
    _rule("azure-secret", "AZDO", r"(?<![A-Za-z0-9])[A-Za-z0-9]{52,80}AZDO[A-Za-z0-9]{4}"),
    # Cosmos, Storage, Service Bus, Functions: 32 or 64 bytes in base64.
    _rule(
        "azure-secret", "==", r"(?<![A-Za-z0-9+/])(?<!sha512-)[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"
    ),
    _rule("sendgrid-key", "SG.", _START + r"SG\.[A-Za-z0-9_-]{16,80}\.[A-Za-z0-9_-]{16,}"),
    _rule(
        "package-token", "npm_ pypi-", _START + r"(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{16,})"
    ),
    _rule("model-hub-token", "hf_", _START + r"hf_[A-Za-z0-9]{20,}"),
    _rule(
        "service-token",
        "hvs. hvb. dop_v1_ shpat_ lin_api_ dckr_pat_ github_pat_ .atlasv1. NRAK- figd_ glsa_"
        " sntrys_ PMAK- ntn_ xkeysib- key-",
        r"(?:hv[sb]\.|dop_v1_|shpat_|lin_api_|dckr_pat_|github_pat_"
        r"|(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.|NRAK-|figd_|glsa_|sntrys_|PMAK-|ntn_"
        r"|xkeysib-|(?<![\w-])key-(?=[0-9a-f]{32}\b))[A-Za-z0-9_.+/=-]{16,}",
    ),
    _rule("telegram-token", ":AA", r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{30,}"),
    _rule("twilio-key", "SK", r"\bSK[0-9a-f]{32}\b"),
    _rule(
        "storage-key",
        "accountkey sharedaccess",
        r"(?i)\b(AccountKey|SharedAccessKey|SharedAccessSignature)=[^;\s\"']{8,}",
        r"\1=",
    ),
    _rule(
        "authorization",
        "bearer basic authorization",
        r"(?i)\b(Authorization\W{1,4}(?:Bearer|Basic|Token|Digest|ApiKey)\s{1,4}|Bearer\s{1,4}"
        r"|Basic\s{1,4}"
        r"(?=[A-Za-z0-9+/]{12,4000}={0,2}(?:\W|$))(?=[A-Za-z0-9+/=]{0,4000}[A-Z0-9]))"
        r"(?=[A-Za-z0-9._~+/=-]{0,4000}[0-9A-Z._~+/=-])[A-Za-z0-9._~+/=-]{12,}",
        r"\1",
    ),
    _rule(
        # The text was cut before the host: everything to its end may be the password.
        "connection-string",
        "://",
        _SCHEME + r"[^\s/@:\"'<>]{0,200}:(?!\d{1,5}(?:\Z|[^\w]))[^\s/@\"'<>]{1,400}\Z",
        r"\1",
    ),
    _rule(
        # A password may hold an @ of its own: up to the last one before the path.
        "connection-string",
        "://",
        _SCHEME + r"[^\s/@:\"'<>]{0,200}:(?:[^\s/\"'<>]{0,400}@|[^\s\"'<>]{0,400}?@)(?=[\w.\[-])",
        r"\1",
    ),
    _rule(
        # A token as the user name: long, and no word of letters alone.
        "connection-string",
        "://",
        _SCHEME + r"(?=[^\s/@]{0,200}\d)[^\s/@:\"'<>]{20,200}@(?=[\w.\[-])",
        r"\1",
    ),
)

# Names behind which a secret stands, compared without case, dashes, dots and underscores.
_SENSITIVE = re.compile(
    r"passw(?:or)?d|passphrase|passcode|(?:^|[a-z])pwd$|^pwd|secret|credential|apikey|accesskey"
    r"|secretkey|privatekey|signingkey|encryptionkey|masterkey|licensekey|accountkey|sharedkey"
    r"|sessionkey|hmackey|authkey|servicekey|deploykey|sshkey|token|bearer|^authorization$"
    r"|^auth$|authheader|cookie|connectionstring|connstr|connectionuri|databaseurl|dburl|^dsn$"
    r"|dsn$|redisurl|mongouri|amqpurl|brokerurl|webhookurl|otpseed|^pin$|mnemonic|salt$"
)
_INNOCENT = re.compile(
    r"tokens(?:$|used|total|per|count|limit)|max(?:new)?token|tokencount|tokenusage|tokenlimit"
    r"|tokenizer|tokentype|nexttoken|paginationtoken|continuationtoken|pagetoken|synctoken"
    r"|tokencost|tokenbudget|tokenrate|tokenprice|secretsmanager|secretname|secretarn|secretid$"
    r"|secretversion|credentialtype|credentialsource|passwordpolicy|passwordlastused"
    r"|accesskeyid$|accesskeycount|accesskeystatus|secrets?found|secretcount|tokenexpir"
    r"|cookiecount|clienttoken$|lasttoken|tokenid$"
)
_SEPARATORS = re.compile(r"[^a-z0-9]")
_ARN = re.compile(r"^arn:aws[\w-]*:")
_REFERENCE = re.compile(r"^(?:\$\{.*\}|\{\{.*\}\}|<[^<>]*>|\*+|\[masked:[\w-]+\]|None|null)$")

# Every telling name contains one of these; few and short, because each costs a scan.
ASSIGNMENT_GATES = (
    "pass", "pwd", "secret", "credential", "key", "auth", "token", "bearer", "cookie", "conn",
    "dsn", "url", "uri", "seed", "mnemonic", "salt", "pin",
)  # fmt: skip
# Name and value are matched one after the other: a value may be long, and most names tell nothing.
ASSIGNMENT = re.compile(
    r"(?P<key>(?:(?:api|access|secret|private|session)[ ])?[A-Za-z_][\w.-]{0,60})"
    r"(?:\\*[\"'])?\s{0,24}(?:=>|:=|=|:|\bis\b)\s{0,24}",
    re.IGNORECASE,
)
# A value in quotes may be cut off before the closing one; inside JSON in JSON quotes are escaped.
ASSIGNED = re.compile(
    r"\"(?P<double>(?:[^\"\\]|\\.)*)(?:\"|\\?\Z)"
    r"|\\+\"(?P<escaped>[^\"]*?)(?:\\+\"|\\*\Z)"
    r"|'(?P<single>[^']*)(?:'|\Z)"
    r"|(?P<bare>[^\s,;&\"'<>{}\[\]()\\]+(?:[(){}\[\]<>][^\s,;&\"'(){}\[\]<>\\]+)*)"
    r"|(?=[{\[])",
    re.DOTALL,
)
# `NAME=value` as in an environment, whatever the name says: a value like chance is a secret.
VARIABLE = re.compile(
    r"(?<![A-Za-z0-9_])(?P<key>[A-Z][A-Z0-9]{0,40}(?:_[A-Z0-9]{1,40}){1,12})\\*[\"']?\s{0,4}[=:]"
    r"\s{0,4}\\*[\"']?(?P<value>[A-Za-z0-9+/_.~!@#$%^*=-]{16,})"
)
_IDENTIFIER_KEY = re.compile(
    r"(?:^|_)(?:ID|IDS|ARN|SHA\d*|HASH|DIGEST|CHECKSUM|VERSION|REVISION|COMMIT|ETAG|TAG|NAME|PATH|URL"
    r"|HOST|QUEUE|TABLE|BUCKET|FUNCTION|STREAM|GROUP|REGION|IMAGE|LAYER|MARKER|CURSOR)$"
)
_RANDOM_KINDS = 3
_RANDOM_BITS = 3.5


def is_random_variable(key: str, value: Any) -> bool:
    """Say whether an environment-like name holds a value that only chance can have made."""
    if not isinstance(value, str) or not VARIABLE.fullmatch(f"{key}={value}"):
        return False
    if _IDENTIFIER_KEY.search(key) or _WORDS.fullmatch(value):
        return False
    kinds = sum(any(map(test, value)) for test in (str.islower, str.isupper, str.isdigit))
    counts = [value.count(c) for c in set(value)]
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return kinds == _RANDOM_KINDS and bits >= _RANDOM_BITS


# Words, numbers and dates with something between them: a path, a name, a version.
_WORDS = re.compile(
    r"(?:[A-Z]?[a-z]{2,}|[A-Z]{2,}|\d{1,8}|[A-Za-z])(?:[/._=@-](?:[A-Z]?[a-z]{2,}|[A-Z]{2,}|\d{1,8}|[A-Za-z]))*"
)
ENVIRONMENT_GATES = ("variables", "env")
_ENVIRONMENT_KEYS = frozenset(
    {"variables", "environment", "environmentvariables", "env", "envvars", "environmentvars"}
)
_HEAD = (
    r"(?P<head>\\?[\"']?(?:[Ee]nvironment_?[Vv]ariables|[Ee]nvironment|[Vv]ariables|env_vars"
    r"|env)\\?[\"']?\s*[=:]\s*\{)"
)
ENVIRONMENT_HEAD = re.compile(_HEAD)
ENVIRONMENT_BLOCK = re.compile(_HEAD + r"(?P<body>[^{}]*)(?P<tail>\}|\Z)")
ENVIRONMENT_ENTRY = re.compile(
    r"\\?[\"']?(?P<key>[A-Za-z_]\w*)\\?[\"']?\s*[=:]\s*\\?[\"']?"
    r"(?P<value>[^\"'\\,}]+(?:\\(?![\"'])[^\"'\\,}]*)*)"
)
_PLAIN_VALUES = frozenset(
    [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "none",
        "null",
        "0",
        "1",
        "debug",
        "info",
        "warn",
        "warning",
        "error",
        "critical",
        "trace",
        "prod",
        "production",
        "staging",
        "stage",
        "dev",
        "development",
        "test",
        "testing",
        "qa",
        "json",
        "text",
        "utc",
    ]
)
_PLAIN_KEYS = frozenset(
    [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "TZ",
        "LANG",
        "LC_ALL",
        "LOG_LEVEL",
        "STAGE",
        "ENV",
        "ENVIRONMENT",
        "POWERTOOLS_SERVICE_NAME",
        "POWERTOOLS_LOG_LEVEL",
        "POWERTOOLS_METRICS_NAMESPACE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_EXECUTION_ENV",
    ]
)
_PLAIN_SHAPE = re.compile(r"^(?:[a-z]{2}(?:-[a-z]+)+-\d|[A-Za-z][A-Za-z0-9_.-]{0,30})$")


_NAME_LENGTH = 200


def is_sensitive_key(name: str) -> bool:
    """Say whether a value named `name` is a secret by its name."""
    # What is remembered must not grow with the length of hostile names.
    return _is_sensitive(name) if len(name) <= _NAME_LENGTH else _is_sensitive.__wrapped__(name)


@lru_cache(maxsize=2048)
def _is_sensitive(name: str) -> bool:
    plain = _SEPARATORS.sub("", name.lower())
    return bool(_SENSITIVE.search(plain)) and not _INNOCENT.search(plain)


def is_environment_key(name: str) -> bool:
    """Say whether a mapping named `name` holds environment variables."""
    return len(name) <= _NAME_LENGTH and _names_environment(name)


@lru_cache(maxsize=2048)
def _names_environment(name: str) -> bool:
    return _SEPARATORS.sub("", name.lower()) in _ENVIRONMENT_KEYS


def is_telling_value(value: Any) -> bool:
    """Say whether `value` can be a secret at all: references, flags and ARNs are not."""
    if value is None or isinstance(value, bool):
        return False
    if isinstance(value, str):
        text = value.strip()
        if not text or _ARN.match(text) or _REFERENCE.match(text):
            return False
        return text.lower() not in {"true", "false", "none", "null", "yes", "no"}
    if isinstance(value, (Mapping, list, tuple)):
        return len(value) > 0
    return True


def environment_value_is_plain(key: str, value: Any) -> bool:
    """Say whether an environment variable's value may be shown: flags, levels, regions."""
    if value is None or isinstance(value, bool):
        return True
    text = str(value).strip()
    if _REFERENCE.match(text) or not text:
        return True
    if is_sensitive_key(key):
        return False
    if text.lower() in _PLAIN_VALUES:
        return True
    return key.upper() in _PLAIN_KEYS and bool(_PLAIN_SHAPE.match(text))
