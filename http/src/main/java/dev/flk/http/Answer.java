// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * An answer before it has the headers of its connection.
 *
 * @param body not to be changed by anyone
 */
public record Answer(int status, String contentType, byte[] body, List<Header> headers) {
    /** What an answer takes beside its body, with room to spare. */
    private static final int HEAD_BYTES = 512;

    private static final String JSON = "application/json";

    /** A header beside those that every answer has. */
    public record Header(String name, String value) {
        /** When it is worth trying again; at least a second. */
        public static Header retryAfter(long seconds) {
            return new Header("Retry-After", Long.toString(Math.max(1, seconds)));
        }
    }

    /** JSON as it is. */
    public static Answer json(int status, byte[] body, Header... headers) {
        return new Answer(status, JSON, body, List.of(headers));
    }

    /** {@code {"error":…}}. */
    public static Answer error(int status, String error, Header... headers) {
        String quoted = String.valueOf(JsonStringEncoder.getInstance().quoteAsString(error));
        return json(status, ("{\"error\":\"" + quoted + "\"}").getBytes(StandardCharsets.UTF_8), headers);
    }

    /** Text for people, in UTF-8. */
    public static Answer text(int status, String text) {
        return new Answer(status, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8), List.of());
    }

    /** The body as text. */
    public String bodyText() {
        return new String(body, StandardCharsets.UTF_8);
    }

    /** What it counts as until the network has taken it. */
    public long heldBytes() {
        return (long) HEAD_BYTES + body.length;
    }
}
