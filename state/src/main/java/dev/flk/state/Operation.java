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

    /** How much memory it takes, about. */
    default int bytes() {
        return 64 + key().agentId().length() + key().name().length();
    }

    /** Gives the key a value, one JSON value without white space between its tokens. */
    record Write(Key key, String json, long ifVersion) implements Operation {
        public Write {
            requireVersion(ifVersion);
        }

        @Override
        public int bytes() {
            return Operation.super.bytes() + json.length();
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
