// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.http.Admission;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.program.logging.LineLimit;
import io.netty.handler.codec.http.HttpHeaders;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A client that is connected to the public port, and is subject to the limits of its address. */
public final class Client extends OperatorGuard.Guest {
    /** The body of an answer to a request that a limit has refused. */
    public static final String RATE_LIMITED = "{\"error\":\"Too many requests\"}";

    private static final Logger LOG = LoggerFactory.getLogger(Client.class);

    private final Submitter sender;
    private final Limits limits;
    private final LineLimit lines;

    private Client(Submitter sender, Limits limits, LineLimit lines) {
        this.sender = sender;
        this.limits = limits;
        this.lines = lines;
    }

    public static Admission admission(Limits limits, LongSupplier nanoTicker) {
        LineLimit lines = new LineLimit(5, Duration.ofSeconds(10), nanoTicker);
        return remote -> {
            Submitter sender = sender(remote);
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

    /** Returns the sender with this address; a client that has already disconnected has none. */
    private static Submitter sender(@Nullable SocketAddress remote) {
        return Submitter.from(
                remote instanceof InetSocketAddress inet ? inet.getAddress() : new InetSocketAddress(0).getAddress());
    }

    /** Returns the sender of a request. */
    public static Submitter of(Exchange exchange) {
        return ((Client) exchange.visitor()).sender;
    }

    @Override
    public boolean isReplaceable() {
        return super.isReplaceable() && !sender.showedKey();
    }

    /**
     * Returns the rule for paths and methods that do not exist: such a request is a failure of its address, and beyond
     * the address's limit it is answered 429, after which its connection rests.
     */
    public static Gate unknown(Limits limits) {
        return (head, exchange) -> limits.refused(
                        exchange.visitor() instanceof Client client ? client.sender : sender(exchange.remoteAddress()))
                .map(throttled -> new Gate.Refused(answer(throttled), Duration.ZERO));
    }

    /** Returns the refusal of a request whose address has caused too many failures; empty if the limit allows it. */
    public static Optional<Answer> held(Exchange exchange) {
        return ((Client) exchange.visitor()).held();
    }

    @Override
    public Optional<Answer> beforeReading(HttpHeaders headers) {
        return OperatorGuard.refusalOfForeignSite(headers)
                .map(Gate.Refused::answer)
                .or(this::held);
    }

    private Optional<Answer> held() {
        return limits.beforeReading(sender).map(Client::answer);
    }

    /** Returns the headers of an answer to a request that a limit has refused. */
    public static Header[] headers(Throttled throttled) {
        return new Header[] {
            Header.retryAfter(Math.max(1, throttled.waitSeconds())),
            new Header("X-Flk-Limit", throttled.limit().label())
        };
    }

    private static Answer answer(Throttled throttled) {
        return Answer.json(429, RATE_LIMITED.getBytes(StandardCharsets.US_ASCII), headers(throttled));
    }

    /**
     * Answers 400 to a request that contains no certificate to read, such as an empty batch or a look-up without a
     * valid id, and logs the answer. Answers 429 instead if the address has caused too many failures.
     */
    public static void answerBadRequest(Exchange exchange, String error) {
        Client client = (Client) exchange.visitor();
        Answer answer = Answer.error(400, error);
        exchange.answer(client.limits.refused(client.sender).map(Client::answer).orElseGet(() -> {
            client.log(answer);
            return answer;
        }));
    }

    @Override
    public void badRequest(Answer answer) {
        log(answer);
        // the connection ends with this answer, so that only the next one can be refused
        limits.failed(sender, 0);
    }

    private void log(Answer answer) {
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
        log(answer);
        // counts as a malformed body does, because it costs the backend as much
        limits.failed(sender, bytes);
    }

    @Override
    public void disconnected() {
        limits.disconnect(sender);
    }
}
