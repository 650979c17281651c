// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

/** The kinds of mistakes that end in a refused signature, in the order in which they are told. */
public enum Cause {
    ALGORITHM("algorithm"),
    KEY("key"),
    ROUNDING("rounding"),
    SERIALISATION("serialisation"),
    /** The signature is right, but written otherwise than as padded base64. */
    SPELLING("spelling");

    private final String label;

    Cause(String label) {
        this.label = label;
    }

    /** One lower-case word, for people and programs. */
    public String label() {
        return label;
    }
}
