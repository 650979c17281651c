// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvFormat;
import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.OutboxInspector;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
class CsvFollowerTest {
    private final Context context = new Context(Map.of(), InputStream.nullInputStream(), System.out, System.err);

    @TempDir
    Path directory;

    private Path csv;
    private AgentConfig config;

    @BeforeEach
    void prepare() throws Exception {
        csv = directory.resolve("rows.csv");
        Files.writeString(csv, "timestamp,x,y,z\n");
        config = AgentConfig.load(
                Map.of("OUTBOX_PATH", directory.resolve("outbox").toString()), null, Set.of());
    }

    @Test
    void run_progressFileIsAFifo_isNotOpened() throws Exception {
        Path fifo = directory.resolve("rows.csv.certified");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();

        assertThatIOException()
                .isThrownBy(() -> new CsvFollower(config, csv, context)
                        .run(new Certifier(List.of("s")), Columns.USUAL, CsvFormat.USUAL, Windows.byCount(10, 0)))
                .withMessage(fifo + " is a FIFO, not a regular file; move it away");
    }

    private void grow(int from, int to) throws IOException {
        StringBuilder rows = new StringBuilder();
        for (int i = from; i <= to; i++) {
            rows.append(i).append(',').append(i % 7).append(',').append(i % 5).append(",1\n");
        }
        Files.writeString(csv, rows, StandardCharsets.US_ASCII, StandardOpenOption.APPEND);
    }

    private int waiting() throws IOException {
        return new OutboxInspector(directory.resolve("outbox")).summary().pendingEntries();
    }

    private static CompletableFuture<Long> start(CsvFollower following) {
        return start(following, Windows.byCount(10, 0));
    }

    private static CompletableFuture<Long> start(CsvFollower following, Windows windows) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return following.run(new Certifier(List.of("s")), Columns.USUAL, CsvFormat.USUAL, windows);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
    }

    @Test
    void growingFile_completeWindowsAreAddedOnce_alsoAfterARestart() throws Exception {
        grow(1, 25);
        CsvFollower first = new CsvFollower(config, csv, context);
        CompletableFuture<Long> firstRun = start(first);
        await().until(() -> waiting() == 2);
        grow(26, 31);
        await().until(() -> waiting() == 3);
        first.stop();
        assertThat(firstRun.join()).isEqualTo(3);

        grow(32, 50);
        followUntil(5, 5);
        assertThat(waiting()).isEqualTo(5);
    }

    @Test
    void run_fileOfAnotherProgramNextToTheProgressFile_isLeftAlone() throws Exception {
        Path other = Files.writeString(directory.resolve("rows.csv.certified.next"), "not ours");
        grow(1, 12);

        followUntil(1, 1);

        assertThat(other).hasContent("not ours");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("rows.csv", "rows.csv.certified", "rows.csv.certified.next", "outbox");
        }
    }

    /** Truncates the file and fills it with other rows. The inode stays the same. */
    private void replaceContent(int from, int to) throws IOException {
        Files.writeString(csv, "timestamp,x,y,z\n");
        grow(from, to);
    }

    @Test
    void growingFile_isRenamedAndTruncated_isFollowedInTheSameRun() throws Exception {
        grow(1, 25);
        CsvFollower follower = new CsvFollower(config, csv, context);
        CompletableFuture<Long> run = start(follower);
        await().until(() -> waiting() == 2);

        grow(26, 28);
        Files.move(csv, directory.resolve("rows.csv.1"));
        Files.writeString(csv, "timestamp,x,y,z\n");
        grow(29, 42);
        await().until(() -> waiting() == 4);
        grow(43, 44);
        Files.copy(csv, directory.resolve("rows.csv-20261128"));
        replaceContent(45, 53);
        await().until(() -> waiting() == 5);

        follower.stop();
        assertThat(run.join()).isEqualTo(5);
    }

    @Test
    void restart_otherContentInTheSameFile_isCertifiedAfterTheLastWindow() throws Exception {
        grow(1, 30);
        followUntil(3, 3);

        replaceContent(101, 145);
        followUntil(7, 7);
    }

    @Test
    void restart_otherWindows_isRefused() throws Exception {
        grow(1, 30);
        followUntil(3, 3);

        assertThat(start(new CsvFollower(config, csv, context), Windows.byCount(20, 0)))
                .failsWithin(Duration.ofSeconds(20))
                .withThrowableOfType(ExecutionException.class)
                .withMessageContaining(
                        "windows of " + csv + " were certified with other shards or windows; use the same"
                                + " ones, or remove " + csv + ".certified to certify all of " + csv + " again");
    }

    /** Runs a follower until this number of certificates waits. Requires that the follower has certified the windows. */
    private void followUntil(int waiting, long windows) {
        CsvFollower follower = new CsvFollower(config, csv, context);
        CompletableFuture<Long> run = start(follower);
        await().until(() -> waiting() == waiting);
        follower.stop();
        assertThat(run.join()).isEqualTo(windows);
    }
}
