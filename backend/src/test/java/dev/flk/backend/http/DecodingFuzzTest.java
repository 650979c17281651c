// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.backend.http.BodyBuffer.Taken;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import org.jspecify.annotations.Nullable;

/** Compressed bodies, against the streams of the JDK. */
class DecodingFuzzTest {
    private static final int MAX_BYTES = 200_000;
    private static final int MOST_MEMBERS = 5;

    /** What is decoded, and how it ended: null if it is invalid. */
    private record Decoded(@Nullable Taken end, byte[] bytes) {}

    private static Decoded decode(ContentCoding coding, byte[] encoded) {
        Bound budget = new Bound(Long.MAX_VALUE);
        BodyBuffer decoded = new BodyBuffer(MAX_BYTES, BodyBuffer.UNKNOWN_LENGTH, budget);
        BodyBuffer body = new BodyBuffer(encoded.length, encoded.length, budget);
        assertThat(body.append(encoded, encoded.length)).isEqualTo(Taken.YES);
        Taken end = null;
        try (Decoding decoding = coding.decode(body, decoded)) {
            Optional<Taken> step = Optional.empty();
            for (int steps = 0; step.isEmpty(); steps++) {
                assertThat(steps)
                        .as("steps of %d bytes that made %d", encoded.length, decoded.length())
                        .isLessThanOrEqualTo(encoded.length / Decoding.STEP_ENCODED_BYTES
                                + MAX_BYTES / Decoding.STEP_DECODED_BYTES
                                + 2);
                step = decoding.step();
            }
            end = step.get();
            assertThat(decoding.decodedBytes()).isEqualTo(decoded.length());
            assertThat(decoding.encodedBytes()).isBetween(0L, (long) encoded.length);
        } catch (IOException e) {
            // invalid
        }
        byte[] bytes = decoded.exact();
        decoded.release();
        body.release();
        assertThat(budget.held()).isZero();
        return new Decoded(end, bytes);
    }

    /** What is taken is what the JDK makes of it; what is too long, too long for it as well. It takes some that is invalid here: see {@link Decoding}. */
    @FuzzTest
    void anyBytes_areWhatTheJdkMakesOfThem_orRefused(FuzzedDataProvider data) throws IOException {
        ContentCoding coding = data.pickValue(new ContentCoding[] {ContentCoding.GZIP, ContentCoding.DEFLATE});
        byte[] encoded = data.consumeRemainingAsBytes();
        Decoded ours = decode(coding, encoded);
        if (ours.end() == Taken.YES) {
            assertThat(theirs(coding, encoded)).isEqualTo(ours.bytes());
        } else if (ours.end() == Taken.TOO_LONG) {
            assertThat(theirs(coding, encoded)).hasSize(MAX_BYTES + 1).startsWith(ours.bytes());
        }
    }

    /** Up to one byte more than may be. */
    private static byte[] theirs(ContentCoding coding, byte[] encoded) throws IOException {
        boolean isZlib = encoded.length >= 2
                && (encoded[0] & 0x0f) == 8
                && (((encoded[0] & 0xff) << 8) | (encoded[1] & 0xff)) % 31 == 0;
        InputStream in = new ByteArrayInputStream(encoded);
        try (InputStream stream = coding == ContentCoding.GZIP
                ? new GZIPInputStream(in)
                : new InflaterInputStream(in, new Inflater(!isZlib))) {
            return stream.readNBytes(MAX_BYTES + 1);
        }
    }

    /** What the JDK has compressed is taken, whole; and with anything behind it, it is not. */
    @FuzzTest
    void anyContent_isTakenAsItWas(FuzzedDataProvider data) throws IOException {
        int level = data.consumeInt(0, 9);
        int repeats = data.consumeInt(1, 100);
        byte behind = data.consumeByte();
        int members = data.consumeInt(1, MOST_MEMBERS);
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        ByteArrayOutputStream gzip = new ByteArrayOutputStream();
        for (int member = 0; member < members; member++) {
            byte[] part = data.consumeBytes(data.consumeInt(0, 2_000));
            ByteArrayOutputStream repeated = new ByteArrayOutputStream();
            for (int i = 0; i < repeats && content.size() + repeated.size() + part.length <= MAX_BYTES; i++) {
                repeated.write(part);
            }
            content.writeBytes(repeated.toByteArray());
            try (OutputStream out = new GZIPOutputStream(gzip)) {
                repeated.writeTo(out);
            }
        }
        assertTaken(ContentCoding.GZIP, gzip.toByteArray(), content.toByteArray(), behind);
        for (boolean isBare : new boolean[] {false, true}) {
            ByteArrayOutputStream deflated = new ByteArrayOutputStream();
            try (OutputStream out = new DeflaterOutputStream(deflated, new Deflater(level, isBare))) {
                content.writeTo(out);
            }
            byte[] encoded = deflated.toByteArray();
            // a bare stream may begin as zlib's does; then it is taken for that
            boolean isTakenForZlib = isBare && (encoded[0] & 0x0f) == 8;
            if (!isTakenForZlib) {
                assertTaken(ContentCoding.DEFLATE, encoded, content.toByteArray(), behind);
            }
        }
    }

    private static void assertTaken(ContentCoding coding, byte[] encoded, byte[] content, byte behind) {
        Decoded decoded = decode(coding, encoded);
        assertThat(decoded.end()).isEqualTo(Taken.YES);
        assertThat(decoded.bytes()).isEqualTo(content);
        byte[] more = Arrays.copyOf(encoded, encoded.length + 1);
        more[encoded.length] = behind;
        assertThat(decode(coding, more).end()).isNull();
    }
}
