"""The lines that a person puts into a template, so that the next deployment keeps the change."""

from __future__ import annotations

from lambda_autotuner.tuning.evidence import Configuration


def infrastructure_lines(
    proposed: Configuration, *, current: Configuration | None = None, timeout_s: int | None = None
) -> dict[str, str]:
    """Lines for AWS SAM, Terraform and serverless.yml.

    Args:
        proposed: The configuration to write down.
        current: The configuration of today; the architecture is written only where it changes.
        timeout_s: A timeout in seconds to write down too.

    Returns:
        Text by tool: `sam`, `terraform`, `serverless`.
    """
    sam = [f"MemorySize: {proposed.memory_mb}"]
    terraform = [f"memory_size = {proposed.memory_mb}"]
    serverless = [f"memorySize: {proposed.memory_mb}"]
    if current is None or current.architecture != proposed.architecture:
        sam.append(f"Architectures: [{proposed.architecture}]")
        terraform.append(f'architectures = ["{proposed.architecture}"]')
        serverless.append(f"architecture: {proposed.architecture}")
    if timeout_s is not None:
        sam.append(f"Timeout: {timeout_s}")
        terraform.append(f"timeout = {timeout_s}")
        serverless.append(f"timeout: {timeout_s}")
    lines = {"sam": sam, "terraform": terraform, "serverless": serverless}
    return {tool: "\n".join(parts) for tool, parts in lines.items()}
