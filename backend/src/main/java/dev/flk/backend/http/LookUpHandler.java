// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.Endpoint.Request;
import dev.flk.backend.ingest.Ingest;
import dev.flk.certificate.PcsId;
import java.util.Optional;

/** {@code GET /v1/pcs/{pcs_id}}: the stored outcome. */
final class LookUpHandler {
    private final Ingest ingest;

    LookUpHandler(Ingest ingest) {
        this.ingest = ingest;
    }

    void serve(Request request, Exchange exchange) {
        Optional<PcsId> id = PcsId.parse(Routes.lastSegment(request.path()));
        if (id.isEmpty()) {
            exchange.answer(Refusal.badRequest("pcs_id is not 64 lower-case hex digits"));
            return;
        }
        ingest.lookUp(id.get(), found -> exchange.answerLater(() -> OutcomeRenderer.answer(found)));
    }
}
