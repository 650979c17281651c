// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The body of a record of kind {@link RecordKind#OVERRULED}: a line {@code overruled <sequence>}, then the outcome that stands, as
 * {@link Recorded#encode} has it.
 *
 * @param sequence of the submission that lost: it is never asserted again, even when what stands has expired
 * @param standing what stands instead
 */
record Overruled(long sequence, Recorded standing) {
    private static final String NAME = "overruled ";

    byte[] encode() {
        byte[] line = (NAME + sequence + "\n").getBytes(StandardCharsets.US_ASCII);
        byte[] recorded = standing.encode();
        byte[] bytes = Arrays.copyOf(line, line.length + recorded.length);
        System.arraycopy(recorded, 0, bytes, line.length, recorded.length);
        return bytes;
    }

    /**
     * The inverse of {@link #encode}.
     *
     * @throws IllegalArgumentException if these are no such bytes
     */
    static Overruled decode(byte[] bytes) {
        int lineEnd = 0;
        while (lineEnd < bytes.length && bytes[lineEnd] != '\n') {
            lineEnd++;
        }
        String line = new String(bytes, 0, lineEnd, StandardCharsets.US_ASCII);
        if (lineEnd == bytes.length || !line.startsWith(NAME)) {
            throw new IllegalArgumentException("not an overruled submission: " + line);
        }
        return new Overruled(
                Long.parseLong(line.substring(NAME.length())),
                Recorded.decode(Arrays.copyOfRange(bytes, lineEnd + 1, bytes.length)));
    }
}
