// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.send.BackendClient;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.BackendKeys;
import dev.flk.agent.send.SenderConfig;
import dev.flk.agent.send.SendingForm;
import dev.flk.agent.send.TlsMessages;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.health.CertificateExpiry;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The checks of one backend: whether the backend is reachable, trusted and ready, whether its clock is right, and
 * whether it accepts the agent's key.
 */
final class BackendChecks {
    /**
     * The difference between the agent's clock and the backend's clock above which the backend's clock is reported as
     * doubtful. This threshold is lower than the default tolerance of every backend rule that depends on time, so that
     * every difference that is harmful by default is reported.
     */
    private static final Duration NOTEWORTHY = Duration.ofSeconds(5);

    /**
     * A certificate with all signed fields, but with an invalid id and other faults. The backend knows by the id that
     * this is a probe: it answers 400 with {@link #PROBED} if it accepts the key for the shard, or else 401, stores
     * nothing, and counts no refusal. A backend of version 0.1 answers 400 because of the faults, and counts that.
     */
    private static final String PROBE =
            "{\"pcs_id\":\"doctor\",\"schema\":\"doctor\",\"version\":\"0.1\",\"shard_id\":%s,"
                    + "\"epoch\":0,\"merkle_root\":\"doctor\",\"D_hat\":0.0,\"coh_star\":0.0,\"r\":0.0,\"budget\":0.0}";

    /** The beginning of the error with which a backend confirms the key of a probe. */
    private static final String PROBED = "probe: ";

    /** The number of certificates to send, of which a balancer gives some to each of a few backends. */
    private static final int KEY_PROBES = 4;

    private final SenderConfig setup;
    /** A shard of this agent; empty if none is known. */
    private final Optional<String> shard;

    private final Duration requestTimeout;
    private final InstantSource clock;
    private final BackendClient client;
    private final String base;
    private final Consumer<Finding> found;

    BackendChecks(AgentConfig config, URI url, Duration requestTimeout, InstantSource clock, Consumer<Finding> found) {
        this.setup = config.sending();
        this.requestTimeout = requestTimeout;
        this.found = found;
        this.shard = OwnShard.of(config);
        this.clock = clock;
        this.client = new BackendClient(url, requestTimeout, setup.tls());
        this.base = client.base();
    }

    void look() throws InterruptedException {
        try (client) {
            Optional<Reply> health = ask(client::health);
            if (health.isPresent()) {
                health(health.get());
                ready();
                key();
            }
        }
    }

    private void health(Reply answer) {
        if (answer.status() != 200) {
            found.accept(
                    Finding.bad(base, "/health answers " + answer.status() + "; is ENDPOINT a backend's base URL?"));
            return;
        }
        found.accept(Finding.good(base, "is reachable and serves"));
        client.certificateEnd()
                .map(end -> CertificateExpiry.ofEnd("the certificate of " + base, end, clock.instant()))
                .filter(finding -> finding.grade() != Grade.GOOD)
                .ifPresent(found);
        Optional<Duration> ahead = answer.date().map(date -> Duration.between(clock.instant(), date));
        if (ahead.isEmpty()) {
            found.accept(Finding.doubtful("clock", base + " sends no Date; the local clock is assumed to be right"));
        } else if (ahead.get().abs().compareTo(NOTEWORTHY) > 0) {
            found.accept(Finding.doubtful(
                    "clock",
                    "the clock of " + base + " is " + ahead.get().abs().toSeconds() + " s "
                            + (ahead.get().isNegative() ? "behind" : "ahead")
                            + "; sending allows for it, but set up time synchronisation"));
        } else {
            found.accept(Finding.good("clock", "agrees with the clock of " + base));
        }
    }

    private void ready() throws InterruptedException {
        ask(client::readiness).ifPresent(answer -> found.accept(readyFinding(answer)));
    }

    private Finding readyFinding(Reply answer) {
        return switch (answer.status()) {
            case 200 -> Finding.good(base, "is ready");
            case 404 -> Finding.good(base, "reports its readiness elsewhere (on its OPS_PORT)");
            default -> Finding.doubtful(base, "is not ready: " + whyNotReady(answer) + "; certificates wait");
        };
    }

    /** Returns which components are not ready, and why. Quotes an answer that does not name them. */
    private static String whyNotReady(Reply answer) {
        String body = new String(answer.body(), StandardCharsets.UTF_8);
        List<String> problems = new ArrayList<>();
        try {
            for (JsonNode component : Json.parse(body).path("components")) {
                if (!component.path("ready").asBoolean()) {
                    problems.add(component.path("name").asText() + ": "
                            + component.path("detail").asText());
                }
            }
        } catch (JsonProcessingException e) {
            // the answer of another server is quoted below
        }
        return problems.isEmpty()
                ? "/readyz answers " + answer.status() + " " + firstLine(body)
                : String.join(", ", problems);
    }

    private void key() throws InterruptedException {
        byte[] probe;
        try {
            probe = SendingForm.signed(
                            PROBE.formatted(CanonicalString.quote(shard.orElse("doctor")))
                                    .getBytes(StandardCharsets.UTF_8),
                            setup.signer(),
                            clock.instant())
                    .line();
        } catch (MalformedCertificate e) {
            throw new IllegalStateException("the probe certificate of the doctor is malformed", e);
        }
        if (setup.signer().isEmpty()) {
            found.accept(Finding.doubtful("key", "PCS_SIGN_ALG=none: certificates are sent without a new signature"));
            return;
        }
        Optional<Reply> first = ask(ended -> client.submit(probe, ended));
        if (first.isPresent()) {
            found.accept(keyFinding(first.get(), probe));
            otherInstances(first.get(), probe);
        }
    }

    /** Looks for another backend behind the same address that does not agree about the key. */
    private void otherInstances(Reply first, byte[] probe) throws InterruptedException {
        Optional<String> instance = first.keys().map(BackendKeys::instance);
        for (int i = 1; instance.isPresent() && isVerdict(first) && i < KEY_PROBES; i++) {
            Optional<Reply> next = ask(ended -> client.submit(probe, ended));
            Optional<String> other = next.flatMap(Reply::keys).map(BackendKeys::instance);
            if (other.isPresent()
                    && !other.equals(instance)
                    && isVerdict(next.get())
                    && next.get().status() != first.status()) {
                boolean isFirstBehind = first.status() == 401;
                found.accept(Finding.bad(
                        "key",
                        "behind " + base + ", the backend with instance id "
                                + (isFirstBehind ? instance : other).get() + " refuses it, but "
                                + (isFirstBehind ? other : instance).get()
                                + " accepts it; update the keys of the first"));
                return;
            }
        }
    }

    private static boolean isVerdict(Reply answer) {
        return answer.status() == 400 || answer.status() == 401;
    }

    private Finding keyFinding(Reply answer, byte[] sent) {
        return switch (answer.status()) {
            case 400 ->
                answer.isMarkedFor(sent)
                        ? Finding.good(
                                "key",
                                base + " knows it"
                                        + (error(answer).startsWith(PROBED)
                                                ? ""
                                                : "; this backend is an older version and has counted the probe as"
                                                        + " malformed"))
                        : Finding.doubtful(
                                "key",
                                base + " answers 400 without the backend's mark: it is an older version, or a proxy"
                                        + " answers or changes bodies; certificates that are refused so are held");
            case 401 -> {
                String backend = base
                        + answer.keys()
                                .map(keys -> " (instance " + keys.instance() + ")")
                                .orElse("")
                        + " does not know it, or ";
                yield shard.map(own -> Finding.bad(
                                "key",
                                backend + "does not accept it for shard " + own
                                        + "; compare PCS_SIGN_ALG and the key on both sides"))
                        .orElseGet(() -> Finding.doubtful(
                                "key",
                                backend + "accepts it only for some shards, and no shard of this agent is known; set"
                                        + " SHARD_ID, or compare PCS_SIGN_ALG and the key on both sides"));
            }
            case 429, 503 ->
                Finding.doubtful(
                        "key",
                        base + " is busy (" + answer.status() + ", "
                                + firstLine(new String(answer.body(), StandardCharsets.UTF_8)) + "); try again");
            default -> Finding.bad("key", base + " answers " + answer.status() + " to a certificate; is it a backend?");
        };
    }

    private static String error(Reply answer) {
        try {
            return Json.parse(new String(answer.body(), StandardCharsets.UTF_8))
                    .path("error")
                    .asText();
        } catch (JsonProcessingException e) {
            return "";
        }
    }

    private Optional<Reply> ask(Consumer<BiConsumer<@Nullable Reply, @Nullable Throwable>> request)
            throws InterruptedException {
        CompletableFuture<Reply> reply = new CompletableFuture<>();
        request.accept((answer, failure) -> {
            if (answer != null) {
                reply.complete(answer);
            } else {
                reply.completeExceptionally(failure == null ? new IOException("connection closed") : failure);
            }
        });
        try {
            return Optional.of(reply.get());
        } catch (ExecutionException e) {
            found.accept(Finding.bad(base, why(e.getCause())));
            return Optional.empty();
        }
    }

    private String why(@Nullable Throwable e) {
        Optional<String> tls = TlsMessages.what(e);
        if (tls.isPresent()) {
            return tls.get();
        }
        if (e instanceof HttpTimeoutException || e instanceof TimeoutException) {
            return "does not answer within " + requestTimeout.toSeconds()
                    + " s; look for a firewall, or a backend that hangs";
        }
        if (isUnresolved(e)) {
            return "its host name cannot be resolved; check ENDPOINT and the name service";
        }
        if (e instanceof ConnectException) {
            return "no process listens there; check ENDPOINT, and whether the backend runs";
        }
        return "no answer: " + (e == null ? "" : e.getMessage());
    }

    /**
     * Returns whether a request failed because the host name could not be resolved. The HTTP client wraps the exception
     * of the name service in other exceptions.
     */
    private static boolean isUnresolved(@Nullable Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof UnknownHostException || cause instanceof UnresolvedAddressException) {
                return true;
            }
        }
        return false;
    }

    private static String firstLine(String text) {
        String line = text.lines().findFirst().orElse("");
        return line.length() > 100 ? line.substring(0, 100) + "…" : line;
    }
}
