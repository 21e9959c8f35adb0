"""`tercet ask`: a question to a gateway that runs, and its answer as it comes."""
