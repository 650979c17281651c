// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of an embedded store that can't be read, or has lost outcomes that are no longer in the log, and of a log
 * without its mark file. No look-up returns an outcome that differs from the first answer, and the store becomes
 * complete again without a restart.
 */
final class StoreFaultsIT {
    private static final int OUTCOMES = 500;

    @TempDir
    private Path directory;

    private final Map<PcsId, String> answered = new LinkedHashMap<>();

    private Path dedup() {
        return directory.resolve("data/dedup");
    }

    private static void submitTo(ServedBackend backend, long first, int count, Map<PcsId, String> answers)
            throws Exception {
        Client client = new Client(backend.url());
        for (long epoch = first; epoch < first + count; epoch++) {
            Answer answer = client.submit(Pcs.number(epoch));
            assertThat(answer.status()).isEqualTo(200);
            answers.put(Pcs.number(epoch).id(), answer.body());
        }
    }

    /**
     * Looks up every id repeatedly until every look-up in a round returns the bytes in {@code answers}. Until then, a
     * look-up may also return a 503.
     */
    private static void assertAnsweredOrDown(ServedBackend backend, Map<PcsId, String> answers, String what) {
        Client client = new Client(backend.url());
        Client.awaitUntil(() -> {
            int down = 0;
            for (Map.Entry<PcsId, String> one : answers.entrySet()) {
                Answer found = client.get("/v1/pcs/" + one.getKey());
                if (found.status() == 503) {
                    down++;
                } else {
                    assertThat(found.status()).as(what + ": " + one.getKey()).isEqualTo(200);
                    assertThat(found.body()).as(what).isEqualTo(one.getValue());
                }
            }
            return down == 0;
        });
    }

    private static List<Path> storeFiles(Path dedup) throws IOException {
        try (Stream<Path> files = Files.list(dedup)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith("LO"))
                    .sorted()
                    .toList();
        }
    }

    /** Makes reads of the store's files, but not of the log, fail at regular intervals. */
    @ParameterizedTest
    @ValueSource(strings = {"2+3", "5+4", "9+7"})
    @Tag("thorough")
    void readsFail_noLookUpIsWrong_andTheStoreBecomesComplete(String when) throws Exception {
        InjectedFault.assumePossible();
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            submitTo(backend, 1, OUTCOMES, answered);
        }
        try (ServedBackend backend = failing("pread64", "EIO", when, storeFiles(dedup()))) {
            assertAnsweredOrDown(backend, answered, "every read " + when + " fails");
            submitTo(backend, 10_000, 100, new HashMap<>());
        }
        assertMet("pread64", "EIO", when);
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            assertAnsweredOrDown(backend, answered, "afterwards");
        }
    }

    /** Starts a backend in which calls on some files fail. */
    private ServedBackend failing(String call, String error, String when, List<Path> files) throws IOException {
        List<String> strace =
                new ArrayList<>(List.of("strace", "-D", "-ff", "-qq", "--seccomp-bpf", "-e", "signal=none", "-o"));
        strace.add(Files.createDirectory(traces()).resolve("thread").toString());
        strace.addAll(List.of("-e", "trace=" + call, "-e", "inject=" + call + ":error=" + error + ":when=" + when));
        for (Path file : files) {
            strace.addAll(List.of("-P", file.toString()));
        }
        return BackendProcess.of(Program.through(strace, "flk-backend", directory, ServedBackend.environment()));
    }

    private Path traces() {
        return directory.resolve("traces");
    }

    private void assertMet(String call, String error, String when) throws IOException {
        assertThat(new InjectedFault(call, "error=" + error, when).wasMet(traces()))
                .as("a call failed")
                .isTrue();
    }

    /** Lets a write fail while the record is created or opened. The next attempt succeeds; nothing counts as damaged. */
    @ParameterizedTest
    @CsvSource({"pwrite64, 1, true", "pwrite64, 3, true", "write, 2, true", "write, 1, false"})
    @Tag("thorough")
    void diskIsFullWhileTheRecordIsOpened_nothingIsSetAside(String call, String n, boolean isNew) throws Exception {
        InjectedFault.assumePossible();
        if (!isNew) {
            try (ServedBackend backend = BackendInJvm.start(directory)) {
                submitTo(backend, 1, 100, answered);
            }
        }
        List<Path> files = Stream.of("", ".wal", ".new", ".new.wal", ".opening")
                .map(end -> dedup().toAbsolutePath().resolve("record.duckdb" + end))
                .toList();
        try (ServedBackend backend = failing(call, "ENOSPC", n, files)) {
            submitTo(backend, 1, 100, answered);
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
            Answer outcomes = client.get("/v1/outcomes?limit=1000");
            assertThat(outcomes.body().lines()).hasSize(100);
            assertThat(outcomes.has("X-Flk-Gap")).isFalse();
            assertThat(backend.allLines()).contains("No space left").doesNotContain("set aside");
        }
        assertMet(call, "ENOSPC", n);
    }

    /** Checks that a log that has lost its mark file gets its id from the store. */
    @Test
    void markLost_storeIdentifiesItsLog() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            submitTo(backend, 1, 100, answered);
        }
        Files.delete(directory.resolve("data/wal/inbox.mark"));

        try (ServedBackend backend = BackendInJvm.start(directory)) {
            assertAnsweredOrDown(backend, answered, "without a mark");
            assertThat(new Client(backend.url()).metric("flk_dedup_set_aside_total"))
                    .isZero();
        }
    }

    /**
     * Checks that a store that can't be rebuilt, because a log segment is missing, never answers 404. As soon as the
     * backend reports the gap, every answer is a 503 until the operator puts the segment back.
     */
    @Test
    void storeLostAndLogTooShort_everythingIs503UntilTheSegmentIsBack() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            submitTo(backend, 1, 100, answered);
        }
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            submitTo(backend, 200, 100, answered);
        }
        Path oldest = LogFiles.inbox(directory.resolve("data/wal")).segments().get(0);
        Path away = directory.resolve("away");
        Files.move(oldest, away);
        for (Path file : storeFiles(dedup())) {
            if (file.toString().endsWith(".sst")) {
                byte[] content = Files.readAllBytes(file);
                content[20] ^= 1;
                Files.write(file, content);
            }
        }
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> {
                assertThat(client.get("/v1/pcs/" + Pcs.number(50).id()).status())
                        .isIn(200, 503);
                return backend.allLines().contains("the log is too short for the dedup store");
            });
            String line = backend.awaitLine(text -> text.contains("the log is too short"));
            assertThat(line).containsPattern("the store lacks records 1 to [0-9]+ \\([0-9]+\\)");
            assertThat(client.get("/v1/pcs/" + Pcs.number(50).id()).status()).isEqualTo(503);
            assertThat(client.submit(Pcs.number(50)).error()).isEqualTo("dedup store unavailable");
            Client.awaitUntil(() -> client.get("/readyz").body().contains("the log can't rebuild it"));

            Files.move(away, oldest);

            assertAnsweredOrDown(backend, answered, "with the segment back");
        }
    }
}
