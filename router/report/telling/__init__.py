"""A report in sections of sentences, tables and pictures."""
