// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Results.Target;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.bench.slowdisk.SlowForces;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.message.MessageSigner;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The suites that load a backend over HTTP. */
final class HttpSuites {
    private static final String CERTIFICATES = "certificates";
    private static final int CONNECTIONS = 64;
    /** The number of connections that send batches; batches of 100 then have 1,600 lines in flight. */
    private static final int BATCH_CONNECTIONS = 16;
    /**
     * The number of certificates sent per second while the cost of heartbeats or pages is measured; a fraction of the
     * maximum throughput.
     */
    private static final int STEADY = 4_000;

    private HttpSuites() {}

    static Results singles(Workbench bench) throws IOException, InterruptedException {
        Server bare = bench.keep(Server.bare(bench.directory("bare")));
        Server backend = bench.backend("singles");
        Stock fresh = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        Stock seen = Stock.ofSingles(Workbench.SUBMIT, bench.certificates()).repeating();
        List<Subject> subjects = new ArrayList<>();
        subjects.add(bench.plainForces());
        for (int connections : new int[] {1, 16, 64, 256}) {
            subjects.add(Workbench.load("bare Netty, " + connections, bare, connections, seen, 100, "200"));
            subjects.add(Workbench.load(
                    "backend, " + connections, backend, connections, fresh, 1_000.0 * connections, "200"));
        }
        Results results = bench.measure(CERTIFICATES, "bare Netty, 64", subjects);
        return results.with(
                Target.atLeast(
                        "64 connections, of a bare Netty server", results.ratio("backend, 64", "bare Netty, 64"), 0.45),
                Target.atMost(
                        "64 connections, p99 ms", results.of("backend, 64").median(Sample::p99Millis), 12),
                Target.atLeast("256 connections, of 64", results.ratio("backend, 256", "backend, 64"), 1),
                Target.atMost(
                        "1 connection, p50 in plain forces",
                        results.of("backend, 1").median(Sample::p50Millis)
                                / results.of(Workbench.PLAIN_FORCES).median(Sample::p50Millis),
                        2.5));
    }

    static Results rates(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("rates");
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        List<Subject> subjects = new ArrayList<>();
        for (int rate : new int[] {1_000, 5_000, 10_000, 20_000}) {
            String name = String.format(Locale.ROOT, "%,d a second", rate);
            subjects.add(Workbench.steady(name, backend, CONNECTIONS, stock, rate));
        }
        return bench.measure(CERTIFICATES, subjects.get(0).name(), subjects);
    }

    static Results sizes(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("sizes");
        return bench.measure(
                CERTIFICATES,
                "0.5 KiB",
                List.of(
                        sizeSubject("0.5 KiB", backend, bench, 3, 30_000),
                        sizeSubject("4 KiB", backend, bench, 400, 6_000),
                        sizeSubject("16 KiB", backend, bench, 1_760, 2_000),
                        sizeSubject("64 KiB", backend, bench, 7_200, 500)));
    }

    private static Subject sizeSubject(String size, Server backend, Workbench bench, int elements, double firstGuess) {
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates(elements));
        return Workbench.load(size, backend, CONNECTIONS, stock, firstGuess, "200");
    }

    static Results batches(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("batches");
        String singles = "singles, 64 connections";
        Results results = bench.measure(
                CERTIFICATES,
                singles,
                List.of(
                        bench.singles(singles, backend, CONNECTIONS, 30_000),
                        bench.batches("batches of 10", backend, BATCH_CONNECTIONS, 10, 6_000),
                        bench.batches("batches of 100", backend, BATCH_CONNECTIONS, 100, 600),
                        bench.batches("batches of 1000", backend, BATCH_CONNECTIONS / 4, 1_000, 60)));
        return results.with(
                Target.atLeast("batches of 100, of singles", results.ratio("batches of 100", singles), 2.5));
    }

    static Results signatures(Workbench bench) throws IOException, InterruptedException {
        Ed25519Signer signer = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
        Server hmac = bench.backend("hmac");
        // Duplicates and wrong signatures go to a separate backend, because the store of the backend "hmac" is still
        // busy with new certificates.
        Server seen = bench.backend("seen");
        Server ed25519 = bench.backend(
                "ed25519", Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PUB_B64", signer.publicKeyBase64()));
        Stock duplicates =
                Stock.ofSingles(Workbench.SUBMIT, bench.certificates()).repeating();
        duplicates.fill(10_000);
        Stock wrong = Stock.ofSingles(Workbench.SUBMIT, bench.certificates(new HmacSigner("wrong")))
                .repeating();
        String checks = "one thread's Ed25519 checks";
        String batches = "Ed25519, batches of 100";
        Results results = bench.measure(
                CERTIFICATES,
                "HMAC",
                List.of(
                        bench.singles("HMAC", hmac, CONNECTIONS, 30_000),
                        Workbench.load("duplicates", seen, CONNECTIONS, duplicates, 1, "200"),
                        Workbench.load("wrong signatures", seen, CONNECTIONS, wrong, 1_000, "401"),
                        signatureChecks(checks, signer),
                        Workbench.load(
                                "Ed25519",
                                ed25519,
                                CONNECTIONS,
                                Stock.ofSingles(Workbench.SUBMIT, bench.certificates(signer)),
                                10_000,
                                "200"),
                        Workbench.load(
                                batches,
                                ed25519,
                                BATCH_CONNECTIONS,
                                Stock.ofBatches(Workbench.BATCH, bench.certificates(signer), 100),
                                100,
                                "200")));
        double checksOfAllCores = results.rate(checks) * Runtime.getRuntime().availableProcessors();
        return results.with(
                Target.atLeast(
                        "Ed25519, of all cores checking signatures", results.rate("Ed25519") / checksOfAllCores, 0.75),
                Target.atLeast("the same in batches of 100", results.rate(batches) / checksOfAllCores, 0.75),
                Target.atLeast("duplicates, of singles", results.ratio("duplicates", "HMAC"), 1.3),
                Target.atLeast("wrong signatures, of singles", results.ratio("wrong signatures", "HMAC"), 1.2));
    }

    /** Returns a subject that checks Ed25519 signatures one after the other, in one thread, with the backend's code. */
    private static Subject signatureChecks(String name, Ed25519Signer signer) {
        SignatureCheck check = SignatureCheck.ed25519(List.of(signer.publicKeyBase64()));
        String root = "5a".repeat(32);
        List<byte[]> canonical = new ArrayList<>();
        List<String> signatures = new ArrayList<>();
        for (int epoch = 0; epoch < 256; epoch++) {
            byte[] form = new SignedFields(
                            PcsId.of(root, epoch, "shard").toString(), "shard", epoch, root, 1, 0.5, 0.8, 0.26)
                    .canonicalForm();
            canonical.add(form);
            signatures.add(signer.sign(form));
        }
        int[] next = new int[1];
        return Workbench.timed(name, 1, () -> {
            next[0] = (next[0] + 1) % canonical.size();
            if (check.verify(canonical.get(next[0]), signatures.get(next[0])).isEmpty()) {
                throw new IllegalStateException("a valid signature was rejected");
            }
        });
    }

    static Results stores(Workbench bench) throws IOException, InterruptedException {
        Map<String, Map<String, String>> stores = new LinkedHashMap<>();
        stores.put("embedded", Map.of());
        stores.put("memory", Map.of("DEDUP_BACKEND", "memory"));
        Server redis = bench.keep(Server.redis(bench.directory("redis-server")));
        stores.put("redis", Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", "redis://127.0.0.1:" + redis.port()));
        List<Subject> subjects = new ArrayList<>();
        for (Map.Entry<String, Map<String, String>> store : stores.entrySet()) {
            Server backend = bench.backend(store.getKey(), store.getValue());
            subjects.add(bench.singles(store.getKey(), backend, CONNECTIONS, 30_000));
        }
        Results results = bench.measure(CERTIFICATES, "embedded", subjects);
        return results.with(Target.atLeast("redis, of the embedded store", results.ratio("redis", "embedded"), 0.6));
    }

    /**
     * Measures the cost of the heartbeats of 10,000 agents, stored in the state or in Redis. Certificates are sent at a
     * fixed rate, and the cost is the additional processor time of the backend. The throughput of a closed loop would
     * be misleading: it would also drop because the client that sends the heartbeats needs processor time.
     */
    static Results heartbeats(Workbench bench) throws IOException, InterruptedException {
        Server redis = bench.keep(Server.redis(bench.directory("redis-server")));
        Map<String, Map<String, String>> stores = new LinkedHashMap<>();
        stores.put("state", Map.of("STATE_PORT", "0", "RECORD", "off"));
        stores.put("redis", Map.of("SESSION_STORE", "redis", "REDIS_URI", "redis://127.0.0.1:" + redis.port()));
        List<Subject> subjects = new ArrayList<>();
        for (Map.Entry<String, Map<String, String>> store : stores.entrySet()) {
            Server backend = bench.backend(store.getKey(), store.getValue());
            Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
            Subject alone = Workbench.steady(store.getKey() + ", alone", backend, CONNECTIONS, stock, STEADY);
            subjects.add(alone);
            subjects.add(new Subject(store.getKey() + ", heartbeats", plan -> {
                Heartbeats beats = Heartbeats.send(backend, plan);
                Sample sample = alone.round().measure(plan);
                beats.await();
                return sample;
            }));
        }
        bench.warmUp(subjects);
        Results results = bench.measure(CERTIFICATES, "state, alone", subjects);
        return results.with(share(results, "state"), share(results, "redis"));
    }

    private static Target share(Results results, String store) {
        return share("heartbeats in " + store, results, store + ", alone", store + ", heartbeats");
    }

    /**
     * Returns the target for an additional load: in the subject {@code with}, the backend uses at most 5 percent of all
     * cores more processor time than in the subject {@code alone}.
     */
    private static Target share(String what, Results results, String alone, String with) {
        double micros =
                results.of(with).median(Sample::cpuMicros) - results.of(alone).median(Sample::cpuMicros);
        double cores = micros * STEADY / 1e6;
        return Target.atMost(
                what + ", share of all cores", cores / Runtime.getRuntime().availableProcessors(), 0.05);
    }

    /** Measures the cost of five open pages that follow a backend, in the same way as {@link #heartbeats}. */
    static Results page(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("page", Map.of("STATE_PORT", "0"));
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        Subject alone = Workbench.steady("alone", backend, CONNECTIONS, stock, STEADY);
        Subject watched = new Subject("five pages", plan -> {
            try (OpenPages pages = new OpenPages(backend)) {
                Sample sample = alone.round().measure(plan);
                pages.requireLoads();
                return sample;
            }
        });
        List<Subject> subjects = List.of(alone, watched);
        bench.warmUp(subjects);
        Results results = bench.measure(CERTIFICATES, "alone", subjects);
        return results.with(share("five pages", results, "alone", "five pages"));
    }

    /**
     * Measures a backend whose log forces take 5 ms longer. The more requests are in flight, the more records share a
     * force; with enough requests, the slow forces hardly reduce the throughput.
     */
    static Results slowDisk(Workbench bench) throws IOException, InterruptedException {
        Server fast = bench.backend("fast");
        Server slow = bench.backendWith(SlowForces.jvmOption(Program.ownJar(), Duration.ofMillis(5)), "slow");
        Stock stock = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        List<Subject> subjects = new ArrayList<>();
        for (int connections : new int[] {1, 64, 256, 1_024}) {
            subjects.add(Workbench.load("slow, " + connections, slow, connections, stock, 100.0 * connections, "200"));
        }
        subjects.add(Workbench.load("fast, 1024", fast, 1_024, stock, 30_000, "200"));
        subjects.add(bench.batches("slow, batches of 100, 16", slow, BATCH_CONNECTIONS, 100, 500));
        subjects.add(bench.batches("fast, batches of 100, 16", fast, BATCH_CONNECTIONS, 100, 500));
        Results results = bench.measure(CERTIFICATES, "fast, 1024", subjects);
        return results.with(
                Target.atLeast("1,024 connections, of a fast disk", results.ratio("slow, 1024", "fast, 1024"), 0.8));
    }

    /** Measures ten minutes of load on a backend with little memory. Neither memory nor throughput may drift. */
    static Results sustained(Workbench bench) throws IOException, InterruptedException {
        String name = "backend in -Xmx256m, 64";
        Plan plan = new Plan(40, Duration.ZERO, Duration.ofSeconds(15));
        Server backend = bench.backendWith("-Xmx256m", "sustained");
        Results results =
                bench.measure(plan, CERTIFICATES, "", List.of(bench.singles(name, backend, CONNECTIONS, 30_000)));
        List<Sample> samples = results.of(name).samples();
        int quarter = plan.rounds() / 4;
        Figures first = new Figures("first quarter", samples.subList(0, quarter));
        Figures last = new Figures("last quarter", samples.subList(samples.size() - quarter, samples.size()));
        return new Results(bench.suite(), CERTIFICATES, first.subject(), List.of(first, last), List.of())
                .with(
                        Target.atMost(
                                "memory held at the end, of that at the beginning",
                                last.median(Sample::residentMebibytes) / first.median(Sample::residentMebibytes),
                                1.1),
                        Target.atLeast(
                                "throughput at the end, of that at the beginning",
                                last.median(Sample::perSecond) / first.median(Sample::perSecond),
                                0.8));
    }

    /** A thread that sends the heartbeats of 10,000 agents; each agent sends one about every 30 seconds. */
    private static final class Heartbeats {
        private static final int AGENTS = 10_000;
        private static final int A_SECOND = 350;
        private static final int CONNECTIONS = 16;

        private final Thread thread;
        private volatile @Nullable Exception failure;

        private Heartbeats(Server backend, Duration time) {
            Stock stock = Stock.ofHeartbeats(MessageSigner.of(new HmacSigner(Server.SECRET)), AGENTS);
            stock.fill(A_SECOND * (time.toSeconds() + 1));
            thread = new Thread(
                    () -> {
                        try (LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "20")) {
                            client.open(A_SECOND).run(Duration.ZERO, time, () -> {});
                        } catch (IOException e) {
                            failure = e;
                        }
                    },
                    "heartbeats");
        }

        /** Starts to send heartbeats, for the duration of one round of the plan. */
        static Heartbeats send(Server backend, Plan plan) {
            Heartbeats started = new Heartbeats(backend, plan.warmUp().plus(plan.measured()));
            started.thread.start();
            return started;
        }

        /** Waits until all heartbeats are sent and answered. */
        void await() throws IOException, InterruptedException {
            thread.join();
            Exception failed = failure;
            if (failed != null) {
                throw new IOException("heartbeats failed: " + failed.getMessage(), failed);
            }
        }
    }

    /**
     * Simulates five browsers, each with an open page for operators. A page follows the events of the backend, and
     * loads its view again after each event.
     */
    private static final class OpenPages implements AutoCloseable {
        private static final List<String> VIEWS =
                List.of("", "/agents", "/shards", "/shard?name=" + Certificates.SHARD, "/review");

        private final String base;
        private final HttpClient client =
                HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
        private final List<Stream<String>> streams = new ArrayList<>();
        private final List<Thread> threads = new ArrayList<>();
        private final AtomicInteger loads = new AtomicInteger();
        private volatile boolean isClosed;
        private volatile @Nullable Exception failure;

        OpenPages(Server backend) throws IOException, InterruptedException {
            base = "http://127.0.0.1:" + backend.port() + "/ui";
            for (String view : VIEWS) {
                load(view);
                Stream<String> events =
                        client.send(request("/events"), BodyHandlers.ofLines()).body();
                streams.add(events);
                Thread thread = new Thread(() -> follow(view, events.iterator()), "page");
                threads.add(thread);
                thread.start();
            }
        }

        private HttpRequest request(String path) {
            return HttpRequest.newBuilder(URI.create(base + path)).build();
        }

        private void load(String view) throws IOException, InterruptedException {
            HttpResponse<byte[]> answer = client.send(request(view), BodyHandlers.ofByteArray());
            if (answer.statusCode() != 200) {
                throw new IOException("the page " + view + " was answered " + answer.statusCode());
            }
            loads.incrementAndGet();
        }

        private void follow(String view, Iterator<String> events) {
            try {
                while (events.hasNext()) {
                    if (events.next().startsWith("event: ")) {
                        load(view);
                    }
                }
            } catch (IOException | InterruptedException | RuntimeException e) {
                failure = isClosed ? failure : e;
            }
        }

        /** Throws if a page could not be loaded, or if no page was reloaded after an event. */
        void requireLoads() throws IOException {
            Exception failed = failure;
            if (failed != null || loads.get() <= VIEWS.size()) {
                throw new IOException("the pages do not follow the backend; --seconds must be at least 15", failed);
            }
        }

        @Override
        public void close() {
            isClosed = true;
            streams.forEach(Stream::close);
            threads.forEach(Thread::interrupt);
        }
    }
}
