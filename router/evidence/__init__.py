"""What a conversation shows of the task: words, signals, shapes, and how they are read."""
