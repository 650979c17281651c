// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.time.SteadyClock;
import dev.flk.verification.Policy;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests with real files, threads and commands. */
@Timeout(60)
class ArchiveCareTest {
    private static final Duration TTL = Duration.ofDays(14);
    private static final String COPY =
            "sh -c 'if [ -e \"$2\" ]; then exec cmp \"$1\" \"$2\"; fi; cp \"$1\" \"$2.part\" && sync"
                    + " \"$2.part\" && mv \"$2.part\" \"$2\"' sh %p '";

    @TempDir
    private Path directory;

    private Path wal;
    private Path target;
    private final Metrics metrics = new Metrics("test");
    private final ArchiveMetrics counts = new ArchiveMetrics(metrics);

    @BeforeEach
    void directories() throws IOException {
        wal = directory.resolve("a log's $(dir)");
        target = Files.createDirectory(directory.resolve("arch ive"));
    }

    private Inbox open() throws IOException {
        LogOptions options =
                LogOptions.of(wal, Inbox.SEGMENT_PREFIX, new DecisionRules(Policy.defaults(), TTL).context());
        InstantSource clock = InstantSource.system();
        Inbox inbox = Inbox.open(
                options,
                0,
                new DiskFiles(),
                new SteadyClock(clock, System::nanoTime, SteadyClock.maxStep(TTL), TTL),
                System::nanoTime,
                new Random(),
                Optional::empty,
                LogListener.NONE);
        inbox.log().start();
        return inbox;
    }

    private ArchiveCare start(Inbox inbox, String command, Duration commandLimit, Duration finish) {
        return ArchiveCare.start(
                inbox,
                ArchiveCommand.parse(command),
                Set.of(),
                new DiskFiles(),
                counts,
                InstantSource.system(),
                new ArchiveCare.Limits(commandLimit, finish));
    }

    private String copying() {
        return COPY + target + "/%f'";
    }

    private static void append(Inbox inbox, String body) {
        CompletableFuture<Void> forced = new CompletableFuture<>();
        inbox.append(
                new Entry('e', "none", 0, body.getBytes(UTF_8)),
                finished -> {
                    finished.run();
                    forced.complete(null);
                },
                forced::completeExceptionally);
        forced.join();
    }

    private List<String> archived() throws IOException {
        try (Stream<Path> files = Files.list(target)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void close_archivesTheLastSegment_andTheArchiveIsALog() throws IOException {
        Inbox inbox = open();
        ArchiveCare care = start(inbox, copying(), Duration.ofSeconds(30), Duration.ofSeconds(30));
        append(inbox, "one");
        append(inbox, "two");
        inbox.keepMark();
        try (LogCapture log = new LogCapture()) {
            inbox.close();
            assertThat(log.lines("INFO all records up to 2 are archived")).hasSize(1);
        }
        assertThat(care.isComplete()).isTrue();
        assertThat(care.archivedUpTo()).isEqualTo(2);
        assertThat(archived()).hasSize(2).noneMatch(name -> name.endsWith(".part"));
        assertThat(new LogInspector(new DiskFiles(), target, Inbox.SEGMENT_PREFIX)
                        .verify()
                        .last())
                .isEqualTo(2);
        assertThat(counts.archived.value()).isEqualTo(1);
    }

    @Test
    void commandFailsTwice_isRetried_andLoggedOnce() throws IOException {
        Path tries = directory.resolve("tries");
        String failing =
                "sh -c 'echo x >> \"$0\"; test $(wc -l < \"$0\") -gt 2 || { echo no space; exit 1; }; cp \"$1\" \"$2\"' '"
                        + tries + "' %p '" + target + "/%f'";
        Inbox inbox = open();
        try (LogCapture log = new LogCapture()) {
            start(inbox, failing, Duration.ofSeconds(30), Duration.ofSeconds(30));
            append(inbox, "one");
            inbox.close();

            assertThat(log.lines("WARN archiving the log failed and will be retried: "))
                    .singleElement()
                    .asString()
                    .contains("exited with 1 for inbox-")
                    .endsWith(": no space");
            assertThat(log.lines("INFO the log is archived again, after 2 failures"))
                    .hasSize(1);
        }
        assertThat(counts.failures.value()).isEqualTo(2);
        assertThat(archived()).isNotEmpty();
    }

    @Test
    void commandHangsAtTheEnd_isKilled_andTheNextStartArchives() throws IOException {
        Inbox inbox = open();
        try (LogCapture log = new LogCapture()) {
            ArchiveCare care =
                    start(inbox, "sh -c 'sleep 600' sh %p %f", Duration.ofMinutes(10), Duration.ofSeconds(1));
            append(inbox, "one");
            inbox.close();
            assertThat(care.isComplete()).isFalse();
            assertThat(log.lines("WARN the records after 0, up to 1, are not archived, and exist only in " + wal))
                    .hasSize(1);
        }
        assertThat(ProcessHandle.current()
                        .descendants()
                        .filter(child -> child.info().commandLine().orElse("").contains("sleep 600")))
                .isEmpty();

        Inbox again = open();
        start(again, copying(), Duration.ofSeconds(30), Duration.ofSeconds(30));
        again.close();
        assertThat(archived()).isNotEmpty();
    }

    @Test
    void forget_removesThePosition() throws IOException {
        Inbox inbox = open();
        start(inbox, copying(), Duration.ofSeconds(30), Duration.ofSeconds(30));
        inbox.close();
        assertThat(wal.resolve("inbox.archived")).exists();

        try (Inbox again = open();
                LogCapture log = new LogCapture()) {
            ArchiveCare.forget(again, new DiskFiles());
            ArchiveCare.forget(again, new DiskFiles());
            assertThat(log.lines("WAL_ARCHIVE_COMMAND is not set any more")).hasSize(1);
        }
        assertThat(wal.resolve("inbox.archived")).doesNotExist();
    }
}
