// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.wal.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The low-water mark as it is kept beside the log, in a file that is replaced whole. One line of ASCII:
 *
 * <pre>
 * flk-mark1 log_id mark decided removed crc32c
 *
 * log_id   32 hex digits, drawn when the file is made: whose position it is that a shared store holds
 * mark     everything in the log up to this sequence is decided and recorded in the store
 * decided  the highest that the mark ever was: up to here everything was decided, whatever the store has lost since
 * removed  everything up to this sequence was removed, decided and past its retention, or is about to be; or it was not there any
 *          more when this file was made
 * crc32c   8 hex digits, of what stands before the space before it
 * </pre>
 *
 * It lags behind, which costs a start some work and nothing else. A file that is missing or broken costs more of the same: the
 * whole log is asserted again. Safe for any thread.
 */
final class Checkpoint {
    /** Its name in the directory of the log. */
    static final String FILE = "inbox.mark";

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final String FRESH = FILE + "-fresh";
    private static final Pattern LINE =
            Pattern.compile("(flk-mark1 ([0-9a-f]{32}) ([0-9]{1,19}) ([0-9]{1,19}) ([0-9]{1,19})) ([0-9a-f]{8})\n");
    private static final int MAX_BYTES = 256;

    private final FileOps files;
    private final Path directory;

    // guarded by this
    private Line line;

    private record Line(String logId, long mark, long decided, long removed) {

        byte[] encode() {
            String text = "flk-mark1 " + logId + " " + mark + " " + decided + " " + removed;
            return (text + " " + crc(text) + "\n").getBytes(StandardCharsets.US_ASCII);
        }

        private static String crc(String text) {
            CRC32C crc = new CRC32C();
            crc.update(text.getBytes(StandardCharsets.US_ASCII));
            return "%08x".formatted(crc.getValue());
        }
    }

    private Checkpoint(FileOps files, Path directory, Line line) {
        this.files = files;
        this.directory = directory;
        this.line = line;
    }

    /**
     * Makes it, where it is missing or broken. The caller owns the directory.
     *
     * @param knownId whose log it is, if something else still knows
     * @param removed the records before the first that is there; why they are gone is not known
     * @throws IOException if it can't be made durable
     */
    static Checkpoint make(
            FileOps files, Path directory, RandomGenerator random, Optional<String> knownId, long removed)
            throws IOException {
        if (files.list(directory).contains(FILE)) {
            LOG.warn("{} is not as it was written: all of the log is asserted again", directory.resolve(FILE));
        }
        String logId = knownId.orElseGet(() -> "%016x%016x".formatted(random.nextLong(), random.nextLong()));
        Checkpoint made = new Checkpoint(files, directory, new Line(logId, 0, 0, removed));
        made.write(made.line);
        return made;
    }

    /** Reads it; empty if it is missing or broken. Changes nothing. */
    static Optional<Checkpoint> find(FileOps files, Path directory) throws IOException {
        Matcher matcher = LINE.matcher(new String(read(files, directory), StandardCharsets.US_ASCII));
        if (!matcher.matches() || !Line.crc(matcher.group(1)).equals(matcher.group(6))) {
            return Optional.empty();
        }
        return Optional.of(new Checkpoint(
                files,
                directory,
                new Line(
                        matcher.group(2),
                        Long.parseLong(matcher.group(3)),
                        Long.parseLong(matcher.group(4)),
                        Long.parseLong(matcher.group(5)))));
    }

    private static byte[] read(FileOps files, Path directory) throws IOException {
        if (!files.list(directory).contains(FILE)) {
            return new byte[0];
        }
        ByteBuffer buffer = ByteBuffer.allocate(MAX_BYTES);
        try (FileOps.OpenFile file = files.openForReading(directory.resolve(FILE))) {
            while (buffer.hasRemaining() && file.read(buffer, buffer.position()) > 0) {
                // until the end of the file
            }
        }
        byte[] bytes = new byte[buffer.flip().remaining()];
        buffer.get(bytes);
        return bytes;
    }

    /**
     * Brings it back to where the log ends, if that lost its end: sequences from there on are given to new records.
     *
     * @return whether the log was known to go further
     * @throws IOException if that could not be kept
     */
    synchronized boolean endsWith(long last) throws IOException {
        boolean shorter = line.decided() > last;
        if (shorter) {
            Line next = new Line(line.logId(), Math.min(line.mark(), last), last, Math.min(line.removed(), last));
            write(next);
            line = next;
        }
        return shorter;
    }

    /** Whose log it is. */
    synchronized String logId() {
        return line.logId();
    }

    /** Everything up to it is decided and recorded in the store. */
    synchronized long mark() {
        return line.mark();
    }

    /** Everything up to it was decided once; never below the mark. */
    synchronized long decided() {
        return line.decided();
    }

    /** Everything up to it may have been removed, decided and past its retention. */
    synchronized long removed() {
        return line.removed();
    }

    /**
     * Keeps the mark, as it is when this has its turn, lower or higher than before; durable when it returns.
     *
     * @throws IOException if that failed; what was kept before stands then, or the new one
     */
    synchronized void keep(LowWater lowWater) throws IOException {
        keep(lowWater.mark(), line.removed());
    }

    /**
     * Keeps that everything up to {@code removed} is about to be removed, and the mark; durable when it returns.
     *
     * @throws IOException if that failed
     */
    synchronized void keepRemoved(LowWater lowWater, long removed) throws IOException {
        keep(lowWater.mark(), Math.max(removed, line.removed()));
    }

    /** Keeps that everything up to {@code removed} is about to be removed, while no backend runs. */
    synchronized void keepRemoved(long removed) throws IOException {
        keep(line.mark(), Math.max(removed, line.removed()));
    }

    private void keep(long mark, long removed) throws IOException {
        Line next = new Line(line.logId(), mark, Math.max(mark, line.decided()), removed);
        if (!next.equals(line)) {
            write(next);
            line = next;
        }
    }

    private void write(Line next) throws IOException {
        Path fresh = directory.resolve(FRESH);
        if (files.list(directory).contains(FRESH)) {
            files.delete(fresh); // a crash left it
        }
        try (FileOps.OpenFile file = files.create(fresh)) {
            file.write(ByteBuffer.wrap(next.encode()), 0);
            file.force();
        }
        files.move(fresh, directory.resolve(FILE));
        files.forceDirectory(directory);
    }
}
