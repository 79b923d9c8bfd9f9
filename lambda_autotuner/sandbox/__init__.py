"""An AWS account on this machine: HTTP on loopback that answers as AWS does."""
