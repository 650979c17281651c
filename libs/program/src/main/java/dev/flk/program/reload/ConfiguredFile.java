// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Set;

/** The reader of files named in the configuration, which reports why a file can't be used. */
public final class ConfiguredFile {
    private ConfiguredFile() {}

    /** The problem that makes a file unusable. The message is a predicate, such as {@code is not a regular file}. */
    public static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;

        /** @param why the problem, without a secret */
        public Unusable(String why) {
            super(why, null, false, false);
        }
    }

    /** The problems of one or more files that can't be used. */
    public static final class InvalidFileException extends Exception {
        private static final long serialVersionUID = 1;

        private final transient List<String> problems;

        /** @param problems one sentence each, without secrets */
        public InvalidFileException(List<String> problems) {
            super(String.join("; ", problems));
            this.problems = List.copyOf(problems);
        }

        /** Returns the problems, one sentence each, without secrets. */
        public List<String> problems() {
            return problems;
        }
    }

    /**
     * Returns the content of a regular file of at most {@code maxBytes}. Rejects other kinds of files, because opening
     * a pipe or a device may block forever.
     */
    public static byte[] bytes(Path file, int maxBytes) throws Unusable {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new Unusable("is not a regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new Unusable("is longer than " + maxBytes + " bytes");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new Unusable("does not exist");
        } catch (AccessDeniedException e) {
            throw new Unusable("can't be read: no permission");
        } catch (IOException e) {
            throw new Unusable("can't be read: " + e.getMessage());
        }
    }

    /**
     * Throws {@link Unusable} with the message {@code why} if the file has this permission, and with another message if
     * the permissions can't be read. Does nothing if the file system does not support POSIX permissions.
     */
    public static void forbid(Path file, PosixFilePermission permission, String why) throws Unusable {
        Set<PosixFilePermission> permissions;
        try {
            permissions = Files.getPosixFilePermissions(file);
        } catch (UnsupportedOperationException e) {
            return;
        } catch (IOException e) {
            throw new Unusable("can't be read: " + e.getMessage());
        }
        if (permissions.contains(permission)) {
            throw new Unusable(why);
        }
    }
}
