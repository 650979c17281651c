// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.InjectedFault.Target;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of the backend's real jar: the n-th system call of one kind on its log files fails or kills it, while it serves
 * or while it starts. A restart and an audit follow. {@code -Dflk.faults=all} tries every n that occurs in a short run.
 */
@Tag("thorough")
final class InjectedFaultsIT {
    private static final int BEFORE = 3;
    private static final int SUBMISSIONS = 18;
    private static final int MORE = 30;
    private static final int KILLED = 137;

    @TempDir
    private Path directory;

    private record Sent(Pcs pcs, @Nullable Answer answer) {
        boolean isAcknowledged() {
            return answer != null && answer.status() == 200;
        }
    }

    /**
     * Each row is a kind of call, what happens to it, on which files, and the first n to try. Before it serves, a
     * backend forces the directory three times.
     */
    @ParameterizedTest
    @CsvSource({
        "fdatasync, EIO,    SEGMENTS,      1",
        "fdatasync, ENOSPC, SEGMENTS,      1",
        "fdatasync, KILL,   SEGMENTS,      1",
        "pwrite64,  EIO,    SEGMENTS,      1",
        "pwrite64,  ENOSPC, SEGMENTS,      1",
        "pwrite64,  KILL,   SEGMENTS,      1",
        "openat,    EIO,    NEXT_OPENINGS, 1",
        "openat,    KILL,   NEXT_OPENINGS, 1",
        "pwrite64,  ENOSPC, NEXT_OPENINGS, 1",
        "pwrite64,  KILL,   NEXT_OPENINGS, 1",
        "fdatasync, KILL,   NEXT_OPENINGS, 1",
        "rename,    EIO,    NEXT_OPENINGS, 1",
        "rename,    KILL,   NEXT_OPENINGS, 1",
        "fsync,     EIO,    DIRECTORY,     4",
        "fsync,     KILL,   DIRECTORY,     4",
        "openat,    EIO,    EVERYTHING,    1",
        "openat,    KILL,   EVERYTHING,    1",
        "pwrite64,  ENOSPC, EVERYTHING,    1",
        "pwrite64,  KILL,   EVERYTHING,    1",
        "fdatasync, EIO,    EVERYTHING,    1",
        "fdatasync, KILL,   EVERYTHING,    1",
        "fsync,     EIO,    EVERYTHING,    1",
        "fsync,     KILL,   EVERYTHING,    1",
        "rename,    EIO,    EVERYTHING,    1",
        "rename,    KILL,   EVERYTHING,    1"
    })
    void syscallFails_isReported_andAcknowledgedIsKept(String call, String what, Target target, int first)
            throws Exception {
        InjectedFault.assumePossible();
        String name = "InjectedFaultsIT, " + what + " of " + call + ", " + target;
        InjectedFault.tryEach(name, first, n -> new Run(InjectedFault.of(call, what, n), target).isMet());
    }

    /** A backend with its own directory, and the certificates sent to it. */
    private final class Run {
        private final InjectedFault fault;
        private final Target target;
        private final Path home;
        private final Path inbox;
        private final List<Sent> sent = new ArrayList<>();

        Run(InjectedFault fault, Target target) throws IOException {
            this.fault = fault;
            this.target = target;
            home = Files.createTempDirectory(directory, "run").toRealPath();
            inbox = home.resolve("data/wal");
        }

        /** Runs the backend with the fault, and audits it. Returns false if the fault did not occur. */
        boolean isMet() throws Exception {
            boolean isStart = target == Target.EVERYTHING;
            if (isStart) {
                try (ServedBackend earlier = BackendInJvm.start(home)) {
                    submit(new Client(earlier.url()), BEFORE);
                }
            }
            try (Program program = isStart ? program(inbox, in(inbox, target), List.of(fault)) : growing()) {
                Optional<BackendProcess> backend = serving(program);
                if (backend.isPresent()) {
                    Client client = new Client(backend.get().url());
                    submit(client, SUBMISSIONS);
                    if (!fault.kills()) {
                        submitUntilAcknowledged(client);
                        failed().forEach(this::assertReported);
                        assertThat(isStart || client.metric("flk_wal_errors") == failed().size())
                                .as("each failure is counted")
                                .isTrue();
                    }
                }
                boolean isKilled = fault.kills() && (backend.isEmpty() || last().answer() == null);
                if (isKilled || backend.isEmpty()) {
                    assertThat(program.awaitExit()).as(program.allLines()).isEqualTo(isKilled ? KILLED : 1);
                    assertThat(isKilled || isStart).as(program.allLines()).isTrue();
                    assertThat(isKilled || hasMessage(program))
                            .as(program.allLines())
                            .isTrue();
                }
            }
            audit();
            return fault.wasMet(home.resolve("traces"));
        }

        /**
         * Starts a backend with the fault. Unless the fault is on the segments themselves, another one makes the writer
         * open new segments; it affects another system call, because strace accepts only one fault per system call. The
         * backend opens its files through a link, while descriptors have the names in the directory itself: so an
         * opening of a segment for reading is not an opening of a new segment.
         */
        private Program growing() throws IOException {
            if (target == Target.SEGMENTS) {
                return program(inbox, in(inbox, target), List.of(fault));
            }
            String other = fault.calls().equals("fdatasync") ? "pwrite64" : "fdatasync";
            Path link = Files.createSymbolicLink(home.resolve("link"), Files.createDirectories(inbox));
            List<Path> files = Stream.of(
                            in(inbox, Target.SEGMENTS),
                            in(inbox, Target.NEXT_OPENINGS),
                            in(link, Target.NEXT_OPENINGS),
                            in(inbox, target))
                    .flatMap(List::stream)
                    .distinct()
                    .toList();
            return program(link, files, List.of(new InjectedFault(other, "error=EIO", "2+3"), fault));
        }

        private static List<Path> in(Path directory, Target target) {
            return target.in(LogFiles.inbox(directory));
        }

        private Program program(Path log, List<Path> files, List<InjectedFault> faults) throws IOException {
            Map<String, String> environment = new LinkedHashMap<>(ServedBackend.environment());
            environment.put("WAL_DIR", log.toString());
            environment.put("WAL_MIN_FREE_BYTES", "1MiB");
            return Program.through(
                    InjectedFault.before(faults, files, home.resolve("traces")), "flk-backend", home, environment);
        }

        /** Returns the backend that a program runs; empty if it exits, or does not serve in time and is killed. */
        private static Optional<BackendProcess> serving(Program program) {
            try {
                return Optional.of(BackendProcess.of(program));
            } catch (AssertionError e) {
                return Optional.empty();
            }
        }

        private static boolean hasMessage(Program program) {
            return Stream.of("Input/output error", "No space left", "disk full")
                    .anyMatch(cause -> program.allLines()
                            .lines()
                            .anyMatch(line -> line.startsWith("flk-backend: ") && line.contains(cause)));
        }

        private Sent last() {
            return sent.get(sent.size() - 1);
        }

        private List<Sent> failed() {
            return sent.stream().filter(one -> !one.isAcknowledged()).toList();
        }

        /** Submits certificates one at a time, until the backend is killed. */
        private void submit(Client client, int count) throws InterruptedException {
            for (int i = 0; i < count; i++) {
                Pcs pcs = Pcs.number(sent.size() + 1);
                try {
                    sent.add(new Sent(pcs, client.submit(pcs)));
                } catch (IOException e) {
                    sent.add(new Sent(pcs, null));
                    return;
                }
            }
        }

        private void submitUntilAcknowledged(Client client) throws InterruptedException {
            for (int i = 0; i < MORE && !last().isAcknowledged(); i++) {
                submit(client, 1);
            }
            assertThat(last().isAcknowledged()).as("it goes on: %s", sent).isTrue();
        }

        private void assertReported(Sent failure) {
            Answer answer = failure.answer();
            assertThat(answer).isNotNull();
            boolean full = fault.what().endsWith("ENOSPC") && answer.status() == 503;
            assertThat(answer.status()).isEqualTo(full ? 503 : 500);
            assertThat(answer.error()).isEqualTo(full ? "disk full" : "log append failed");
            assertThat(answer.has("Retry-After")).isEqualTo(full);
        }

        /**
         * Restarts the backend without faults, and checks that acknowledged outcomes are unchanged to the byte, and
         * that the other certificates can be submitted and are recorded once.
         */
        private void audit() throws Exception {
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
