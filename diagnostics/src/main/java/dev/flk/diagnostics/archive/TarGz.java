// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.archive;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.zip.GZIPOutputStream;

/**
 * Writes a new {@code tar.gz} that its owner alone may read. Entries have the form of POSIX ustar: a header of 512 bytes, the content,
 * zeros up to the next 512; two blocks of zeros end it. One thread.
 *
 * <pre>
 *   byte   0  name, up to 100 bytes     byte 124  size, 11 octal digits    byte 257  "ustar", 0, "00"
 *   byte 100  mode, 7 octal digits      byte 136  time, 11 octal digits
 *   byte 108  user, group: likewise     byte 148  sum of the header's bytes, 6 octal digits, 0, a space
 *                                       byte 156  type, '0'
 * </pre>
 */
final class TarGz implements Closeable {
    private static final int BLOCK = 512;
    private static final int NAME_BYTES = 100;

    private final OutputStream out;
    private final long seconds;

    private TarGz(OutputStream out, long seconds) {
        this.out = out;
        this.seconds = seconds;
    }

    /**
     * Makes the file.
     *
     * @param seconds the time of its entries, since 1970
     * @throws java.nio.file.FileAlreadyExistsException if there is one of that name
     */
    static TarGz create(Path file, long seconds) throws IOException {
        Set<StandardOpenOption> brandNew = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        var mine = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        return new TarGz(
                new GZIPOutputStream(
                        java.nio.channels.Channels.newOutputStream(Files.newByteChannel(file, brandNew, mine))),
                seconds);
    }

    void add(String name, byte[] content) throws IOException {
        byte[] nameBytes = name.getBytes(StandardCharsets.US_ASCII);
        if (nameBytes.length > NAME_BYTES) {
            throw new IllegalArgumentException("too long a name for an entry: " + name);
        }
        ByteBuffer header = ByteBuffer.allocate(BLOCK);
        header.put(nameBytes);
        put(header, 100, "0000600\0" + "0000000\0" + "0000000\0");
        put(header, 124, "%011o\0".formatted(content.length) + "%011o\0".formatted(seconds));
        put(header, 148, "        0");
        put(header, 257, "ustar\00000");
        int sum = 0;
        for (byte b : header.array()) {
            sum += b & 0xff;
        }
        put(header, 148, "%06o\0 ".formatted(sum));
        out.write(header.array());
        out.write(content);
        out.write(new byte[(BLOCK - content.length % BLOCK) % BLOCK]);
    }

    private static void put(ByteBuffer header, int at, String text) {
        header.position(at).put(text.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public void close() throws IOException {
        try (out) {
            out.write(new byte[2 * BLOCK]);
        }
    }
}
