// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.program.config.Quantities.count;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.signing.Signer;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The part of the configuration that defines how certificates are sent. A reload can change all of it.
 *
 * @param endpoints base URLs of backends that share one dedup store, the preferred one first; nothing is sent if the
 *     list is empty
 * @param tls the trusted authorities and the client certificate; empty for the JDK's defaults
 * @param requestTimeout the longest time from the beginning of a request to its complete answer
 * @param signer the signer; empty if certificates are sent without a new signature
 */
public record SenderConfig(
        List<URI> endpoints,
        Optional<ClientTls> tls,
        Duration requestTimeout,
        Optional<Signer> signer,
        SendOptions options) {
    public static final Key<List<URI>> ENDPOINT = Key.of(
                    "ENDPOINT",
                    SenderConfig::baseUrls,
                    "Base URLs of backends on one dedup store, the preferred one first, separated by commas.")
            .mayHoldPassword();
    private static final Key<Duration> BASE_DELAY = Key.of(
                    "BASE_DELAY", Quantities::positive, "The first pause before a submission is retried.")
            .or("1s");
    private static final Key<Duration> MAX_DELAY = Key.of(
                    "MAX_DELAY", Quantities::positive, "The longest pause between attempts.")
            .or("60s");
    private static final Key<Integer> MAX_ATTEMPTS = Key.of(
                    "MAX_ATTEMPTS",
                    count(0, 1_000_000_000),
                    "The number of answers of 500 after which a certificate becomes a dead letter; 0: no limit.")
            .or("0");
    private static final Key<Duration> MAX_AGE = Key.of(
                    "MAX_AGE",
                    Quantities::positive,
                    "The age at which a certificate becomes a dead letter; shorter than the backend's `DEDUP_TTL`.")
            .or("13d");
    private static final Key<Duration> SIGNATURE_GRACE = Key.of(
                    "SIGNATURE_GRACE",
                    Quantities::duration,
                    "How long a refused signature waits for a backend that accepts it, while others of its shard are"
                            + " accepted.")
            .or("24h");
    private static final Key<Duration> REQUEST_TIMEOUT = Key.of(
                    "REQUEST_TIMEOUT", Quantities::positive, "The longest duration of a request.")
            .or("10s");
    private static final Key<Integer> MAX_IN_FLIGHT = Key.of(
                    "MAX_IN_FLIGHT", count(1, 100_000), "The largest number of certificates in flight.")
            .or("256");
    private static final Key<Integer> BATCH_SIZE = Key.of(
                    "BATCH_SIZE", count(1, 1_000), "The largest number of certificates in a request.")
            .or("100");

    /** The settings of {@link SendOptions}, and the timeout of requests. */
    public static final List<Key<?>> OPTIONS = List.of(
            BASE_DELAY, MAX_DELAY, MAX_ATTEMPTS, MAX_AGE, SIGNATURE_GRACE, REQUEST_TIMEOUT, MAX_IN_FLIGHT, BATCH_SIZE);

    public SenderConfig {
        endpoints = List.copyOf(endpoints);
    }

    /** Reads the configuration from settings. */
    public static SenderConfig read(Settings settings, Optional<Signer> signer) {
        List<URI> endpoints = settings.find(ENDPOINT).orElse(List.of());
        if (!endpoints.isEmpty() && endpoints.stream().noneMatch(url -> "https".equalsIgnoreCase(url.getScheme()))) {
            settings.unused("ENDPOINT names no https URL", ClientTls.KEYS);
        }
        return new SenderConfig(
                endpoints, ClientTls.read(settings), settings.get(REQUEST_TIMEOUT), signer, options(settings));
    }

    private static SendOptions options(Settings settings) {
        Duration baseDelay = settings.get(BASE_DELAY);
        Duration maxDelay = settings.get(MAX_DELAY);
        boolean areSound = !settings.isBroken(BASE_DELAY) && !settings.isBroken(MAX_DELAY);
        settings.require(
                !areSound || maxDelay.compareTo(baseDelay) >= 0,
                "MAX_DELAY: shorter than BASE_DELAY; set it to at least BASE_DELAY");
        return new SendOptions(
                baseDelay,
                maxDelay,
                settings.get(MAX_ATTEMPTS),
                settings.get(MAX_AGE),
                settings.get(SIGNATURE_GRACE),
                settings.get(MAX_IN_FLIGHT),
                settings.get(BATCH_SIZE));
    }

    private static List<URI> baseUrls(String text) {
        List<URI> urls = Arrays.stream(text.split(",", -1))
                .map(url -> baseUrl(url.strip()))
                .toList();
        if (Set.copyOf(urls).size() < urls.size()) {
            throw new IllegalArgumentException("a list that names a URL twice; write each backend once");
        }
        return urls;
    }

    private static URI baseUrl(String text) {
        String advice = "; write it like http://localhost:8080";
        // does not quote a text that contains an @, because the text may be a URL with a password
        String mistake = (text.indexOf('@') < 0 ? "'" + text + "', which is " : "") + "not a base URL" + advice;
        try {
            URI uri = new URI(text);
            boolean web = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
            if (!web || uri.getHost() == null || uri.getPort() == 0 || uri.getPort() > 65_535) {
                throw new IllegalArgumentException(mistake);
            }
            if (uri.getRawUserInfo() != null || uri.getRawQuery() != null || uri.getRawFragment() != null) {
                throw new IllegalArgumentException("a URL with a user, a query or a fragment" + advice);
            }
            return uri;
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(mistake, e);
        }
    }

    /**
     * The options of the sender; see the agent's settings in {@code docs/configuration.md}.
     *
     * @param maxAttempts the number of answers with status 408 or 500 after which an entry is given up; 0 for no limit
     * @param maxAge the age at which an entry is given up, counted from the first sending that may have reached the
     *     backend. The age must be shorter than the backend's {@code DEDUP_TTL}: a backend that has forgotten the
     *     outcome of a certificate would decide the certificate a second time
     * @param signatureGrace how long a refused signature must be held while others of its shard are accepted, unless
     *     one backend has both refused it twice and accepted others
     * @param maxInFlight the largest number of certificates that wait for an answer at the same time
     * @param batchSize the largest number of certificates in one request; 1 for single requests
     */
    public record SendOptions(
            Duration baseDelay,
            Duration maxDelay,
            int maxAttempts,
            Duration maxAge,
            Duration signatureGrace,
            int maxInFlight,
            int batchSize) {

        /** Validates all fields except the delays, which {@link Backoff} validates. */
        public SendOptions {
            if (maxAttempts < 0
                    || maxInFlight < 1
                    || batchSize < 1
                    || maxAge.isNegative()
                    || signatureGrace.isNegative()) {
                throw new IllegalArgumentException(
                        "counts must be positive: " + maxAttempts + ", " + maxInFlight + ", " + batchSize);
            }
        }
    }
}
