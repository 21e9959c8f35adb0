"""Golden tasks: their right answers are known, so that arms can be compared, and judges too."""
