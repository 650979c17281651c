// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.http.Admission;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.program.logging.LineLimit;
import io.netty.handler.codec.http.HttpHeaders;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A client that is connected to the public port, and is subject to the limits of its address. */
final class Client extends OperatorGuard.Guest {
    private static final Logger LOG = LoggerFactory.getLogger(Client.class);

    private final Submitter sender;
    private final Limits limits;
    private final LineLimit lines;

    private Client(Submitter sender, Limits limits, LineLimit lines) {
        this.sender = sender;
        this.limits = limits;
        this.lines = lines;
    }

    static Admission admission(Limits limits, LongSupplier nanoTicker) {
        LineLimit lines = new LineLimit(5, Duration.ofSeconds(10), nanoTicker);
        return remote -> {
            // a client that has already disconnected has no address
            Submitter sender = Submitter.from(
                    remote instanceof InetSocketAddress inet
                            ? inet.getAddress()
                            : new InetSocketAddress(0).getAddress());
            if (limits.connect(sender)) {
                return new Client(sender, limits, lines);
            }
            lines.say(
                    "address",
                    leftOut -> LOG.warn(
                            "too many connections from {}: a new one was closed; see MAX_CONNECTIONS_PER_ADDRESS{}",
                            sender.address(),
                            leftOut));
            return null;
        };
    }

    /** Returns the sender of a request. */
    static Submitter of(Exchange exchange) {
        return ((Client) exchange.visitor()).sender;
    }

    @Override
    public boolean isReplaceable() {
        return super.isReplaceable() && !sender.showedKey();
    }

    /** Returns the refusal of a request whose address has caused too many failures; empty if the limit allows it. */
    static Optional<Answer> held(Exchange exchange) {
        return ((Client) exchange.visitor()).held();
    }

    @Override
    public Optional<Answer> beforeReading(HttpHeaders headers) {
        return OperatorGuard.refusalOfForeignSite(headers)
                .map(Gate.Refused::answer)
                .or(this::held);
    }

    private Optional<Answer> held() {
        return limits.beforeReading(sender)
                .map(throttled -> OutcomeRenderer.answer(new Outcome.RateLimited(throttled)));
    }

    /**
     * Answers 400 to a request that contains no certificate to read, such as an empty batch or a look-up without a
     * valid id, and logs the answer.
     */
    static void answerBadRequest(Exchange exchange, String error) {
        Answer answer = Answer.error(400, error);
        exchange.visitor().badRequest(answer);
        exchange.answer(answer);
    }

    @Override
    public void badRequest(Answer answer) {
        lines.say(
                Integer.toString(answer.status()),
                leftOut -> LOG.warn(
                        "answered {} {} to a request from {}{}",
                        answer.status(),
                        answer.bodyText(),
                        sender.address(),
                        leftOut));
    }

    @Override
    public void bodyChanged(Answer answer, int bytes) {
        badRequest(answer);
        // counts as a malformed body does, because it costs the backend as much
        limits.failed(sender, bytes);
    }

    @Override
    public void disconnected() {
        limits.disconnect(sender);
    }
}
