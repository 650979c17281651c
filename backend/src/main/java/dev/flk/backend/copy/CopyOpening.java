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
import dev.flk.wal.files.FileOps;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
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

    private final CopyConfig config;
    private final Path directory;
    private final FileOps files;
    private final boolean takeOver;
    private final InstantSource clock;
    private final Claim claim;
    private final SecureRandom random = new SecureRandom();
    private final CopyTopic topic;
    private boolean isHandedOver;
    private String told = "";
    private String identity = "";
    private @Nullable Started started;

    private interface Attempt<T> {
        T make() throws IOException, CopyRefusedException;
    }

    /**
     * @param directory the directory of the log
     * @param instance the id of this process, 16 hex digits
     * @param host the name of this machine
     * @param takeOver whether to claim a log whose owner may be alive
     */
    public CopyOpening(
            CopyConfig config,
            Path directory,
            FileOps files,
            String instance,
            String host,
            boolean takeOver,
            InstantSource clock) {
        this.config = config;
        this.directory = directory;
        this.files = files;
        this.takeOver = takeOver;
        this.clock = clock;
        this.claim = new Claim(HexFormat.of().toHexDigits(random.nextLong()), instance, clock.millis(), host);
        this.topic = new KafkaTopic(config.kafka(), config.topic());
    }

    /**
     * Makes the directory ready for the log to be opened. Blocks until the brokers answer.
     *
     * @throws IOException if the topic or the log can't be used; the message says what to do
     */
    public void prepare() throws IOException {
        waiting(() -> {
            requireTopic();
            return null;
        });
        files.createDirectories(directory);
        if (Inbox.isAbsent(files, directory)) {
            restore();
        }
        started = waiting(() -> {
            try (Closeable lock = lock()) {
                identity = topic.identity();
                return new CopyStart(files, directory, Inbox.SEGMENT_PREFIX, topic, clock).run(claim, takeOver);
            }
        });
        if (started.taken() > 0) {
            LOG.warn(
                    "this machine's log was an older one: {} bytes that only the copy had were written to it",
                    started.taken());
        }
        started.lost().ifPresent(lost -> LOG.error("{}: everything that this machine retains is copied again", lost));
    }

    private Closeable lock() throws IOException {
        return files.lock(
                directory.resolve(Log.LOCK_FILE),
                "process " + ProcessHandle.current().pid());
    }

    private void requireTopic() throws IOException {
        List<Finding> findings = new TopicCheck(config.kafka(), config.topic()).findings(true);
        for (Finding finding : findings) {
            if (finding.grade() == Finding.Grade.BAD) {
                throw new IOException(finding.text());
            }
        }
    }

    /** Restores the log from the copy; does nothing if the copy has none. */
    private void restore() throws IOException {
        Path archive = directory.toAbsolutePath().resolveSibling(directory.getFileName() + ".taken");
        remove(archive);
        files.createDirectories(archive);
        long bytes = waiting(() -> {
            remove(archive);
            files.createDirectories(archive);
            return new CopyStart(files, archive, Inbox.SEGMENT_PREFIX, topic, clock).takeAll(archive, claim, takeOver);
        });
        if (bytes > 0) {
            LOG.warn("{} has no log; it is restored from the copy, {} bytes", directory, bytes);
            RestoredInbox restored = new InboxDirectory(
                            files,
                            directory,
                            random,
                            "process " + ProcessHandle.current().pid())
                    .restore(files, archive, null, false);
            LOG.warn("restored {} records of the log", restored.log().records());
        }
        remove(archive);
    }

    private static void remove(Path archive) throws IOException {
        if (Files.exists(archive)) {
            try (Stream<Path> all = Files.walk(archive)) {
                for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Repeats an attempt until the brokers answer, and until the owner of the log is no longer alive. */
    private <T> T waiting(Attempt<T> attempt) throws IOException {
        while (true) {
            try {
                return attempt.make();
            } catch (CopyUnavailableException e) {
                tell("Error reaching Kafka: " + e.getMessage());
            } catch (CopyRefusedException e) {
                if (!e.mayPass()) {
                    throw new IOException(e.getMessage(), e);
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

    private void tell(String problem) {
        if (!problem.equals(told)) {
            LOG.error("{}", problem);
        }
        told = problem;
    }

    /**
     * Copies what the open log has and the copy has not, and then everything that is written to it.
     *
     * @throws IOException if another backend has claimed the log meanwhile
     */
    public CopiedLog follow(Inbox inbox) throws IOException {
        CopiedLog copied = new CopiedLog(
                files,
                inbox,
                topic,
                identity,
                Objects.requireNonNull(started),
                config.isRequired(),
                clock,
                System::nanoTime);
        isHandedOver = true;
        try {
            copied.completeStart();
            return copied.start();
        } catch (IOException | RuntimeException e) {
            copied.close();
            throw e;
        }
    }

    /** Closes the topic, unless the copied log owns it. */
    @Override
    public void close() {
        if (!isHandedOver) {
            topic.close();
        }
    }
}
