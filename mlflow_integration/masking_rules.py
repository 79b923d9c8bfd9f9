"""What a secret looks like: shapes of known tokens, telling names, plain values.

Each rule is gated by literals that every match contains, so that a text without them is
scanned at the speed of a substring search and not of a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One shape of a secret.

    Attributes:
        name: What the replacement calls it.
        gates: Lower-case literals, one of which a match contains.
        pattern: The shape.
        keep: A group reference that is kept in front of the replacement.
        in_words: Whether the gate always stands in a run of 16 and more token characters.
    """

    name: str
    gates: tuple[str, ...]
    pattern: re.Pattern[str]
    keep: str = ""
    in_words: bool = True

    @property
    def replacement(self) -> str:
        """The text that stands for the secret; `keep` is a group reference kept in front."""
        return f"{self.keep}[masked:{self.name}]"


_ANYWHERE = frozenset({"private-key", "signature", "authorization", "connection-string"})
LONG_WORD = re.compile(r"[A-Za-z0-9+/=_.-]{16,}")


def _rule(name: str, gates: str, pattern: str, keep: str = "", flags: int = 0) -> Rule:
    in_words = name not in _ANYWHERE
    return Rule(name, tuple(gates.split()), re.compile(pattern, flags), keep, in_words)


RULES: tuple[Rule, ...] = (
    _rule(
        "private-key",
        "private",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        flags=re.DOTALL,
    ),
    _rule("aws-access-key", "akia asia", r"\b(?:AKIA|ASIA)[A-Z0-9]{12,20}\b"),
    _rule(
        "aws-session-token",
        "iqojb3jpz2lu ogzxivyxdz",
        r"\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9/+=%]{16,}",
    ),
    _rule(
        "signature",
        "x-amz- sig= ture=",
        r"(?i)((?:[?&;]|^|\b)(?:x-amz-(?:signature|security-token|credential)|sig|signature)=)"
        r"[^&\s\"'<>]{8,}",
        r"\1",
    ),
    _rule("jwt", "eyj", r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?"),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    _rule("gitlab-token", "glpat-", r"\bglpat-[A-Za-z0-9_.-]{16,}"),
    _rule("slack-token", "xox xapp-", r"\b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"),
    _rule(
        "webhook",
        "hooks.slack.com /api/webhooks/",
        r"(hooks\.slack\.com/(?:services|workflows)/|/api/webhooks/)[A-Za-z0-9/_-]{8,}",
        r"\1",
    ),
    _rule("databricks-token", "dapi", r"\bdapi[0-9a-f]{30,40}(?:-\d+)?"),
    _rule("api-key", "sk-", r"\bsk-(?:[a-z0-9]+-)*[A-Za-z0-9_-]{16,}"),
    _rule(
        "payment-key",
        "_live_ _test_ whsec_",
        r"\b(?:(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,})",
    ),
    _rule("google-key", "aiza ya29. gocspx-", r"\b(?:AIza|ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
    _rule("sendgrid-key", "sg.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _rule("package-token", "npm_ pypi-", r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{16,})"),
    _rule("model-hub-token", "hf_", r"\bhf_[A-Za-z0-9]{20,}"),
    _rule(
        "service-token",
        "hvs. dop_v1_ shpat_ lin_api_ _pat_ atlasv1. nrak- figd_",
        r"\b(?:hvs\.|dop_v1_|shpat_|lin_api_|dckr_pat_|github_pat_|[A-Za-z0-9]{14}\.atlasv1\."
        r"|NRAK-|figd_)[A-Za-z0-9_.+/=-]{16,}",
    ),
    _rule("telegram-token", "aa", r"\b\d{8,10}:AA[A-Za-z0-9_-]{30,}"),
    _rule("twilio-key", "sk", r"\bSK[0-9a-f]{32}\b"),
    _rule(
        "storage-key",
        "accountkey sharedaccess",
        r"(?i)\b(AccountKey|SharedAccessKey|SharedAccessSignature)=[^;\s\"']{8,}",
        r"\1=",
    ),
    _rule(
        "authorization",
        "bearer basic authorization",
        r"(?i)\b(Authorization\W{1,4}(?:Bearer|Basic|Token|Digest)\s+|Bearer\s+|Basic\s+"
        r"(?=[A-Za-z0-9+/]{12,}={0,2}(?:\W|$))(?=[A-Za-z0-9+/=]*[A-Z0-9]))"
        r"(?=[A-Za-z0-9._~+/=-]*[0-9A-Z._~+/=-])[A-Za-z0-9._~+/=-]{12,}",
        r"\1",
    ),
    _rule(
        # The text was cut before the host: everything to its end may be the password.
        "connection-string",
        "://",
        r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,30}://)[^\s/@:\"'<>]*:(?!\d{1,5}(?:\Z|[^\w]))"
        r"[^\s/@\"'<>]+\Z",
        r"\1",
    ),
    _rule(
        "connection-string",
        "://",
        r"\b([a-zA-Z][a-zA-Z0-9+.-]{1,30}://)[^\s/@:\"'<>]*:[^\s\"'<>]*?@(?=[\w.\[-])",
        r"\1",
    ),
)

WORD_GATES = tuple(gate for rule in RULES if rule.in_words for gate in rule.gates)
TEXT_GATES = tuple(gate for rule in RULES if not rule.in_words for gate in rule.gates)

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
    "dsn", "_url", "eurl", "iurl", "uri", "webhook", "seed", "mnemonic", "salt", "pin",
)  # fmt: skip
ASSIGNMENT = re.compile(
    r"(?P<key>(?:(?:api|access|secret|private|session)[ ])?[A-Za-z_][\w.-]{0,60})"
    r"(?P<between>(?:\\?[\"'])?\s{0,4}(?:=>|:=|=|:|\bis\b)\s{0,4})"
    r"(?:\\?\"(?P<double>(?:[^\"\\]|\\(?!\").)*)\\?\"|'(?P<single>[^']*)'"
    r"|(?P<bare>[^\s,;&\"'<>{}\[\]()\\]+)|(?=[{\[]))",
    re.IGNORECASE,
)
ENVIRONMENT_GATES = ("variables", "environment", "env_vars", "envvars", '"env"', "'env'")
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


def is_sensitive_key(name: str) -> bool:
    """Say whether a value named `name` is a secret by its name."""
    plain = _SEPARATORS.sub("", name.lower())
    return bool(_SENSITIVE.search(plain)) and not _INNOCENT.search(plain)


def is_environment_key(name: str) -> bool:
    """Say whether a mapping named `name` holds environment variables."""
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
