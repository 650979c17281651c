// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import java.util.Arrays;
import java.util.Optional;

/** What somebody has decided about a key. */
public enum KeyState {
    /** It may sign. */
    ACTIVE("active"),
    /** It may still sign; whoever uses it is to change to another one. */
    RETIRING("retiring"),
    /** It may not sign any more, for good. */
    REVOKED("revoked");

    private final String label;

    KeyState(String label) {
        this.label = label;
    }

    /** As the keys file has it. */
    public String label() {
        return label;
    }

    static Optional<KeyState> of(String label) {
        return Arrays.stream(values())
                .filter(state -> state.label.equals(label))
                .findFirst();
    }
}
