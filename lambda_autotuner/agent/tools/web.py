"""A web search that a person plugs in by setting `search_provider` to `module:function`.

The function takes the query (words of the person only, which the provenance gate sees to) and
returns a list of mappings with `title`, `url` and `text`. Nothing is searched without it.
"""

from __future__ import annotations

import importlib
from typing import Any

from lambda_autotuner.errors import SettingsError

_RESULTS = 3
_CHARACTERS = 600


def search_web(provider: str, query: str) -> list[dict[str, str]]:
    """Ask the plugged-in provider.

    Raises:
        SettingsError: the setting does not name a function that can be imported.
    """
    module_name, _, attribute = provider.partition(":")
    try:
        search: Any = getattr(importlib.import_module(module_name), attribute or "search")
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"search_provider {provider!r} cannot be used: {error}.",
            remedy="Write module:function.",
        ) from error
    return [
        {name: str(result.get(name, ""))[:_CHARACTERS] for name in ("title", "url", "text")}
        for result in list(search(query))[:_RESULTS]
    ]
