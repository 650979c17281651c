// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvNotices;
import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.follow.RotatedCsv.Before;
import dev.flk.agent.follow.RotatedCsv.Sibling;
import dev.flk.program.files.ForeignFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A CSV that grows and is rotated. It is read from its stored position, or from the beginning. If a crash comes before
 * a position is stored, the last certificates are made again with the same {@code pcs_id}, and the backend records each
 * of them once.
 */
final class FollowedCsv implements SourceFile {
    private static final Logger LOG = LoggerFactory.getLogger(FollowedCsv.class);
    /** The number of certificates after which a turn ends. */
    private static final int MOST_CERTIFICATES = 256;

    private final Path csv;
    private final String options;
    private final FollowedRows rows;
    private final RotatedCsv files;
    private final List<byte[]> certificates = new ArrayList<>();
    private final long windowsBefore;
    /** The positions at the ends of the files that were left, by their numbers, while they may have open windows. */
    private final NavigableMap<Long, Position> left = new TreeMap<>();

    /** The stored position; empty to begin with the first row. */
    private final Optional<Position> stored;

    private boolean isResumed;
    private @Nullable FollowedFile file;
    /** The number of rows before the file, and the last of their times. */
    private long rowsBefore;

    private double timeBefore;
    private boolean isChanged;
    /** The position before the first row of all; empty if another one was stored. */
    private Optional<Position> start = Optional.empty();

    /**
     * @param stored the stored position; empty to begin with the first row
     * @param isOther whether a file is a CSV of its own, whatever its name is
     * @throws IOException if the position was stored with other windows; the message says what to do
     */
    FollowedCsv(
            Path csv,
            ForeignFolder folder,
            Source source,
            Certifier certifier,
            Optional<Position> stored,
            Predicate<Path> isOther,
            CsvNotices notices)
            throws IOException {
        this.csv = csv;
        this.options = options(certifier, source);
        this.rows = new FollowedRows(
                certifier, source.columns(), source.format(), source.windows(), certificates::add, notices);
        this.files = new RotatedCsv(csv, folder, rows, isOther);
        this.stored = stored.map(each -> each.windows() == 0 ? each.withoutShards() : each);
        this.windowsBefore = stored.map(Position::windows).orElse(0L);
        requireSame(csv, options, stored);
    }

    /** Returns a digest of what determines the windows and shards of a file. */
    static String options(Certifier certifier, Source source) {
        String text = (source.isComplete() ? "complete " + source.columns() : "") + certifier.shardIds() + " "
                + source.windows()
                + source.columns().shard().map(shard -> " by " + shard).orElse("");
        return RotatedCsv.digest(text.getBytes(StandardCharsets.UTF_8));
    }

    static void requireSame(Path csv, String options, Optional<Position> stored) throws IOException {
        if (stored.isPresent()
                && stored.get().windows() > 0
                && !stored.get().options().equals(options)) {
            throw new IOException("windows of " + csv + " were certified with other shards or windows; use the same"
                    + " ones, or, to certify all of it again, give the source another name");
        }
    }

    @Override
    public boolean turn(List<byte[]> added) throws IOException, MalformedCsv {
        try {
            file = file == null ? open() : file;
            return read();
        } finally {
            added.addAll(certificates);
            certificates.clear();
        }
    }

    private @Nullable FollowedFile open() throws IOException {
        if (stored.isEmpty()) {
            return files.open();
        }
        Position from = stored.get();
        Optional<FollowedFile> found = isResumed ? Optional.empty() : files.find(from);
        if (!isResumed) {
            rows.resume(from.progress(), found.isPresent());
            begin();
            if (found.isEmpty()) {
                files.lose(from);
            }
        }
        isResumed = true;
        return found.isPresent() ? found.get() : afterLost(from);
    }

    /** Opens the file after the one of a position, which is lost; returns null if it has no line yet. */
    private @Nullable FollowedFile afterLost(Position position) throws IOException {
        Before lost = new Before(
                Optional.empty(),
                true,
                FileTime.fromMillis(position.modifiedMillis()),
                position.heading(),
                new byte[0]);
        Optional<Sibling> next = files.next(lost);
        return next.isPresent() ? files.open(next.get(), lost).orElse(null) : null;
    }

    private boolean read() throws IOException, MalformedCsv {
        boolean isContinued = true;
        while (file != null && isContinued) {
            FollowedFile read = file;
            read.beginTurn();
            rows.read(read, this::added);
            if (read.hasMore() || certificates.size() >= MOST_CERTIFICATES) {
                return true;
            }
            // the first bytes of the next file are read at once, because they identify it if it is truncated
            isContinued = isContinued(read);
        }
        return false;
    }

    /** Looks where the content of a file is after its last bytes. Returns whether it continues in another file. */
    private boolean isContinued(FollowedFile read) throws IOException {
        if (files.isCurrent(read)) {
            return false;
        }
        Optional<Sibling> now = files.find(read.content());
        if (now.isPresent() && !now.get().key().equals(read.key())) {
            files.move(read, now.get());
            return true;
        }
        if (now.isEmpty()) {
            files.requireNotShorter(read);
        }
        Before before = read.before(now.isEmpty(), now.map(Sibling::modified).orElse(read.lastModified()));
        Optional<Sibling> next = files.next(before);
        // the writer may still write to the file before, which has another name now
        return next.isPresent() && read.becomesQuiet() && isLeft(read, before, next.get());
    }

    /** Continues with the next file, unless a rotation is in progress. */
    private boolean isLeft(FollowedFile read, Before before, Sibling next) throws IOException {
        boolean isIntact = read.isIntact();
        boolean hasRows = read.content().hasRows();
        FollowedFile following = files.open(next, before).orElse(null);
        if (following == null) {
            return false;
        }
        if (rows.rows() > rowsBefore) {
            left.put(rows.file(), Position.in(read, options, rows.progress()));
        }
        file = following;
        begin();
        try (read) {
            if (!isIntact && hasRows) {
                files.loseTruncated();
            }
            if (before.rest().length > 0 && (isIntact || hasRows)) {
                boolean isCut = following.cutLines() > 0;
                rows.leaveOutRest(
                        read,
                        isCut
                                ? "has no line end, so its rest may be the first line of the next file; neither is"
                                        + " certified"
                                : "has no line end, so it may be cut",
                        text(before.rest())
                                + (isCut ? "\n" + text(files.firstLine(next)).strip() : ""));
            }
        }
        return true;
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private void begin() {
        rowsBefore = rows.rows();
        timeBefore = rows.lastTime();
    }

    private boolean added() throws IOException {
        if (rows.rows() == rowsBefore + 1) {
            String before = "before row 1" + time(rows.lastTime()) + " of the next file ";
            report(rowsBefore, timeBefore, before);
            isChanged = true;
        }
        if (stored.isEmpty() && rows.rows() == 1) {
            start = Optional.of(position(rows.progress().beginning()));
        }
        isChanged |= !certificates.isEmpty();
        return certificates.size() < MOST_CERTIFICATES;
    }

    @Override
    public Optional<Position> start() {
        return start;
    }

    @Override
    public Optional<Position> position() throws IOException {
        if (!isChanged) {
            return Optional.empty();
        }
        isChanged = false;
        start = Optional.empty();
        // an open window may have begun in an earlier file
        Progress progress = rows.progress();
        left.headMap(progress.file()).clear();
        Position earlier = left.get(progress.file());
        return Optional.of(earlier == null ? position(progress) : earlier.with(progress));
    }

    private Position position(Progress progress) {
        return Position.in(Objects.requireNonNull(file), options, progress);
    }

    /** Reports the rows that may be missing before a file, each once. */
    private void report(long lastRow, double lastTime, String before) {
        String after = lastRow == 0 ? "" : "after row " + lastRow + time(lastTime) + " ";
        String and = after.isEmpty() || before.isEmpty() ? "" : "and ";
        for (String why : files.takeLosses()) {
            LOG.error("{}: rows {}{}{}are not certified, if there were any: {}", csv, after, and, before, why);
        }
    }

    private String time(double seconds) {
        return rows.hasTimes() && Double.isFinite(seconds)
                ? " (" + Instant.ofEpochMilli(Math.round(seconds * 1_000)) + ")"
                : "";
    }

    @Override
    public Counts counts() {
        return new Counts(rows.shards(), rows.rows(), rows.openRows(), Math.max(windowsBefore, rows.windows()));
    }

    @Override
    public void close() throws IOException {
        report(rows.rows(), rows.lastTime(), "");
        if (file != null) {
            file.close();
        }
    }
}
