// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.canonical.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The hash by which names are compared. */
public final class NameHash {
    private NameHash() {}

    /** Returns the first bytes of the SHA-256 of a name. */
    public static long of(String name) {
        return ByteBuffer.wrap(Sha256.of(name.getBytes(StandardCharsets.UTF_8))).getLong();
    }
}
