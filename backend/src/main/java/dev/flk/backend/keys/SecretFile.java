// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Optional;
import java.util.Set;

/** Reads the files that a keys file consists of: it, and those with secrets. */
final class SecretFile {
    private static final int MAX_SECRET_BYTES = 4096;
    private static final int LEAST_SECRET_BYTES = 16;

    private SecretFile() {}

    /** What is wrong with a file; the message completes "the file …". */
    static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;

        Unusable(String why) {
            super(why, null, false, false);
        }
    }

    /** Where a secret stands; empty if the name leads out of the directory. */
    static Optional<Path> resolve(Path directory, String name) {
        try {
            Path relative = Path.of(name);
            boolean leaves =
                    relative.isAbsolute() || !relative.equals(relative.normalize()) || relative.startsWith("..");
            return leaves || name.isBlank() ? Optional.empty() : Optional.of(directory.resolve(relative));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    /** The secret, without one final newline. */
    static String read(Path file) throws Unusable {
        byte[] bytes = bytes(file, MAX_SECRET_BYTES);
        forbid(file, PosixFilePermission.OTHERS_READ, "can be read by everybody; chmod o-rwx it");
        forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everybody; chmod o-rwx it");
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            String secret = text.endsWith("\r\n")
                    ? text.substring(0, text.length() - 2)
                    : text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
            if (secret.getBytes(StandardCharsets.UTF_8).length < LEAST_SECRET_BYTES || secret.isBlank()) {
                throw new Unusable("has a secret of less than " + LEAST_SECRET_BYTES + " bytes");
            }
            return secret;
        } catch (CharacterCodingException e) {
            throw new Unusable("is not UTF-8 text");
        }
    }

    /** All of a file that is not longer than that. */
    static byte[] bytes(Path file, int maxBytes) throws Unusable {
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
    static void forbid(Path file, PosixFilePermission permission, String why) throws Unusable {
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
