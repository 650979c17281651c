// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;

/** An operation of a transaction, with an optional condition on the current version of its key. */
public sealed interface Operation {
    /** The value of {@link #ifVersion} for an operation without a condition. */
    long ANY_VERSION = -1;

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

    /** Sets the key to a JSON value, which has no white space between its tokens. */
    record Write(StateKey key, String json, long ifVersion) implements Operation {
        public Write {
            requireVersion(ifVersion);
        }

        @Override
        public long bytes() {
            return Operation.super.bytes() + StateKey.utf8Length(json);
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

    private static void requireVersion(long ifVersion) {
        if (ifVersion < ANY_VERSION) {
            throw Reason.INVALID.because("if_version is negative: " + ifVersion);
        }
    }
}
