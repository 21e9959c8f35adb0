"""`tercet route`: what would be done with a task, and why."""
