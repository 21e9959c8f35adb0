"""What `tercet` does for people at a terminal: ask, watch, wait and complete."""
