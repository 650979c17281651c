// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;

/** One operation of a transaction, with a condition on the version that stands for its key, if one is wished. */
public sealed interface Operation {
    /** The version of a condition that always holds. */
    long ANY_VERSION = -1;

    Key key();

    /**
     * Holds if this is the newest version of the key, be it a value or a deletion; 0: if the key does not exist, deleted or never
     * written. {@link #ANY_VERSION}: always.
     */
    long ifVersion();

    /** Of names and value in UTF-8, and what goes with them. */
    default long bytes() {
        return 64 + Key.utf8Length(key().agentId()) + Key.utf8Length(key().name());
    }

    /** Gives the key a value, one JSON value without white space between its tokens. */
    record Write(Key key, String json, long ifVersion) implements Operation {
        public Write {
            requireVersion(ifVersion);
        }

        @Override
        public long bytes() {
            return Operation.super.bytes() + Key.utf8Length(json);
        }
    }

    /** Deletes the key; does nothing if it does not exist. */
    record Delete(Key key, long ifVersion) implements Operation {
        public Delete {
            requireVersion(ifVersion);
        }
    }

    /** Changes nothing; the transaction is only committed if the condition holds. */
    record Check(Key key, long ifVersion) implements Operation {
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
