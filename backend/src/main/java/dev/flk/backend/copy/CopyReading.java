// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.copy.CopyContent;
import dev.flk.copy.CopyContent.Compared;
import dev.flk.copy.CopyContent.OnlyHere;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRefusedException;
import dev.flk.copy.CopyTopic;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.kafka.KafkaTopic;
import dev.flk.wal.SegmentArchive;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The copy of a log as commands read it while no backend uses the log. Never claims the log, and writes nothing to the
 * topic. Every method fails with an {@link IOException} if the brokers can't be reached. One thread.
 */
public final class CopyReading {
    private final String name;
    private final boolean isRequired;
    private final Supplier<CopyTopic> open;
    private @Nullable TakenDirectory taken;

    public CopyReading(CopyConfig config) {
        this(config.topic(), config.isRequired(), () -> new KafkaTopic(config.kafka(), config.topic()));
    }

    /**
     * @param name the name of the topic
     * @param isRequired whether only what is copied is answered
     * @param open opens a connection to the topic
     */
    public CopyReading(String name, boolean isRequired, Supplier<CopyTopic> open) {
        this.name = name;
        this.isRequired = isRequired;
        this.open = open;
    }

    /** Returns the name of the topic. */
    public String topic() {
        return name;
    }

    /** Returns whether only what is copied is answered. */
    public boolean isRequired() {
        return isRequired;
    }

    /** Returns how many bytes of each segment the copy has, by the id of the segment. */
    public Map<String, Long> segments() throws IOException {
        return read(CopyContent::segments);
    }

    /**
     * Writes segments of the copy to a directory next to the log, where they stay until {@link #removeTaken}.
     *
     * @param directory the directory of the log, which the caller owns
     * @param intact the ids of the segments that are not needed
     */
    public SegmentArchive take(FileOps files, Path directory, Set<String> intact) throws IOException {
        TakenDirectory target = new TakenDirectory(files, directory);
        taken = target;
        return read(content -> {
            content.write(files, target.path(), id -> !intact.contains(id));
            return SegmentArchive.read(files, target.path());
        });
    }

    /** Removes what {@link #take} has written. */
    public void removeTaken() throws IOException {
        if (taken != null) {
            taken.remove();
            taken = null;
        }
    }

    /**
     * The records of a log that its copy lacks. They follow each other.
     *
     * @param first the sequence of the first one; 0 if the copy has all records
     * @param last the sequence of the last one; 0 if the copy has all records
     * @param owner which backend owns the log, and whether to stop it; empty if that is not known
     * @param lost a loss of entries that the topic had acknowledged; empty if no loss is known
     */
    public record Difference(long records, long first, long last, Optional<String> owner, Optional<String> lost) {}

    /**
     * Compares a log with its copy.
     *
     * @throws IOException also if the topic has no log, or another one
     */
    public Difference compare(FileOps files, Path directory) throws IOException {
        return read(content -> {
            try {
                Compared found = content.compare(files, directory, Inbox.SEGMENT_PREFIX);
                return new Difference(
                        found.onlyHere().records(),
                        found.onlyHere().first(),
                        found.onlyHere().last(),
                        found.owner().map(owner -> describe(owner, found.beatMillis())),
                        found.lost());
            } catch (CopyRefusedException e) {
                throw new IOException(
                        e.getMessage() + ": a start without this log would not get it back. Check LOG_NAME, KAFKA_TOPIC"
                                + " and KAFKA_BROKERS",
                        e);
            }
        });
    }

    private static String describe(Claim owner, long beatMillis) {
        String alive = beatMillis == 0
                ? "has ended"
                : "was alive at " + Instant.ofEpochMilli(beatMillis) + ": stop it before you start a backend here";
        return owner.millis() == 0
                ? "the backend that owns the log " + alive
                : "instance " + owner.instance() + " on " + owner.host() + " has owned the log since "
                        + Instant.ofEpochMilli(owner.millis()) + " and " + alive;
    }

    /** Returns the records that are not known to be copied, without reading the topic, which may have some of them. */
    public static Difference notKnownToBeCopied(FileOps files, Path directory) throws IOException {
        OnlyHere found = CopyContent.notKnownToBeCopied(files, directory, Inbox.SEGMENT_PREFIX);
        return new Difference(found.records(), found.first(), found.last(), Optional.empty(), Optional.empty());
    }

    private interface Use<T> {
        T of(CopyContent content) throws IOException;
    }

    private <T> T read(Use<T> use) throws IOException {
        try (CopyTopic topic = open.get()) {
            return use.of(new CopyContent(topic));
        } catch (CopyUnavailableException e) {
            throw new CopyUnreadableException(e);
        }
    }

    /** The copy can't be read. */
    public static final class CopyUnreadableException extends IOException {
        private static final long serialVersionUID = 1;

        CopyUnreadableException(CopyUnavailableException cause) {
            super("the copy of the log can't be read: " + cause.getMessage(), cause);
        }
    }
}
