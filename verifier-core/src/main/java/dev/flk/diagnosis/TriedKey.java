// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.signing.SuspectKey;
import org.jspecify.annotations.Nullable;

/**
 * A key that may have made a signature.
 *
 * @param id by which people know it
 * @param source where it comes from; null for one that signatures are checked with
 */
record TriedKey(String id, @Nullable String source, SuspectKey key) {
    static TriedKey configured(SuspectKey key) {
        return new TriedKey(key.id().text(), null, key);
    }

    static TriedKey registered(NamedKey key) {
        return new TriedKey(key.name(), null, key.key());
    }

    static TriedKey other(NamedKey key) {
        return new TriedKey(key.key().id().text(), key.name(), key.key());
    }
}
