// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.InboxDirectory;
import dev.flk.backend.inbox.InboxDirectory.RestoredInbox;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRefusedException;
import dev.flk.copy.CopyStart;
import dev.flk.copy.CopyStart.Started;
import dev.flk.copy.CopyTopic;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.kafka.KafkaTopic;
import dev.flk.copy.kafka.TopicCheck;
import dev.flk.program.health.Finding;
import dev.flk.wal.Log;
import dev.flk.wal.LogRestore;
import dev.flk.wal.files.FileOps;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The start of a copied log, before it is opened: checks the topic, restores the log if this machine has none, compares
 * both, and claims the log. Waits for the brokers. One thread.
 */
public final class CopyOpening implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.copy");
    private static final long ASK_AGAIN_MILLIS = 1_000;

    private final Path directory;
    private final FileOps files;
    private final FileOps beside;
    private final boolean takeOver;
    private final InstantSource clock;
    private final Claim claim;
    private final RandomGenerator random;
    private final CopyTopic topic;
    private final Check check;
    private final boolean isRequired;
    private final ToLongFunction<String> usedTerm;
    private final LongSupplier nanoTicker;
    private Check newLog = () -> {};
    private boolean isHandedOver;
    private volatile String reported = "";
    private volatile @Nullable CopiedLog following;
    private String identity = "";
    private @Nullable Started started;

    /** A check that a start must pass to continue. */
    public interface Check {
        /**
         * Runs the check.
         *
         * @throws IOException if something must be changed; the message says what
         */
        void run() throws IOException;
    }

    /**
     * @param directory the directory of the log
     * @param instance the id of this process, 16 hex digits
     * @param host the name of this machine
     * @param usedTerm returns the term of a claim of the log with this id, 32 hex digits, in other topics than the copy's
     */
    public CopyOpening(
            CopyConfig config,
            Path directory,
            FileOps files,
            String instance,
            String host,
            InstantSource clock,
            ToLongFunction<String> usedTerm) {
        this(
                new KafkaTopic(config.kafka(), config.topic()),
                () -> requireTopic(config),
                config.isRequired(),
                directory,
                files,
                files,
                instance,
                host,
                config.takeOver(),
                new SecureRandom(),
                clock,
                usedTerm,
                System::nanoTime);
    }

    /** @param beside the file operations of the directory in which the copy is collected */
    CopyOpening(
            CopyTopic topic,
            Check check,
            boolean isRequired,
            Path directory,
            FileOps files,
            FileOps beside,
            String instance,
            String host,
            boolean takeOver,
            RandomGenerator random,
            InstantSource clock,
            ToLongFunction<String> usedTerm,
            LongSupplier nanoTicker) {
        this.topic = topic;
        this.check = check;
        this.isRequired = isRequired;
        this.directory = directory;
        this.files = files;
        this.beside = beside;
        this.takeOver = takeOver;
        this.random = random;
        this.clock = clock;
        this.usedTerm = usedTerm;
        this.nanoTicker = nanoTicker;
        this.claim = new Claim(HexFormat.of().toHexDigits(random.nextLong()), instance, clock.millis(), host);
    }

    /** Sets the check whether a new log may begin, for a directory without a log if the copy has none either. */
    public void setNewLogCheck(Check check) {
        newLog = check;
    }

    /**
     * Makes the directory ready for the log to be opened. Blocks until the brokers answer.
     *
     * @throws SupersededException if another backend owns the log, or the copy is not one of this log
     * @throws IOException if the topic or the log can't be used; the message says what to do
     */
    public void prepare() throws IOException {
        while (true) {
            try {
                tryPrepare();
                return;
            } catch (CopyUnavailableException e) {
                tell("Error reaching Kafka: " + e.getMessage());
            } catch (CopyRefusedException e) {
                if (!e.mayPass()) {
                    throw new SupersededException(String.valueOf(e.getMessage()));
                }
                tell(String.valueOf(e.getMessage()));
            }
            try {
                Thread.sleep(ASK_AGAIN_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("the start was interrupted while it waited for Kafka", e);
            }
        }
    }

    /**
     * Makes the directory ready, or fails if it has to wait.
     *
     * @throws CopyUnavailableException if the brokers do not answer
     */
    void tryPrepare() throws IOException, CopyRefusedException {
        check.run();
        files.createDirectories(directory);
        if (Inbox.isAbsent(files.list(directory)) || isHalfRestored()) {
            restore();
        }
        if (Inbox.isAbsent(files.list(directory))) {
            newLog.run(); // before anything is claimed or written, so that the directory can still be restored to
        }
        LogRestore.requireFinished(files, directory, Inbox.SEGMENT_PREFIX);
        Closeable lock = lock();
        Started begun;
        try {
            identity = topic.identity();
            Optional<String> log = Inbox.logId(files, directory);
            begun = new CopyStart(files, directory, Inbox.SEGMENT_PREFIX, topic, clock)
                    .run(claim, takeOver, () -> log.stream().mapToLong(usedTerm).sum());
        } finally {
            lock.close();
        }
        started = begun;
        begun.lost().ifPresent(lost -> LOG.error("{}: everything that this machine retains is copied again", lost));
    }

    private boolean isHalfRestored() {
        try {
            LogRestore.requireFinished(files, directory, Inbox.SEGMENT_PREFIX);
            return false;
        } catch (IOException e) {
            return true; // a restore begins again
        }
    }

    private Closeable lock() throws IOException {
        return files.lock(
                directory.resolve(Log.LOCK_FILE),
                "process " + ProcessHandle.current().pid());
    }

    private static void requireTopic(CopyConfig config) throws IOException {
        List<Finding> findings = new TopicCheck(config.kafka(), config.topic()).findings(true);
        for (Finding finding : findings) {
            if (finding.grade() == Finding.Grade.BAD) {
                throw new IOException(finding.text());
            }
        }
    }

    /** Restores the log from the copy; does nothing if the copy has none. */
    private void restore() throws IOException, CopyRefusedException {
        TakenDirectory taken = new TakenDirectory(beside, directory);
        long bytes = new CopyStart(beside, taken.path(), Inbox.SEGMENT_PREFIX, topic, clock)
                .takeAll(taken.path(), claim, takeOver);
        if (bytes > 0) {
            LOG.warn("{} has no log; it is restored from the copy, {} bytes", directory, bytes);
            RestoredInbox restored = new InboxDirectory(
                            files,
                            directory,
                            random,
                            "process " + ProcessHandle.current().pid())
                    .restore(beside, taken.path(), null, false, id -> 0);
            LOG.warn("restored {} records of the log", restored.log().records());
        }
        taken.remove();
    }

    /** Returns what the start waits for. Any thread. */
    public String waitsFor() {
        CopiedLog copied = following;
        return copied == null
                ? reported.isEmpty() ? "the copy is compared with the log" : reported
                : copied.problem().orElse("the end of the log is copied");
    }

    private void tell(String problem) {
        if (!problem.equals(reported)) {
            LOG.error("{}", problem);
        }
        reported = problem;
    }

    /**
     * Copies what the open log has and the copy has not, and then everything that is written to it.
     *
     * @throws SupersededException if another backend has claimed the log meanwhile
     */
    public CopiedLog follow(Inbox inbox, CopyMetrics metrics) throws IOException {
        CopiedLog copied = copied(inbox);
        following = copied;
        metrics.watch(copied);
        try {
            copied.completeStart();
            return copied.start();
        } catch (IOException | RuntimeException e) {
            copied.close();
            throw e;
        }
    }

    /** Returns the copy of the open log, which has not been started. */
    CopiedLog copied(Inbox inbox) {
        CopiedLog copied = new CopiedLog(
                files, inbox, topic, check, identity, Objects.requireNonNull(started), isRequired, clock, nanoTicker);
        isHandedOver = true;
        return copied;
    }

    /** Closes the topic, unless the copied log owns it. */
    @Override
    public void close() {
        if (!isHandedOver) {
            topic.close();
        }
    }
}
