// SPDX-License-Identifier: Apache-2.0
package dev.flk.feed;

/** The failure of a call that may succeed later, after {@link FeedTopic#open}. */
public final class FeedUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Creates an exception; the message names the brokers, the topic, and the remedy. */
    public FeedUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Creates an exception for a failure that the caller detected. */
    public FeedUnavailableException(String message) {
        super(message);
    }
}
