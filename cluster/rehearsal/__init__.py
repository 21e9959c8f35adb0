"""The rented machine rehearsed on one: a network namespace, a slow link, a real sshd, a fake cloud.

It needs root (for the namespace) and OpenSSH. Nothing here runs where a machine is really rented.
"""
