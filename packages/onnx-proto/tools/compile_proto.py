"""Compile ``proto/onnxgen_onnx.proto`` into ``src/onnx_proto/_generated``.

Runs in an environment with the pinned compiler (``grpcio-tools==1.78.0``). Python refuses generated code newer than the
installed protobuf runtime, so the pin is old on purpose: its output runs on protobuf 6.31.1 and everything after it.

Usage: ``python compile_proto.py [--check]``; ``--check`` writes nothing and exits 1 when the committed files are stale.
"""

import argparse
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from grpc_tools import protoc

PINNED_COMPILER = "1.78.0"
PACKAGE = Path(__file__).resolve().parent.parent
PROTO = PACKAGE / "proto" / "onnxgen_onnx.proto"
GENERATED = PACKAGE / "src" / "onnx_proto" / "_generated"


def compile_proto(out: Path) -> dict[str, str]:
    """Returns the generated files, name to text."""
    arguments = ["protoc", f"--proto_path={PROTO.parent}", f"--python_out={out}", f"--pyi_out={out}", PROTO.name]
    if protoc.main(arguments) != 0:
        sys.exit(f"{PROTO}: protoc failed")
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(out.iterdir())}


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Compile the ONNX schema.")
    parser.add_argument("--check", action="store_true", help="only check that the committed files are current")
    check = parser.parse_args().check

    installed = metadata.version("grpcio-tools")
    if installed != PINNED_COMPILER:
        sys.exit(f"needs grpcio-tools=={PINNED_COMPILER}, found {installed}")

    with tempfile.TemporaryDirectory() as folder:
        files = compile_proto(Path(folder))
    committed = {path.name: path.read_text(encoding="utf-8") for path in GENERATED.glob("onnxgen_onnx_pb2.py*")}
    if files == committed:
        return
    if check:
        sys.exit("generated files are stale; run this script without --check")
    for name, text in files.items():
        (GENERATED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
