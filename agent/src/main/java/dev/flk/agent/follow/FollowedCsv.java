// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvNotices;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.End;
import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.ForeignFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
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

    /** The stored position, until a file was opened. */
    private @Nullable Position stored;

    private boolean isResumed;
    private boolean isOpened;
    private @Nullable FollowedFile file;
    /** The number of rows before the file, and the last of their times. */
    private long rowsBefore;

    private double timeBefore;
    private boolean isChanged;

    /**
     * @param stored the stored position; empty to begin with the first row
     * @throws IOException if the position was stored with other windows; the message says what to do
     */
    FollowedCsv(
            Path csv,
            ForeignFolder folder,
            Source source,
            Certifier certifier,
            Optional<Position> stored,
            CsvNotices notices)
            throws IOException {
        this.csv = csv;
        this.options = options(certifier, source);
        this.rows = new FollowedRows(
                certifier, source.columns(), source.format(), source.windows(), certificates::add, notices);
        this.files = new RotatedCsv(csv, folder, rows);
        this.stored = stored.map(each -> each.windows() == 0 ? each.withoutShards() : each)
                .orElse(null);
        this.windowsBefore = stored.map(Position::windows).orElse(0L);
        requireSame(csv, source, options, stored);
    }

    /** Returns a digest of what determines the windows and shards of a file. */
    static String options(Certifier certifier, Source source) {
        String text = (source.isComplete() ? "complete " + source.columns() : "") + certifier.shardIds() + " "
                + source.windows()
                + source.columns().shard().map(shard -> " by " + shard).orElse("");
        return HexFormat.of().formatHex(Sha256.of(text.getBytes(StandardCharsets.UTF_8)));
    }

    static void requireSame(Path csv, Source source, String options, Optional<Position> stored) throws IOException {
        if (stored.isPresent()
                && stored.get().windows() > 0
                && !stored.get().options().equals(options)) {
            throw new IOException("windows of " + csv + " were certified with other shards or windows; use the same"
                    + " ones, or, to certify all of it again, "
                    + (source.name().isEmpty() ? "remove " + Positions.file(csv) : "give the source another name"));
        }
    }

    @Override
    public boolean turn(List<byte[]> added) throws IOException, MalformedCsv {
        if (!isOpened) {
            open();
        }
        try {
            return read();
        } finally {
            added.addAll(certificates);
            certificates.clear();
        }
    }

    private boolean read() throws IOException, MalformedCsv {
        while (file != null) {
            FollowedFile read = file;
            read.beginTurn();
            if (rows.read(read, this::added) == End.TURN) {
                return read.hasMore() || certificates.size() >= MOST_CERTIFICATES;
            }
            if (rows.rows() > rowsBefore) {
                left.put(rows.file(), position(read, rows.progress()));
            }
            // the first bytes of the next file are read at once, because they identify it if it is truncated
            file = read.next();
            read.close();
            begin();
        }
        return false;
    }

    private void open() throws IOException {
        Position from = stored;
        if (from == null) {
            file = files.open();
        } else {
            Optional<FollowedFile> found =
                    isResumed ? files.next(from, FileTime.fromMillis(from.modifiedMillis())) : files.find(from);
            if (!isResumed) {
                rows.resume(from.progress(), found.isPresent());
                isResumed = true;
                if (found.isEmpty()) {
                    files.lose(from);
                }
            }
            file = found.orElse(null);
        }
        isOpened = file != null;
        begin();
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
        isChanged |= !certificates.isEmpty();
        return certificates.size() < MOST_CERTIFICATES;
    }

    @Override
    public Optional<Position> position() throws IOException {
        FollowedFile read = file;
        if (!isChanged || read == null) {
            return Optional.empty();
        }
        isChanged = false;
        // an open window may have begun in an earlier file
        Progress progress = rows.progress();
        left.headMap(progress.file()).clear();
        Position earlier = left.get(progress.file());
        return Optional.of(earlier == null ? position(read, progress) : earlier.with(progress));
    }

    private Position position(FollowedFile read, Progress progress) throws IOException {
        return Position.in(read, options, progress);
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
