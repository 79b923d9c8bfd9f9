"""No module of the sandbox imports itself by a detour, not even for its types."""

from __future__ import annotations

import grimp


def test_no_import_circles():
    graph = grimp.build_graph("lambda_autotuner", cache_dir=None)
    inside = {name for name in graph.modules if name.startswith("lambda_autotuner.sandbox")}
    # Take away modules that nothing left imports, and those that import nothing left: what
    # remains goes round in circles.
    while True:
        ends = {
            name
            for name in inside
            if not graph.find_modules_directly_imported_by(name) & inside
            or not graph.find_modules_that_directly_import(name) & inside
        }
        if not ends:
            break
        inside -= ends
    assert not inside
