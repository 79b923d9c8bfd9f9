"""The last look at an answer's text: nothing in it may act, lead away, or give a secret away."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from lambda_autotuner.agent.answer import Citation, Gap
from mlflow_integration.masking import mask_text

_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<img\b[^>]*>", re.IGNORECASE)
_LINK = re.compile(r"\[([^\]]*)\]\((\s*(?:https?|ftp|data|javascript|file):[^)]*)\)", re.IGNORECASE)
_URL = re.compile(r"\b(?:https?|ftp|data|javascript|file):[^\s)>\"'\]]+", re.IGNORECASE)
_HTML = re.compile(
    r"</?(?:script|iframe|style|object|embed|form|link|meta|svg)\b[^>]*>", re.IGNORECASE
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
_TRUSTED_HOSTS = ("docs.aws.amazon.com", "aws.amazon.com", "127.0.0.1", "localhost")
_MAX_CHARACTERS = 20_000
_PRIVATE = 0xE000
_MAX_NAMES = 4_000
REMOVED = "(link removed)"


def clean(text: str, trusted_text: Iterable[str] = (), names: Iterable[str] = ()) -> str:
    """`text` without escapes, images, active HTML, foreign links and secrets.

    Args:
        text: what the model or the planner wrote.
        trusted_text: the person's turns; a link that stands there may stand in the answer.
        names: names of functions, which are no secrets although one may read `auth-token: 15`.
    """
    said = "\n".join(trusted_text)
    text = _ESCAPE.sub("", text)
    text = "".join(ch for ch in text if ch in "\n\t" or ch.isprintable())
    text = _IMAGE.sub("(image removed)", text)
    text = _HTML.sub("", text)
    text = _LINK.sub(lambda m: m[0] if _trusted(m[2], said) else f"{m[1]} {REMOVED}", text)
    text = _URL.sub(lambda m: m[0] if _trusted(m[0], said) else REMOVED, text)
    if len(text) > _MAX_CHARACTERS:
        text = text[:_MAX_CHARACTERS] + "\n(the answer was cut here; ask for less at once)"
    return _without_secrets(text, names).strip()


def _without_secrets(text: str, names: Iterable[str]) -> str:
    """Mask, with the names of functions set aside while it is done."""
    present = sorted((name for name in names if name in text), key=len, reverse=True)[:_MAX_NAMES]
    for index, name in enumerate(present):
        text = text.replace(name, chr(_PRIVATE + index))
    text = mask_text(text)
    for index, name in enumerate(present):
        text = text.replace(chr(_PRIVATE + index), name)
    return text


def _trusted(url: str, said: str) -> bool:
    bare = url.strip().rstrip(".,;")
    try:
        parts = urlsplit(bare)
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"http", "https"}:
        return False
    return bare in said or host in _TRUSTED_HOSTS


def sources(text: str, citations: Iterable[Citation]) -> str:
    """The list of the citations that a text uses; all of them when it uses none."""
    every = list(citations)
    used = [citation for citation in every if f"[{citation.number}]" in text] or every
    if not used:
        return ""
    return "Sources: " + "; ".join(str(citation) for citation in used)


def unseen(gaps: Iterable[Gap]) -> str:
    """What could not be seen, as a paragraph."""
    lines = [f"  - {gap}" for gap in gaps]
    return "\n".join(["What I could not see:", *lines]) if lines else ""
