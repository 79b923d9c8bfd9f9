"""The report as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lambda_autotuner.evaluation.comparison import Comparison
from lambda_autotuner.evaluation.records import Result
from lambda_autotuner.evaluation.reports.terminal import chance, percent, seconds

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--ok:#2a7d46;--bad:#b3261e;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--ok:#57c27a;--bad:#ff8a80;--warn:#e3b341}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}.dim{opacity:.7}
.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
.tile{flex:1 1 9rem;border:1px solid var(--line);border-radius:.5rem;padding:.6rem .9rem}
.tile b{display:block;font-size:1.6rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:.85rem;opacity:.75}
.scroll{overflow-x:auto}
pre{white-space:pre-wrap;word-break:break-word;border:1px solid var(--line);padding:.6rem;margin:.3rem 0;max-height:24rem;overflow:auto}
details{margin:.4rem 0;border-left:3px solid var(--line);padding-left:.8rem}
details.failed{border-color:var(--bad)}summary{cursor:pointer}
.bar{display:inline-block;height:.6rem;background:var(--ok);vertical-align:middle;border-radius:.2rem}
.cell{white-space:nowrap}.meter{display:block;height:.25rem;background:var(--soft);border-radius:.2rem;overflow:hidden}
.meter i{display:block;height:100%;background:currentColor}
"""
_GOOD, _FAIR = 0.9, 0.75


def run_page(
    summary: Mapping[str, Any],
    results: Sequence[Result],
    *,
    title: str,
    facts: Mapping[str, str],
    trace_link: str | None = None,
) -> str:
    """The page of a run.

    Args:
        summary: the run's figures.
        results: every answer.
        title: heading.
        facts: what was run (model, suite, settings), by name.
        trace_link: URL with `{trace_id}`, where traces can be opened in a browser.
    """
    ordered = sorted(
        results, key=lambda r: (r.success, r.safe, r.category, r.question_id, r.repeat)
    )
    failures = [result for result in ordered if not result.success]
    passes = [result for result in ordered if result.success]
    body = [
        _overview(summary, facts),
        _grid(summary),
        _latency(summary),
        _quality(summary),
        f"<h2>Failures first ({len(failures)})</h2>",
        _index(failures),
        *(_entry(result, trace_link) for result in failures),
        f"<h2>Passed ({len(passes)})</h2>",
        *(_entry(result, trace_link) for result in passes),
    ]
    return _page(title, body)


def _page(title: str, body: Sequence[str]) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{''.join(body)}</body></html>\n"
    )


def _overview(summary: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    overall = summary["overall"]
    tiles = [_tile("success", overall)]
    tiles += [_tile(f"wordings {name}", row) for name, row in summary["by_wording"].items()]
    unsafe = overall["unsafe"]
    kind = "bad" if unsafe else "ok"
    note = f"unsafe: {', '.join(unsafe[:5])}" if unsafe else "nothing that nobody agreed to"
    tiles.append(_plain_tile("safe", percent(overall["safe_rate"]), note, kind))
    kind = "warn" if overall["slow"] else "ok"
    note = f"{overall['slow']} over {overall['slow_seconds']:g} s"
    tiles.append(_plain_tile("time, p95", seconds(overall["p95_seconds"]), note, kind))
    rows = {
        "infrastructure errors": f"{overall['infrastructure_errors']} (counted as failures)",
        "tool calls a question": f"{overall['tool_calls_per_question'] or 0:.2f}",
        "tokens": f"{overall['total_tokens']:,}",
        "money": f"${overall['cost_usd']:.4f}" if overall["cost_usd"] is not None else "unknown",
        **facts,
    }
    cells = "".join(
        f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items()
    )
    return f'<div class="tiles">{"".join(tiles)}</div><table>{cells}</table>'


def _tile(name: str, row: Mapping[str, Any]) -> str:
    if not row["questions"]:
        return ""
    note = (
        f"{row['successes']} of {row['questions']}; 95 % interval "
        f"{percent(row['low'])} to {percent(row['high'])}"
    )
    return _plain_tile(name, percent(row["success_rate"]), note, _shade(row["success_rate"]))


def _plain_tile(name: str, value: str, note: str, kind: str) -> str:
    return (
        f'<div class="tile"><span>{escape(name)}</span><b class="{kind}">{escape(value)}</b>'
        f"<span>{escape(note)}</span></div>"
    )


def _shade(rate: float) -> str:
    """A colour class for a rate; the figure beside it says the same without colour."""
    return "ok" if rate >= _GOOD else "warn" if rate >= _FAIR else "bad"


def _grid(summary: Mapping[str, Any]) -> str:
    difficulties = list(summary["by_difficulty"])
    head = "".join(f'<th class="n">{escape(name)}</th>' for name in (*difficulties, "all"))
    rows = []
    for category, row in summary["by_category"].items():
        cells = [summary["cells"].get(f"{category}|{name}") for name in difficulties]
        rows.append(f"<tr><th>{escape(category)}</th>{''.join(map(_cell, [*cells, row]))}</tr>")
    totals = [summary["by_difficulty"][name] for name in difficulties] + [summary["overall"]]
    rows.append(f"<tr><th>all</th>{''.join(map(_cell, totals))}</tr>")
    return (
        "<h2>Success by category and difficulty, with Wilson's 95 % intervals</h2>"
        f'<div class="scroll"><table><tr><th>category</th>{head}</tr>{"".join(rows)}</table></div>'
    )


def _cell(row: Mapping[str, Any] | None) -> str:
    if not row or not row["questions"]:
        return '<td class="n dim">-</td>'
    rate = row["success_rate"]
    return (
        f'<td class="n cell">{row["successes"]}/{row["questions"]} '
        f'<b class="{_shade(rate)}">{100 * rate:.0f} %</b> '
        f'<span class="dim">{100 * row["low"]:.0f}..{100 * row["high"]:.0f}</span>'
        f'<span class="meter {_shade(rate)}"><i style="width:{100 * rate:.0f}%"></i></span></td>'
    )


def _latency(summary: Mapping[str, Any]) -> str:
    overall = summary["overall"]
    names = ("p50", "p90", "p95", "p99", "max")
    longest = overall["max_seconds"] or 1.0
    rows = "".join(
        f'<tr><th>{name}</th><td class="n">{seconds(overall[f"{name}_seconds"])}</td>'
        f'<td><span class="bar" style="width:{20 * (overall[f"{name}_seconds"] or 0) / longest:.1f}rem"></span></td></tr>'
        for name in names
    )
    return (
        f"<h2>Time a question</h2><table>{rows}</table>"
        f"<p>{overall['slow']} took over {overall['slow_seconds']:g} s.</p>"
    )


def _quality(summary: Mapping[str, Any]) -> str:
    if not summary["quality"]:
        return ""
    rows = "".join(
        f'<tr><th>{escape(name)}</th><td class="n">{value:.3f}</td></tr>'
        for name, value in summary["quality"].items()
    )
    return f"<h2>Response quality (0 to 1; describes, never decides)</h2><table>{rows}</table>"


def _index(failures: Sequence[Result]) -> str:
    """Where failures are and what they have in common, before each is told in full."""
    by_category: dict[str, list[Result]] = {}
    for result in failures:
        by_category.setdefault(result.category, []).append(result)
    rows = "".join(
        f'<tr><th>{escape(category)}</th><td class="n">{len(members)}</td><td>'
        + ", ".join(f'<a href="#{_anchor(r)}">{escape(r.question_id)}</a>' for r in members)
        + "</td></tr>"
        for category, members in by_category.items()
    )
    return f"<table>{rows}</table>" if rows else "<p>None.</p>"


def _anchor(result: Result) -> str:
    return escape(f"{result.question_id}-{result.repeat}")


def _entry(result: Result, trace_link: str | None) -> str:
    mark = '<span class="ok">passed</span>' if result.success else '<span class="bad">failed</span>'
    if not result.safe:
        mark += ' <b class="bad">unsafe</b>'
    if result.failure == "infrastructure":
        mark += " (infrastructure)"
    why = result.error or "; ".join(result.scores.problems)
    opened = "" if result.success else " open"
    return (
        f'<details id="{_anchor(result)}" class="{"passed" if result.success else "failed"}"{opened}><summary>{mark} '
        f"<b>{escape(result.question_id)}</b>{f' #{result.repeat + 1}' if result.repeat else ''} "
        f'<span class="dim">{escape(result.category)}, {escape(result.difficulty)}, '
        f"{seconds(result.execution_time_seconds)}, {result.tool_calls} tool calls</span></summary>"
        + (f'<p class="bad">{escape(why)}</p>' if why else "")
        + _turns(result)
        + (f"<p>Expected: {escape('; '.join(result.expected))}</p>" if result.expected else "")
        + f'<p class="dim">Tools: {escape(", ".join(result.tools) or "none")}. Trace: {_trace(result.trace_id, trace_link)}</p>'
        "</details>"
    )


def _turns(result: Result) -> str:
    parts = []
    for number, asked in enumerate(result.question):
        answer = result.answer[number] if number < len(result.answer) else "(no answer)"
        parts.append(f"<p><b>{escape(asked[:2000])}</b></p><pre>{escape(answer)}</pre>")
    return "".join(parts)


def _trace(trace_id: str | None, link: str | None) -> str:
    if not trace_id:
        return "none"
    if link:
        return f'<a href="{escape(link.format(trace_id=trace_id))}">{escape(trace_id)}</a>'
    return f"<code>lambda-autotuner traces show {escape(trace_id)}</code>"


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison."""
    a, b = (escape(name) for name in comparison.names)
    secondary = "".join(
        f'<tr><th>{escape(row.unit)}</th><td class="n">{row.before:.4g}</td><td class="n">{row.after:.4g}</td>'
        f'<td class="n">{row.difference.estimate:+.4g} ({row.difference.low:+.4g} to {row.difference.high:+.4g})</td>'
        f'<td class="n">{row.p_value:.4f}</td><td>{"differs" if row.significant else "no difference shown"}</td></tr>'
        for row in comparison.secondary
    )
    categories = "".join(
        f'<tr><th>{escape(name)}</th><td class="n">{n}</td><td class="n">{percent(x)}</td><td class="n">{percent(y)}</td>'
        f'<td class="n {"ok" if y > x else "bad" if y < x else "dim"}">{100 * (y - x):+.1f}</td></tr>'
        for name, (x, y, n) in comparison.categories.items()
    )
    head = f'<th class="n">{a}</th><th class="n">{b}</th>'
    secondary_head = '<th class="n">p</th><th></th>'
    body = [
        _verdict(comparison),
        (
            f"<p>{comparison.questions} questions in {comparison.groups} paraphrase groups; "
            f"permutation test over groups {escape(chance(comparison.p_value))}; "
            f"exact McNemar {escape(chance(comparison.mcnemar_p_value))}.</p>"
        ),
        *(f"<p>{escape(note)}</p>" for note in comparison.notes),
        "<h2>Items</h2>",
        "<table>",
        *(
            f'<tr><th>{label}</th><td class="n {kind if items else "dim"}">{len(items)}</td>'
            f"<td>{escape(', '.join(items) or 'none')}</td></tr>"
            for label, kind, items in (
                ("Fixed", "ok", comparison.fixed),
                ("Broken", "bad", comparison.broken),
                (f"Unsafe in {a}", "bad", comparison.unsafe_a),
                (f"Unsafe in {b}", "bad", comparison.unsafe_b),
            )
        ),
        "</table>",
        "<h2>Time, tokens and money (paired bootstrap, Holm's correction)</h2>",
        f'<table><tr><th></th>{head}<th class="n">B - A (95 %)</th>{secondary_head}</tr>{secondary}</table>',
        "<h2>By category</h2>",
        f'<table><tr><th></th><th class="n">questions</th>{head}<th class="n">B - A</th></tr>{categories}</table>',
    ]
    return _page(f"Comparison: {comparison.reading.value}", body)


def _verdict(comparison: Comparison) -> str:
    difference = comparison.difference
    kind = {"better": "ok", "worse": "bad"}.get(comparison.reading.value, "")
    points = f"{100 * difference.estimate:+.1f} points"
    span = f"95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f}"
    tiles = [
        _plain_tile(f"success of {comparison.names[0]}", percent(comparison.success_a), "A", ""),
        _plain_tile(f"success of {comparison.names[1]}", percent(comparison.success_b), "B", ""),
        _plain_tile("B - A", points, span, kind),
        _plain_tile("verdict", comparison.reading.value, chance(comparison.p_value), kind),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div><p><b>{escape(comparison.sentence)}</b></p>'
