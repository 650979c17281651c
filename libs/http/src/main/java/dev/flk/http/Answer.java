// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/**
 * An HTTP answer, without the headers that the server adds when it writes the answer.
 *
 * @param body the body; must not be modified
 */
public record Answer(int status, String contentType, byte[] body, List<Header> headers) {
    /** A generous estimate of the memory that an answer needs besides its body, in bytes. */
    private static final int HEAD_BYTES = 512;

    private static final String JSON = "application/json";

    /** An additional header of one answer. */
    public record Header(String name, String value) {
        /** Returns a {@code Retry-After} header with {@code seconds}, but with at least 1. */
        public static Header retryAfter(long seconds) {
            return new Header("Retry-After", Long.toString(Math.max(1, seconds)));
        }
    }

    /** Returns an answer with a JSON body. */
    public static Answer json(int status, byte[] body, Header... headers) {
        return new Answer(status, JSON, body, List.of(headers));
    }

    /** Returns an answer with the body {@code {"error":…}}. */
    public static Answer error(int status, String error, Header... headers) {
        String quoted = String.valueOf(JsonStringEncoder.getInstance().quoteAsString(error));
        return json(status, ("{\"error\":\"" + quoted + "\"}").getBytes(StandardCharsets.UTF_8), headers);
    }

    /** Returns an answer in plain text, encoded as UTF-8. */
    public static Answer text(int status, String text) {
        return new Answer(status, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8), List.of());
    }

    /** Returns this answer with another body. */
    Answer withBody(byte[] other) {
        return new Answer(status, contentType, other, headers);
    }

    /** Returns this answer with more headers. */
    Answer withHeaders(List<Header> more) {
        if (more.isEmpty()) {
            return this;
        }
        List<Header> all = headers.isEmpty()
                ? more
                : Stream.concat(headers.stream(), more.stream()).toList();
        return new Answer(status, contentType, body, all);
    }

    /** Returns the body as text. */
    public String bodyText() {
        return new String(body, StandardCharsets.UTF_8);
    }

    /**
     * Returns the memory that this answer uses, in bytes. {@link ServerLoad#answerBytes} counts these bytes until the
     * network has accepted the answer.
     */
    public long heldBytes() {
        return (long) HEAD_BYTES + body.length;
    }
}
