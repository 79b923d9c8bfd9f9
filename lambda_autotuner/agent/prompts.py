"""The prompts in force: files of the package, each known by the hash of its text."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

_FILES = ("system.md", "planner.yaml")
_DIGITS = 12


@lru_cache(maxsize=8)
def read_prompt(name: str) -> str:
    """A prompt's text."""
    return (resources.files("lambda_autotuner") / "data" / "prompts" / name).read_text(
        encoding="utf-8"
    )


@lru_cache(maxsize=1)
def prompt_versions() -> dict[str, str]:
    """Name of each prompt file and the first twelve digits of its SHA-256."""
    return {
        name: hashlib.sha256(read_prompt(name).encode()).hexdigest()[:_DIGITS] for name in _FILES
    }


def prompt_version() -> str:
    """One hash for all prompts together."""
    joined = "".join(f"{name}={digest}" for name, digest in sorted(prompt_versions().items()))
    return hashlib.sha256(joined.encode()).hexdigest()[:_DIGITS]
