"""Whether two answers to one question agree: `ladder` decides, by numbers, code and words."""
