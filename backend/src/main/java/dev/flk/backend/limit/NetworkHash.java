// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

/** A place for each address in a table of {@link #PLACES}; nobody outside can tell which. Immutable. */
final class NetworkHash {
    static final int PLACES = 1 << 16;
    private static final long STEP = 0x9E37_79B9_7F4A_7C15L;

    private final long secret;

    NetworkHash(long secret) {
        this.secret = secret;
    }

    int place(long network) {
        long hash = (network ^ secret) * STEP;
        hash = (hash ^ (hash >>> 32)) * STEP;
        return (int) (hash >>> 48);
    }
}
