"""Pictures of a recommendation: in the terminal and as one self-contained page."""
