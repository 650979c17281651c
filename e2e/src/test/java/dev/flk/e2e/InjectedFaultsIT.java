// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.InjectedFault.Target;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of the real jar: the n-th system call of one kind on its log files fails or kills the backend. A restart and an
 * audit follow. {@code -Dflk.faults=all} tries every n that occurs in a short run, {@code some} fewer.
 */
final class InjectedFaultsIT {
    private static final int SUBMISSIONS = 9;
    private static final int MORE = 30;
    private static final int HEADER_BYTES = 200;

    /**
     * A fault that makes the writer open a new segment repeatedly, so that opening a segment can fail. {@link
     * #EVERY_THIRD_WRITE} has the same effect.
     */
    private static final InjectedFault EVERY_THIRD_FORCE = new InjectedFault("fdatasync", "error=EIO", "2+3");

    private static final InjectedFault EVERY_THIRD_WRITE = new InjectedFault("pwrite64", "error=EIO", "2+3");

    @TempDir
    private Path directory;

    /**
     * A kind of call that fails.
     *
     * @param first the first n to try if {@code flk.faults} is set
     * @param usual the n to try otherwise
     */
    private record Kind(String calls, String what, Target target, int first, List<Integer> usual) {
        InjectedFault at(int n) {
            return new InjectedFault(calls, what, Integer.toString(n));
        }

        /**
         * Returns an additional fault that makes the writer open new segments. It affects a different system call,
         * because strace accepts only one fault per system call.
         */
        InjectedFault growth() {
            return calls.equals(EVERY_THIRD_FORCE.calls()) ? EVERY_THIRD_WRITE : EVERY_THIRD_FORCE;
        }

        boolean kills() {
            return what.startsWith("signal");
        }

        @Override
        public String toString() {
            return what + " of " + calls.replace("?", "") + ", " + target;
        }
    }

    private record Sent(Pcs pcs, @Nullable Answer answer) {
        boolean isAcknowledged() {
            return answer != null && answer.status() == 200;
        }
    }

    static Stream<Kind> appends() {
        return chosen(
                new Kind("fdatasync", "error=EIO", Target.SEGMENTS, 1, List.of(1)),
                new Kind("fdatasync", "error=ENOSPC", Target.SEGMENTS, 1, List.of()),
                new Kind("pwrite64", "error=EIO", Target.SEGMENTS, 1, List.of()),
                new Kind("pwrite64", "error=ENOSPC", Target.SEGMENTS, 1, List.of()));
    }

    static Stream<Kind> openings() {
        return chosen(
                // startup opens the first segment several times, on another thread
                new Kind("openat", "error=EIO", Target.NEXT_OPENINGS, 5, List.of()),
                new Kind("pwrite64", "error=ENOSPC", Target.NEXT_OPENINGS, 1, List.of()),
                new Kind(InjectedFault.RENAMES, "error=EIO", Target.NEXT_OPENINGS, 1, List.of()),
                // startup forces the directory three times, on another thread
                new Kind("fsync", "error=EIO", Target.DIRECTORY, 4, List.of(4)));
    }

    static Stream<Kind> kills() {
        return chosen(
                new Kind("fdatasync", "signal=KILL", Target.SEGMENTS, 1, List.of(2)),
                new Kind("pwrite64", "signal=KILL", Target.SEGMENTS, 1, List.of()),
                new Kind("openat", "signal=KILL", Target.NEXT_OPENINGS, 5, List.of()),
                new Kind("pwrite64", "signal=KILL", Target.NEXT_OPENINGS, 1, List.of()),
                new Kind("fdatasync", "signal=KILL", Target.NEXT_OPENINGS, 1, List.of()),
                new Kind(InjectedFault.RENAMES, "signal=KILL", Target.NEXT_OPENINGS, 1, List.of()),
                new Kind("fsync", "signal=KILL", Target.DIRECTORY, 4, List.of()));
    }

    static Stream<Kind> starts() {
        return chosen(
                new Kind("openat", "error=EIO", Target.EVERYTHING, 1, List.of(6)),
                new Kind("pwrite64", "error=ENOSPC", Target.EVERYTHING, 1, List.of()),
                new Kind("fdatasync", "error=EIO", Target.EVERYTHING, 1, List.of()),
                new Kind("fsync", "error=EIO", Target.EVERYTHING, 1, List.of()),
                new Kind(InjectedFault.RENAMES, "error=EIO", Target.EVERYTHING, 1, List.of()),
                new Kind("openat", "signal=KILL", Target.EVERYTHING, 1, List.of()),
                new Kind("pwrite64", "signal=KILL", Target.EVERYTHING, 1, List.of()),
                new Kind("fdatasync", "signal=KILL", Target.EVERYTHING, 1, List.of()),
                new Kind("fsync", "signal=KILL", Target.EVERYTHING, 1, List.of()),
                new Kind(InjectedFault.RENAMES, "signal=KILL", Target.EVERYTHING, 1, List.of(1)));
    }

    private static Stream<Kind> chosen(Kind... kinds) {
        return Stream.of(kinds)
                .filter(kind -> !InjectedFault.ONLY_USUAL || !kind.usual().isEmpty());
    }

    @BeforeEach
    void assumeStrace() throws Exception {
        InjectedFault.assumePossible();
    }

    @ParameterizedTest
    @MethodSource("appends")
    void append_syscallFails_isAnErrorAndNothingFollowsInItsSegment(Kind kind) throws Exception {
        forEachN(kind, this::assertAppendFails);
    }

    @ParameterizedTest
    @MethodSource("openings")
    void open_syscallFails_isRetriedAndNothingIsLost(Kind kind) throws Exception {
        forEachN(kind, this::assertOpeningFails);
    }

    @ParameterizedTest
    @MethodSource("kills")
    void killedInASyscall_acknowledgedIsKept(Kind kind) throws Exception {
        forEachN(kind, this::assertKillLosesNothing);
    }

    @ParameterizedTest
    @MethodSource("starts")
    void start_syscallFails_exitsWithAMessageOrServes_andTheNextStartServes(Kind kind) throws Exception {
        forEachN(kind, this::assertStartLosesNothing);
    }

    private interface Trial {
        /** Runs the trial. Returns false if the run makes fewer than n calls. */
        boolean passes(Kind kind, int n) throws Exception;
    }

    private static void forEachN(Kind kind, Trial trial) throws Exception {
        InjectedFault.tryEach("InjectedFaultsIT, " + kind, kind.first(), kind.usual(), n -> trial.passes(kind, n));
    }

    private boolean assertAppendFails(Kind kind, int n) throws Exception {
        Run run = new Run(kind, n);
        try (BackendProcess backend =
                run.start(List.of(kind.at(n)), kind.target().in(run.inbox()))) {
            Client client = new Client(backend.url());
            run.submit(client, SUBMISSIONS);
            run.submitUntilAcknowledged(client);
            assertThat(run.failed()).hasSizeBetween(run.failedAppends(), run.failedAppends() + run.failedFills());
            assertThat(run.failed()).allSatisfy(failure -> assertReported(kind, failure, run.failedFills()));
            assertThat(client.metric("flk_wal_errors")).isEqualTo(run.failed().size());
            assertThat(client.get("/readyz").status()).isEqualTo(200);
        }
        run.audit();
        return kind.at(n).wasMet(run.traces());
    }

    /**
     * Checks the answer to a submission whose append failed: 503 for a full disk, otherwise 500. If preallocation
     * failed too, the answer for a full disk may also be 500.
     */
    private static void assertReported(Kind kind, Sent failure, int failedFills) {
        Answer answer = failure.answer();
        assertThat(answer).isNotNull();
        boolean full = kind.what().endsWith("ENOSPC") && (failedFills == 0 || answer.status() == 503);
        assertThat(answer.status()).isEqualTo(full ? 503 : 500);
        assertThat(answer.error()).isEqualTo(full ? "disk full" : "log append failed");
        assertThat(answer.has("Retry-After")).isEqualTo(full);
    }

    private boolean assertOpeningFails(Kind kind, int n) throws Exception {
        Run run = new Run(kind, n);
        try (BackendProcess backend = run.start(List.of(kind.growth(), kind.at(n)), run.growing(kind))) {
            Client client = new Client(backend.url());
            run.submit(client, 2 * SUBMISSIONS);
            assertThat(run.failed()).isNotEmpty();
            run.submitUntilAcknowledged(client);
            assertThat(client.metric("flk_wal_errors")).isEqualTo(run.failed().size());
        }
        run.audit();
        return kind.at(n).wasMet(run.traces());
    }

    private boolean assertKillLosesNothing(Kind kind, int n) throws Exception {
        Run run = new Run(kind, n);
        boolean segments = kind.target() == Target.SEGMENTS;
        List<InjectedFault> faults = segments ? List.of(kind.at(n)) : List.of(kind.growth(), kind.at(n));
        boolean met = true;
        try (Program program = run.program(faults, segments ? kind.target().in(run.inbox()) : run.growing(kind))) {
            Optional<BackendProcess> backend = serving(program);
            if (backend.isPresent()) {
                run.submit(new Client(backend.get().url()), 2 * SUBMISSIONS);
                met = run.sent.stream().anyMatch(one -> one.answer() == null);
            }
            if (met) {
                assertThat(program.awaitExit()).isEqualTo(137);
                assertThat(kind.at(n).wasMet(run.traces()))
                        .as("killed by the fault")
                        .isTrue();
            }
        }
        run.audit();
        return met;
    }

    /** Returns the backend that a program runs; empty if the program exits, or does not serve in time and is killed. */
    private static Optional<BackendProcess> serving(Program program) {
        try {
            return Optional.of(BackendProcess.of(program));
        } catch (AssertionError e) {
            return Optional.empty();
        }
    }

    private boolean assertStartLosesNothing(Kind kind, int n) throws Exception {
        Run run = new Run(kind, n);
        try (BackendProcess earlier = BackendProcess.start(run.home)) {
            run.submit(new Client(earlier.url()), 3);
        }
        try (Program program = run.program(List.of(kind.at(n)), kind.target().in(run.inbox()))) {
            Optional<BackendProcess> backend = serving(program);
            if (backend.isEmpty()) {
                assertEndedWithMessage(kind, program);
            } else if (kind.kills()) {
                run.submit(new Client(backend.get().url()), 1);
            } else {
                run.submitUntilAcknowledged(new Client(backend.get().url()));
            }
        }
        run.audit();
        return kind.at(n).wasMet(run.traces());
    }

    private static void assertEndedWithMessage(Kind kind, Program program) {
        assertThat(program.awaitExit()).as(program.allLines()).isEqualTo(kind.kills() ? 137 : 1);
        if (!kind.kills()) {
            // two threads read standard output and standard error, so the order of the lines is not fixed
            assertThat(program.allLines().lines().filter(line -> line.startsWith("flk-backend: ")))
                    .singleElement()
                    .asString()
                    .containsAnyOf("Input/output error", "No space left", "disk full");
        }
    }

    /** A backend with its own directory, and the certificates sent to it. */
    private final class Run {
        private final Path home;
        private final List<Sent> sent = new ArrayList<>();

        Run(Kind kind, int n) throws IOException {
            String name = (kind + "-" + n).replaceAll("[^A-Za-z0-9]+", "-");
            home = Files.createDirectory(directory.resolve(name)).toRealPath();
        }

        Path inbox() {
            return home.resolve("data/wal");
        }

        Path traces() {
            return home.resolve("traces");
        }

        /**
         * Returns the files that this kind targets, plus the segment files, on which {@link Kind#growth} injects
         * faults.
         */
        List<Path> growing(Kind kind) {
            return Stream.of(Target.SEGMENTS, Target.NEXT_OPENINGS, kind.target())
                    .flatMap(target -> target.in(inbox()).stream())
                    .distinct()
                    .toList();
        }

        Program program(List<InjectedFault> faults, List<Path> files) throws IOException {
            Map<String, String> environment = new LinkedHashMap<>(ServedBackend.environment());
            environment.put("WAL_DIR", inbox().toString());
            environment.put("WAL_MIN_FREE_BYTES", "1MiB");
            return Program.through(InjectedFault.before(faults, files, traces()), "flk-backend", home, environment);
        }

        BackendProcess start(List<InjectedFault> faults, List<Path> files) throws IOException {
            return BackendProcess.of(program(faults, files));
        }

        /**
         * Submits certificates one at a time. The first acknowledged certificate after a failure must be in a new
         * segment.
         */
        void submit(Client client, int count) throws Exception {
            String candidate = "";
            for (int i = 0; i < count; i++) {
                String newest = newestSegment();
                Sent one = submit(client, Pcs.number(sent.size() + 1));
                sent.add(one);
                if (one.answer() == null) {
                    return;
                }
                if (!one.isAcknowledged()) {
                    candidate = newest;
                } else {
                    assertThat(newestSegment()).isNotEqualTo(candidate);
                    candidate = "";
                }
            }
        }

        void submitUntilAcknowledged(Client client) throws Exception {
            for (int i = 0; i < MORE; i++) {
                submit(client, 1);
                if (sent.get(sent.size() - 1).isAcknowledged()) {
                    return;
                }
            }
            throw new AssertionError("it does not go on: " + sent);
        }

        private Sent submit(Client client, Pcs pcs) throws InterruptedException {
            try {
                return new Sent(pcs, client.submit(pcs));
            } catch (IOException e) {
                return new Sent(pcs, null); // the backend was killed
            }
        }

        /**
         * Returns the header of the newest segment as a unique key. The name is not unique, because a segment without
         * records is replaced by a segment with the same name.
         */
        private String newestSegment() throws IOException {
            List<Path> segments = LogFiles.inbox(inbox()).segments();
            try (InputStream file = Files.newInputStream(segments.get(segments.size() - 1))) {
                return new String(file.readNBytes(HEADER_BYTES), StandardCharsets.ISO_8859_1);
            }
        }

        int failedAppends() throws IOException {
            return (int) InjectedFault.failedAppends(traces());
        }

        int failedFills() throws IOException {
            return (int) InjectedFault.failedOnSegments(traces()) - failedAppends();
        }

        List<Sent> failed() {
            return sent.stream().filter(one -> !one.isAcknowledged()).toList();
        }

        /**
         * Restarts the backend without faults, and checks that acknowledged outcomes are unchanged to the byte, and
         * that the other certificates can be submitted and are recorded once.
         */
        void audit() throws Exception {
            try (ServedBackend backend = BackendInJvm.start(home)) {
                Client client = new Client(backend.url());
                for (Sent one : sent) {
                    Answer again = client.submit(one.pcs());
                    assertThat(again.status()).isEqualTo(200);
                    assertThat(again.has("X-Flk-Conflict")).isFalse();
                    if (one.isAcknowledged()) {
                        assertThat(again.has("X-Flk-Duplicate")).isTrue();
                        assertThat(again.body()).isEqualTo(one.answer().body());
                    }
                    assertThat(client.submit(one.pcs()).has("X-Flk-Duplicate")).isTrue();
                }
            }
        }
    }
}
