"""A recommendation as one HTML file that needs nothing else: no network, no script, no font."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from lambda_autotuner.errors import UsageError
from lambda_autotuner.report import svg
from lambda_autotuner.report.chart import Chart

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #24292f; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.verdict { font-size: 1.1rem; font-weight: 600; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid #d0d7de; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
pre { background: #f6f8fa; padding: .7rem; overflow-x: auto; border-radius: .3rem; }
@media print { body { margin: 0; max-width: none; } }
"""

# Nothing may be fetched, whatever a function's name or a payload's text contains.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="'
    "default-src 'none'; style-src 'unsafe-inline'\">"
)


def render(chart: Chart) -> str:
    """The whole page."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        _POLICY,
        f"<title>{escape(chart.function)}: memory size</title>",
        f"<style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(chart.function)}</h1>",
        f'<p class="verdict">{escape(chart.verdict)}</p>',
    ]
    if chart.reasons:
        parts += ["<ul>", *(f"<li>{escape(reason)}</li>" for reason in chart.reasons), "</ul>"]
    picture = svg.draw(chart)
    if picture:
        parts.append(f"<figure>{picture}</figure>")
    else:
        parts.append("<p>No size has been measured or predicted, so there is no picture.</p>")
    parts += _table(chart)
    parts += _lines(chart)
    parts.append("</main></body></html>")
    return "\n".join(parts) + "\n"


def write(chart: Chart, path: Path) -> Path:
    """Write the page where nobody else may read it, whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    text = render(chart)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(
            f"The page cannot be written to {path}: {error.strerror or error}.",
            remedy="Name a file in a folder that can be written to.",
        ) from error
    return path


def _table(chart: Chart) -> list[str]:
    if not chart.table:
        return []
    head, *rows = chart.table
    parts = ["<h2>Size by size</h2>", '<div class="scroll"><table><thead><tr>']
    parts += [f'<th scope="col">{escape(cell)}</th>' for cell in head]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table></div>")
    return parts


def _lines(chart: Chart) -> list[str]:
    if not chart.iac:
        return []
    parts = ["<h2>To put into the infrastructure code</h2>"]
    for name, text in chart.iac:
        parts.append(f"<h3>{escape(name)}</h3><pre><code>{escape(text)}</code></pre>")
    return parts
