"""Plain words for evidence: what the offline planner writes, and any model's last resort."""
