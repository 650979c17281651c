// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalString;

/**
 * A body that is no valid certificate and never will be. The message is the text of the 400: which rule, which field. It
 * never quotes more than a few characters of the body.
 */
public final class MalformedCertificate extends Exception {
    private static final int MAX_SHOWN_CHARS = 40;

    public MalformedCertificate(String message) {
        super(message);
    }

    static MalformedCertificate repeatedKey(String key) {
        return new MalformedCertificate("malformed JSON: the key " + shown(key) + " is repeated");
    }

    /** {@code text} from the body as a message may quote it: escaped, and cut if it is long. */
    static String shown(String text) {
        return text.length() <= MAX_SHOWN_CHARS
                ? CanonicalString.quote(text)
                : CanonicalString.quote(text.substring(0, MAX_SHOWN_CHARS)) + "…";
    }

    /** A stranger can cause these at will, so they are made without a stack trace. */
    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
