"""Building an agent from settings: its models and its workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_autotuner.agent.agent import Agent
from lambda_autotuner.agent.planner.chat_model import OfflinePlanner
from lambda_autotuner.agent.providers import (
    OFFLINE,
    Choice,
    connect,
    is_offline,
    says_why_it_stopped,
)
from lambda_autotuner.settings import Settings, load_settings
from lambda_autotuner.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel


def build_agent(
    model: BaseChatModel | str | None = None,
    settings: Settings | None = None,
    *,
    workspace: Workspace | None = None,
) -> Agent:
    """Build an agent; usable in `with`.

    Args:
        model: a LangChain chat model, `provider:name`, or `offline`; the settings' model by
            default.
        settings: all settings; loaded from config.yaml, .env and the environment by default.
        workspace: an open account and journal that the caller closes; without it the one that
            the settings name is opened, and closed with the agent.

    Raises:
        SettingsError: the model or a setting cannot be used.
        AccountError: the account cannot be reached.
    """
    if settings is None:
        settings = workspace.settings if workspace is not None else load_settings()
    choice = choose_model(model if model is not None else settings.model, settings)
    advanced = choose_model(settings.advanced_model, settings) if settings.advanced_model else None
    fallback = choose_model(settings.fallback_model, settings) if settings.fallback_model else None
    opened = workspace or open_workspace(settings)
    return Agent(
        choice,
        settings,
        opened,
        advanced=advanced,
        fallback=fallback,
        owns_workspace=workspace is None,
    )


def choose_model(model: BaseChatModel | str, settings: Settings) -> Choice:
    """A model by its name, or one that is ready, with what is to be known about it."""
    if isinstance(model, str):
        if is_offline(model):
            return Choice(OfflinePlanner(), OFFLINE, finish_required=False)
        return connect(model, settings)
    name = (
        getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__
    )
    return Choice(model, str(name), finish_required=says_why_it_stopped(model))
