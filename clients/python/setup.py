# SPDX-License-Identifier: Apache-2.0
"""Generates the descriptors of the protocol, which ``flk_state.protocol`` reads, while the package is built."""

import re
import tempfile
from importlib.resources import files
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
STATE = HERE.parents[1] / "state/client/src/main/protobuf/flk/state/v1/state.proto"
# the files by their names in the descriptors, which no other protocol in the same process may have
SOURCES = {"flk/state/v1/state.proto": STATE, "flk/client/error_details.proto": HERE / "error_details.proto"}
# a oneof with one field has the same presence, and protoc 3.5 of Debian and Ubuntu does not know proto3's "optional"
OPTIONAL = re.compile(r"^(\s*)optional (\S+ (\w+) = \d+;)", re.MULTILINE)


class BuildWithProtocol(build_py):
    def run(self) -> None:
        super().run()
        to = HERE / "src" if getattr(self, "editable_mode", False) else Path(self.build_lib)
        generate(to / "flk_state" / "protocol.binpb")


def generate(descriptors: Path) -> None:
    try:
        from grpc_tools import protoc
    except ImportError as e:
        raise SystemExit(
            f"the build needs grpc_tools: {e}. On Debian and Ubuntu: apt-get install python3-grpc-tools python3-grpcio"
        ) from e
    if not STATE.is_file():
        raise SystemExit(f"{STATE} is missing: install from a complete copy of the repository")
    with tempfile.TemporaryDirectory() as protocol:
        for name, source in SOURCES.items():
            text = OPTIONAL.sub(r"\1oneof _\3 { \2 }", source.read_text(encoding="utf-8"))
            Path(protocol, name).parent.mkdir(parents=True)
            Path(protocol, name).write_text(text, encoding="utf-8")
        status = protoc.main([
            "protoc",
            f"-I{protocol}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--descriptor_set_out={descriptors}",
            *SOURCES,
        ])
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")


setup(cmdclass={"build_py": BuildWithProtocol})
