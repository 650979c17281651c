// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.Endpoint.Request;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.metrics.Meters;
import java.util.List;
import java.util.function.LongSupplier;

/** {@code POST /v1/pcs/submit}: the body is one certificate. */
final class SubmitHandler implements Endpoint {
    private final int maxBodyBytes;
    private final Meters meters;
    private final LongSupplier nanoTicker;

    SubmitHandler(int maxBodyBytes, Meters meters, LongSupplier nanoTicker) {
        this.maxBodyBytes = maxBodyBytes;
        this.meters = meters;
        this.nanoTicker = nanoTicker;
    }

    @Override
    public Kind kind() {
        return Kind.SUBMISSION;
    }

    @Override
    public int maxBodyBytes() {
        return maxBodyBytes;
    }

    @Override
    public void serve(Request request, Exchange exchange) {
        exchange.submit(List.of(new Submission(
                request.body().length(),
                request.body()::exact,
                exchange.sender(),
                outcome -> exchange.answerLater(() -> {
                    meters.submit.observeNanos(nanoTicker.getAsLong() - request.arrivedNanos());
                    return OutcomeRenderer.answer(outcome);
                }))));
    }
}
