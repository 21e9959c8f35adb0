"""Who should answer, and in what composition: the ingress deployment."""
