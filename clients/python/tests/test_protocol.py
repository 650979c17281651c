# SPDX-License-Identifier: Apache-2.0

import unittest

from google.protobuf import descriptor_pb2, descriptor_pool

from flk_state import protocol


class ProtocolTest(unittest.TestCase):
    def test_another_protocol_may_have_a_file_of_the_same_short_name(self) -> None:
        for name in ("state.proto", "error_details.proto"):
            other = descriptor_pb2.FileDescriptorProto(name=name)
            descriptor_pool.Default().AddSerializedFile(other.SerializeToString())
        self.assertEqual(protocol.Key.DESCRIPTOR.file.name, "flk/state/v1/state.proto")


if __name__ == "__main__":
    unittest.main()
