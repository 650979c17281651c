// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.wal.files.FileOps;
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
 * The saved low-water mark, a file next to the log that is replaced atomically. It contains one line of ASCII:
 *
 * <pre>
 * flk-mark1 log_id mark decided removed crc32c
 *
 * log_id   32 hex digits: the id that the embedded store contains, otherwise drawn when the file is created; a shared
 *          store keeps its position under this id
 * mark     everything in the log up to this sequence is decided and recorded in the store
 * decided  the highest mark so far: everything up to it was decided, whatever the store has lost since
 * removed  records up to this sequence may be missing: they were removed after they were decided and their retention
 *          had passed, are about to be removed, or were already missing when this file was created
 * crc32c   8 hex digits, of the text before the preceding space
 * </pre>
 *
 * The saved mark may be lower than the current mark; the next start then decides the records between the two again.
 * If the file is missing or damaged, the next start decides the entire log again. Safe for any thread.
 */
final class Checkpoint {
    /** The name of the file in the directory of the log. */
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

    /** The content of a file, without its checksum. */
    record Line(String logId, long mark, long decided, long removed) {

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
     * Creates the file if it is missing, or replaces it if it is damaged. The caller must hold the lock of the
     * directory.
     *
     * @param knownId the id of the log according to the store; if empty, a new id is drawn
     * @param removed the number of records before the first existing record. Whether they were removed after their
     *     retention or are lost is unknown; they are treated as removed
     * @throws IOException if the file can't be made durable
     */
    static Checkpoint make(
            FileOps files, Path directory, RandomGenerator random, Optional<String> knownId, long removed)
            throws IOException {
        if (files.list(directory).contains(FILE)) {
            LOG.warn(
                    "{} is damaged and is replaced: all certificates in the log are decided again, and outcomes in the"
                            + " dedup store do not change",
                    directory.resolve(FILE));
        }
        String logId = knownId.orElseGet(() -> "%016x%016x".formatted(random.nextLong(), random.nextLong()));
        Checkpoint made = new Checkpoint(files, directory, new Line(logId, 0, 0, removed));
        made.write(made.line);
        return made;
    }

    /** Writes the file of a log that is being restored or created. The caller must hold the lock of the directory. */
    static void write(FileOps files, Path directory, Line line) throws IOException {
        new Checkpoint(files, directory, line).write(line);
    }

    /** Reads the file; returns empty if it is missing or damaged. Changes nothing. */
    static Optional<Checkpoint> find(FileOps files, Path directory) throws IOException {
        return files.list(directory).contains(FILE)
                ? read(files, directory.resolve(FILE)).map(line -> new Checkpoint(files, directory, line))
                : Optional.empty();
    }

    /** Reads an existing file with any name; returns empty if it is not an undamaged checkpoint. */
    static Optional<Line> read(FileOps files, Path path) throws IOException {
        try (FileOps.OpenFile file = files.openForReading(path)) {
            Matcher matcher = LINE.matcher(StandardCharsets.US_ASCII
                    .decode(file.readUpTo(0, MAX_BYTES))
                    .toString());
            return matcher.matches() && Line.crc(matcher.group(1)).equals(matcher.group(6))
                    ? Optional.of(new Line(
                            matcher.group(2),
                            Long.parseLong(matcher.group(3)),
                            Long.parseLong(matcher.group(4)),
                            Long.parseLong(matcher.group(5))))
                    : Optional.empty();
        }
    }

    /**
     * Compares the checkpoint with the end of the log, {@code last}. If the log has lost its end, lowers the checkpoint
     * to {@code last}, because new records receive the sequences after {@code last} and are not decided yet.
     *
     * @return whether the log has lost its end: it once extended beyond {@code last}
     * @throws IOException if the change could not be saved
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

    /** Returns the id of the log. */
    synchronized String logId() {
        return line.logId();
    }

    /** Returns the sequence up to which everything is decided and recorded in the store. */
    synchronized long mark() {
        return line.mark();
    }

    /** Returns the sequence up to which everything was once decided and recorded; never below the mark. */
    synchronized long decided() {
        return line.decided();
    }

    /**
     * Returns the sequence up to which records may be missing: they were removed after their retention, are about to be
     * removed, or were already missing when the file was created.
     */
    synchronized long removed() {
        return line.removed();
    }

    /**
     * Saves the current low-water mark, which may be lower or higher than the mark saved before. The change is durable
     * when this method returns.
     *
     * @throws IOException if the mark can't be made durable; the file then contains either the old or the new mark
     */
    synchronized void keep(LowWater lowWater) throws IOException {
        keep(lowWater.mark(), line.removed());
    }

    /**
     * Saves the low-water mark, together with the fact that all records up to {@code removed} are about to be removed.
     * Both are durable when this method returns.
     *
     * @throws IOException if that fails
     */
    synchronized void keepRemoved(LowWater lowWater, long removed) throws IOException {
        keep(lowWater.mark(), Math.max(removed, line.removed()));
    }

    /**
     * Saves the fact that all records up to {@code removed} are about to be removed, and leaves the saved mark
     * unchanged. Used while the backend is stopped.
     */
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
            files.delete(fresh); // left by a crash
        }
        try (FileOps.OpenFile file = files.create(fresh)) {
            file.write(ByteBuffer.wrap(next.encode()), 0);
            file.force();
        }
        files.move(fresh, directory.resolve(FILE));
        files.forceDirectory(directory);
    }
}
