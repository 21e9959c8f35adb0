"""`tercet report`: what the months have cost and saved, how good that was, how sure it is."""
