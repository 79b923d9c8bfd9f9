"""What is underneath the account: laws, traffic, archetypes, and telemetry made on read."""
