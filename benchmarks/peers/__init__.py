"""Other ways to find a memory size, written from their published descriptions."""
