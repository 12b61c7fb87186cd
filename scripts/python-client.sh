#!/usr/bin/env bash
# Makes the Python that tests run the Python client with: target/python, with what examples/python/requirements.txt
# pins. Quick when it is there and nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${CARGO_TARGET_DIR:-target}/python
wanted=examples/python/requirements.txt

if cmp -s "$wanted" "$environment/installed.txt" && "$environment/bin/python" -c 'import grpc_tools.protoc'; then
    exit 0
fi
echo "python-client: installing what $wanted names into $environment"
rm -rf "$environment"
python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
cp "$wanted" "$environment/installed.txt"
