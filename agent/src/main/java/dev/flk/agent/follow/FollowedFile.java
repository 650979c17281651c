// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.FollowedRows;
import dev.flk.agent.certify.FollowedRows.NoMoreYet;
import dev.flk.canonical.Sha256;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A stream of one file of a rotated CSV, read in turns. A read at the end of the file, or of a turn, throws {@link
 * NoMoreYet}. The stream ends when the file is complete: it was renamed, removed or truncated, another file follows it,
 * and since then one look at it found no more bytes. After a truncation, the rest of the content is read from the copy
 * that was made of it.
 *
 * <p>The stream passes on only complete lines while the file grows. If the last line of a truncated or copied file is
 * incomplete, and the next file begins with the rest of this line, the line becomes a part of the next file. Of a line
 * that is too long, the stream passes on only the beginning.
 */
final class FollowedFile extends FollowedRows.File {
    /**
     * The maximum number of bytes before the position that are compared, to recognise that a file was truncated, or
     * that it is the one of an earlier run.
     */
    static final int COMPARED_BYTES = 4096;
    /** The maximum number of bytes at the beginning of a file that are searched for its heading. */
    static final int BEGINNING_BYTES = 1 << 16;

    private static final int CHUNK_BYTES = 8192;
    private static final int LONGEST_LINE_BYTES = 1 << 18;
    private static final int LONGEST_HEADING_BYTES = 1 << 24;
    /** The number of bytes that are read from the disk in a turn. */
    private static final int TURN_BYTES = 1 << 20;

    private final RotatedCsv csv;
    private final FileChannel file;
    private final String key;
    private final boolean isRotated;
    private final byte[] lead;
    private final byte[] inheritedHeading;
    private final ByteArrayOutputStream beginning = new ByteArrayOutputStream();
    /** All bytes that were passed on; null once they are not passed on again. */
    private @Nullable ByteArrayOutputStream repeatable = new ByteArrayOutputStream();

    private @Nullable FileChannel copy;
    private FileTime lastModified;
    private long position;
    /** The last bytes before the position. */
    private byte[] compared = new byte[0];
    /** The bytes that the next reads return. */
    private ByteBuffer complete;
    /** The incomplete last line. */
    private byte[] incomplete = new byte[0];

    /** Whether the incomplete last line is too long, and more of it is left out. */
    private boolean isTooLong;

    private int turnBytes;
    private byte @Nullable [] heading;
    private boolean isTruncated;
    private boolean isLeavable;
    private boolean isOver;
    private @Nullable FollowedFile next;

    /**
     * @param isRotated whether the file has another name than the CSV
     * @param lead the bytes to be read before those of the file, because the file lacks them
     * @param inheritedHeading the heading of the file before; it applies if {@code lead} is not empty
     */
    FollowedFile(
            RotatedCsv csv,
            FileChannel file,
            String key,
            FileTime lastModified,
            boolean isRotated,
            byte[] lead,
            byte[] inheritedHeading) {
        this.csv = csv;
        this.file = file;
        this.key = key;
        this.lastModified = lastModified;
        this.isRotated = isRotated;
        this.lead = lead;
        this.inheritedHeading = inheritedHeading;
        this.complete = ByteBuffer.wrap(lead);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        while (!complete.hasRemaining() && !isOver) {
            readFile();
        }
        int read = Math.min(length, complete.remaining());
        if (read == 0 && length > 0) {
            return -1;
        }
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
    public void begun() {
        repeatable = null;
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
        int read = readSource(chunk);
        if (read > 0) {
            turnBytes += read;
            isLeavable = false;
            if (!isTruncated) { // otherwise, the time belongs to the next content
                lastModified = csv.lastModified(key).orElse(lastModified);
            }
            take(Arrays.copyOf(chunk.array(), chunk.position()));
        } else if (isLeavable) {
            leave();
        } else {
            isLeavable = csv.hasNext(this);
            throw new NoMoreYet();
        }
    }

    private int readSource(ByteBuffer chunk) throws IOException {
        if (!isTruncated) {
            int read = file.read(chunk, position);
            if (hasComparedBytes(file)) {
                return read;
            }
            // the chunk may contain bytes from before and after the truncation
            chunk.clear();
            copy = csv.copyOf(this);
            isTruncated = true;
        }
        return copy == null ? -1 : copy.read(chunk, position);
    }

    /** Returns whether a file has, before the position, the bytes that were read from there. */
    boolean hasComparedBytes(FileChannel candidate) throws IOException {
        return candidate.size() >= position
                && Arrays.equals(RotatedCsv.bytes(candidate, position - compared.length, compared.length), compared);
    }

    private void take(byte[] bytes) throws IOException {
        position += bytes.length;
        byte[] all = FollowedRows.joined(compared, bytes);
        compared = Arrays.copyOfRange(all, Math.max(0, all.length - COMPARED_BYTES), all.length);
        byte[] first = FollowedRows.joined(beginning(), bytes);
        boolean isWide = FollowedRows.isWide(first);
        int from = 0;
        while (isTooLong && from < bytes.length && bytes[from] != '\n' && bytes[from] != '\r') {
            from++;
        }
        if (isTooLong && from == bytes.length) {
            return;
        }
        byte[] text = FollowedRows.joined(incomplete, Arrays.copyOfRange(bytes, from, bytes.length));
        text = isWide ? text : FollowedRows.withoutNulBlocks(text);
        int added = text.length - incomplete.length;
        beginning.write(text, text.length - added, Math.min(added, BEGINNING_BYTES - beginning.size()));
        int end = isWide ? FollowedRows.lastWideLineEnd(first, text) : FollowedRows.lastLineEnd(text);
        complete = ByteBuffer.wrap(text, 0, end);
        incomplete = Arrays.copyOfRange(text, end, text.length);
        isTooLong = incomplete.length > LONGEST_LINE_BYTES;
        if (isWide && isTooLong) {
            throw new IOException("a line in UTF-16 or UTF-32 is longer than " + LONGEST_LINE_BYTES + " bytes");
        }
    }

    private void leave() throws IOException {
        FollowedFile following = csv.next(this).orElse(null);
        isLeavable = false;
        isOver = following != null;
        next = following;
        if (following != null && !following.continues(incomplete) && !isLossPossible()) {
            complete = ByteBuffer.wrap(incomplete);
        }
    }

    private boolean continues(byte[] line) {
        return line.length > 0 && lead.length > inheritedHeading.length;
    }

    /** Returns the file that follows this one; null before the end of the stream, or if following was stopped. */
    @Nullable
    FollowedFile next() {
        return next;
    }

    @Override
    public Optional<String> otherName() throws IOException {
        String path = csv.otherNameOf(key).orElse("");
        return lead.length > 0
                ? Optional.of(path + " (line numbers include the heading of an earlier file)")
                        .map(String::strip)
                : Optional.of(path).filter(name -> !name.isEmpty());
    }

    /** Returns whether bytes that were not read may be missing, because the file was truncated and has no copy. */
    private boolean isLossPossible() {
        return isTruncated && copy == null;
    }

    /** Returns whether the last line may continue in the next file: this one was truncated, or may be a copy. */
    boolean mayEndWithinLine() {
        return isTruncated || isRotated;
    }

    /** Returns whether the file was truncated. */
    boolean isTruncated() {
        return isTruncated;
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

    /** Returns the digest of the last bytes before the position. */
    String digest() {
        return HexFormat.of().formatHex(Sha256.of(compared));
    }

    /** Returns the bytes that are read before those of the file, because the file lacks them. */
    byte[] lead() {
        return lead;
    }

    /** Returns the first bytes of the file. */
    byte[] beginning() {
        return beginning.toByteArray();
    }

    byte[] incomplete() {
        return incomplete;
    }

    /** Returns the heading that applies to this file. */
    byte[] heading() throws IOException {
        if (lead.length > 0) {
            return inheritedHeading;
        }
        byte[] known = heading;
        if (known != null) {
            return known;
        }
        byte[] found = csv.rows().heading(beginning());
        if (FollowedRows.lastLineEnd(beginning()) > found.length) {
            heading = found; // a row follows
        }
        return found;
    }

    @Override
    public void close() throws IOException {
        isOver = true;
        file.close();
        if (copy != null) {
            copy.close();
        }
    }
}
