// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import java.util.function.BooleanSupplier;

/**
 * The refusal of requests for a feature while the backend is starting: it is then unknown whether what a request names
 * exists.
 *
 * @param isStarting returns whether the backend has not opened its features yet
 */
public record Starting(BooleanSupplier isStarting) {
    /** The answer while the backend is starting. */
    public static final Answer ANSWER = Answer.error(503, "this backend is still starting", Header.retryAfter(1));

    /** Answers a request if the backend is starting; returns whether it did. */
    public boolean refuses(Exchange exchange) {
        boolean isRefused = isStarting.getAsBoolean();
        if (isRefused) {
            exchange.answer(ANSWER);
        }
        return isRefused;
    }
}
