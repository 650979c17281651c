// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Storage.Head;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The file {@code answered} in the directory of the state. It contains the id of the history and the revision up to
 * which commits were answered. The log and RocksDB can't always detect that the newest part of their files is missing;
 * a comparison with this file detects this. The file is written after a batch is on disk and before the batch is
 * answered. The write is not forced: it survives a kill of the process, but after a power failure, the file may be
 * older than the database, though never newer.
 *
 * <pre>
 * 4 bytes     "FLKA"
 * 8           the revision
 * 8           the inode of this file, which differs in a copy; 0 on file systems without inodes
 * 1, n        length of the history's id; the id in UTF-8
 * 4           CRC32C of all bytes before it
 * </pre>
 *
 * <p>Integers are big-endian. One thread at a time.
 */
final class AnsweredFile implements AutoCloseable {
    static final String NAME = "answered";

    private static final int MAGIC = 0x464c4b41;
    private static final int REVISION_AT = Integer.BYTES;
    private static final int LENGTH_AT = REVISION_AT + 2 * Long.BYTES;
    private static final int MAX_BYTES = LENGTH_AT + 1 + 255 + Integer.BYTES;

    private final FileChannel channel;
    private final long inode;
    private final CRC32C crc = new CRC32C();
    private final ByteBuffer content = ByteBuffer.allocateDirect(MAX_BYTES);

    /** The content of the file. */
    record Answered(String historyId, long revision, long inode) {}

    private AnsweredFile(FileChannel channel, long inode) {
        this.channel = channel;
        this.inode = inode;
    }

    /**
     * Compares the file with the head of the database in the same directory.
     *
     * @param isExpected whether the database has recorded that the file exists
     * @return why answered revisions are or may be missing; empty if the comparison shows no loss
     */
    static Optional<String> contradiction(Path directory, Head head, boolean isExpected) throws IOException {
        Path file = directory.resolve(NAME);
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            return isExpected
                    ? Optional.of("the file " + file
                            + " is missing, so it is not known whether answered commits are missing, too")
                    : Optional.empty();
        }
        if (bytes.length == 0 && !isExpected) {
            return Optional.empty(); // the creation of the file was interrupted
        }
        Answered answered = decode(bytes);
        if (answered == null) {
            return Optional.of(
                    "the file " + file + " is damaged, so it is not known whether answered commits are missing");
        }
        if (!answered.historyId().equals(head.historyId())) {
            return Optional.of("the file " + file + " belongs to history " + answered.historyId()
                    + ", the database to history " + head.historyId());
        }
        if (answered.revision() > head.revision()) {
            return Optional.of(
                    "revision " + answered.revision() + " was answered, but the newest in " + directory + " is "
                            + head.revision()
                            + " (perhaps the end of the log or a file of RocksDB was removed or truncated)");
        }
        if (answered.inode() != inode(file)) {
            return Optional.of(
                    directory + " is a copy, and may lack commits that were answered after the copy was made");
        }
        return Optional.empty();
    }

    private static @Nullable Answered decode(byte[] bytes) {
        int length = bytes.length > LENGTH_AT ? bytes[LENGTH_AT] & 0xff : 0;
        int end = LENGTH_AT + 1 + length;
        if (bytes.length != end + Integer.BYTES) {
            return null;
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, end);
        ByteBuffer content = ByteBuffer.wrap(bytes);
        return content.getInt(end) == (int) crc.getValue() && content.getInt() == MAGIC
                ? new Answered(StateLayout.text(bytes, LENGTH_AT + 1, end), content.getLong(), content.getLong())
                : null;
    }

    /** Creates the file, or replaces its content if it exists, and forces the file to disk. */
    static AnsweredFile create(Path directory, Head head) throws IOException {
        Path path = directory.resolve(NAME);
        FileChannel channel = FileChannel.open(
                path, Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), OwnerOnly.file(path));
        try {
            AnsweredFile file = new AnsweredFile(channel, inode(path));
            file.begin(head);
            try (FileChannel names = FileChannel.open(directory)) {
                names.force(true);
            }
            return file;
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    /** Replaces the content with the history id and revision of a head, and forces the file to disk. */
    void begin(Head head) throws IOException {
        byte[] historyId = StateLayout.utf8(head.historyId());
        content.clear()
                .putInt(MAGIC)
                .putLong(0)
                .putLong(inode)
                .put((byte) historyId.length)
                .put(historyId)
                .putInt(0)
                .flip();
        write(head.revision());
        channel.truncate(content.limit());
        channel.force(true);
    }

    /** Records, without forcing, that commits up to a revision may have been answered. */
    void write(long revision) throws IOException {
        int end = content.limit() - Integer.BYTES;
        content.putLong(REVISION_AT, revision);
        crc.reset();
        crc.update(content.position(0).limit(end));
        content.limit(end + Integer.BYTES).putInt(end, (int) crc.getValue()).position(0);
        while (content.hasRemaining()) {
            channel.write(content, content.position());
        }
    }

    private static long inode(Path file) throws IOException {
        try {
            return (Long) Files.getAttribute(file, "unix:ino");
        } catch (UnsupportedOperationException e) {
            return 0;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
