// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.TimeUnit;

/** An operation of a transaction, with an optional condition on the current version of its key. */
public sealed interface Operation {
    /** The value of {@link #ifVersion} for an operation without a condition. */
    long ANY_VERSION = -1;

    /** The shortest lifetime of a key. The engine checks about once a second which lifetimes are over. */
    Duration MIN_TTL = Duration.ofSeconds(1);

    /** The longest lifetime of a key. */
    Duration MAX_TTL = Duration.ofDays(30);

    StateKey key();

    /**
     * Returns the number that the newest version of the key must have; that version may be a deletion. Returns 0 if the
     * key must not exist (it was deleted or never written); {@link #ANY_VERSION} if there is no condition.
     */
    long ifVersion();

    /** Returns the approximate size in bytes: the names and the value in UTF-8, and overhead. */
    default long bytes() {
        return 64 + StateKey.utf8Length(key().agentId()) + StateKey.utf8Length(key().name());
    }

    /**
     * Sets the key to a JSON value, which has no white space between its tokens.
     *
     * @param ttlMicros the lifetime of the key, which begins with the commit; 0 for no end
     */
    record Write(StateKey key, String json, long ifVersion, long ttlMicros) implements Operation {
        public Write {
            requireVersion(ifVersion);
            if (ttlMicros != 0) {
                requireTtl(ttlMicros);
            }
        }

        /** Creates an operation after which the key has no lifetime. */
        public Write(StateKey key, String json, long ifVersion) {
            this(key, json, ifVersion, 0);
        }

        @Override
        public long bytes() {
            return Operation.super.bytes() + StateKey.utf8Length(json);
        }
    }

    /**
     * Begins another lifetime of a key, without a new version. The transaction is committed only if the key exists and
     * has a lifetime.
     */
    record Touch(StateKey key, long ifVersion, long ttlMicros) implements Operation {
        public Touch {
            requireVersion(ifVersion);
            requireTtl(ttlMicros);
        }
    }

    /** Deletes the key if its lifetime is over. Only the engine uses this operation. */
    record Expire(StateKey key) implements Operation {
        @Override
        public long ifVersion() {
            return ANY_VERSION;
        }
    }

    /** Deletes the key; does nothing if the key does not exist. */
    record Delete(StateKey key, long ifVersion) implements Operation {
        public Delete {
            requireVersion(ifVersion);
        }
    }

    /** Changes nothing, but the transaction is committed only if the condition holds. */
    record Check(StateKey key, long ifVersion) implements Operation {
        public Check {
            requireVersion(ifVersion);
            if (ifVersion == ANY_VERSION) {
                throw Reason.INVALID.because("Check of " + key + " has no if_version");
            }
        }
    }

    /**
     * Converts a lifetime to microseconds.
     *
     * @throws dev.flk.state.StateException INVALID unless the lifetime is from {@link #MIN_TTL} to {@link #MAX_TTL}
     */
    static long ttlMicros(Duration ttl) {
        if (ttl.compareTo(MIN_TTL) < 0 || ttl.compareTo(MAX_TTL) > 0) {
            throw Reason.INVALID.because("ttl must be from " + MIN_TTL.toSeconds() + " s to " + MAX_TTL.toDays()
                    + " days, not " + ttl.toSeconds() + " s");
        }
        return TimeUnit.NANOSECONDS.toMicros(ttl.toNanos());
    }

    private static void requireTtl(long ttlMicros) {
        long unused = ttlMicros(Duration.of(ttlMicros, ChronoUnit.MICROS));
    }

    private static void requireVersion(long ifVersion) {
        if (ifVersion < ANY_VERSION) {
            throw Reason.INVALID.because("if_version is negative: " + ifVersion);
        }
    }
}
