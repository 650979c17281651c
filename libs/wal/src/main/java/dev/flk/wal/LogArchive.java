// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.FileStatus;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.files.ForwardingFiles;
import dev.flk.wal.segment.ChecksummedLine;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The archive of a log: hands the closed segments, oldest first, to a {@link Sink} that stores a copy elsewhere. An
 * archive is a flat set of files:
 *
 * <pre>
 * inbox-20261128-0000000000000001-0123456789abcdef.wal   a closed segment, byte for byte; the last part of the name is
 *                                                        the segment's id. With .gz at the end if it is compressed
 * inbox-0123456789abcdef-89abcdef.mark                   the owner's companion file as it was after this segment was
 *                                                        stored; the last part is the beginning of its SHA-256
 * inbox-lost-1-89abcdef                                  a file of declared losses; with the beginning of its SHA-256
 * </pre>
 *
 * <p>Each name is used for one content only. The archive's position is stored next to the segments in a file such as
 * {@code inbox.archived}, as a {@link ChecksummedLine}:
 *
 * <pre>
 * flk-archived1 log_id segment_id ordinal last losses crc32c
 *
 * log_id      the id of the log, 16 hex digits
 * segment_id  the last segment that is stored; - if none is
 * ordinal     its ordinal: all closed segments up to it are stored; 0 if none is
 * last        all records up to this sequence are in stored segments
 * losses      16 hex digits: the declared losses that are stored
 * </pre>
 *
 * <p>The position is written after the files are stored; a crash in between repeats them. If the position is missing or
 * damaged, or the log is older than it (a copy was put back), all segments are stored again. One thread, which may run
 * concurrently with the log's threads and {@link Retention}; {@link #archivedUpTo}, {@link #isComplete} and {@link
 * #oldestMillis} are for any thread.
 */
public final class LogArchive {
    private static final Pattern TEXT = Pattern.compile(
            "flk-archived1 ([0-9a-f]{16}|-) ([0-9a-f]{16}|-) ([0-9]{1,18}) ([0-9]{1,18})" + " ([0-9a-f]{16})");

    /** The name of the temporary copy of the companion after the prefix; a start of the log removes such a file. */
    private static final String COMPANION_COPY = SegmentNames.OPENING + "companion";

    private static final int MAX_COMPANION_BYTES = 1 << 16;
    private static final int MAX_LOSSES_BYTES = 1 << 24;
    private static final int HASH_IN_NAME = 8;
    private static final int HASH_IN_POSITION = 16;

    private final FileOps files;
    private final LogOptions options;
    private final Log log;
    private final String companion;
    private final Sink sink;
    private final LongSupplier nanoTicker;

    /** The position in the file; null until the first step has read and checked it. */
    private volatile @Nullable Position position;

    /** Whether a listing wrote a new position that no step has reported yet. */
    private boolean isNew;

    private @Nullable Plan plan;

    /** The segment that is stored although the position does not include it yet. */
    private String stored = "";

    private volatile @Nullable Covered covered;
    private volatile long oldestMillis;

    /** A place that stores copies of files. */
    @FunctionalInterface
    public interface Sink {
        /**
         * Stores a copy of a file; it is safe when this method returns. The method may be called again with the same
         * name and the same content.
         *
         * @param file the file to copy; another program may rename it, so it may be missing
         * @throws IOException if the copy may not be safe
         */
        void put(Path file, String name) throws IOException;
    }

    /** The effect of {@link #step}. */
    public enum Done {
        NOTHING,
        /** No position fits this log; all segments are to be stored. */
        STARTED,
        /** A closed segment was stored. */
        ARCHIVED,
        /** The declared losses were stored. */
        LOSSES
    }

    /**
     * The content of the position file.
     *
     * @param last the sequence up to which all records are stored
     */
    private record Position(String logId, String segmentId, long ordinal, long last, String losses) {
        String text() {
            return "flk-archived1 " + logId + " " + segmentId + " " + ordinal + " " + last + " " + losses;
        }
    }

    /**
     * A closed segment that is not stored yet.
     *
     * @param identity the file that was listed; another file may have its name later
     * @param last the position's sequence once the segment is stored
     */
    private record Closed(Listed segment, Object identity, long closedMillis, long last) {}

    /**
     * The files to store, according to one listing.
     *
     * @param active the header of the active segment when the directory was listed
     * @param sinceNanos the time of the listing
     */
    private record Plan(
            SegmentHeader active, long sinceNanos, List<Path> losses, String lossesHash, Deque<Closed> segments) {}

    /** The active segment with its first sequence; all records before it are stored. */
    private record Covered(String activeId, long next) {}

    /**
     * Creates an archive of a log; no file is read or written before {@link #step}.
     *
     * @param options the options of the log
     * @param companion the name of a file of the log's owner that is stored after each segment, if it exists
     * @param nanoTicker monotonic time
     */
    public LogArchive(
            FileOps files, LogOptions options, Log log, String companion, Sink sink, LongSupplier nanoTicker) {
        this.files = files;
        this.options = options;
        this.log = log;
        this.companion = companion;
        this.sink = sink;
        this.nanoTicker = nanoTicker;
    }

    /** Returns the name of the position file for a log with this prefix. */
    public static String file(String prefix) {
        return prefix + ".archived";
    }

    /**
     * Reads up to which sequence all records are stored, for a program that does not run the archive. Returns empty if
     * the log has no archive, and 0 if its position is damaged.
     */
    public static OptionalLong archivedUpTo(FileOps files, Path directory, String prefix) throws IOException {
        return files.list(directory).contains(file(prefix))
                ? OptionalLong.of(
                        read(files, directory, prefix).map(Position::last).orElse(0L))
                : OptionalLong.empty();
    }

    /**
     * The oldest closed segment that is not stored.
     *
     * @param closedMillis the wall time at which it was closed, in milliseconds since the epoch
     */
    public record Waiting(String segment, long closedMillis) {}

    /**
     * Returns the oldest closed segment that is not stored, for a program that does not run the archive; empty if all
     * are stored.
     */
    public static Optional<Waiting> oldestWaiting(FileOps files, Path directory, String prefix) throws IOException {
        return Vanished.retry(() -> {
            long stored = read(files, directory, prefix).map(Position::ordinal).orElse(0L);
            List<Listed> segments = SegmentList.read(files, directory, prefix).segments();
            for (int i = 0; i + 1 < segments.size(); i++) {
                if (segments.get(i).header().ordinal() > stored) {
                    return Optional.of(new Waiting(
                            segments.get(i).name(), segments.get(i + 1).header().openedMillis()));
                }
            }
            return Optional.empty();
        });
    }

    /**
     * Removes the position of a log that is no longer archived. The caller owns the directory.
     *
     * @return whether there was one
     */
    public static boolean forget(FileOps files, Path directory, String prefix) throws IOException {
        if (!files.list(directory).contains(file(prefix))) {
            return false;
        }
        files.delete(directory.resolve(file(prefix)));
        files.forceDirectory(directory);
        return true;
    }

    /** Returns the sequence up to which all records are stored; 0 before the first step. */
    public long archivedUpTo() {
        Position known = position;
        return known == null ? 0 : known.last();
    }

    /** Returns whether all records of the log are stored, as far as a step has noticed. */
    public boolean isComplete() {
        Covered known = covered;
        return known != null && known.activeId().equals(log.newestSegment()) && known.next() == log.forcedEnd();
    }

    /**
     * Returns the wall time at which the oldest segment was closed that is not stored, in milliseconds since the epoch;
     * 0 if all closed segments are stored, as far as a step has noticed.
     */
    public long oldestMillis() {
        return oldestMillis;
    }

    /**
     * Stores the next segment with the files that belong to it, if a segment was closed. Otherwise seals the active
     * segment if it has records and is older than {@link LogOptions.LogSizes#segmentAge}; without appends, the log
     * itself would never close it.
     *
     * @throws IOException if a file can't be stored, read or written; the next call tries again
     */
    public Done step() throws IOException {
        try {
            return Vanished.retry(this::takeStep);
        } catch (IOException | RuntimeException | Error e) {
            plan = null;
            throw e;
        }
    }

    private Done takeStep() throws IOException {
        log.requireOwned();
        Plan current = plan;
        if (current == null
                || (current.segments().isEmpty() && !current.active().id().equals(log.newestSegment()))) {
            current = list();
            plan = current;
        }
        if (current == null) {
            return Done.NOTHING; // the active segment was moved away; the log is about to open another one
        }
        if (isNew) {
            isNew = false;
            return Done.STARTED;
        }
        Position known = Objects.requireNonNull(position);
        if (!current.lossesHash().equals(known.losses())) {
            for (Path file : current.losses()) {
                sink.put(file, nameOfLosses(file));
            }
            write(new Position(known.logId(), known.segmentId(), known.ordinal(), known.last(), current.lossesHash()));
            return Done.LOSSES;
        }
        Closed next = current.segments().peekFirst();
        if (next != null) {
            archive(next, known);
            current.segments().removeFirst();
            noteOldest(current);
            return Done.ARCHIVED;
        }
        boolean isCarriedStored = current.active().carried().isEmpty()
                || known.last() >= current.active().next() - 1;
        covered = isCarriedStored
                ? new Covered(current.active().id(), current.active().next())
                : null;
        sealIfQuiet(current);
        return Done.NOTHING;
    }

    private void archive(Closed next, Position known) throws IOException {
        String id = next.segment().header().id();
        if (!stored.equals(id)) {
            putSegment(next);
            stored = id;
        }
        putCompanion(id);
        write(new Position(
                known.logId(),
                id,
                next.segment().header().ordinal(),
                Math.max(known.last(), next.last()),
                known.losses()));
    }

    /**
     * Stores a segment. If another program or the retention renamed the file meanwhile, throws the exception after
     * which {@link Vanished#retry} lists the directory again; the copy may then be of another file.
     */
    private void putSegment(Closed next) throws IOException {
        Path file = options.directory().resolve(next.segment().name());
        requireSame(file, next.identity());
        try {
            sink.put(file, nameOf(next.segment()));
        } catch (IOException e) {
            requireSame(file, next.identity());
            throw e;
        }
        requireSame(file, next.identity());
    }

    private void requireSame(Path file, @Nullable Object identity) throws IOException {
        Object present = files.status(file).map(FileStatus::identity).orElse(null);
        if (present == null || !present.equals(identity)) {
            plan = null;
            throw new NoSuchFileException(
                    file.toString(), null, "the segment was renamed, compressed or replaced while it was archived");
        }
    }

    private static String nameOf(Listed segment) {
        String opened = SegmentNames.openedName(segment.name());
        String stem = opened.substring(0, opened.length() - SegmentNames.SUFFIX.length());
        return stem + "-" + segment.header().id() + SegmentNames.SUFFIX
                + (segment.name().endsWith(SegmentNames.GZIP) ? SegmentNames.GZIP : "");
    }

    /** Stores a copy of the companion, which its owner may replace while the sink reads. */
    private void putCompanion(String segmentId) throws IOException {
        if (!files.list(options.directory()).contains(companion)) {
            return;
        }
        ByteBuffer content = content(options.directory().resolve(companion), MAX_COMPANION_BYTES);
        String name = options.prefix() + "-" + segmentId + "-" + hash(content, HASH_IN_NAME)
                + companion.substring(companion.lastIndexOf('.'));
        Path copy = options.directory().resolve(options.prefix() + COMPANION_COPY);
        deleteIfPresent(copy);
        try {
            try (OpenFile file = files.create(copy)) {
                file.write(content.duplicate(), 0);
            }
            sink.put(copy, name);
        } finally {
            deleteIfPresent(copy);
        }
    }

    private void deleteIfPresent(Path file) throws IOException {
        if (files.status(file).isPresent()) {
            files.delete(file);
        }
    }

    private void write(Position next) throws IOException {
        log.requireOwned();
        ChecksummedLine.write(files, options.directory(), options.prefix(), file(options.prefix()), next.text());
        position = next;
    }

    private static Optional<Position> read(FileOps files, Path directory, String prefix) throws IOException {
        if (!files.list(directory).contains(file(prefix))) {
            return Optional.empty();
        }
        return ChecksummedLine.read(files, directory.resolve(file(prefix)))
                .map(TEXT::matcher)
                .filter(Matcher::matches)
                .map(text -> new Position(
                        text.group(1),
                        text.group(2),
                        Long.parseLong(text.group(3)),
                        Long.parseLong(text.group(4)),
                        text.group(5)));
    }

    /** Lists what is to be stored; null if the active segment is not in the directory. */
    private @Nullable Plan list() throws IOException {
        String activeId = log.newestSegment();
        Map<String, Object> identities = new HashMap<>();
        for (String name : files.list(options.directory())) {
            files.status(options.directory().resolve(name))
                    .ifPresent(status -> identities.put(name, status.identity()));
        }
        SegmentList list = SegmentList.read(files, options.directory(), options.prefix());
        List<Listed> segments = list.segments();
        int active = 0;
        while (active < segments.size() && !segments.get(active).header().id().equals(activeId)) {
            active++;
        }
        if (active == segments.size()) {
            return null;
        }
        SegmentHeader header = segments.get(active).header();
        Position known = position == null ? begin(list, header) : position;
        Deque<Closed> closed = new ArrayDeque<>();
        for (int i = 0; i < active; i++) {
            Listed segment = segments.get(i);
            if (segment.header().ordinal() > known.ordinal()) {
                boolean isLast = i + 1 == active;
                long end = isLast ? endBefore(segment, segments.get(active)) : segment.countedEnd();
                Object identity = identities.get(segment.name());
                requireSame(options.directory().resolve(segment.name()), identity);
                long closedMillis = segments.get(i + 1).header().openedMillis();
                closed.add(new Closed(segment, Objects.requireNonNull(identity), closedMillis, end - 1));
            }
        }
        List<Path> losses = files.list(options.directory()).stream()
                .filter(name -> name.startsWith(options.prefix() + DeclaredLosses.NAME))
                .map(options.directory()::resolve)
                .toList();
        Plan listed = new Plan(header, nanoTicker.getAsLong(), losses, hashOf(losses), closed);
        noteOldest(listed);
        return listed;
    }

    private void noteOldest(Plan listed) {
        Closed oldest = listed.segments().peekFirst();
        oldestMillis = oldest == null ? 0 : Math.max(1, oldest.closedMillis());
    }

    /**
     * Reads the position. If no position is stored, or this log can't have it, writes one at which nothing is archived.
     * The file makes a retention wait even while the backend is stopped.
     */
    private Position begin(SegmentList list, SegmentHeader active) throws IOException {
        Optional<Position> found = read(files, options.directory(), options.prefix())
                .filter(read -> read.logId().equals(active.logId()))
                .filter(read -> read.ordinal() < active.ordinal() && read.last() < log.forcedEnd())
                .filter(read -> list.segments().stream()
                        .map(Listed::header)
                        .noneMatch(header -> header.ordinal() == read.ordinal()
                                && !header.id().equals(read.segmentId())));
        if (found.isPresent()) {
            position = found.get();
            return found.get();
        }
        Position none = new Position(active.logId(), "-", 0, 0, "0".repeat(HASH_IN_POSITION));
        write(none);
        isNew = true;
        return none;
    }

    /**
     * Returns the sequence after the last record of the last closed segment. If the active segment repeats records of
     * that segment, because a crash or a failed write may have damaged them there, reads the segments without the
     * active one, as a restore does, to find out whether they are intact.
     */
    private long endBefore(Listed last, Listed active) throws IOException {
        if (active.header().carried().isEmpty()) {
            return last.countedEnd();
        }
        FileOps others = new ForwardingFiles(files) {
            @Override
            public List<String> list(Path directory) throws IOException {
                List<String> names = new ArrayList<>(super.list(directory));
                names.remove(active.name());
                names.removeAll(active.copies());
                return names;
            }
        };
        long end = last.countedEnd();
        try (LogReader reader = LogReader.open(
                others, options.directory(), options.prefix(), last.header().first(), OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                end = record.sequence() + 1;
            }
            boolean isIntact =
                    reader.damages().isEmpty() && end >= active.header().next();
            return isIntact ? active.header().next() : last.countedEnd();
        }
    }

    private void sealIfQuiet(Plan current) {
        boolean hasRecords = log.forcedEnd() > current.active().next();
        boolean isOld = nanoTicker.getAsLong() - current.sinceNanos()
                >= options.sizes().segmentAge().toNanos();
        if (hasRecords && isOld) {
            var unused = log.seal(); // if it fails, the next step asks again
        }
    }

    private String nameOfLosses(Path file) throws IOException {
        return file.getFileName() + "-" + hash(content(file, MAX_LOSSES_BYTES), HASH_IN_NAME);
    }

    private String hashOf(List<Path> losses) throws IOException {
        if (losses.isEmpty()) {
            return "0".repeat(HASH_IN_POSITION);
        }
        List<String> names = new ArrayList<>();
        for (Path file : losses) {
            names.add(nameOfLosses(file));
        }
        String all = names.stream().sorted().collect(Collectors.joining("\n"));
        return hash(StandardCharsets.UTF_8.encode(all), HASH_IN_POSITION);
    }

    private ByteBuffer content(Path file, int maxBytes) throws IOException {
        try (OpenFile open = files.openForReading(file)) {
            return open.readUpTo(0, (int) Math.min(open.size(), maxBytes));
        }
    }

    /** Returns the first hex digits of a SHA-256. */
    private static String hash(ByteBuffer content, int digits) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(content.duplicate());
            return HexFormat.of().formatHex(digest.digest()).substring(0, digits);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
