// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.canonical.CanonicalString;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * An answer before it has the headers of its connection.
 *
 * @param body not to be changed by anyone
 */
record Answer(int status, String contentType, byte[] body, List<Header> headers) {
    /** What an answer takes beside its body, with room to spare. */
    private static final int HEAD_BYTES = 512;

    static final String JSON = "application/json";
    static final String NDJSON = "application/x-ndjson";

    /** A header beside those that every answer has. */
    record Header(String name, String value) {
        static Header retryAfter(long seconds) {
            return new Header("Retry-After", Long.toString(Math.max(1, seconds)));
        }
    }

    /** What it counts as until the network has taken it. */
    long heldBytes() {
        return (long) HEAD_BYTES + body.length;
    }

    static Answer json(int status, byte[] body, Header... headers) {
        return new Answer(status, JSON, body, List.of(headers));
    }

    /** {@code {"error":…}}. */
    static Answer error(int status, String error, Header... headers) {
        return json(status, errorBody(error), headers);
    }

    /** The bytes of {@code {"error":…}}. */
    static byte[] errorBody(String error) {
        return ("{\"error\":" + CanonicalString.quote(error) + "}").getBytes(StandardCharsets.US_ASCII);
    }
}
