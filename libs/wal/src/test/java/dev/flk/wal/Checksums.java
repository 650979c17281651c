// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/** A helper that corrects the checksum of a changed segment header, so that tests reach the later checks. */
final class Checksums {
    private static final int LENGTH_AT = 14;

    private Checksums() {}

    static byte[] mend(byte[] padded) {
        String text = new String(padded, StandardCharsets.ISO_8859_1);
        int lineEnd = text.indexOf('\n');
        int length = Integer.parseInt(text.substring(LENGTH_AT, text.indexOf(' ', LENGTH_AT)));
        CRC32C crc = new CRC32C();
        crc.update(padded, LENGTH_AT, lineEnd + 1 + length - LENGTH_AT);
        byte[] mended = padded.clone();
        byte[] digits = "%08x".formatted(crc.getValue()).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(digits, 0, mended, 5, digits.length);
        return mended;
    }
}
