// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** The settings of the agent. */
public final class AgentKeys {
    private static final int MANY = 1_000_000_000;

    static final Key<List<URI>> ENDPOINT = Key.of(
                    "ENDPOINT",
                    AgentKeys::baseUrls,
                    "Base URLs of backends on one dedup store, the preferred one first, separated by commas.")
            .mayHoldPassword();
    static final Key<String> TLS_CA = Key.of(
                    "TLS_CA", Quantities::text, "A PEM file of the authorities to trust instead of the JDK's.")
            .secret();
    static final Key<String> TLS_CERT = Key.of("TLS_CERT", Quantities::text, "A PEM file with the client certificate.")
            .secret();
    static final Key<String> TLS_KEY = Key.of(
                    "TLS_KEY",
                    Quantities::text,
                    "A PEM file with the key of that certificate, PKCS#8 without a password.")
            .secret();
    static final Key<Algorithm> PCS_SIGN_ALG =
            Key.of("PCS_SIGN_ALG", oneOf(Algorithm.class), "`hmac`, `ed25519` or `none`.");
    static final Key<String> PCS_HMAC_KEY = Key.of(
                    "PCS_HMAC_KEY", Quantities::text, "The secret to sign with, for `hmac`.")
            .secret();
    static final Key<String> PCS_ED25519_PRIV_B64 = Key.of(
                    "PCS_ED25519_PRIV_B64", Quantities::text, "The seed of the key, 32 bytes in base64, for `ed25519`.")
            .secret();
    static final Key<String> SHARD_ID =
            Key.of("SHARD_ID", Quantities::text, "The shard that `certify` writes into certificates.");
    static final Key<Path> OUTBOX_PATH = Key.of("OUTBOX_PATH", Quantities::path, "The directory of the outbox.")
            .or("data/outbox.wal");
    static final Key<Long> OUTBOX_MAX_BYTES = Key.of(
                    "OUTBOX_MAX_BYTES", AgentKeys::outboxBytes, "The largest size of the outbox.")
            .or("1GiB");
    static final Key<Long> OUTBOX_MIN_FREE_BYTES = Key.of(
                    "OUTBOX_MIN_FREE_BYTES",
                    Quantities::bytes,
                    "The free disk space below which no certificates are accepted.")
            .or("64MiB");
    static final Key<Path> DLQ_PATH = Key.of("DLQ_PATH", Quantities::path, "The file of the dead letters.")
            .or("data/dlq.jsonl");
    static final Key<Path> SPOOL_DIR = Key.of(
            "SPOOL_DIR",
            Quantities::path,
            "A directory whose `.ndjson` and `.json` files are submitted while the agent runs.");
    static final Key<Path> CONTROL_SOCKET = Key.of(
                    "CONTROL_SOCKET", Quantities::path, "The socket for operators' commands to the running agent.")
            .derived("in OUTBOX_PATH");
    static final Key<Path> INTAKE_SOCKET = Key.of(
            "INTAKE_SOCKET",
            Quantities::path,
            "A socket through which programs of its group submit certificates to the running agent.");
    static final Key<Integer> INTAKE_PORT =
            Key.of("INTAKE_PORT", Quantities::port, "A loopback port for the same; 0 takes a free one.");
    static final Key<Duration> BASE_DELAY = Key.of(
                    "BASE_DELAY", Quantities::positive, "The first pause before a submission is tried again.")
            .or("1s");
    static final Key<Duration> MAX_DELAY = Key.of(
                    "MAX_DELAY", Quantities::positive, "The longest pause between attempts.")
            .or("60s");
    static final Key<Integer> MAX_ATTEMPTS = Key.of(
                    "MAX_ATTEMPTS",
                    count(0, MANY),
                    "The number of attempts after which a certificate is a dead letter; 0: no limit.")
            .or("0");
    static final Key<Duration> MAX_AGE = Key.of(
                    "MAX_AGE",
                    Quantities::positive,
                    "The age at which a certificate is a dead letter; shorter than the backend's `DEDUP_TTL`.")
            .or("13d");
    static final Key<Duration> REQUEST_TIMEOUT = Key.of(
                    "REQUEST_TIMEOUT", Quantities::positive, "The longest duration of a request.")
            .or("10s");
    static final Key<Integer> MAX_IN_FLIGHT = Key.of(
                    "MAX_IN_FLIGHT", count(1, 100_000), "The largest number of certificates in flight.")
            .or("256");
    static final Key<Integer> BATCH_SIZE = Key.of(
                    "BATCH_SIZE", count(1, 1_000), "The largest number of certificates in a request.")
            .or("100");
    static final Key<Integer> METRICS_PORT = Key.of(
            "METRICS_PORT",
            Quantities::port,
            "A port for metrics, on all addresses; 0 takes a free one. Not set: none.");

    /** All settings, in the order of the docs. */
    public static final List<Key<?>> ALL = List.of(
            ENDPOINT,
            TLS_CA,
            TLS_CERT,
            TLS_KEY,
            PCS_SIGN_ALG,
            PCS_HMAC_KEY,
            PCS_ED25519_PRIV_B64,
            SHARD_ID,
            OUTBOX_PATH,
            OUTBOX_MAX_BYTES,
            OUTBOX_MIN_FREE_BYTES,
            DLQ_PATH,
            SPOOL_DIR,
            CONTROL_SOCKET,
            INTAKE_SOCKET,
            INTAKE_PORT,
            BASE_DELAY,
            MAX_DELAY,
            MAX_ATTEMPTS,
            MAX_AGE,
            REQUEST_TIMEOUT,
            MAX_IN_FLIGHT,
            BATCH_SIZE,
            METRICS_PORT,
            LogConfig.LEVEL,
            LogConfig.FORMAT);

    enum Algorithm {
        HMAC,
        ED25519,
        NONE
    }

    private AgentKeys() {}

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
        // a text with an @ may contain a password
        String mistake = (text.indexOf('@') < 0 ? "'" + text + "', which is " : "") + "no base URL" + advice;
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

    private static long outboxBytes(String text) {
        long bytes = Quantities.bytes(text);
        if (bytes < 1) {
            throw new IllegalArgumentException("no room; write a size such as 1GiB");
        }
        return bytes;
    }
}
