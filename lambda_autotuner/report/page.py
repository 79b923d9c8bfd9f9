"""A recommendation as one HTML file that needs nothing else: no network, no script, no font."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from lambda_autotuner.errors import UsageError
from lambda_autotuner.report import svg
from lambda_autotuner.report.chart import Chart

_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --soft: #57606a; --paper: #fff; --line: #d0d7de;
        --box: #f6f8fa; --good: #1a7f37; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --line: #3d444d; --box: #161b22;
          --good: #3fb950; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
h3 { font-size: .95rem; margin: .8rem 0 .2rem; }
.verdict { font-size: 1.15rem; font-weight: 600; margin: .2rem 0 1rem; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; } svg text { fill: currentColor; }
figcaption, .note { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.figures tr:last-child { font-weight: 600; }
.figures small { color: var(--soft); font-weight: 400; display: block; }
tr.pick { font-weight: 600; background: var(--box); }
pre { background: var(--box); padding: .7rem; overflow-x: auto; border-radius: .3rem; }
summary { cursor: pointer; font-weight: 600; margin-top: 1.6rem; }
@media print { body { margin: 0; max-width: none; } details { display: block; } }
"""

# No function has less memory than this.
_SMALLEST_MB = 128
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
    parts += _figures(chart)
    picture = svg.draw(chart)
    if picture:
        parts.append(
            f"<figure>{picture}<figcaption>{escape(_caption(chart))}</figcaption></figure>"
        )
    else:
        parts.append("<p>No size has been measured or predicted, so there is no picture.</p>")
    for title, texts in chart.sections:
        parts += [f"<h2>{escape(title)}</h2>", "<ul>"]
        parts += [*(f"<li>{escape(text)}</li>" for text in texts), "</ul>"]
    parts += _lines(chart)
    parts += _table(chart)
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


def _figures(chart: Chart) -> list[str]:
    """Today beside the proposal: each value large, its interval small below it."""
    if not chart.figures:
        return []
    head, *rows = chart.figures
    parts = ['<div class="scroll"><table class="figures"><thead><tr>']
    parts += [f'<th scope="col">{escape(cell)}</th>' for cell in head]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        cells = "".join(f"<td>{_value(cell)}</td>" for cell in row)
        parts.append(f"<tr>{cells}</tr>")
    parts.append("</tbody></table></div>")
    return parts


def _value(cell: str) -> str:
    value, bracket, interval = cell.partition(" (")
    if not bracket:
        return escape(cell)
    return f"{escape(value)}<small>{escape(interval.rstrip(')'))}</small>"


def _caption(chart: Chart) -> str:
    text = (
        f"Dots are single invocations, lines what the mean and {chart.latency_label} are believed "
        f"to be, bands hold {chart.confidence_pct:g} % of what is believed."
    )
    if chart.floor_mb and chart.floor_mb > _SMALLEST_MB:
        text += f" Sizes below {chart.floor_mb:,} MB have too little memory and are left out."
    return text


def _table(chart: Chart) -> list[str]:
    if not chart.table:
        return []
    head, *rows = chart.table
    parts = ["<details><summary>Size by size</summary>", '<div class="scroll"><table><thead><tr>']
    parts += [f'<th scope="col">{escape(cell)}</th>' for cell in head]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        mark = ' class="pick"' if "pick" in row[-1] or "leaning" in row[-1] else ""
        parts.append(f"<tr{mark}>{cells}</tr>")
    parts.append("</tbody></table></div></details>")
    return parts


def _lines(chart: Chart) -> list[str]:
    if not chart.iac:
        return []
    parts = ["<h2>To put into the infrastructure code</h2>"]
    for name, text in chart.iac:
        parts.append(f"<h3>{escape(name)}</h3><pre><code>{escape(text)}</code></pre>")
    return parts
