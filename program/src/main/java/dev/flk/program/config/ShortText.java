// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/** A file of some lines named on a command line. */
public final class ShortText {
    /** Whatever is longer is something else, named by mistake. */
    private static final int MAX_BYTES = 64 << 10;

    private ShortText() {}

    /**
     * All of it.
     *
     * @param name for people
     * @param in is not closed
     * @throws IllegalArgumentException if it is longer than 64 KiB, or not UTF-8; the message says so of {@code name}
     */
    public static String read(String name, InputStream in) throws IOException {
        byte[] bytes = in.readNBytes(MAX_BYTES + 1);
        if (bytes.length > MAX_BYTES) {
            throw new IllegalArgumentException(name + " is too long for a file with keys");
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(name + " is not UTF-8 text", e);
        }
    }

    /** Its {@code NAME=value} lines; empty if it can't be such. */
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
