// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalString;

/**
 * The exception for a body that is not a valid certificate. The client gets the message with status 400. The message
 * says which field breaks which rule, or that the JSON is malformed, and quotes at most a few characters of the body.
 */
public final class MalformedCertificate extends Exception {
    private static final int MAX_QUOTED_CHARS = 40;

    public MalformedCertificate(String message) {
        super(message);
    }

    static MalformedCertificate repeatedKey(String key) {
        return new MalformedCertificate("malformed JSON: the key " + quoted(key) + " is repeated");
    }

    /** Returns text from the body as messages quote it: escaped, and truncated if it is long. */
    static String quoted(String text) {
        return text.length() <= MAX_QUOTED_CHARS
                ? CanonicalString.quote(text)
                : CanonicalString.quote(text.substring(0, MAX_QUOTED_CHARS)) + "…";
    }

    /**
     * Does nothing. Stack traces would be costly, because unauthenticated clients can cause these exceptions at will.
     */
    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
