// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.serve.BackendServer.Parts;
import dev.flk.backend.serve.BackendServer.ServerMetrics;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.time.DaemonThreads;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.Signer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Submits certificates of its own while the backend starts, so that the JVM has compiled the path of a submission by
 * the time the first real one arrives. They go over the loopback interface to a server of their own, which parses,
 * checks, decides and answers them as the backend does, but has no log, no store and no page. It accepts only a key that
 * this process made, and counts in metrics that nobody sees. It ends after {@link #WITHIN}.
 */
public final class WarmUp implements AutoCloseable {
    public static final Key<Boolean> WARM_UP = Key.of(
                    "WARM_UP",
                    Quantities::onOrOff,
                    "`on`: a start with more than one core takes up to a second longer and decides certificates of its"
                            + " own, so that the first real ones are answered faster.")
            .or("on");

    private static final Logger LOG = LoggerFactory.getLogger(WarmUp.class);
    private static final Duration WITHIN = Duration.ofSeconds(1);
    private static final int CLIENTS = 8;
    /** The requests that a client sends before it reads the answers, so that threads change rarely. */
    private static final int PIPELINED = 8;

    private static final int WRONG_EVERY = 8;
    private static final int ANSWER_BYTES = 16 << 10;
    private static final byte[] END_OF_HEAD = {'\r', '\n', '\r', '\n'};
    private static final String SHARD = "warm-up";
    private static final String ROOT = "ab".repeat(32);

    private final BackendServer server;
    private final Signer signer;
    private final long endNanos = System.nanoTime() + WITHIN.toNanos();
    private final CountDownLatch running = new CountDownLatch(CLIENTS);
    private final Map<Integer, LongAdder> answered = new ConcurrentHashMap<>();
    private volatile boolean isClosed;

    private WarmUp(Parts parts, DecisionRules rules, Signer signer, SignatureCheck keys) {
        this.server = server(parts, new Decider(keys, rules, parts, answered));
        this.signer = signer;
    }

    /** Decides without a log and a store. */
    private record Decider(SignatureCheck keys, DecisionRules rules, Parts parts, Map<Integer, LongAdder> answered)
            implements Ingest {
        @Override
        public void submit(List<Submission> turn) {
            turn.forEach(submission -> {
                Outcome outcome = outcome(submission);
                answered.computeIfAbsent(
                                outcome instanceof Decided decided ? decided.status() : 0, status -> new LongAdder())
                        .increment();
                submission.answer().accept(outcome);
            });
        }

        private Outcome outcome(Submission submission) {
            try {
                ParsedCertificate parsed =
                        CertificateReader.parse(submission.body().get());
                if (keys.verify(parsed.canonicalForm(), parsed.sig()).isEmpty()) {
                    return Refused.BAD_SIGNATURE;
                }
                var decided = rules.decide(
                                parsed.check(parts.clock().instant(), Duration.ZERO),
                                parts.clock().millis())
                        .recorded();
                return new Decided(decided.status(), decided.body(), Relation.FIRST);
            } catch (MalformedCertificate e) {
                return Refused.malformed(String.valueOf(e.getMessage()));
            }
        }

        @Override
        public void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer) {
            answer.accept(Optional.empty());
        }
    }

    /**
     * Begins; returns empty if there is only one core, which the start itself needs, or if no port of the loopback
     * interface can be used.
     *
     * @param parts the parts of the backend's own server, of which the configuration and the clock are used
     */
    public static Optional<WarmUp> begin(Parts parts, DecisionRules rules, SigningConfig signing) {
        if (Runtime.getRuntime().availableProcessors() == 1) {
            return Optional.empty();
        }
        byte[] secret = new byte[Ed25519Signer.SEED_BYTES];
        new SecureRandom().nextBytes(secret);
        Signer signer;
        SignatureCheck keys;
        if (signing instanceof SigningConfig.Ed25519) {
            Ed25519Signer made = new Ed25519Signer(secret);
            signer = made;
            keys = SignatureCheck.ed25519(List.of(made.publicKeyBase64()));
        } else {
            String text = HexFormat.of().formatHex(secret);
            signer = new HmacSigner(text);
            keys = SignatureCheck.hmac(List.of(text));
        }
        WarmUp begun = new WarmUp(parts, rules, signer, keys);
        int port;
        try {
            port = begun.server.start();
        } catch (IOException e) {
            LOG.debug("no warm-up, because the loopback interface can't be used", e);
            return Optional.empty();
        }
        for (int i = 0; i < CLIENTS; i++) {
            long firstEpoch = i * 1_000_000L;
            DaemonThreads.named("warm-up")
                    .newThread(() -> begun.submit(port, firstEpoch))
                    .start();
        }
        return Optional.of(begun);
    }

    private static BackendServer server(Parts parts, Ingest decider) {
        Metrics unseen = new Metrics("warm-up");
        HttpConfig config = parts.config();
        return new BackendServer(
                new Parts(
                        parts.name(),
                        new HttpConfig(
                                0,
                                InetAddress.getLoopbackAddress().getHostAddress(),
                                config.maxBodyBytes(),
                                config.maxBatchLines(),
                                config.maxBatchBytes(),
                                config.maxConnections(),
                                config.maxRequests(),
                                config.headerTimeout(),
                                config.bodyTimeout(),
                                config.idleTimeout(),
                                config.proxies(),
                                config.operators()),
                        decider,
                        parts.submissionHeaders(),
                        List::of,
                        Features::none,
                        new ServerMetrics(
                                unseen,
                                new HttpMetrics(unseen, new RefusedSubmissions(unseen)),
                                new AgentMetrics(unseen),
                                new OperatorRefusals(unseen, parts.nanoTicker())),
                        parts.policy(),
                        parts.clock(),
                        parts.nanoTicker(),
                        Duration.ZERO),
                true,
                null,
                new Limits(Limits.Sizes.ofConnections(CLIENTS), parts.nanoTicker(), unseen),
                Runtime.getRuntime().maxMemory());
    }

    private void submit(int port, long firstEpoch) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout((int) WITHIN.toMillis());
            OutputStream out = socket.getOutputStream();
            InputStream in = socket.getInputStream();
            byte[] answers = new byte[ANSWER_BYTES];
            for (long epoch = firstEpoch; !isClosed && System.nanoTime() < endNanos; epoch += PIPELINED) {
                ByteArrayOutputStream requests = new ByteArrayOutputStream();
                for (int i = 0; i < PIPELINED; i++) {
                    requests.writeBytes(request(epoch + i));
                }
                requests.writeTo(out);
                readAnswers(in, answers);
            }
        } catch (IOException e) {
            LOG.debug("the warm-up ended early", e);
        } finally {
            running.countDown();
        }
    }

    /** Reads until {@link #PIPELINED} answers have begun; the rest of the last body is read with the next answers. */
    private static void readAnswers(InputStream in, byte[] buffer) throws IOException {
        int heads = 0;
        int matched = 0;
        while (heads < PIPELINED) {
            int read = in.read(buffer);
            if (read < 0) {
                throw new IOException("the server closed a connection");
            }
            for (int i = 0; i < read; i++) {
                matched = buffer[i] == END_OF_HEAD[matched] ? matched + 1 : buffer[i] == END_OF_HEAD[0] ? 1 : 0;
                if (matched == END_OF_HEAD.length) {
                    matched = 0;
                    heads++;
                }
            }
        }
    }

    /** Returns a request with a certificate; the claim of every eighth is wrong. */
    private byte[] request(long epoch) {
        double dHat = epoch % WRONG_EVERY == 0 ? 2.0 : 1.0;
        String id = PcsId.of(ROOT, epoch, SHARD).toString();
        String sig = signer.sign(new SignedFields(id, SHARD, epoch, ROOT, dHat, 0.5, 0.8, 0.26).canonicalForm());
        String body = "{\"pcs_id\":\"" + id + "\",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"shard_id\":\""
                + SHARD + "\",\"epoch\":" + epoch + ",\"attempt\":1,\"sent_at\":\"2026-01-19T10:30:45Z\",\"seed\":7,"
                + "\"scales\":[2,4,8,16],\"N_j\":{\"2\":5,\"4\":10,\"8\":20,\"16\":40},\"coh_star\":0.5,"
                + "\"v_star\":[0.6,0.8,0.0],\"D_hat\":" + dHat + ",\"r\":0.8,\"regime\":\"mixed\",\"budget\":0.26,"
                + "\"merkle_root\":\"" + ROOT + "\",\"sig\":\"" + sig + "\"}";
        return ("POST /v1/pcs/submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                        + body.length() + "\r\n\r\n" + body)
                .getBytes(StandardCharsets.US_ASCII);
    }

    /** Blocks until {@link #WITHIN} after the beginning, then ends the warm-up. */
    public void await() {
        try {
            boolean hasEnded = running.await(Math.max(0, endNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
            LOG.debug("the warm-up ended{}", hasEnded ? "" : ", and cut its last requests off");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        close();
    }

    /** Returns the number of certificates that were decided, by the status of the answer; 0 stands for a refusal. */
    Map<Integer, Long> answered() {
        return answered.entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey, each -> each.getValue().sum()));
    }

    /** Ends the warm-up. */
    @Override
    public void close() {
        isClosed = true;
        server.close();
    }
}
