"""A cloud in a process: the wire formats of Vast.ai and RunPod, machines that are processes."""
