// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import dev.flk.program.reload.Reloaded.Replacement;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests when a file is read again, and which of its mistakes are reported, with texts as values. */
final class ReloadedTest {
    @TempDir
    private Path directory;

    private final AtomicLong nanos = new AtomicLong();
    private final List<String> reports = new ArrayList<>();
    private Path file;
    private Runnable whileReading = () -> {};
    private Runnable beforeCheck = () -> {};

    @BeforeEach
    void file() {
        file = directory.resolve("file");
        write("first");
    }

    private void write(String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The content of the file; {@code bad…} is a mistake. */
    private final class Text extends Reloaded<String> {
        Text(Replacement replacement) throws InvalidFileException {
            super("test-watch", replacement, nanos::get, ReloadedTest.this::read);
        }

        @Override
        protected void beforeCheck() {
            beforeCheck.run();
        }

        @Override
        protected void replaced(String before, String now) {
            reports.add(before + " -> " + now);
        }

        @Override
        protected void refused(List<String> problems) {
            reports.add(inForce() + " stays: " + String.join("; ", problems));
        }

        @Override
        protected void failed(RuntimeException e) {
            reports.add("failed: " + e.getMessage());
        }
    }

    private String read(FileFingerprints fingerprints) throws InvalidFileException {
        fingerprints.add(file);
        try {
            String text = new String(ConfiguredFile.bytes(file, 1_000), StandardCharsets.UTF_8);
            whileReading.run();
            if (text.startsWith("bad")) {
                throw new InvalidFileException(List.of(text));
            }
            return text;
        } catch (Unusable e) {
            throw new InvalidFileException(List.of(e.getMessage()));
        }
    }

    @Test
    void step_unchangedFile_isNotReadAgain_aSignalReadsIt() throws Exception {
        try (Text text = new Text(Replacement.TOGETHER)) {
            text.step();
            assertThat(reports).isEmpty();

            text.onReloadSignal();

            await().until(() -> reports.equals(List.of("first -> first")));
        }
    }

    @Test
    void step_mistake_isReportedOnceUntilItChanges_andReadAgainAtEachTenthCheck() throws Exception {
        try (Text text = new Text(Replacement.TOGETHER)) {
            AtomicLong reads = new AtomicLong();
            whileReading = reads::incrementAndGet;
            write("bad 1");
            for (int i = 0; i < 21; i++) {
                text.step();
            }
            assertThat(reports).containsExactly("first stays: bad 1");
            assertThat(reads).hasValue(3);
            assertThat(text.bad()).isEqualTo(1);

            Files.delete(file);
            text.step();
            write("second");
            text.step();

            assertThat(reports).containsExactly("first stays: bad 1", "first stays: does not exist", "first -> second");
            assertThat(text.bad()).isZero();
        }
    }

    @Test
    void step_fileChangesWhileItIsRead_isReadAgainAtTheNextCheckWithoutAReport() throws Exception {
        try (Text text = new Text(Replacement.TOGETHER)) {
            write("bad half");
            whileReading = () -> write("complete file");
            text.step();
            assertThat(reports).isEmpty();
            assertThat(text.bad()).isZero();
            whileReading = () -> {};

            text.step();

            assertThat(reports).containsExactly("first -> complete file");
        }
    }

    /** A file that never stops changing must not hide its mistake. */
    @Test
    void step_fileChangesDuringEachReading_isReportedAtTheSecond() throws Exception {
        try (Text text = new Text(Replacement.TOGETHER)) {
            AtomicLong writes = new AtomicLong();
            whileReading = () -> write("bad" + "!".repeat((int) writes.incrementAndGet()));
            write("bad");
            text.step();
            text.step();

            assertThat(reports).containsExactly("first stays: bad!");
        }
    }

    @Test
    void step_replacedOneByOne_mistakeIsReportedIfTheNextCheckFindsItToo_andEveryCheckReads() throws Exception {
        try (Text text = new Text(Replacement.ONE_BY_ONE)) {
            write("bad");
            text.step();
            assertThat(reports).isEmpty();
            text.step();
            assertThat(reports).containsExactly("first stays: bad");

            AtomicLong reads = new AtomicLong();
            whileReading = reads::incrementAndGet;
            text.step();
            text.step();
            assertThat(reads).hasValue(2);
            assertThat(reports).hasSize(1);
        }
    }

    @Test
    void step_readingFails_isReported_andRetriedThoughTheFileIsUnchanged() throws Exception {
        try (Text text = new Text(Replacement.TOGETHER)) {
            write("second");
            whileReading = () -> {
                throw new IllegalStateException("no luck");
            };
            for (int i = 0; i < 11; i++) {
                text.step();
            }
            assertThat(reports).as("a failure that remains is reported once").containsExactly("failed: no luck");
            whileReading = () -> {};

            for (int i = 0; i < 10; i++) {
                text.step();
            }

            assertThat(reports).containsExactly("failed: no luck", "first -> second");
        }
    }

    @Test
    void check_hangs_isVisible_untilItEnds() throws Exception {
        CountDownLatch hangs = new CountDownLatch(1);
        CountDownLatch checking = new CountDownLatch(1);
        beforeCheck = () -> {
            checking.countDown();
            try {
                hangs.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        };
        try (Text text = new Text(Replacement.TOGETHER)) {
            text.startChecks();
            assertThat(checking.await(10, TimeUnit.SECONDS)).isTrue();
            nanos.set(TimeUnit.MINUTES.toNanos(2));
            assertThat(text.secondsSinceCheck()).isEqualTo(120);

            hangs.countDown();

            await().until(() -> text.secondsSinceCheck() == 0);
        }
    }
}
