"""Identity: STS, IAM, and the decision whether a request may pass."""

from lambda_autotuner.sandbox.identity import sts
from lambda_autotuner.sandbox.identity.authorisation import Credential, authorise, resolve

__all__ = ["Credential", "authorise", "resolve", "sts"]
