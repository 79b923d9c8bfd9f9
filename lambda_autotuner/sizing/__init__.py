"""One function in the engine's terms: whether sizing applies, what to look for, what is known."""
