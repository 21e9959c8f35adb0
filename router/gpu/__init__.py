"""`tercet gpu`: the rented machine as its operator sees it, and the safety net as a process."""
