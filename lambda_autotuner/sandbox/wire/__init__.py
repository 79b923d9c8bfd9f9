"""The wire: botocore's models read requests, check them and write answers."""
