#!/usr/bin/env bash
# Generates the stubs of the API for Python from proto/:
#     examples/python/generate.sh [DIRECTORY]        (`stubs` beside this file by default)
# PYTHON names the interpreter that has requirements.txt installed; python3 when it is not set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
stubs=${1:-$here/stubs}

mkdir -p "$stubs"
"${PYTHON:-python3}" -m grpc_tools.protoc --proto_path="$proto" \
    --python_out="$stubs" --pyi_out="$stubs" --grpc_python_out="$stubs" "$proto"/reelmill/v1/*.proto
