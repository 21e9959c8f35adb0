"""What hardware there is to answer, and the Ray settings every node shares."""
