# The one door to the project's habits. `uv run just` lists them.

default:
    @just --list

# Formatting, lint, types, layers
check:
    uv run ruff format --check .
    uv run ruff check .
    uv run mypy
    uv run lint-imports

# Mend what can be mended by itself
fix:
    uv run ruff format .
    uv run ruff check --fix .

# The README's test command
test *ARGS:
    uv run pytest {{ARGS}}

# The full matrices; figures belong in docs/measured.md
soak *ARGS:
    uv run pytest -m soak -n 0 -s --timeout 7200 {{ARGS}}

# See the whole product work
demo *ARGS:
    uv run lambda-autotuner demo {{ARGS}}

# The suite of synthetic questions
eval *ARGS:
    uv run python run_synthetic_questions.py {{ARGS}}

# What we claim beside what others do
bench CURVES="../shared/data/lambda-curves/curves.csv.gz":
    uv run python -m benchmarks.tuning --curves {{CURVES}} --budget 25 --replications 20 --seed 1 --json benchmark-tuning.json
    uv run python -m benchmarks.sandbox
    uv run python -m benchmarks.tracing

# Pages that are generated from the code
docs:
    uv run python docs/generate.py
