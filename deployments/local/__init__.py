"""The local model: vLLM on VPS_1, an application of its own that sleeps until it is called.

`app` is imported by the head, which has no vLLM. `engine` is the replica's class, and imports
`vllm_server`, the only file that knows vLLM, when it starts on VPS_1. `relay` takes its place where
VPS_1 is a rented machine outside the cluster: it runs on the head, and vLLM's own server there.
"""
