// SPDX-License-Identifier: Apache-2.0
package dev.flk.feed;

/** The failure of a call because another process writes the events of the log. It is final for this process. */
public final class FeedFencedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Creates an exception; the message names the other process. */
    public FeedFencedException(String message) {
        super(message);
    }
}
