// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CompleteRows;
import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.agent.certify.FollowedRows.ShardProgress;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.ForeignFolder;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A CSV that is complete when it appears. It is certified once, as {@code certify} does: all rows are read first, and
 * if a line has a mistake, nothing is certified.
 */
final class CompleteCsv implements SourceFile {
    private static final Logger LOG = LoggerFactory.getLogger(CompleteCsv.class);
    /** How long a file must not change before it is read. */
    private static final Duration SETTLED_AFTER = Duration.ofSeconds(10);

    private static final int TURN_ROWS = 10_000;
    private static final int MOST_CERTIFICATES = 256;
    private static final int FIRST_BYTES = 4096;
    /** The settled notation in the position of a file that is certified. */
    private static final String DONE = "done";

    private final Path csv;
    private final ForeignFolder folder;
    private final Source source;
    private final Certifier certifier;
    private final String options;
    private final InstantSource clock;
    private final List<byte[]> certificates = new ArrayList<>();

    private State before;
    /** The digest of the first bytes of the content with this state. */
    private String digest = "";
    /** The digest of all bytes of this content; empty until they were read. */
    private String content = "";
    /** The same of the content that was certified before; empty if it is not known. */
    private String certifiedContent = "";

    private boolean isCertifiedBefore;
    /** The time since which the file has not changed, as far as known. */
    private long changedMillis;
    /** The number of windows that were certified before the restart and are made again. */
    private long again;

    private long windows;
    private long readRows;
    private boolean isChecked;
    private boolean isDone;
    private @Nullable DigestInputStream stream;
    private @Nullable CsvRows csvRows;
    private @Nullable CompleteRows rows;

    /** The attributes of the file, which change with its content. */
    private record State(String key, long length, long modifiedMillis) {
        static final State UNKNOWN = new State("", -1, 0);

        static State of(Path csv) throws IOException {
            BasicFileAttributes found = Files.readAttributes(csv, BasicFileAttributes.class);
            return new State(
                    String.valueOf(found.fileKey()),
                    found.size(),
                    found.lastModifiedTime().toMillis());
        }

        boolean isOf(Position stored) {
            return equals(new State(stored.key(), stored.length(), stored.modifiedMillis()));
        }
    }

    /** The exception for a file that has other content than when it was certified. */
    static final class Changed extends IOException {
        private static final long serialVersionUID = 1;

        private Changed(Path csv) {
            super(csv + " was changed after it was certified, so its rows are not certified again; write new rows to a"
                    + " new file, or follow the file without \"complete\" in a source of another name");
        }
    }

    /**
     * @param stored the stored position; empty to begin with the first row
     * @throws IOException if the file was certified before and has other content now, or was certified in part with
     *     other windows; the message says what to do
     */
    CompleteCsv(
            Path csv,
            ForeignFolder folder,
            Source source,
            Certifier certifier,
            Optional<Position> stored,
            InstantSource clock)
            throws IOException {
        this.csv = csv;
        this.folder = folder;
        this.source = source;
        this.certifier = certifier;
        this.options = FollowedCsv.options(certifier, source);
        this.clock = clock;
        this.before = State.UNKNOWN;
        if (stored.isPresent()
                && digest(stored.get().length()).equals(stored.get().digest())) {
            FollowedCsv.requireSame(csv, options, stored);
            if (State.of(csv).length() != stored.get().length()) {
                throw new Changed(csv);
            }
            again = stored.get().windows();
            certifiedContent = stored.get().other();
            isCertifiedBefore = isDone(stored.get());
        }
    }

    /** Returns whether a file was certified and did not change since then. */
    static boolean isDone(Path csv, Position stored) throws IOException {
        return isDone(stored) && State.of(csv).isOf(stored);
    }

    private static boolean isDone(Position stored) {
        return stored.progress().settled().equals(DONE);
    }

    /** Returns the digest of the first bytes of a file, or of its first part with this length. */
    private String digest(long length) throws IOException {
        try (InputStream in = Channels.newInputStream(folder.open(csv))) {
            return HexFormat.of().formatHex(Sha256.of(in.readNBytes((int) Math.min(length, FIRST_BYTES))));
        }
    }

    @Override
    public boolean turn(List<byte[]> added) throws IOException, MalformedCsv {
        State now = State.of(csv);
        if (!now.equals(before)) {
            boolean isFirst = before.equals(State.UNKNOWN);
            if (!isFirst && !isDone && Math.max(windows, again) > 0) {
                throw new IOException(csv + " changes while it is certified; let its writer give it its name when it is"
                        + " complete, or follow the file without \"complete\"");
            }
            close();
            isChecked = false;
            changedMillis = isFirst ? now.modifiedMillis() : clock.millis();
            digest = digest(now.length());
            before = now;
        }
        changedMillis = Math.min(changedMillis, clock.millis()); // the clock of the writer may be ahead
        if (isDone || clock.millis() - changedMillis < SETTLED_AFTER.toMillis()) {
            return false;
        }
        try {
            read();
        } finally {
            added.addAll(certificates);
            certificates.clear();
        }
        return !isDone;
    }

    private void read() throws IOException, MalformedCsv {
        if (rows == null) {
            open();
        }
        long before = readRows;
        boolean hasMore = true;
        boolean isTurnOver = false;
        while (hasMore && !isTurnOver) {
            long last = readRows;
            hasMore = rows != null && rows.read(1);
            readRows = csvRows == null ? 0 : csvRows.rows();
            isTurnOver = readRows == last || readRows - before >= TURN_ROWS || certificates.size() >= MOST_CERTIFICATES;
        }
        if (!hasMore) {
            end();
        }
    }

    private void open() throws IOException, MalformedCsv {
        stream = new DigestInputStream(Channels.newInputStream(folder.open(csv)), sha256());
        csvRows = new CsvRows(stream, source.columns(), source.format());
        rows = isChecked
                ? CompleteRows.certified(csvRows, source.windows(), certifier, this::take)
                : CompleteRows.checked(csvRows, source.windows());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private void take(byte[] certificate) {
        windows++;
        if (windows > again) {
            certificates.add(certificate);
        }
    }

    private void end() throws IOException, MalformedCsv {
        if (isChecked) {
            isDone = true;
        } else if (csvRows != null && stream != null) {
            if (readRows == 0) {
                throw csvRows.noRows();
            }
            stream.transferTo(OutputStream.nullOutputStream());
            content = HexFormat.of().formatHex(stream.getMessageDigest().digest());
            if (again > 0 && !certifiedContent.isEmpty() && !certifiedContent.equals(content)) {
                throw new Changed(csv);
            }
            isDone = isCertifiedBefore; // its time or its inode changed, but not its content
            LOG.info("reads {}: {}", csv, csvRows.facts());
            csvRows.lastMayBeCut().ifPresent(warning -> LOG.warn("{}: {}", csv, warning));
        }
        isChecked = true;
        close();
    }

    /** Returns whether all rows are certified. */
    boolean isDone() {
        return isDone;
    }

    @Override
    public Optional<Position> position() {
        if (windows == 0 && !isDone) {
            return Optional.empty();
        }
        Progress progress = new Progress(
                0, readRows, 0, 0, isDone ? DONE : "", List.of(new ShardProgress("", Math.max(windows, again), 0, 0)));
        return Optional.of(new Position(
                before.key(),
                before.length(),
                digest,
                before.modifiedMillis(),
                options,
                progress,
                new byte[0],
                new byte[0],
                content));
    }

    @Override
    public Optional<Position> start() {
        return Optional.empty(); // the file is not rotated
    }

    @Override
    public Counts counts() {
        CompleteRows open = rows;
        return new Counts(
                open == null ? 0 : open.shards(),
                readRows,
                open == null ? 0 : open.openRows(),
                Math.max(0, windows - again));
    }

    @Override
    public void close() throws IOException {
        if (stream != null) {
            stream.close();
        }
        stream = null;
        csvRows = null;
        rows = null;
    }
}
