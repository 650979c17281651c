// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.flk.canonical.Sha256;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of the agent's real jar: the n-th system call of one kind on its files fails or kills the agent. A run without
 * faults follows, and then an audit: every acknowledged certificate is recorded once, and only certificates
 * that the backend refuses permanently are dead letters. {@code -Dflk.faults=all} tries every n that occurs in a short
 * run, {@code some} fewer.
 */
final class AgentInjectedFaultsIT {
    @RegisterExtension
    static final RunningBackend BACKEND = RunningBackend.with(Map.of());

    private static final String EIO = "error=EIO";
    private static final String ENOSPC = "error=ENOSPC";
    private static final String KILL = "signal=KILL";
    private static final int KILLED = 137;
    private static final int TERMINATED = 143;
    private static final int MORE = 5;
    private static final int WAITING = 2;
    private static final Pattern ADDED = Pattern.compile("(?m)^([0-9]+) certificates added");
    private static final Pattern PORT = Pattern.compile("loopback port ([0-9]+)");
    private static final JsonMapper JSON = new JsonMapper();

    /** The number of the next certificate. No two tests use the same number, because all tests share one backend. */
    private static final AtomicLong NEXT_NUMBER = new AtomicLong(1);

    @TempDir
    private Path directory;

    /** The files on which calls fail. */
    private enum Target {
        /** The segments to which records are appended. */
        SEGMENTS,
        /** The segments, also while they have temporary names, and most other files that the agent uses. */
        EVERYTHING;

        List<Path> in(AgentHome home) {
            LogFiles log = new LogFiles(home.outbox(), "outbox");
            return switch (this) {
                case SEGMENTS -> log.possibleSegments();
                case EVERYTHING ->
                    Stream.of(
                                    log.possibleSegments(),
                                    log.openings(1),
                                    List.of(
                                            home.outbox(),
                                            home.outbox().resolve("lock"),
                                            home.outbox().resolve("reserve"),
                                            home.directory(),
                                            home.letters(),
                                            home.directory().resolve("dlq.jsonl.next"),
                                            home.spool().resolve("some.ndjson"),
                                            home.spool().resolve(".taken-some.ndjson")))
                            .flatMap(List::stream)
                            .toList();
            };
        }
    }

    /**
     * A kind of call that fails. Calls are counted separately for each thread.
     *
     * @param usual the number of the call that fails, unless {@code flk.faults} is set
     */
    private record Kind(String calls, String what, Target target, int usual) {
        InjectedFault at(int n) {
            return new InjectedFault(calls, what, Integer.toString(n));
        }

        boolean kills() {
            return what.equals(KILL);
        }

        /** Returns whether the call removes a file; not every test removes files. */
        boolean removes() {
            return calls.equals(InjectedFault.REMOVALS);
        }

        @Override
        public String toString() {
            return what + " of " + calls.replace("?", "") + ", " + target;
        }
    }

    static Stream<Kind> submits() {
        return orAll(new Kind("pwrite64", ENOSPC, Target.SEGMENTS, 2)).filter(kind -> !kind.removes());
    }

    static Stream<Kind> arrivals() {
        return orAll(new Kind(InjectedFault.REMOVALS, KILL, Target.EVERYTHING, 1));
    }

    static Stream<Kind> sendings() {
        // the main thread forces twice at startup; its third force writes a dead letter
        return orAll(new Kind("fdatasync", EIO, Target.EVERYTHING, 3));
    }

    static Stream<Kind> compactions() {
        return orAll(new Kind(InjectedFault.REMOVALS, KILL, Target.EVERYTHING, 2));
    }

    static Stream<Kind> concurrentCompactions() {
        return orAll(new Kind(InjectedFault.REMOVALS, KILL, Target.EVERYTHING, 1));
    }

    static Stream<Kind> requeues() {
        // the first rename is that of a segment, the second that of the dead-letter file
        return orAll(new Kind(InjectedFault.RENAMES, KILL, Target.EVERYTHING, 2))
                .filter(kind -> !kind.removes());
    }

    private static Stream<Kind> orAll(Kind... usual) {
        if (InjectedFault.ONLY_USUAL) {
            return Stream.of(usual);
        }
        Stream<Kind> segments = Stream.of("pwrite64", "fdatasync").flatMap(calls -> all(calls, Target.SEGMENTS));
        Stream<Kind> everything = Stream.of(
                        "openat", "pwrite64", "fdatasync", "fsync", InjectedFault.RENAMES, InjectedFault.REMOVALS)
                .flatMap(calls -> all(calls, Target.EVERYTHING));
        return Stream.concat(segments, everything);
    }

    private static Stream<Kind> all(String calls, Target target) {
        return Stream.of(EIO, ENOSPC, KILL).map(what -> new Kind(calls, what, target, 0));
    }

    @BeforeEach
    void assumeStrace() throws Exception {
        InjectedFault.assumePossible();
    }

    @ParameterizedTest
    @MethodSource("submits")
    void submit_reportedAsAdded_isInTheOutbox(Kind kind) throws Exception {
        forEachN("submit", kind, run -> {
            run.home.spool("before", run.good(2));
            AgentHome.succeed(run.home.sendingTo(BACKEND.backend().url()), "run", "--until-empty");
            List<Pcs> certificates = run.good(3);
            List<String> command = new ArrayList<>(List.of("submit"));
            for (int i = 0; i < certificates.size(); i++) {
                command.add(
                        run.home.file(Integer.toString(i), certificates.get(i)).toString());
            }
            Program submit = run.faulty(run.home.sendingNowhere(), command.toArray(String[]::new));
            int added = run.awaitEnd(submit) == 0 ? certificates.size() : saidToBeAdded(submit);
            run.acknowledged.addAll(certificates.subList(0, added));
        });
    }

    private static int saidToBeAdded(Program submit) {
        Matcher added = ADDED.matcher(submit.out());
        return added.find() ? Integer.parseInt(added.group(1)) : 0;
    }

    @ParameterizedTest
    @MethodSource("arrivals")
    void intake_acknowledged_isInTheOutbox(Kind kind) throws Exception {
        forEachN("append", kind, run -> {
            List<Pcs> spooled = run.good(2);
            run.home.spool("some", spooled);
            Program agent = run.faulty(takingIn(run.home), "run");
            Optional<Integer> port = port(agent);
            if (port.isPresent()) {
                run.post(port.get(), 4);
                Client.awaitUntil(() -> run.home.spoolIsEmpty() || !agent.isAlive());
                if (!kind.kills()) {
                    run.postUntilAcknowledged(port.get());
                }
            }
            run.terminate(agent);
            if (run.home.spoolIsEmpty()) {
                run.acknowledged.addAll(spooled);
            }
        });
    }

    @ParameterizedTest
    @MethodSource("sendings")
    void send_recordsEachOnce_deadLettersOnlyThePermanentlyRefused(Kind kind) throws Exception {
        forEachN("settle", kind, run -> {
            List<Pcs> certificates = new ArrayList<>(run.good(4));
            certificates.add(run.hopeless());
            certificates.addAll(run.good(1));
            run.home.spool("some", certificates);
            // even if the agent exits before it reads the file, the next run reads it
            run.acknowledged.addAll(certificates);
            run.awaitEnd(run.faulty(run.home.sendingTo(BACKEND.backend().url()), "run", "--until-empty"));
        });
    }

    @ParameterizedTest
    @MethodSource("compactions")
    void compact_keepsPendingAndRevivesNothing(Kind kind) throws Exception {
        forEachN("compact", kind, run -> {
            run.someSettledSomeWaiting();
            run.awaitEnd(run.faulty(run.home.sendingNowhere(), "compact", "--horizon-days", "0"));
            AgentHome.succeed(run.home.sendingNowhere(), "compact", "--horizon-days", "0");
            run.expectSendings(WAITING);
        });
    }

    @ParameterizedTest
    @MethodSource("concurrentCompactions")
    void compact_agentRunning_keepsPendingAndNew(Kind kind) throws Exception {
        forEachN("compact beside", kind, run -> {
            run.someSettledSomeWaiting();
            Program agent = run.faulty(takingIn(run.home), "run");
            Optional<Integer> port = port(agent);
            if (port.isPresent()) {
                run.post(port.get(), 1);
                run.compactConcurrently();
                run.post(port.get(), 1);
                if (!kind.kills()) {
                    run.postUntilAcknowledged(port.get());
                }
            }
            run.terminate(agent);
        });
    }

    @ParameterizedTest
    @MethodSource("requeues")
    void requeue_repeated_sendsEachOnce(Kind kind) throws Exception {
        forEachN("requeue", kind, run -> {
            List<Pcs> certificates = run.good(3);
            run.home.spool("some", certificates);
            try (RefusingBackend refusing = new RefusingBackend()) {
                AgentHome.succeed(run.home.sendingTo(refusing.url()), "run", "--until-empty");
            }
            assertThat(run.home.deadLetters()).hasSize(certificates.size());
            run.acknowledged.addAll(certificates);
            run.awaitEnd(run.faulty(run.home.sendingNowhere(), "dlq", "requeue", "--all"));
            AgentHome.succeed(run.home.sendingNowhere(), "dlq", "requeue", "--all");
            run.expectSendings(certificates.size());
        });
    }

    private static Map<String, String> takingIn(AgentHome home) {
        Map<String, String> environment = new LinkedHashMap<>(home.sendingNowhere());
        environment.put("INTAKE_PORT", "0");
        return environment;
    }

    /**
     * Returns the port on which the agent accepts certificates, or empty if the agent exits before it reports the port.
     */
    private static Optional<Integer> port(Program agent) {
        try {
            Matcher port =
                    PORT.matcher(agent.awaitLine(line -> PORT.matcher(line).find()));
            return port.find() ? Optional.of(Integer.parseInt(port.group(1))) : Optional.empty();
        } catch (AssertionError e) {
            if (agent.isAlive()) {
                throw e;
            }
            return Optional.empty();
        }
    }

    private interface Story {
        void happen(Run run) throws Exception;
    }

    private void forEachN(String what, Kind kind, Story story) throws Exception {
        InjectedFault.tryEach("AgentInjectedFaultsIT, " + what + ", " + kind, 1, List.of(kind.usual()), n -> {
            try (Run run = new Run(kind, n)) {
                story.happen(run);
                run.audit();
                return run.wasMet();
            }
        });
    }

    /** A backend that refuses every certificate permanently. */
    private static final class RefusingBackend implements AutoCloseable {
        private final HttpServer server;

        RefusingBackend() throws IOException {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/health", exchange -> answer(exchange, 200, body -> "OK"));
            server.createContext("/v1/pcs", exchange -> answer(exchange, 400, RefusingBackend::refusal));
            server.start();
        }

        /** Returns a refusal with the mark of this body. */
        private static String refusal(byte[] body) {
            return "{\"error\":\"not today\",\"body_sha256\":\""
                    + HexFormat.of().formatHex(Sha256.of(body)) + "\"}";
        }

        private static void answer(HttpExchange exchange, int status, Function<byte[], String> text)
                throws IOException {
            try (exchange) {
                byte[] body =
                        text.apply(exchange.getRequestBody().readAllBytes()).getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(status, body.length);
                exchange.getResponseBody().write(body);
            }
        }

        String url() {
            return "http://127.0.0.1:" + server.getAddress().getPort();
        }

        @Override
        public void close() {
            server.stop(0);
        }
    }

    /** An agent with its own directory, the certificates submitted to it, and those that it acknowledged. */
    private final class Run implements AutoCloseable {
        private final AgentHome home;
        private final Kind kind;
        private final int n;
        private final List<Pcs> all = new ArrayList<>();
        private final Set<Pcs> hopeless = new HashSet<>();
        private final Set<Pcs> acknowledged = new HashSet<>();
        private final List<Program> programs = new ArrayList<>();
        private boolean killed;
        private OptionalInt expectedSendings = OptionalInt.empty();

        Run(Kind kind, int n) throws IOException {
            this.kind = kind;
            this.n = n;
            // a short name, because the path of a Unix socket in this directory has a length limit
            this.home = AgentHome.in(Files.createTempDirectory(directory, "n" + n + "-"));
        }

        private Path traces() {
            return home.directory().resolve("traces");
        }

        List<Pcs> good(int count) {
            List<Pcs> certificates = Stream.generate(() -> Pcs.number(NEXT_NUMBER.getAndIncrement()))
                    .limit(count)
                    .toList();
            all.addAll(certificates);
            return certificates;
        }

        Pcs hopeless() {
            Pcs one = good(1).get(0);
            Pcs other = one.with("schema", "\"another\"");
            all.set(all.indexOf(one), other);
            hopeless.add(other);
            return other;
        }

        /** Makes the audit check that the agent sends exactly this number of certificates. */
        void expectSendings(int certificates) {
            expectedSendings = OptionalInt.of(certificates);
        }

        void someSettledSomeWaiting() throws Exception {
            List<Pcs> settled = good(6);
            home.spool("settled", settled);
            AgentHome.succeed(home.sendingTo(BACKEND.backend().url()), "run", "--until-empty");
            List<Pcs> waiting = good(WAITING);
            Path file = home.file("waiting", waiting.get(0));
            Path other = home.file("waiting too", waiting.get(1));
            AgentHome.succeed(home.sendingNowhere(), "submit", file.toString(), other.toString());
            acknowledged.addAll(settled);
            acknowledged.addAll(waiting);
        }

        /** Starts a program in which the fault is injected. */
        Program faulty(Map<String, String> environment, String... args) throws IOException {
            Program program = Program.through(
                    InjectedFault.before(List.of(kind.at(n)), kind.target().in(home), traces()),
                    "flk-agent",
                    home.directory(),
                    environment,
                    args);
            programs.add(program);
            return program;
        }

        /**
         * Blocks until the program exits, and returns its exit code. Fails unless the program succeeded, reported the
         * failure, or was killed by the fault.
         */
        int awaitEnd(Program program) {
            int code = program.awaitExit();
            killed = code == KILLED;
            if (kind.kills()) {
                assertThat(code).as(program.allLines()).isIn(0, KILLED);
            } else if (code != 0) {
                assertThat(code).as(program.allLines()).isOne();
                assertHasMessage(program);
            }
            return code;
        }

        private void assertHasMessage(Program program) {
            List<String> lines = program.allLines().lines().toList();
            assertThat(lines)
                    .as(program.allLines())
                    .anySatisfy(line -> assertThat(line)
                            .startsWith("flk-agent: ")
                            .containsAnyOf("Input/output error", "No space left", "disk full"));
        }

        /** Stops an agent, unless it has already exited because it reported the failure or was killed by the fault. */
        void terminate(Program agent) throws IOException {
            int code = agent.isAlive() ? agent.terminate() : agent.awaitExit();
            killed = code == KILLED;
            if (kind.kills()) {
                assertThat(code).as(agent.allLines()).isIn(TERMINATED, KILLED);
            } else if (code != TERMINATED) {
                assertThat(code).as(agent.allLines()).isOne();
                assertHasMessage(agent);
            }
        }

        /** Posts certificates one at a time. */
        void post(int port, int count) throws InterruptedException {
            for (Pcs certificate : good(count)) {
                try {
                    LocalPost.Answer answer = LocalPost.one(LocalPost.loopback(port), AgentHome.unsigned(certificate));
                    if (answer.status() == 202) {
                        acknowledged.add(certificate);
                    } else {
                        assertThat(answer.status()).as(answer.body()).isIn(500, 503);
                    }
                } catch (IOException e) {
                    return; // the agent was killed
                }
            }
        }

        /**
         * Posts certificates until one is acknowledged. Fails after {@code MORE} attempts, because the fault occurs at
         * most once per thread.
         */
        void postUntilAcknowledged(int port) throws InterruptedException {
            for (int i = 0; i < MORE; i++) {
                post(port, 1);
                if (acknowledged.contains(all.get(all.size() - 1))) {
                    return;
                }
            }
            throw new AssertionError("it does not go on");
        }

        void compactConcurrently() {
            try {
                LocalPost.Answer answer = LocalPost.post(home.control(), "/v1/compact?horizon_days=0");
                assertThat(answer.status()).as(answer.body()).isIn(200, 500);
            } catch (IOException e) {
                // the agent was killed
            }
        }

        /**
         * Spools all unacknowledged certificates again, and checks that each certificate is recorded once, except those
         * that the backend refuses permanently, which must be dead letters.
         */
        void audit() throws Exception {
            List<Pcs> again =
                    all.stream().filter(one -> !acknowledged.contains(one)).toList();
            if (!again.isEmpty()) {
                home.spool("again", again);
            }
            double before = BACKEND.client().metric("flk_ingest_total");
            AgentHome.succeed(home.sendingTo(BACKEND.backend().url()), "run", "--until-empty");
            double sendings = BACKEND.client().metric("flk_ingest_total") - before;
            expectedSendings.ifPresent(
                    expected -> assertThat(sendings).as("sendings").isEqualTo((double) expected));
            assertThat(home.spoolIsEmpty()).isTrue();
            List<String> recorded = new ArrayList<>();
            for (LogFiles.Entry entry : BACKEND.log().entries()) {
                recorded.add(entry.kind() + " " + id(entry.body()));
            }
            assertThat(new HashSet<>(recorded)).as("recorded, each once").hasSameSizeAs(recorded);
            List<String> lost = all.stream()
                    .filter(one -> !hopeless.contains(one))
                    .map(one -> "s " + one.id())
                    .filter(one -> !recorded.contains(one))
                    .toList();
            assertThat(lost).as("not recorded of %s", all.size()).isEmpty();
            assertDeadLetters();
        }

        private void assertDeadLetters() throws IOException {
            List<Long> sequences = new ArrayList<>();
            Set<String> ids = new HashSet<>();
            for (String line : home.deadLetters()) {
                JsonNode letter = JSON.readTree(line);
                sequences.add(letter.path("outbox_seq").asLong());
                ids.add(id(letter.path("certificate").toString()));
            }
            assertThat(sequences).as("dead letters").doesNotHaveDuplicates();
            assertThat(ids)
                    .as("dead letters")
                    .isEqualTo(hopeless.stream().map(one -> one.id().toString()).collect(Collectors.toSet()));
        }

        private static String id(String certificate) throws IOException {
            return JSON.readTree(certificate).path("pcs_id").asText();
        }

        boolean wasMet() throws IOException {
            return kind.kills() ? killed : kind.at(n).wasMet(traces());
        }

        @Override
        public void close() {
            programs.forEach(Program::close);
        }
    }
}
