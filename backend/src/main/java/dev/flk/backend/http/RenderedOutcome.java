// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Outcome;
import java.nio.charset.StandardCharsets;

/**
 * An answer without its headers, for those who want to know it and have no connection.
 *
 * @param body ASCII; not to be changed
 */
public record RenderedOutcome(int status, byte[] body) {

    /** What a client gets for {@code outcome}. */
    public static RenderedOutcome of(Outcome outcome) {
        return of(OutcomeRenderer.answer(outcome));
    }

    /** What a client gets for a body over {@code maxBytes}. */
    public static RenderedOutcome tooLong(int maxBytes) {
        return of(Refusal.bodyTooLong(maxBytes));
    }

    private static RenderedOutcome of(Answer answer) {
        return new RenderedOutcome(answer.status(), answer.body());
    }

    /** The body as text. */
    public String text() {
        return new String(body, StandardCharsets.US_ASCII);
    }
}
