// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;

/**
 * The newest version of a session.
 *
 * @param id the agent, or the agent, a slash and further text
 * @param version 1, 2, 3 … for each update, deletion or expiry; a session that is created again continues the count
 * @param json a JSON object, without white space between its tokens
 * @param remaining the time until the session expires unless it is updated; never negative
 */
public record Session(String id, long version, String json, Instant updatedAt, Duration remaining) {
    /** The maximum length of a session's JSON text in bytes. */
    public static final int MAX_BYTES = 64 << 10;

    private static final int MAX_ID_BYTES = 256;

    public Session {
        remaining = remaining.isNegative() ? Duration.ZERO : remaining;
    }

    /**
     * Returns the agent that a session id names: the part before the first slash.
     *
     * @throws IllegalArgumentException if the text is not a session id; the message says what an id is
     */
    public static String agentOf(String id) {
        int bytes = id.getBytes(StandardCharsets.UTF_8).length;
        boolean isText =
                StandardCharsets.UTF_8.newEncoder().canEncode(id) && id.chars().noneMatch(Character::isISOControl);
        if (bytes == 0 || bytes > MAX_ID_BYTES || !isText || id.startsWith("/")) {
            throw new IllegalArgumentException("a session id is 1 to " + MAX_ID_BYTES
                    + " bytes of UTF-8 without control characters, and does not begin with a slash");
        }
        int slash = id.indexOf('/');
        return slash < 0 ? id : id.substring(0, slash);
    }
}
