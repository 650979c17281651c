// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

/** The refusal to use a log because its copy does not belong to it, or because another backend owns it. */
public final class CopyRefusedException extends Exception {
    private static final long serialVersionUID = 1;

    private final boolean mayPass;

    /**
     * Creates an exception; the message says what was found and what to do.
     *
     * @param mayPass whether the reason may pass by itself, because the owner may not be alive any more
     */
    public CopyRefusedException(String message, boolean mayPass) {
        super(message);
        this.mayPass = mayPass;
    }

    /** Returns whether the call may succeed later. */
    public boolean mayPass() {
        return mayPass;
    }
}
