// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.NoMoreYet;
import dev.flk.agent.follow.RotatedCsv.Before;
import dev.flk.agent.follow.RotatedCsv.Content;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A stream of one file of a rotated CSV, read in turns. A read at the end of the file, or of a turn, throws {@link
 * NoMoreYet}. The stream passes on only complete lines. Of a line that is too long, it passes on only the beginning.
 */
final class FollowedFile extends FollowedRows.File {
    private static final int CHUNK_BYTES = 8192;
    private static final int LONGEST_LINE_BYTES = 1 << 18;
    private static final int LONGEST_HEADING_BYTES = 1 << 24;
    /** The number of bytes that are read from the disk in a turn. */
    private static final int TURN_BYTES = 1 << 20;

    private final RotatedCsv csv;
    private final Start start;
    private FileChannel file;
    private String key;
    /** All bytes that were passed on; null once they are not passed on again. */
    private @Nullable ByteArrayOutputStream repeatable = new ByteArrayOutputStream();

    private FileTime lastModified;
    private long position;
    /** The first bytes of the file. */
    private byte[] beginning = new byte[0];
    /** The last bytes before the position. */
    private byte[] compared = new byte[0];
    /** The bytes that the next reads return. */
    private ByteBuffer complete;
    /** The incomplete last line. */
    private byte[] incomplete = new byte[0];

    /** Whether the incomplete last line is too long, and more of it is left out. */
    private boolean isTooLong;

    private int turnBytes;
    private byte[] heading;
    private boolean isQuiet;

    /**
     * The relation of a file to the one before it.
     *
     * @param heading the heading of the file before: the lines before its first row
     * @param lacksHeading whether this heading applies, because the file has none
     * @param isCut whether the first line may be the rest of a line of the file before
     * @param isReplacement whether the file before it is lost
     */
    record Start(byte[] heading, boolean lacksHeading, boolean isCut, boolean isReplacement) {
        byte[] lead() {
            return lacksHeading ? heading : new byte[0];
        }
    }

    FollowedFile(RotatedCsv csv, FileChannel file, String key, FileTime lastModified, Start start) {
        this.csv = csv;
        this.file = file;
        this.key = key;
        this.lastModified = lastModified;
        this.start = start;
        this.heading = start.heading();
        this.complete = ByteBuffer.wrap(start.lead());
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        while (!complete.hasRemaining()) {
            readFile();
        }
        int read = Math.min(length, complete.remaining());
        complete.get(target, offset, read);
        if (repeatable != null) {
            if (repeatable.size() > LONGEST_HEADING_BYTES) {
                throw new IOException("the lines before the first row have more than " + LONGEST_HEADING_BYTES
                        + " bytes; is this a CSV file?");
            }
            repeatable.write(target, offset, read);
        }
        return read;
    }

    @Override
    public int available() {
        return complete.remaining();
    }

    @Override
    public void reset() {
        ByteArrayOutputStream before = Objects.requireNonNull(repeatable);
        byte[] rest = new byte[complete.remaining()];
        complete.get(rest);
        complete = ByteBuffer.wrap(FollowedRows.joined(before.toByteArray(), rest));
        before.reset();
    }

    @Override
    public void begun(long headingLines) {
        byte[] first = Objects.requireNonNull(repeatable).toByteArray();
        int end = 0;
        for (long line = 0; line < headingLines; line++) {
            end = FollowedRows.lineEnd(first, end);
        }
        heading = Arrays.copyOf(first, end);
        repeatable = null;
    }

    @Override
    public void headed(byte[] line) {
        heading = FollowedRows.joined(heading, line);
    }

    @Override
    public long cutLines() {
        return start.isCut() ? lines(start.lead()) + 1 : 0;
    }

    @Override
    public String whyEarlier() {
        return start.isReplacement()
                ? "the file was replaced by a shorter one, or by one with other rows"
                : "was the clock set back?";
    }

    /** Begins a turn, in which a bounded number of bytes is read. */
    void beginTurn() {
        turnBytes = 0;
    }

    /** Returns whether the last turn ended although more bytes may be on the disk. */
    boolean hasMore() {
        return turnBytes >= TURN_BYTES || complete.hasRemaining();
    }

    private void readFile() throws IOException {
        if (turnBytes >= TURN_BYTES) {
            throw new NoMoreYet();
        }
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
        int read = file.read(chunk, position);
        if (read <= 0 || !isIntact()) { // the chunk may contain bytes from before and after a truncation
            throw new NoMoreYet();
        }
        turnBytes += read;
        isQuiet = false;
        lastModified = csv.lastModified(key).orElse(lastModified);
        take(Arrays.copyOf(chunk.array(), chunk.position()));
    }

    /** Returns whether the file still has, before the position, the bytes that were read from there. */
    boolean isIntact() throws IOException {
        return file.size() >= position
                && Arrays.equals(RotatedCsv.bytes(file, position - compared.length, compared.length), compared);
    }

    private void take(byte[] bytes) {
        position += bytes.length;
        byte[] all = FollowedRows.joined(compared, bytes);
        compared = Arrays.copyOfRange(all, Math.max(0, all.length - RotatedCsv.COMPARED_BYTES), all.length);
        if (beginning.length < RotatedCsv.COMPARED_BYTES) {
            byte[] first = FollowedRows.joined(beginning, bytes);
            beginning = Arrays.copyOf(first, Math.min(first.length, RotatedCsv.COMPARED_BYTES));
        }
        int from = 0;
        while (isTooLong && from < bytes.length && bytes[from] != '\n' && bytes[from] != '\r') {
            from++;
        }
        if (isTooLong && from == bytes.length) {
            return;
        }
        byte[] text = withoutNulBlocks(FollowedRows.joined(incomplete, Arrays.copyOfRange(bytes, from, bytes.length)));
        int end = FollowedRows.lastLineEnd(text);
        complete = ByteBuffer.wrap(text, 0, end);
        incomplete = Arrays.copyOfRange(text, end, text.length);
        isTooLong = incomplete.length > LONGEST_LINE_BYTES;
    }

    /** Returns a text in which a block of NUL, as a crash leaves it, is a single one. */
    static byte[] withoutNulBlocks(byte[] text) {
        byte[] kept = new byte[text.length];
        int length = 0;
        for (byte each : text) {
            if (each != 0 || length == 0 || kept[length - 1] != 0) {
                kept[length++] = each;
            }
        }
        return Arrays.copyOf(kept, length);
    }

    /** Continues in another file, which has the content that was read. */
    void moveTo(FileChannel other, String otherKey) throws IOException {
        file.close();
        file = other;
        key = otherKey;
    }

    /** Returns whether a call found no more bytes before, and none were read since then. */
    boolean becomesQuiet() {
        boolean wasQuiet = isQuiet;
        isQuiet = true;
        return wasQuiet;
    }

    @Override
    public Optional<String> otherName() throws IOException {
        String path = csv.otherNameOf(key).orElse("");
        return start.lacksHeading()
                ? Optional.of(path + " (line numbers include the heading of an earlier file)")
                        .map(String::strip)
                : Optional.of(path).filter(name -> !name.isEmpty());
    }

    /** Returns the identity of the file: its inode. */
    String key() {
        return key;
    }

    FileTime lastModified() {
        return lastModified;
    }

    /** Returns the number of bytes of the file that were read. */
    long position() {
        return position;
    }

    /** Returns what was read of the file. */
    Content content() {
        boolean hasRows = isBeginningTelling();
        boolean isHeadingLong = repeatable == null && headingBytes() >= RotatedCsv.COMPARED_BYTES;
        return new Content(
                key,
                position,
                RotatedCsv.digest(beginning),
                RotatedCsv.digest(compared),
                hasRows || (isHeadingLong && position > headingBytes()),
                hasRows);
    }

    /** Returns whether the first bytes have a line after the heading with a digit, as every row has. */
    private boolean isBeginningTelling() {
        boolean hasDigit = false;
        for (int i = headingBytes(); repeatable == null && i < beginning.length; i++) {
            hasDigit |= beginning[i] >= '0' && beginning[i] <= '9';
            if (hasDigit && beginning[i] == '\n') {
                return true;
            }
        }
        return false;
    }

    private static long lines(byte[] text) {
        long lines = 0;
        for (int end = FollowedRows.lineEnd(text, 0); end > 0; end = FollowedRows.lineEnd(text, end)) {
            lines++;
        }
        return lines;
    }

    /** Returns this file as a complete or lost one. */
    Before before(boolean isLost, FileTime modified) {
        return new Before(Optional.of(content()), isLost, modified, heading, incomplete);
    }

    /** Returns the bytes that are read before those of the file, because the file lacks them. */
    byte[] lead() {
        return start.lead();
    }

    /** Returns the first bytes of the file. */
    byte[] beginning() {
        return beginning;
    }

    /** Returns the lines before the first row; those of the file before until the first row is read. */
    byte[] heading() {
        return heading;
    }

    /** Returns the number of bytes of the file before its first row. */
    int headingBytes() {
        return start.lacksHeading() ? 0 : heading.length;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
