"""What is claimed, measured beside what others do."""
