// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.diagnosis.KeyRing;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/** A file with keys that somebody names on the command line. */
final class KeyFile {
    /** Whatever is longer is something else, named by mistake. */
    private static final int MAX_BYTES = 64 << 10;

    private KeyFile() {}

    /**
     * Reads {@code file}, which is settings or a bare secret.
     *
     * @throws IllegalArgumentException if there is no usable key in it
     */
    static KeyRing read(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MAX_BYTES + 1);
            if (bytes.length > MAX_BYTES) {
                throw new IllegalArgumentException(file + " is too long for a file with keys");
            }
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            return KeyRing.of(file.toString(), text, settings(text));
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + " is not UTF-8 text", e);
        }
    }

    /** Empty if it can't be settings. */
    private static Map<String, String> settings(String text) throws IOException {
        Properties settings = new Properties();
        try {
            settings.load(new StringReader(text));
        } catch (IllegalArgumentException e) {
            return Map.of();
        }
        return settings.stringPropertyNames().stream().collect(Collectors.toMap(name -> name, settings::getProperty));
    }
}
