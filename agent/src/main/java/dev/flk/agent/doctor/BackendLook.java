// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.doctor.Doctor.Finding;
import dev.flk.agent.send.ClientTls;
import dev.flk.agent.send.SenderConfig;
import dev.flk.agent.send.SendingForm;
import dev.flk.agent.send.TlsTrouble;
import dev.flk.certificate.MalformedCertificate;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Looks at one backend: is it reached, trusted, ready, what is its time, and does it know the key. */
final class BackendLook {
    /** Less than any rule about time forgives. */
    private static final Duration NOTEWORTHY = Duration.ofSeconds(5);

    /** Has all that is signed, and no valid schema: a backend that knows the key refuses it for that, and keeps nothing of it. */
    private static final String PROBE =
            "{\"pcs_id\":\"doctor\",\"schema\":\"doctor\",\"version\":\"0.1\",\"shard_id\":\"%s\","
                    + "\"epoch\":0,\"merkle_root\":\"doctor\",\"D_hat\":0.0,\"coh_star\":0.0,\"r\":0.0,\"budget\":0.0}";

    private final SenderConfig setup;
    private final String shard;
    private final InstantSource clock;
    private final HttpClient http;
    private final String base;
    private final List<Finding> found = new ArrayList<>();

    BackendLook(AgentConfig config, URI url, InstantSource clock) {
        this.setup = config.sending();
        this.shard = config.shardId().orElse("doctor");
        this.clock = clock;
        this.base = url.toString().replaceAll("/+$", "");
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(setup.requestTimeout());
        setup.tls().map(ClientTls::context).ifPresent(builder::sslContext);
        this.http = builder.build();
    }

    List<Finding> look() throws InterruptedException {
        Optional<HttpResponse<String>> health = ask("/health", null);
        if (health.isPresent()) {
            health(health.get());
            ready();
            key();
        }
        return found;
    }

    private void health(HttpResponse<String> answer) {
        if (answer.statusCode() != 200) {
            found.add(Finding.bad(
                    base, "/health says " + answer.statusCode() + "; is ENDPOINT the base URL of a backend?"));
            return;
        }
        found.add(Finding.good(base, "is reached and serves"));
        Optional<Duration> ahead = answer.headers()
                .firstValue("Date")
                .flatMap(BackendLook::instant)
                .map(date -> Duration.between(clock.instant(), date));
        if (ahead.isEmpty()) {
            found.add(Finding.doubtful("clock", base + " tells no Date; the own clock is taken for right"));
        } else if (ahead.get().abs().compareTo(NOTEWORTHY) > 0) {
            found.add(Finding.doubtful(
                    "clock",
                    "that of " + base + " is " + ahead.get().abs().toSeconds() + " s "
                            + (ahead.get().isNegative() ? "behind" : "ahead")
                            + "; sending allows for it, but set up time synchronisation"));
        } else {
            found.add(Finding.good("clock", "agrees with that of " + base));
        }
    }

    private void ready() throws InterruptedException {
        ask("/readyz", null).ifPresent(answer -> found.add(readyFinding(answer)));
    }

    private Finding readyFinding(HttpResponse<String> answer) {
        return switch (answer.statusCode()) {
            case 200 -> Finding.good(base, "is ready");
            case 404 -> Finding.good(base, "tells elsewhere whether it is ready (its OPS_PORT)");
            default -> Finding.doubtful(base, "is not ready: " + firstLine(answer.body()) + "; what is sent waits");
        };
    }

    private void key() throws InterruptedException {
        String probe;
        try {
            probe = new String(
                    SendingForm.signed(
                                    PROBE.formatted(shard.replace("\\", "").replace("\"", ""))
                                            .getBytes(StandardCharsets.UTF_8),
                                    setup.signer(),
                                    clock.instant())
                            .line(),
                    StandardCharsets.UTF_8);
        } catch (MalformedCertificate e) {
            throw new IllegalStateException("the probe has all that is signed", e);
        }
        if (setup.signer().isEmpty()) {
            found.add(Finding.doubtful("key", "PCS_SIGN_ALG is none: certificates go out as they are"));
            return;
        }
        ask("/v1/pcs/submit", probe).ifPresent(answer -> found.add(keyFinding(answer)));
    }

    private Finding keyFinding(HttpResponse<String> answer) {
        return switch (answer.statusCode()) {
            case 400 -> Finding.good("key", base + " knows it");
            case 401 ->
                Finding.bad(
                        "key",
                        base + " does not know it, or not for shard " + shard
                                + "; compare PCS_SIGN_ALG and the key on both sides");
            case 429, 503 -> Finding.doubtful("key", base + " is busy (" + answer.statusCode() + "); look again");
            default ->
                Finding.bad("key", base + " says " + answer.statusCode() + " to a certificate; is it a backend?");
        };
    }

    private Optional<HttpResponse<String>> ask(String path, @Nullable String body) throws InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(base + path)).timeout(setup.requestTimeout());
        if (body != null) {
            request.POST(BodyPublishers.ofString(body));
        }
        try {
            return Optional.of(http.send(request.build(), BodyHandlers.ofString()));
        } catch (IOException e) {
            found.add(Finding.bad(base, why(e)));
            return Optional.empty();
        }
    }

    private String why(IOException e) {
        Optional<String> tls = TlsTrouble.what(e);
        if (tls.isPresent()) {
            return tls.get();
        }
        if (e instanceof HttpTimeoutException) {
            return "does not answer within " + setup.requestTimeout().toSeconds() + " s; a firewall, or a hung backend";
        }
        if (isUnresolved(e)) {
            return "its host's name is not known; check ENDPOINT and the name service";
        }
        if (e instanceof ConnectException) {
            return "nothing listens there; check ENDPOINT, and whether the backend runs";
        }
        return "no answer: " + e.getMessage();
    }

    /** The HTTP client wraps it several times over. */
    private static boolean isUnresolved(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof UnknownHostException || cause instanceof UnresolvedAddressException) {
                return true;
            }
        }
        return false;
    }

    private static Optional<Instant> instant(String date) {
        try {
            return Optional.of(ZonedDateTime.parse(date, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant());
        } catch (DateTimeParseException e) {
            return Optional.empty();
        }
    }

    private static String firstLine(String text) {
        String line = text.lines().findFirst().orElse("");
        return line.length() > 100 ? line.substring(0, 100) + "…" : line;
    }
}
