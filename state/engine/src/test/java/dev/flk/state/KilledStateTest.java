// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.state.Event.Change;
import dev.flk.state.embedded.EmbeddedStorage;
import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of a process that commits from several threads and is killed at random moments, or whose system calls fail. No
 * answered commit may be missing, and no commit may be incomplete.
 */
class KilledStateTest {
    private static final int THREADS = 8;
    private static final List<String> CALLS = List.of(
            "write",
            "pwrite64",
            "fdatasync",
            "fsync",
            "pread64",
            "read",
            "openat",
            "rename",
            "ftruncate",
            "fallocate",
            "unlink");

    /**
     * System calls that the JVM also makes for its own files. They fail only for RocksDB's files, whose names are
     * known; the other calls fail for any file, including those of the log.
     */
    private static final List<String> SHARED_CALLS = List.of("write", "pread64", "read", "openat");

    /**
     * The number of runs on one directory. Each start increases RocksDB's file numbers, which must stay below {@link
     * #HIGHEST_FILE}.
     */
    private static final int RUNS_OF_ONE_HISTORY = 10;

    private static final int HIGHEST_FILE = 150;

    @TempDir
    private Path directory;

    /**
     * A process that commits until it is killed or its time is up, and prints the revision, thread and count of each
     * answer.
     */
    static final class Committing {
        public static void main(String[] args) throws InterruptedException {
            EngineHarness state = open(Path.of(args[0]));
            for (int i = 0; i < THREADS; i++) {
                String thread = "thread-" + i;
                new Thread(() -> {
                            for (int count = 1; ; count++) {
                                commit(state, thread, Integer.toString(count));
                            }
                        })
                        .start();
            }
            Thread.currentThread().join(Long.parseLong(args[1]));
            Runtime.getRuntime().halt(0);
        }

        private static void commit(EngineHarness state, String thread, String count) {
            try {
                Committed committed =
                        state.apply(state.write(thread, "first", count), state.write(thread, "second", count));
                System.out.println(committed.revision() + " " + thread + " " + count);
            } catch (StateException e) {
                LockSupport.parkNanos(1_000_000); // the storage is down; the engine is reopening its files
            }
        }
    }

    private static EngineHarness open(Path path) {
        return new EngineHarness(
                () -> new EmbeddedStorage(path, 1 << 20, () -> UUID.randomUUID().toString()));
    }

    @Test
    void killed_answeredCommitsAreKept() throws Exception {
        kill(4, new Random());
    }

    @Test
    @Tag("thorough")
    void killed_manyTimes_answeredCommitsAreKept() throws Exception {
        kill(100, new Random());
    }

    /**
     * Repeats until a system call has failed in 100 runs, or in the number of runs that {@code -Dflk.failedCalls} sets.
     */
    @Test
    @Tag("thorough")
    void syscallsFail_answeredCommitsAreKept(@TempDir Path temporary) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/strace")), "no strace: apt install strace");
        Random random = new Random();
        long revision = 0;
        int failed = 0;
        Path trace = temporary.resolve("trace");
        int runs = Integer.getInteger("flk.failedCalls", 100);
        for (int tried = 0; failed < runs; tried++) {
            assertThat(tried).as("runs for %d failures", failed).isLessThan(10 * runs);
            if (tried % RUNS_OF_ONE_HISTORY == 0) {
                directory = temporary.resolve("state-" + tried);
                revision = 0;
            }
            String call = CALLS.get(random.nextInt(CALLS.size()));
            String fault = call + ":error=" + (random.nextBoolean() ? "EIO" : "ENOSPC") + ":when="
                    + (1 + random.nextInt(1 << random.nextInt(7)))
                    + (random.nextBoolean() ? "" : "+" + (1 + random.nextInt(100)));
            List<String> strace = new ArrayList<>(List.of(
                    "/usr/bin/strace",
                    "-D",
                    "-f",
                    "-qq",
                    "-o",
                    trace.toString(),
                    "-e",
                    "trace=" + call,
                    "-e",
                    "inject=" + fault));
            if (SHARED_CALLS.contains(call)) {
                files().forEach(file -> strace.addAll(List.of("-P", file.toString())));
            }
            revision = check(commitUntilKilled(strace, 2_500, Integer.MAX_VALUE), revision - 1, fault);
            failed += Files.readString(trace).contains("(INJECTED)") ? 1 : 0;
            Files.delete(trace);
        }
    }

    /** Returns the files that RocksDB has or may create. */
    private Stream<Path> files() {
        Stream<String> numbered = IntStream.range(1, HIGHEST_FILE)
                .boxed()
                .flatMap(number -> Stream.of("%06d.log", "%06d.sst", "MANIFEST-%06d", "%06d.dbtmp", "OPTIONS-%06d")
                        .map(form -> form.formatted(number)));
        return Stream.concat(Stream.of("", "CURRENT", "LOCK", "IDENTITY"), numbered)
                .map(directory::resolve);
    }

    private void kill(int times, Random random) throws Exception {
        long revision = 0;
        for (int i = 0; i < times; i++) {
            revision = check(commitUntilKilled(List.of(), 60_000, 1 + random.nextInt(300)), revision, "killed");
        }
    }

    /** Checks that no answered commit is missing; returns the newest revision. */
    private long check(List<String> answered, long moreThan, String what) {
        try (EngineHarness state = open(directory)) {
            assertThat(state.engine.problem()).as(what).isEmpty();
            assertThat(state.engine.missing()).as(what).isEmpty();
            List<Event> events = state.replay(1);
            assertThat(events)
                    .as(what)
                    .hasSize(Math.toIntExact(state.engine.head().revision()));
            assertThat((long) events.size()).as(what).isGreaterThan(moreThan);
            for (String answer : answered) {
                String[] parts = answer.split(" ", -1);
                Event event = events.get(Integer.parseInt(parts[0]) - 1);
                assertThat(event.revision()).isEqualTo(Long.parseLong(parts[0]));
                assertThat(event.changes())
                        .extracting(change -> change.key().agentId())
                        .containsOnly(parts[1]);
                assertThat(event.changes()).extracting(Change::json).containsExactly(parts[2], parts[2]);
            }
            assertThat(events).as(what).allMatch(event -> event.changes().size() == 2);
            return events.size();
        }
    }

    private List<String> commitUntilKilled(List<String> behind, long millis, int answersBefore)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(behind);
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Committing.class.getName(),
                directory.toString(),
                Long.toString(millis)));
        Starts.count(Started.JVM);
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<String> answered = new ArrayList<>();
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                answered.add(line);
                if (answered.size() == answersBefore) {
                    // unlike Process.destroyForcibly, this keeps the output readable
                    assertThat(process.toHandle().destroyForcibly()).isTrue();
                }
            }
        } finally {
            process.destroyForcibly();
        }
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        // the last line may be cut off
        answered.removeIf(line -> line.split(" ", -1).length < 3);
        if (!answered.isEmpty()) {
            answered.remove(answered.size() - 1);
        }
        return answered;
    }
}
