"""What Tercet adds to a request, beside a plain relay, bare Ray Serve and its peers."""
