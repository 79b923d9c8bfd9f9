"""What a person's own words ask for: functions, aspects, windows, values, wishes to change."""
