"""`lambda-autotuner compare`: which of two evaluations is better."""

from __future__ import annotations

from pathlib import Path

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option("--from", "source", type=click.Choice(["files", "mlflow"]), default="files", show_default=True,
              help="Where the runs are: results folders, or evaluations in MLflow (name or run id).")  # fmt: skip
@click.option(
    "--page", type=click.Path(path_type=Path), help="Write the comparison as one HTML page."
)
@common_options
@pass_door
def command(door: Door, a: str, b: str, source: str, page: Path | None) -> None:
    """Compare evaluation B with evaluation A (paths, names, or `latest`)."""
    from lambda_autotuner.evaluation.comparison import compare
    from lambda_autotuner.evaluation.records import find_run
    from lambda_autotuner.evaluation.reports import comparison_page, comparison_text
    from lambda_autotuner.evaluation.session import compare_runs

    if source == "mlflow":
        import mlflow_integration as tracing
        from lambda_autotuner.evaluation.remote import results_of

        status = tracing.initialize_mlflow(state_dir=door.settings.state_dir)
        comparison = compare(results_of(a, status), results_of(b, status), names=(a, b))
    else:
        results_dir = door.settings.evaluation.results_dir
        comparison = compare_runs(find_run(a, results_dir), find_run(b, results_dir))
    if page is not None:
        page.write_text(comparison_page(comparison), encoding="utf-8")
        door.say(f"Page: {page}", style="dim")
    door.emit(comparison.to_dict(), text=comparison_text(comparison))
