// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.StateException.Reason;
import dev.flk.state.embedded.EmbeddedStorage;
import dev.flk.wal.LogRepair;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of state files that are damaged, missing, or older than the answers. The state must refuse to open, have all
 * commits, or have a new history id and report the reason.
 */
class DamagedStateTest {
    private static final int COMMITS = 60;
    private static final int IN_TABLES = 50;

    @TempDir
    private Path directory;

    private Path killed;
    private String historyId;
    private List<Event> events;

    /**
     * Copies the files of a running process, as a kill would leave them. Some commits are in RocksDB, the others only
     * in the log.
     */
    @BeforeEach
    void commitAndKill() throws IOException {
        Path written = directory.resolve("written");
        killed = directory.resolve("killed");
        try (EngineHarness state = open(written)) {
            for (int i = 1; i <= COMMITS; i++) {
                state.apply("request-" + i, state.write("a", "k" + i % 3, "{\"n\":" + i + "}"));
                if (i == IN_TABLES) {
                    state.restart();
                }
            }
            historyId = state.engine.head().historyId();
            events = state.replay(1);
            KilledFiles.leave(written, killed);
        }
    }

    private static EngineHarness open(Path path) {
        return new EngineHarness(
                () -> new EmbeddedStorage(path, 1 << 20, () -> UUID.randomUUID().toString()));
    }

    private static Path newestSegment(Path state) throws IOException {
        try (Stream<Path> files = Files.list(state.resolve("log"))) {
            return files.filter(file -> file.getFileName().toString().startsWith("state-"))
                    .max(Path::compareTo)
                    .orElseThrow();
        }
    }

    private void isReported(Consumer<String> cause) {
        try (EngineHarness state = open(killed)) {
            assertThat(state.engine.problem()).isEmpty();
            assertThat(state.engine.head().historyId()).isNotEqualTo(historyId);
            assertThat(state.engine.missing()).hasValueSatisfying(message -> {
                cause.accept(message);
                assertThat(message).contains(state.engine.head().historyId());
            });
            assertThat(state.engine.timesMissing()).isEqualTo(1);
            assertThat(state.replay(1))
                    .isEqualTo(events.subList(
                            0, Math.toIntExact(state.engine.head().revision())));
            String other = state.engine.head().historyId();

            state.restart();

            assertThat(state.engine.head().historyId()).isEqualTo(other);
            assertThat(state.engine.missing()).isEmpty();
            long before = state.engine.head().revision();
            assertThat(state.apply(state.write("a", "k", "0")).revision()).isEqualTo(before + 1);
        }
    }

    private void isComplete(Path path) {
        try (EngineHarness state = open(path)) {
            assertThat(state.engine.head().historyId()).isEqualTo(historyId);
            assertThat(state.replay(1)).isEqualTo(events);
            assertThat(state.engine.missing()).isEmpty();
            assertThat(state.apply("request-60", state.write("a", "k0", "{\"n\":60}"))
                            .revision())
                    .isEqualTo(60);
        }
    }

    @Test
    void killedOrMoved_sameHistory() throws IOException {
        isComplete(Files.move(killed, directory.resolve("moved")));
    }

    @Test
    void newestSegment_missing_isReported() throws IOException {
        Files.delete(newestSegment(killed));

        isReported(message -> assertThat(message).contains(killed + "/log", "after revision 50"));
    }

    @Test
    void newestSegment_truncated_isReported() throws IOException {
        Path segment = newestSegment(killed);
        try (FileChannel channel = FileChannel.open(segment, StandardOpenOption.WRITE)) {
            channel.truncate(firstByteOf(segment, "\"n\":57}"));
        }

        isReported(message -> assertThat(message).contains("revision 60 was answered", "is 56"));
    }

    @Test
    void log_missing_isReported() throws IOException {
        KilledFiles.delete(killed.resolve("log"));

        isReported(message -> assertThat(message).contains("after revision 50"));
    }

    @Test
    void rocksDb_missing_isReported() throws IOException {
        try (Stream<Path> files = Files.list(killed)) {
            for (Path file : files.filter(file -> Files.isRegularFile(file) && !file.endsWith("answered"))
                    .toList()) {
                Files.delete(file);
            }
        }

        isReported(message -> assertThat(message).contains("belongs to history " + historyId));
    }

    @Test
    void log_damagedInTheMiddle_isRefused_andAfterARepairTheRestIsReportedMissing() throws IOException {
        Path segment = newestSegment(killed);
        flip(segment, firstByteOf(segment, "\"n\":55}"), 1);
        try (EngineHarness state = open(killed)) {
            assertThatThrownBy(() -> state.replay(1))
                    .hasMessageContainingAll(
                            killed + "/log is damaged", segment.getFileName().toString(), "wal repair");
        }

        new LogRepair(new DiskFiles(), killed.resolve("log"), EmbeddedStorage.LOG_PREFIX, "a test").run();

        isReported(message -> assertThat(message).contains("after revision 54"));
    }

    @Test
    void answeredFile_missingOrDamaged_isReported() throws IOException {
        Path answered = killed.resolve("answered");
        Path original = Files.move(answered, directory.resolve("original"));
        isReported(message -> assertThat(message).contains("the file " + answered + " is missing"));

        byte[] content = Files.readAllBytes(original);
        content[10] ^= 1;
        for (int length : List.of(0, 5, content.length)) {
            KilledFiles.leave(directory.resolve("written"), killed);
            Files.delete(answered);
            Files.write(answered, Arrays.copyOf(content, length));
            isReported(message -> assertThat(message).contains("the file " + answered + " is damaged"));
        }
    }

    @Test
    void copyOfADirectory_isReported() throws IOException {
        Path copy = directory.resolve("copy");
        KilledFiles.copy(killed, copy);
        killed = copy;

        isReported(message -> assertThat(message).contains(copy + " is a copy"));
    }

    @Test
    void backup_isANewHistoryButNotALoss() {
        Path copy;
        try (EngineHarness state = open(killed)) {
            copy = state.engine.backup();
            assertThat(state.engine.backup())
                    .as("a second one of the same revision")
                    .isNotEqualTo(copy);
        }
        try (EngineHarness state = open(copy)) {
            assertThat(state.engine.head().historyId()).isNotEqualTo(historyId);
            assertThat(state.engine.missing()).isEmpty();
            assertThat(state.replay(1)).isEqualTo(events);
        }
    }

    @Test
    void flippedBit_anywhere_neverGivesAWrongAnswer() throws IOException {
        flipAnywhere(new Random(1), 30);
    }

    @Test
    @Tag("thorough")
    void flippedBit_anywhere_manyTimes_neverGivesAWrongAnswer() throws IOException {
        flipAnywhere(new Random(2), 3_000);
    }

    private void flipAnywhere(Random random, int times) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(killed)) {
            // RocksDB's open does not return if the type of a record in its manifest is damaged
            files = all.filter(
                            file -> Files.isRegularFile(file) && file.toFile().length() > 0)
                    .filter(file -> !file.getFileName().toString().startsWith("MANIFEST"))
                    .sorted()
                    .toList();
        }
        for (int i = 0; i < times; i++) {
            Path file = files.get(random.nextInt(files.size()));
            long at = random.nextLong(Files.size(file));
            Path damaged = directory.resolve("damaged-" + i);
            KilledFiles.leave(killed, damaged);
            flip(damaged.resolve(killed.relativize(file)), at, 1 << random.nextInt(8));
            hasAllOrSaysSo(damaged, "byte " + at + " of " + file);
            KilledFiles.delete(damaged);
        }
    }

    private void hasAllOrSaysSo(Path damaged, String what) {
        try (EngineHarness state = open(damaged)) {
            try {
                List<Event> found = state.replay(1);
                if (state.engine.missing().isEmpty()) {
                    assertThat(state.engine.head().historyId()).as(what).isEqualTo(historyId);
                    assertThat(found).as(what).isEqualTo(events);
                    assertThat(state.json("a", "k0")).as(what).isEqualTo("{\"n\":60}");
                } else {
                    assertThat(state.engine.head().historyId()).as(what).isNotEqualTo(historyId);
                    assertThat(found).as(what).isEqualTo(events.subList(0, found.size()));
                }
            } catch (StateException e) {
                assertThat(e.reason()).as(what).isEqualTo(Reason.STORE_DOWN);
                assertThat(e).as(what).hasMessageContaining(damaged.toString());
            }
        }
    }

    private static void flip(Path file, long at, int bits) throws IOException {
        byte[] content = Files.readAllBytes(file);
        content[(int) at] ^= (byte) bits;
        Files.delete(file); // it may be a link
        Files.write(file, content);
    }

    private static long firstByteOf(Path file, String text) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1).indexOf(text);
    }
}
