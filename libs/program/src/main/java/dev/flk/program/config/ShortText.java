// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import dev.flk.program.files.Utf8;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/** Reads a file of a few lines that is named on a command line. */
public final class ShortText {
    /** The maximum length of a file in bytes. A longer file was probably named by mistake. */
    private static final int MAX_BYTES = 64 << 10;

    private ShortText() {}

    /**
     * Reads the complete text.
     *
     * @param name the name of the file in messages
     * @param in the input, which is not closed
     * @throws IllegalArgumentException if the text is longer than 64 KiB or not UTF-8; the message contains {@code
     *     name}
     */
    public static String read(String name, InputStream in) throws IOException {
        byte[] bytes = in.readNBytes(MAX_BYTES + 1);
        if (bytes.length > MAX_BYTES) {
            throw new IllegalArgumentException(name + " is longer than 64 KiB, so it is not the intended file");
        }
        try {
            return Utf8.decode(bytes);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(name + " is not UTF-8 text", e);
        }
    }

    /**
     * Parses Java properties, such as {@code NAME=value} lines; returns an empty map if the text has a malformed
     * Unicode escape.
     */
    public static Map<String, String> settings(String text) throws IOException {
        Properties settings = new Properties();
        try {
            settings.load(new StringReader(text));
        } catch (IllegalArgumentException e) {
            return Map.of();
        }
        return settings.stringPropertyNames().stream().collect(Collectors.toMap(name -> name, settings::getProperty));
    }
}
