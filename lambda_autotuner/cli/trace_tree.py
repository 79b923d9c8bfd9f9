"""A trace as a tree with timings, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.tree import Tree

_TEXT = 60


def trace_tree(trace: Any) -> Tree:
    """The spans of an MLflow trace, each below its parent, in the order they began."""
    from rich.text import Text
    from rich.tree import Tree

    children: dict[str | None, list[Any]] = {}
    known = {span.span_id for span in trace.data.spans}
    for span in sorted(trace.data.spans, key=lambda each: each.start_time_ns):
        parent = span.parent_id if span.parent_id in known else None
        children.setdefault(parent, []).append(span)
    info = trace.info
    head = f"{info.trace_id}  {info.state.value}  {milliseconds(info.execution_duration)}"
    tree = Tree(Text(f"{head}  {short(info.request_preview or '')}"))

    def grow(branch: Tree, parent: str | None) -> None:
        for span in children.get(parent, []):
            grow(branch.add(Text(_line(span))), span.span_id)

    grow(tree, None)
    return tree


def _line(span: Any) -> str:
    end = span.end_time_ns or span.start_time_ns
    took = milliseconds((end - span.start_time_ns) / 1e6)
    failed = "" if span.status.status_code.value != "ERROR" else "  ERROR"
    message = short(span.status.description or "") if failed else ""
    return f"{short(span.name)} [{span.span_type}] {took}{failed} {message}".rstrip()


def milliseconds(value: float | None) -> str:
    """A duration in ms for reading; `-` where it is unknown."""
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"  # noqa: PLR2004


def short(text: str) -> str:
    """The text on one line, cut to what fits beside other things."""
    # What a terminal would obey is not for those who are read about to send.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"
