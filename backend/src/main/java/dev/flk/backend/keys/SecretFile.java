// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.backend.files.ConfiguredFile;
import dev.flk.backend.files.ConfiguredFile.Unusable;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Optional;

/** Reads the secrets that a keys file names. */
final class SecretFile {
    private static final int MAX_SECRET_BYTES = 4096;
    private static final int LEAST_SECRET_BYTES = 16;

    private SecretFile() {}

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
        byte[] bytes = ConfiguredFile.bytes(file, MAX_SECRET_BYTES);
        ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_READ, "can be read by everybody; chmod o-rwx it");
        ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everybody; chmod o-rwx it");
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
}
