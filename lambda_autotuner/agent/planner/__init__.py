"""The offline planner: questions read by rule, answers written from evidence, no language model."""
