// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

/** The refusal to use a log because its copy does not belong to it, or because another backend owns it. */
public final class CopyRefusedException extends Exception {
    private static final long serialVersionUID = 1;

    /** Creates an exception; the message says what was found and what to do. */
    public CopyRefusedException(String message) {
        super(message);
    }
}
