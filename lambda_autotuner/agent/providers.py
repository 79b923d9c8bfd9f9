"""Which model answers, what its tokens cost, and what its failures mean."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lambda_autotuner.errors import AccountError, SettingsError
from lambda_autotuner.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

OFFLINE = "offline"
OFFLINE_NOTICE = "offline planner, no language model"
ADVANCED_CHARACTERS = 8_000
_RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_AUTHENTICATION = frozenset({401, 403})
_TOKEN_MILLION = 1_000_000
_PACKAGES = {
    "anthropic": ("anthropic", "langchain-anthropic"),
    "bedrock": ("bedrock", "langchain-aws"),
    "bedrock_converse": ("bedrock", "langchain-aws"),
    "databricks": (None, "databricks-langchain"),
    "ollama": ("ollama", "langchain-ollama"),
    "openai": ("openai", "langchain-openai"),
}
"""Provider -> our extra that brings its package, and the package."""
_NAMED_PACKAGE = re.compile(
    r"(?:uv add|pip install)(?: -U)? [`'\"]?([a-z][\w-]+)|\b(langchain[_-][\w-]+)"
)


class ModelError(Exception):
    """A model call that gave nothing.

    Attributes:
        retryable: worth another try.
        public: what a person may read of it; never the provider's own text, which can hold keys.
        fatal: never to be hidden behind an answer (authentication).
    """

    def __init__(
        self,
        public: str,
        *,
        retryable: bool,
        fatal: bool = False,
        remedy: str | None = None,
        delay_seconds: float | None = None,
    ) -> None:
        super().__init__(public)
        self.public = public
        self.retryable = retryable
        self.fatal = fatal
        self.remedy = remedy
        self.delay_seconds = delay_seconds

    def to_error(self) -> AccountError:
        """The failure as an error that ends a command."""
        return AccountError(
            f"The language model could not be used: {self.public}.", remedy=self.remedy
        )


def status_code(error: BaseException) -> int | None:
    """The HTTP status that an exception of a provider carries, through its causes."""
    seen: BaseException | None = error
    while seen is not None:
        for holder in (seen, getattr(seen, "response", None)):
            status = getattr(holder, "status_code", None) or getattr(holder, "http_status", None)
            if isinstance(holder, dict):
                status = holder.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(status, int):
                return status
        seen = seen.__cause__
    return None


def classify_failure(error: Exception) -> ModelError:
    """What a provider's exception means for the question."""
    status = status_code(error)
    name = type(error).__name__
    if status in _AUTHENTICATION or re.search(
        r"Authentication|PermissionDenied|AccessDenied|Unauthorized|NoCredentials", name
    ):
        return ModelError(
            f"the provider refused the credentials ({status or name})", retryable=False, fatal=True,
            remedy="Check the provider's key in the environment, or use --model offline.",
        )  # fmt: skip
    if status in _RETRYABLE or re.search(
        r"Timeout|Connection|RateLimit|Overloaded|Unavailable|RemoteProtocol|Throttl", name
    ):
        return ModelError(
            f"the provider answered {status or name}",
            retryable=True,
            delay_seconds=_retry_after(error),
        )
    if status is not None:
        return ModelError(
            f"the provider answered {status}",
            retryable=False,
            remedy="See the provider's documentation for this status.",
        )
    return ModelError(f"the provider's client failed ({name})", retryable=True)


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return min(10.0, float(headers.get("retry-after", "")))
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and how it is called in answers, traces and bills."""

    model: BaseChatModel
    name: str
    finish_required: bool


def is_offline(name: str) -> bool:
    """Whether a model's name stands for the planner without a language model."""
    return name.strip().lower() in {OFFLINE, "planner", ""}


def wants_advanced(settings: Settings, human_turns: Sequence[str]) -> bool:
    """The documented rule: a long conversation gets the advanced model when one is set.

    Long is more than `agent.advanced_after_turns` messages of the person, or 8,000 characters.
    """
    if not settings.advanced_model:
        return False
    characters = sum(len(text) for text in human_turns)
    return (
        len(human_turns) > settings.agent.advanced_after_turns or characters > ADVANCED_CHARACTERS
    )


def connect(name: str, settings: Settings) -> Choice:
    """A chat model by `provider:name`, through LangChain.

    Raises:
        SettingsError: the provider is unknown or its package is not installed.
    """
    from langchain.chat_models import init_chat_model

    provider = name.split(":", 1)[0] if ":" in name else None
    options: dict[str, Any] = {
        "temperature": settings.temperature,
        "max_retries": 0,
        "timeout": settings.agent.deadline_seconds,
    }
    if settings.model_base_url:
        options["base_url"] = settings.model_base_url
    if provider in {"bedrock", "bedrock_converse", "ollama", "databricks"}:
        options = {k: v for k, v in options.items() if k in {"temperature", "base_url"}}
    try:
        model = (
            _databricks(name, options)
            if provider == "databricks"
            else init_chat_model(name, **options)
        )
    except ImportError as error:
        raise SettingsError(
            f"The package for the model {name!r} is not installed.",
            remedy=f"{install_command(provider, str(error))}, or use --model offline.",
        ) from error
    except (
        Exception
    ) as error:  # a provider's constructor refuses in its own ways, each for a missing key or name
        raise SettingsError(
            f"The model {name!r} cannot be used: {_refusal(error)}.",
            remedy="Write provider:name (bedrock_converse, anthropic, openai, databricks, ollama) and set the provider's key, or use --model offline.",
        ) from error
    return Choice(model, name, finish_required=True)


def _databricks(name: str, options: dict[str, Any]) -> BaseChatModel:
    """Databricks' own package: `init_chat_model` does not know this provider.

    Raises:
        ImportError: the package is not installed.
    """
    package = importlib.import_module("databricks_langchain")
    model: BaseChatModel = package.ChatDatabricks(
        model=name.split(":", 1)[1], temperature=options["temperature"]
    )
    return model


def install_command(provider: str | None, said: str) -> str:
    """What installs a provider's package: our extra where there is one, else the package itself.

    Args:
        provider: the part of a model's name before the colon; None when there was none.
        said: the text of the ImportError, which names the package of providers we have no extra for.
    """
    extra, package = _PACKAGES.get(provider or "", (None, None))
    if package is None and (named := _NAMED_PACKAGE.search(said)):
        package = (named[1] or named[2]).replace("_", "-")
        extra = next((own for own, known in _PACKAGES.values() if known == package), None)
    if package is None:
        return "Install the provider's LangChain package"
    with_extra = f"Run `uv sync --extra {extra}` in a checkout, or " if extra else "Run "
    return f"{with_extra}`uv pip install {package}`"


def _refusal(error: Exception) -> str:
    """Why a provider's constructor refused; never its own text, which may hold a key."""
    named = sorted(set(re.findall(r"\b[A-Z][A-Z0-9]+_(?:API_)?(?:KEY|TOKEN|HOST)\b", str(error))))
    if named:
        return f"set {' or '.join(named[:3])} in the environment"
    if isinstance(error, ValueError) and "model provider" in str(error):
        return "there is no such provider"
    return type(error).__name__


def says_why_it_stopped(model: object) -> bool:
    """Whether a model comes from a provider's package, which always gives a finish reason."""
    module = type(model).__module__
    return module.startswith("langchain_") and not module.startswith(
        ("langchain_core", "langchain_community")
    )


@lru_cache(maxsize=1)
def _prices() -> dict[str, tuple[float, float]]:
    import yaml

    text = (resources.files("lambda_autotuner") / "data" / "model_prices.yaml").read_text(
        encoding="utf-8"
    )
    return {
        str(k): (float(v[0]), float(v[1]))
        for k, v in yaml.safe_load(text)["usd_per_million_tokens"].items()
    }


def price_per_token(name: str) -> tuple[float, float] | None:
    """Dollars a token in and out by the list price of the model; None when it is not known."""
    if is_offline(name):
        return 0.0, 0.0
    bare = name.split(":", 1)[-1].rsplit("/", maxsplit=1)[-1].lower()
    bare = re.sub(r"^(?:us|eu|apac|global)\.", "", bare)
    found = max((known for known in _prices() if known in bare), key=len, default=None)
    if found is None:
        return None
    price_in, price_out = _prices()[found]
    return price_in / _TOKEN_MILLION, price_out / _TOKEN_MILLION
