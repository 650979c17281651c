# SPDX-License-Identifier: Apache-2.0
"""Generates the modules of the protocol, ``flk.state.v1``, while the package is built."""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc
from setuptools import setup
from setuptools.command.build_py import build_py

PROTOCOL = Path(__file__).resolve().parents[2] / "client/src/main/protobuf"


class BuildWithProtocol(build_py):
    def run(self) -> None:
        super().run()
        if not PROTOCOL.is_dir():
            raise SystemExit(f"{PROTOCOL} is missing: install from a complete copy of the repository")
        status = protoc.main([
            "protoc",
            f"-I{PROTOCOL}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={self.build_lib}",
            f"--pyi_out={self.build_lib}",
            f"--grpc_python_out={self.build_lib}",
            "flk/state/v1/state.proto",
        ])
        if status != 0:
            raise SystemExit(f"protoc failed with status {status}")


setup(
    cmdclass={"build_py": BuildWithProtocol},
    # generated modules refuse libraries that are older than the tools that generated them
    install_requires=[
        f"grpcio>={version('grpcio-tools')}",
        f"protobuf>={version('protobuf')}",
        "googleapis-common-protos>=1.60",
    ],
)
