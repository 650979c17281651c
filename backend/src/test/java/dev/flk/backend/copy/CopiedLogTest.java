// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.inbox.Inbox;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRefusedException;
import dev.flk.copy.CopyTopic;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.testing.ForwardingTopic;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.program.time.SteadyClock;
import dev.flk.verification.Policy;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.testing.Mutant;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of a copied log whose steps the test takes, with a topic in memory and a log on disk. */
@Timeout(60)
class CopiedLogTest {
    private static final Duration TTL = Duration.ofDays(14);
    private static final Claim OTHER = new Claim("00000000000000ab", "00000000000000cd", 1, "elsewhere");

    @TempDir
    private Path directory;

    private final Random random = new Random(1);
    private final SimulatedTopic topic = new SimulatedTopic(random);
    private final Metrics metrics = new Metrics("test");
    private final CopyMetrics copyMetrics = new CopyMetrics(metrics);
    private long nanos = TimeUnit.DAYS.toNanos(1);
    private boolean isRequired = true;
    private boolean isTopicBad;
    private long usedTerm;
    private Inbox inbox;
    private CopiedLog copied;

    @BeforeEach
    void startFirst() throws Exception {
        topic.settle();
        start();
    }

    @AfterEach
    void stop() throws IOException {
        copied.close();
        inbox.close();
    }

    private CopyOpening opening(CopyTopic connection) {
        InstantSource clock = () -> Instant.ofEpochMilli(TimeUnit.NANOSECONDS.toMillis(nanos));
        DiskFiles files = new DiskFiles();
        return new CopyOpening(
                connection,
                () -> {
                    if (isTopicBad) {
                        throw new IOException("the topic has one replica");
                    }
                },
                isRequired,
                directory.resolve("wal"),
                files,
                files,
                "%016x".formatted(random.nextLong()),
                "here",
                false,
                random,
                clock,
                logId -> usedTerm,
                () -> nanos);
    }

    private void start() throws Exception {
        start(topic.connect());
    }

    private void start(CopyTopic connection) throws Exception {
        CopyOpening opening = opening(connection);
        topic.setImmediate(true);
        opening.tryPrepare();
        topic.setImmediate(false);
        inbox = Inbox.open(
                LogOptions.of(
                        directory.resolve("wal"),
                        Inbox.SEGMENT_PREFIX,
                        new DecisionRules(Policy.defaults(), TTL).context()),
                0,
                new DiskFiles(),
                new SteadyClock(InstantSource.system(), System::nanoTime, SteadyClock.maxStep(TTL), TTL),
                System::nanoTime,
                random,
                Optional::empty,
                LogListener.NONE);
        copied = opening.copied(inbox);
        copyMetrics.watch(copied);
    }

    private void restart() throws Exception {
        stop();
        start();
    }

    /** Forces a record; the copy does not hear of it before {@link CopiedLog#forced}. */
    private void force() {
        inbox.log().append(new Log.Append() {
            @Override
            public List<Entry> entries() {
                return List.of(new Entry('e', "none", 0, new byte[1]));
            }

            @Override
            public void forced(long firstSequence) {}

            @Override
            public void failed(IOException cause) {
                throw new IllegalStateException(cause);
            }
        });
        assertThat(inbox.log().step()).isTrue();
    }

    private void write() {
        force();
        copied.forced(inbox.last());
    }

    /** Takes all steps, with pauses. */
    private void settle() {
        for (int i = 0; i < 100; i++) {
            nanos += TimeUnit.MILLISECONDS.toNanos(300);
            copied.step();
            while (topic.step()) {
                copied.step();
            }
        }
    }

    private double metric(String name) {
        return Double.parseDouble(
                ScrapedText.ofPrometheus(ScrapedText.text(metrics)).samples.get("flk_copy_" + name));
    }

    @Test
    void start_isCompleteOnceTheLogIsCopied() throws Exception {
        assertThat(copied.isStartComplete()).isFalse();
        settle();
        assertThat(copied.isStartComplete()).isTrue();
    }

    @Test
    void group_isSafeOnceItIsCopied() {
        settle();
        write();
        nanos += TimeUnit.SECONDS.toNanos(3);
        assertThat(copied.sequence()).isZero();
        assertThat(metric("behind_records")).isEqualTo(1);
        assertThat(metric("behind_seconds")).isEqualTo(3);

        settle();

        assertThat(copied.sequence()).isEqualTo(1);
        assertThat(metric("up")).isEqualTo(1);
        assertThat(metric("behind_records")).isZero();
        assertThat(metric("behind_seconds")).isZero();
    }

    /** The log's writer may be paused between the force and its callback, in which the copy is faster. */
    @Test
    void group_copiedBeforeTheLogReportsIt_isSafe() {
        settle();
        force();
        settle();
        int[] moved = {0};
        copied.whenMoved(() -> moved[0]++);

        copied.forced(inbox.last());
        copied.step();

        assertThat(copied.sequence()).isEqualTo(1);
        assertThat(moved[0]).isEqualTo(1);
    }

    @Test
    void brokersDown_isAnOutage_andEndsWithThem() {
        settle();
        topic.setDown(true);
        write();
        settle();
        assertThat(copied.outage()).hasValue("the brokers are down");
        assertThat(metric("up")).isZero();

        topic.setDown(false);
        settle();

        assertThat(copied.outage()).isEmpty();
        assertThat(copied.warning()).isEmpty();
        assertThat(copied.sequence()).isEqualTo(1);
    }

    @Test
    void topicLosesEntries_recordsAreSafeAtOnce_untilEverythingIsCopiedAgain() {
        settle();
        write();
        write();
        settle();
        topic.loseEnd(4);
        write();
        for (int i = 0; i < 100 && copied.sequence() != Long.MAX_VALUE; i++) {
            nanos += TimeUnit.SECONDS.toNanos(1);
            copied.step();
            topic.step();
        }
        assertThat(copied.sequence()).isEqualTo(Long.MAX_VALUE);
        assertThat(copied.outage()).isEmpty();
        assertThat(copied.warning().orElseThrow())
                .isEqualTo("everything is copied again, because the topic had lost it; records after 0 are only on this"
                        + " disk");
        assertThat(copied.copiedUpTo()).as("segments must not be removed").isZero();
        assertThat(metric("behind_records")).isEqualTo(3);

        settle();

        assertThat(copied.sequence()).as("without another group").isEqualTo(3);
        assertThat(copied.warning()).isEmpty();
        assertThat(metric("lost_total")).isEqualTo(1);
    }

    @Test
    void topicIsCreatedAgain_withOtherSettings_nothingIsAnsweredUntilItIsMended() throws Exception {
        write();
        settle();
        isTopicBad = true;
        topic.createAgain();
        write();
        try (LogCapture log = new LogCapture()) {
            settle();
            assertThat(log.lines("nothing is answered until the topic is mended"))
                    .hasSize(1);
            assertThat(log.lines("are answered although")).isEmpty();
        }
        assertThat(copied.problem()).contains("the topic has one replica");
        assertThat(copied.sequence()).as("what was safe before").isEqualTo(1);

        isTopicBad = false;
        nanos += TimeUnit.SECONDS.toNanos(2);
        settle();
        assertThat(copied.problem()).isEmpty();
        assertThat(copied.sequence()).isEqualTo(2);
        restart();
        assertThat(metric("lost_total")).as("the start knows the new topic").isZero();
    }

    @Test
    void claim_isLaterThanThatOfTheFeed() throws Exception {
        usedTerm = 41;
        restart();
        assertThat(copied.term()).isEqualTo(42);
    }

    @Test
    void topicIsCreatedAgain_whileStopped_startDoesNotWait() throws Exception {
        write();
        settle();
        topic.createAgain();

        restart();

        assertThat(copied.isStartComplete()).isTrue();
        assertThat(copied.sequence()).isEqualTo(Long.MAX_VALUE);
        assertThat(copied.warning().orElseThrow()).startsWith("everything is copied again");
        settle();
        assertThat(copied.warning()).isEmpty();
        assertThat(copied.sequence()).isEqualTo(1);
        assertThat(metric("lost_total")).isEqualTo(1);
    }

    @Test
    void topicLosesEntriesAgain_beforeEverythingIsCopiedAgain_whatWasAnsweredStaysSafe() throws Exception {
        write();
        settle();
        topic.createAgain();
        restart();
        isTopicBad = true;
        topic.createAgain();
        settle();

        write();
        settle();

        assertThat(copied.problem()).contains("the topic has one replica");
        assertThat(copied.sequence())
                .as("the record of the start, not the one after it")
                .isEqualTo(1);
    }

    @Test
    void notRequired_brokersDown_isAWarning_andAMillionGroupsFitIntoMemory() throws Exception {
        isRequired = false;
        restart();
        assertThat(copied.isStartComplete()).isTrue();
        settle();
        topic.setDown(true);
        write();
        for (int i = 0; i < 1_000_000; i++) {
            copied.forced(1);
        }
        settle();
        assertThat(copied.sequence()).isEqualTo(Long.MAX_VALUE);
        assertThat(copied.outage()).isEmpty();
        assertThat(copied.warning())
                .hasValue("records after 0 are not copied and only on this disk: the brokers are down");
        assertThat(copied.forcedGroups()).isLessThan(20_000);

        topic.setDown(false);
        settle();

        assertThat(copied.copiedUpTo()).isEqualTo(1);
        assertThat(copied.warning()).isEmpty();
        assertThat(copied.forcedGroups()).isZero();
    }

    @Test
    void claimOfAnother_endsTheOwnership_andNamesIt() throws Exception {
        settle();
        topic.append(OTHER.encode());
        write();
        settle();

        assertThat(copied.isOwned()).isFalse();
        assertThat(copied.sequence()).isZero();
        assertThat(copied.outage()).hasValue("another backend owns the log: instance 00000000000000cd on elsewhere");
        assertThat(metric("up")).isZero();
        assertThat(inbox.log().lockLost().orElseThrow())
                .isInstanceOf(SupersededException.class)
                .hasMessageContaining("instance 00000000000000cd on elsewhere has claimed it")
                .hasMessageContaining("move " + directory.resolve("wal") + " away");
        assertThatThrownBy(copied::completeStart).isInstanceOf(SupersededException.class);

        copied.close();
        inbox.close();
        CopyOpening again = opening(topic.connect());
        assertThatThrownBy(again::tryPrepare).isInstanceOf(CopyRefusedException.class);
        assertThatThrownBy(again::prepare)
                .isInstanceOf(SupersededException.class)
                .hasMessageContaining("the log belongs to another backend: instance 00000000000000cd on elsewhere");
    }

    /** A start that was refused leaves the directory and the topic as they were, so that the log can be restored. */
    @Test
    void neitherDiskNorTopicHasTheLog_newLogIsRefused_writesNothing() throws Exception {
        Path wal = directory.resolve("wal");
        copied.close();
        inbox.close();
        Files.move(wal, directory.resolve("lost"));
        topic.createAgain();
        CopyOpening refused = opening(topic.connect());
        refused.setNewLogCheck(() -> {
            throw new IOException("refused");
        });
        assertThatThrownBy(refused::prepare).hasMessage("refused");
        assertThat(wal).isEmptyDirectory();
        assertThat(topic.entries()).isEmpty();

        start();
    }

    @Test
    void noteThatCanNotBeWritten_isReportedOnce_andWrittenLater() throws Exception {
        Path note = directory.resolve("wal").resolve("inbox.copied");
        settle();
        Files.delete(note);
        Path obstacle = Files.createFile(Files.createDirectory(note).resolve("file"));
        write();
        try (LogCapture log = new LogCapture()) {
            settle();
            assertThat(log.lines("the upkeep of the copy failed")).hasSize(1);
        }
        assertThat(copied.sequence()).isEqualTo(1);

        Files.delete(obstacle);
        Files.delete(note);
        settle();

        assertThat(note).isRegularFile();
    }

    @Test
    void close_whileTheBrokersHang_endsTheThread() throws Exception {
        settle();
        copied.close();
        inbox.close();
        CountDownLatch hangs = new CountDownLatch(1);
        Thread[] thread = new Thread[1];
        start(new ForwardingTopic(topic.connect()) {
            @Override
            public CompletionStage<Long> send(byte[] value) {
                if (Thread.currentThread().getName().equals("log-copy")) {
                    thread[0] = Thread.currentThread();
                    hangs.countDown();
                    try {
                        Thread.sleep(Long.MAX_VALUE);
                    } catch (InterruptedException e) {
                        throw new CopyUnavailableException("interrupted", e);
                    }
                }
                return super.send(value);
            }
        });
        copied.start();
        hangs.await();

        copied.close();

        assertThat(thread[0].isAlive()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            claimOfAnother_endsTheOwnership_andNamesIt                             | a superseded owner ends | returning backend.copy.CopiedLog superseded 0
            topicLosesEntries_recordsAreSafeAtOnce_untilEverythingIsCopiedAgain | segments that are copied again stay | notWriting backend.copy.CopiedLog lost copiedUpTo
            topicIsCreatedAgain_withOtherSettings_nothingIsAnsweredUntilItIsMended | a topic that was created again is checked | notCalling backend.copy.CopiedLog step checkTopic
            """)
    void ruleSwitchedOff_breaks(String story, String rule, String change) throws ReflectiveOperationException {
        Class<?>[] types = {String.class, Path.class};
        Object broken = Mutant.without(rule, change)
                .run(CopiedLogTest.class.getName(), "isBroken", types, story, directory.resolve("switched-off"));
        assertThat(broken).isEqualTo(true);
    }

    /** Returns whether a story breaks a promise. */
    static boolean isBroken(String story, Path directory) throws Exception {
        CopiedLogTest test = new CopiedLogTest();
        test.directory = directory;
        test.startFirst();
        try {
            CopiedLogTest.class.getDeclaredMethod(story).invoke(test);
            return false;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof AssertionError) {
                return true;
            }
            throw e;
        } finally {
            test.stop();
        }
    }

    @Test
    void startThatIsInterrupted_fails() {
        topic.setDown(true);
        Thread.currentThread().interrupt();

        assertThatThrownBy(copied::completeStart)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("interrupted");

        assertThat(Thread.interrupted()).isTrue();
    }
}
