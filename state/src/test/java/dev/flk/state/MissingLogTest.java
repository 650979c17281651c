// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.embedded.EmbeddedStorage;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of the state that were lost, or are older than what was answered: the history gets another id, and the engine says why. */
class MissingLogTest {
    private static final int COMMITS = 60;
    private static final int IN_TABLES = 50;

    @TempDir
    private Path directory;

    private Path killed;
    private String historyId;

    /** Leaves what a process that was killed leaves: some commits in tables, the others in the log alone. */
    @BeforeEach
    void commitAndKill() throws IOException {
        Path written = directory.resolve("written");
        killed = directory.resolve("killed");
        try (EngineHarness state = open(written)) {
            for (int i = 1; i <= COMMITS; i++) {
                state.apply(state.write("a", "k", Integer.toString(i)));
                if (i == IN_TABLES) {
                    state.restart(); // opening moves the log to tables
                }
            }
            historyId = state.engine.head().historyId();
            copy(written, killed);
            // not a copy: the file that a killed process leaves
            Files.delete(killed.resolve("answered"));
            Files.createLink(killed.resolve("answered"), written.resolve("answered"));
        }
    }

    private static EngineHarness open(Path path) {
        return new EngineHarness(
                () -> new EmbeddedStorage(path, 1 << 20, () -> UUID.randomUUID().toString()));
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    private static Path newestLog(Path path) throws IOException {
        try (Stream<Path> files = Files.list(path)) {
            return files.filter(file -> file.toString().endsWith(".log"))
                    .max(Comparator.naturalOrder())
                    .orElseThrow();
        }
    }

    private void isNoticed(Consumer<String> cause) {
        try (EngineHarness state = open(killed)) {
            assertThat(state.engine.problem()).isEmpty();
            assertThat(state.engine.head().historyId()).isNotEqualTo(historyId);
            assertThat(state.engine.missing()).hasValueSatisfying(message -> {
                cause.accept(message);
                assertThat(message).contains(state.engine.head().historyId());
            });
            assertThat(state.engine.timesMissing()).isEqualTo(1);
            String other = state.engine.head().historyId();

            state.restart();

            assertThat(state.engine.head().historyId()).isEqualTo(other);
            assertThat(state.engine.missing()).isEmpty();
            long before = state.engine.head().revision();
            assertThat(state.apply(state.write("a", "k", "0")).revision()).isEqualTo(before + 1);
        }
    }

    private void isNotNoticed(Path path) {
        try (EngineHarness state = open(path)) {
            assertThat(state.engine.head().historyId()).isEqualTo(historyId);
            assertThat(state.engine.head().revision()).isEqualTo(COMMITS);
            assertThat(state.engine.missing()).isEmpty();
        }
    }

    @Test
    void newestLogThatIsMissing_isNoticed() throws IOException {
        Files.delete(newestLog(killed));

        isNoticed(message -> assertThat(message)
                .contains(killed.toString(), "revision 60 was answered", "the newest one there is 50"));
    }

    @Test
    void newestLogThatIsTruncated_isNoticed() throws IOException {
        Path log = newestLog(killed);
        try (FileChannel channel = FileChannel.open(log, StandardOpenOption.WRITE)) {
            channel.truncate(Files.size(log) * 2 / 3);
        }

        isNoticed(message -> assertThat(message).containsPattern("revision 60 was answered.* is 5[0-9]"));
    }

    @Test
    void allOfRocksDb_missing_isNoticed() throws IOException {
        try (Stream<Path> files = Files.list(killed)) {
            for (Path file : files.filter(file -> !file.endsWith("answered")).toList()) {
                Files.delete(file);
            }
        }

        isNoticed(message -> assertThat(message).contains("belongs to history " + historyId));
    }

    @Test
    void answeredFile_missingOrDamaged_isNoticed() throws IOException {
        Path answered = killed.resolve("answered");
        Path as = Files.move(answered, directory.resolve("as it was"));
        isNoticed(message -> assertThat(message).contains("the file " + answered + " is missing"));

        byte[] content = Files.readAllBytes(as);
        for (int length : List.of(0, 5, content.length)) {
            historyId = historyId();
            content[10] ^= 1;
            Files.write(answered, Arrays.copyOf(content, length));
            isNoticed(message -> assertThat(message).contains("the file " + answered + " is damaged"));
        }
    }

    private String historyId() {
        try (EngineHarness state = open(killed)) {
            return state.engine.head().historyId();
        }
    }

    @Test
    void copyOfADirectory_isNoticed() throws IOException {
        Path copy = directory.resolve("copy");
        copy(killed, copy);
        killed = copy;

        isNoticed(message -> assertThat(message).contains(copy + " is a copy"));
    }

    @Test
    void killedOrMoved_isTheSameHistory() throws IOException {
        isNotNoticed(killed);
        Path moved = Files.move(killed, directory.resolve("moved"));
        isNotNoticed(moved);
    }

    @Test
    void backup_isAnotherHistory_whichIsNoLoss() {
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
        }
    }
}
