// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/**
 * An answer.
 *
 * @param status of HTTP
 * @param body JSON in UTF-8
 * @param retryAfterSeconds when it is worth trying again
 */
public record Answered(int status, byte[] body, OptionalInt retryAfterSeconds) {
    private static final int BUSY_SECONDS = 1;

    static Answered json(int status, byte[] body) {
        return new Answered(status, body, OptionalInt.empty());
    }

    static Answered error(int status, String what) {
        return new Answered(status, Json.object(json -> json.writeStringField("error", what)), OptionalInt.empty());
    }

    /** Nothing was taken, and that will change by itself. */
    static Answered busy(String what) {
        return new Answered(
                503, Json.object(json -> json.writeStringField("error", what)), OptionalInt.of(BUSY_SECONDS));
    }

    /** The body as text. */
    public String text() {
        return new String(body, StandardCharsets.UTF_8);
    }
}
