// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Set;

/** Reads files that the configuration names, and says what is wrong with them. */
public final class ConfiguredFile {
    private ConfiguredFile() {}

    /** What is wrong with a file; the message completes "the file …". */
    public static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;

        /** For what is wrong, without a secret. */
        public Unusable(String why) {
            super(why, null, false, false);
        }
    }

    /** All of a regular file that is not longer than that: opening a pipe or a device may never end. */
    public static byte[] bytes(Path file, int maxBytes) throws Unusable {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new Unusable("is no regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new Unusable("is longer than " + maxBytes + " bytes");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new Unusable("is not there");
        } catch (AccessDeniedException e) {
            throw new Unusable("can't be read: no permission");
        } catch (IOException e) {
            throw new Unusable("can't be read: " + e.getMessage());
        }
    }

    /** Throws if the file has this permission; where there are none, it has not. */
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
