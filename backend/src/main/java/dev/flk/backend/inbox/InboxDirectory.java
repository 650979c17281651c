// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.backend.inbox.Checkpoint.Line;
import dev.flk.wal.Log;
import dev.flk.wal.LogRestore;
import dev.flk.wal.LogRestore.Restored;
import dev.flk.wal.SegmentArchive;
import dev.flk.wal.SegmentArchive.ArchivedLog;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.LogId;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.ToLongFunction;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The directory of an inbox log while no backend uses it: creates a new log in it on purpose, or restores a log from an
 * archive. Both lock the directory, as a backend does. One thread.
 */
public final class InboxDirectory {
    private static final Pattern SEGMENT_ID = Pattern.compile("(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])");

    private final FileOps files;
    private final Path directory;
    private final RandomGenerator random;
    private final String holder;

    /**
     * @param random a source for ids
     * @param holder the name of this process in the lock file
     */
    public InboxDirectory(FileOps files, Path directory, RandomGenerator random, String holder) {
        this.files = files;
        this.directory = directory;
        this.random = random;
        this.holder = holder;
    }

    /**
     * The part of a log that is decided.
     *
     * @param logId the id under which a shared store keeps the position of the log, 32 hex digits
     * @param upTo the sequence up to which everything is decided and recorded in the store
     */
    public record Decided(String logId, long upTo) {}

    /**
     * Returns the part that is decided, as a running backend saved it a few seconds ago; empty if nothing says so.
     * Changes nothing, and does not lock the directory.
     */
    public Optional<Decided> decided() throws IOException {
        return Checkpoint.find(files, directory).map(kept -> new Decided(kept.logId(), kept.mark()));
    }

    /**
     * Makes an empty directory a new log, with new ids. A backend that starts in it knows that the log is new on
     * purpose.
     *
     * @return the id under which a shared store will keep the position of the log, 32 hex digits
     * @throws IOException if the directory contains files of a log, or is in use
     */
    public String createLog() throws IOException {
        files.createDirectories(directory);
        Closeable lock = files.lock(directory.resolve(Log.LOCK_FILE), holder);
        try {
            // after a kill between the two files, only inbox.id exists
            List<String> names = files.list(directory).stream()
                    .filter(name ->
                            name.startsWith(Inbox.SEGMENT_PREFIX) && !name.equals(LogId.file(Inbox.SEGMENT_PREFIX)))
                    .toList();
            if (!names.isEmpty()) {
                throw new IOException(directory + " contains files of a log, such as " + names.get(0)
                        + "; a new log needs an empty directory: move them away, or name another directory");
            }
            LogId.write(files, directory, Inbox.SEGMENT_PREFIX, HexFormat.of().toHexDigits(random.nextLong()));
            String id = newId();
            Checkpoint.write(files, directory, new Line(id, 0, 0, 0));
            return id;
        } finally {
            lock.close();
        }
    }

    private String newId() {
        return "%016x%016x".formatted(random.nextLong(), random.nextLong());
    }

    /**
     * A log that was restored.
     *
     * @param positionId the id under which a shared store keeps the position of the log, 32 hex digits
     * @param isNewId whether the id is new, because the archive contains no {@code inbox.mark}
     * @param removed the sequence up to which the lost log had removed its records
     * @param decided the highest sequence that the lost log is known to have decided
     * @param ignored the files in the archive that are no part of the log
     */
    public record RestoredInbox(
            Restored log, String positionId, boolean isNewId, long removed, long decided, List<String> ignored) {

        /** Copies the list. */
        public RestoredInbox {
            ignored = List.copyOf(ignored);
        }
    }

    /**
     * Restores a log from an archive into the directory, which must be empty.
     *
     * @param from the file operations of the archive
     * @param archive the directory of the archive
     * @param wantedLog the log to restore, 16 hex digits; null if the archive contains only one
     * @param usedUpTo finds the highest sequence that the log with an id in the store is known to have used; 0 if it is
     *     not known
     * @param mayDrawId whether to draw a new id if the archive does not contain {@code inbox.mark}. A shared store does
     *     not know the new id and receives all outcomes again
     * @throws IOException if the archive contains no such log, or several logs and {@code wantedLog} is null, or no
     *     {@code inbox.mark} and {@code mayDrawId} is not set; if the directory is in use or not empty; or if a disk
     *     fails
     */
    public RestoredInbox restore(
            FileOps from, Path archive, @Nullable String wantedLog, boolean mayDrawId, ToLongFunction<String> usedUpTo)
            throws IOException {
        SegmentArchive segments = SegmentArchive.read(from, archive);
        String logId = choose(segments, archive, wantedLog);
        List<Mark> marks = marks(from, archive, segments, logId);
        Optional<Line> newest = newest(marks);
        if (newest.isEmpty() && !mayDrawId) {
            throw new IOException("no inbox.mark of log " + logId + " is in " + archive
                    + ". It contains the id under which a shared store keeps the position of the log, and shows which"
                    + " records were removed after their retention. Add one of its archived copies, or restore with"
                    + " --new-id: the store then receives all outcomes again under a new id, and records missing at"
                    + " the beginning count as lost");
        }
        Line mark = newest.orElseGet(() -> new Line(newId(), 0, 0, 0));
        Restored restored = new LogRestore(segments, files, directory, Inbox.SEGMENT_PREFIX, holder)
                .run(
                        logId,
                        mark.removed(),
                        Math.max(mark.decided(), usedUpTo.applyAsLong(mark.logId())),
                        log -> Checkpoint.write(files, directory, restored(mark, log.last())));
        return new RestoredInbox(
                restored, mark.logId(), newest.isEmpty(), mark.removed(), mark.decided(), ignored(segments, marks));
    }

    /**
     * Returns the mark of a restored log. It says that nothing is recorded in the store that the lost log had not
     * removed, so that a start puts all outcomes into the store again, unless it has them. The mark of the lost log does
     * not fit, because the records that overruled submissions before it may not be archived; and the last group of the
     * archive may have been refused, and its sequences given to other records.
     */
    private static Line restored(Line mark, long last) {
        return new Line(mark.logId(), Math.min(recordedUpTo(mark), last), mark.decided(), mark.removed());
    }

    private static long recordedUpTo(Line mark) {
        return mark.removed();
    }

    private static String choose(SegmentArchive segments, Path archive, @Nullable String wantedLog) throws IOException {
        List<ArchivedLog> logs = segments.logs();
        if (logs.isEmpty()) {
            throw new IOException("there are no segments in " + archive + "; name the directory of the archive");
        }
        if (wantedLog == null && logs.size() > 1) {
            throw new IOException(archive + " contains several logs; choose one with --log: " + describe(logs));
        }
        if (wantedLog != null && logs.stream().noneMatch(log -> log.logId().equals(wantedLog))) {
            throw new IOException("log " + wantedLog + " is not in " + archive + ", which contains " + describe(logs));
        }
        return wantedLog == null ? logs.get(0).logId() : wantedLog;
    }

    private static String describe(List<ArchivedLog> logs) {
        return logs.stream()
                .map(log -> log.logId() + " (" + log.segments() + (log.segments() == 1 ? " segment, " : " segments, ")
                        + Instant.ofEpochMilli(log.from()) + " to " + Instant.ofEpochMilli(log.to()) + ")")
                .collect(Collectors.joining(", "));
    }

    /**
     * An archived {@code inbox.mark}.
     *
     * @param ordinal the ordinal of the segment that is named in the file's name; empty if the name contains no id of
     *     an archived segment
     */
    private record Mark(String file, Line line, OptionalLong ordinal) {}

    /**
     * Returns the archived copies of {@code inbox.mark} that belong to a log. A copy does not contain the id of the log,
     * so it belongs to the log whose segment its name contains or, if it contains none, to the only log of the archive.
     */
    private static List<Mark> marks(FileOps from, Path archive, SegmentArchive segments, String logId)
            throws IOException {
        boolean isOnlyLog = segments.logs().size() == 1;
        List<Mark> marks = new ArrayList<>();
        for (String name : segments.others()) {
            Optional<Line> line = Checkpoint.read(from, archive.resolve(name));
            if (line.isPresent()) {
                OptionalLong ordinal = ordinalIn(name, segments, logId);
                if (ordinal.isPresent() || isOnlyLog) {
                    marks.add(new Mark(name, line.get(), ordinal));
                }
            }
        }
        return marks;
    }

    private static OptionalLong ordinalIn(String name, SegmentArchive segments, String logId) {
        Matcher ids = SEGMENT_ID.matcher(name);
        while (ids.find()) {
            Optional<Long> ordinal = segments.ordinal(logId, ids.group());
            if (ordinal.isPresent()) {
                return OptionalLong.of(ordinal.get());
            }
        }
        return OptionalLong.empty();
    }

    /**
     * Returns what the newest mark says, with the highest sequences of all marks that have its id. A mark whose file
     * was deleted got another id when it was written again, so the newest segment decides which id is the last one.
     */
    private static Optional<Line> newest(List<Mark> marks) {
        Comparator<Mark> age = Comparator.<Mark>comparingLong(
                        mark -> mark.ordinal().orElse(-1))
                .thenComparingLong(mark -> mark.line().decided())
                .thenComparingLong(mark -> mark.line().removed());
        Optional<Line> newest = marks.stream().max(age).map(Mark::line);
        return newest.map(line -> marks.stream()
                .map(Mark::line)
                .filter(other -> other.logId().equals(line.logId()))
                .reduce(
                        line,
                        (one, other) -> new Line(
                                one.logId(),
                                one.mark(),
                                Math.max(one.decided(), other.decided()),
                                Math.max(one.removed(), other.removed()))));
    }

    private static List<String> ignored(SegmentArchive segments, List<Mark> marks) throws IOException {
        List<String> ignored = new ArrayList<>();
        List<String> known = marks.stream().map(Mark::file).toList();
        for (String name : segments.others()) {
            if (!known.contains(name) && !segments.isDeclaration(name)) {
                ignored.add(name);
            }
        }
        return ignored;
    }
}
