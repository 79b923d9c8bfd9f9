"""Identity: STS, IAM, and the decision whether a request may pass."""

from lambda_autotuner.sandbox.identity import attachments, keys, principals, simulation, sts
from lambda_autotuner.sandbox.identity.authorisation import Credential, authorise, resolve

__all__ = [
    "Credential",
    "attachments",
    "authorise",
    "keys",
    "principals",
    "resolve",
    "simulation",
    "sts",
]
