// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import dev.flk.backend.dedup.DedupStore.StoreUnavailableException;
import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.postgres.PostgresFailures;

/** The exceptions of the store, with descriptions for operators. */
record StoreFailures(PostgresFailures words) {
    static StoreFailures of(PostgresConfig config) {
        return new StoreFailures(new PostgresFailures(
                config.server(),
                "DEDUP_TIMEOUT (%d ms)".formatted(config.timeout().toMillis())));
    }

    StoreUnavailableException of(Exception thrown) {
        return thrown instanceof StoreUnavailableException known
                ? known
                : new StoreUnavailableException(words.of(thrown), thrown);
    }

    StoreUnavailableException unavailable(String what, Throwable cause) {
        return new StoreUnavailableException(words.of(what), cause);
    }

    StoreUnavailableException unavailable(String what) {
        return new StoreUnavailableException(words.of(what));
    }
}
