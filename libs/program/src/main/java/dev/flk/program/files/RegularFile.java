// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;

/**
 * Checks that a name is free or names a regular file, before a program opens, replaces or deletes the file. Opening a
 * FIFO would block until another process opens it. The programs keep data only in regular files, so they must not
 * destroy a file of another kind.
 */
public final class RegularFile {
    /** The result of {@link #otherKind} for a socket. */
    public static final String SOCKET = "a socket";

    private static final int TYPE_BITS = 0170000;
    private static final int FIFO_TYPE = 0010000;
    private static final int SOCKET_TYPE = 0140000;

    private RegularFile() {}

    /**
     * Requires that a regular file or nothing exists under a name.
     *
     * @param options {@code NOFOLLOW_LINKS} to check a link itself instead of its target
     * @throws IOException if something else exists; the message says what exists
     */
    public static void requireOrNothing(Path file, LinkOption... options) throws IOException {
        Optional<String> kind = otherKind(file, options);
        if (kind.isPresent()) {
            throw new IOException(file + " is " + kind.get() + ", not a regular file; move it away");
        }
    }

    /**
     * Returns what exists under a name, for a message: a directory, a FIFO, a socket, a device, a link, a broken link
     * or, on some systems, just a special file. Empty if a regular file or nothing exists.
     *
     * @param options {@code NOFOLLOW_LINKS} to check a link itself instead of its target
     */
    public static Optional<String> otherKind(Path file, LinkOption... options) throws IOException {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class, options);
        } catch (NoSuchFileException e) {
            return Files.isSymbolicLink(file) ? Optional.of("a link to a file that does not exist") : Optional.empty();
        }
        if (attributes.isRegularFile()) {
            return Optional.empty();
        }
        if (attributes.isDirectory()) {
            return Optional.of("a directory");
        }
        return Optional.of(attributes.isSymbolicLink() ? "a link" : special(file, options));
    }

    private static String special(Path file, LinkOption... options) throws IOException {
        if (!file.getFileSystem().supportedFileAttributeViews().contains("unix")) {
            return "a special file";
        }
        return switch ((Integer) Files.getAttribute(file, "unix:mode", options) & TYPE_BITS) {
            case FIFO_TYPE -> "a FIFO";
            case SOCKET_TYPE -> SOCKET;
            default -> "a device";
        };
    }
}
