// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Decodes UTF-8 strictly. The constructors of String would silently replace malformed bytes. */
public final class Utf8 {
    private Utf8() {}

    /**
     * Returns the text.
     *
     * @throws CharacterCodingException if the bytes are not UTF-8
     */
    public static String decode(byte[] bytes) throws CharacterCodingException {
        return StandardCharsets.UTF_8
                .newDecoder()
                .decode(ByteBuffer.wrap(bytes))
                .toString();
    }
}
