// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.http.BodyBuffer.Taken;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bodies that are decoded in steps. */
final class DecodingTest {
    private static final int MAX_BYTES = 8 << 20;
    /** What one call of the inflater makes, or is given, beyond what a step should. */
    private static final int PART_BYTES = 8 << 10;

    private static final int FLAGS_AT = 3;
    private static final int HEADER_BYTES = 10;

    private final BodyBuffer decoded = new BodyBuffer(MAX_BYTES, BodyBuffer.UNKNOWN_LENGTH, new Bound(Long.MAX_VALUE));
    private int steps;

    /** Does all steps, and sees that each did something, and not more than it may. */
    private Taken decode(Decoding decoding) throws IOException {
        try (decoding) {
            while (true) {
                long madeBefore = decoding.decodedBytes();
                long readBefore = decoding.encodedBytes();
                Optional<Taken> end = decoding.step();
                steps++;
                long made = decoding.decodedBytes() - madeBefore;
                long read = decoding.encodedBytes() - readBefore;
                assertThat(made).isLessThan(Decoding.STEP_DECODED_BYTES + PART_BYTES);
                assertThat(read).isLessThan(Decoding.STEP_ENCODED_BYTES + 12 * PART_BYTES);
                if (end.isPresent()) {
                    return end.get();
                }
                assertThat(made >= Decoding.STEP_DECODED_BYTES || read >= Decoding.STEP_ENCODED_BYTES)
                        .isTrue();
            }
        }
    }

    private static BodyBuffer body(byte[] bytes) {
        BodyBuffer body = new BodyBuffer(bytes.length, bytes.length, new Bound(Long.MAX_VALUE));
        assertThat(body.append(bytes, bytes.length)).isEqualTo(Taken.YES);
        return body;
    }

    private byte[] gunzip(byte[] encoded) throws IOException {
        assertThat(decode(Decoding.gzip(body(encoded), decoded))).isEqualTo(Taken.YES);
        return decoded.exact();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 8191, 8192, 8193, 65_535, 65_536, 65_537, 1_000_000, MAX_BYTES})
    void gzip_ofZeros_isDecodedInSteps(int bytes) throws IOException {
        assertThat(gunzip(gzip(new byte[bytes]))).isEqualTo(new byte[bytes]);
        assertThat(steps).isBetween(bytes / (Decoding.STEP_DECODED_BYTES + PART_BYTES), bytes / 60_000 + 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 20_000, 300_000, 5_000_000})
    void gzip_ofWhatCannotBeCompressed_isDecodedInSteps(int bytes) throws IOException {
        byte[] noise = noise(bytes);
        assertThat(gunzip(gzip(noise))).isEqualTo(noise);
    }

    /** The same as the JDK's stream, of members of any size. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void gzip_ofManyMembers_isWhatTheJdkMakesOfIt(long seed) throws IOException {
        Random random = new Random(seed);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int members = 1 + random.nextInt(20); members > 0; members--) {
            byte[] text = new byte[random.nextInt(1 + random.nextInt(200_000))];
            for (int i = 0; i < text.length; i++) {
                text[i] = (byte) (random.nextGaussian() * (seed * seed));
            }
            all.write(gzip(text));
        }
        byte[] expected = new GZIPInputStream(new ByteArrayInputStream(all.toByteArray())).readAllBytes();
        assertThat(gunzip(all.toByteArray())).isEqualTo(expected);
    }

    /** Megabytes that make nothing take work too. */
    @Test
    void deflate_ofEmptyBlocksOnly_isReadInSteps() throws IOException {
        byte[] emptyStoredBlock = {0, 0, 0, (byte) 0xff, (byte) 0xff};
        byte[] blocks = new byte[1_000_000];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = emptyStoredBlock[i % emptyStoredBlock.length];
        }
        blocks[blocks.length - emptyStoredBlock.length] = 1; // the last one
        assertThat(decode(Decoding.deflate(body(blocks), decoded, true))).isEqualTo(Taken.YES);
        assertThat(decoded.exact()).isEmpty();
        assertThat(steps).isGreaterThan(blocks.length / (Decoding.STEP_ENCODED_BYTES + PART_BYTES));
    }

    @Test
    void moreThanTheLimit_isTooLong_andNoMoreIsDecoded() throws IOException {
        assertThat(decode(Decoding.gzip(body(gzip(new byte[MAX_BYTES + 1])), decoded)))
                .isEqualTo(Taken.TOO_LONG);
        assertThat(decode(Decoding.gzip(body(gzip(new byte[10 * MAX_BYTES])), decoded)))
                .isEqualTo(Taken.TOO_LONG);
        assertThat(decoded.heldBytes()).isLessThanOrEqualTo(MAX_BYTES);
    }

    @Test
    void moreThanThereIsMemoryFor_isNoMemory() throws IOException {
        BodyBuffer little = new BodyBuffer(MAX_BYTES, BodyBuffer.UNKNOWN_LENGTH, new Bound(100_000));
        assertThat(decode(Decoding.gzip(body(gzip(new byte[100_001])), little))).isEqualTo(Taken.NO_MEMORY);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void deflate_withAndWithoutZlibsHeader_isDecoded(boolean isBare) throws IOException {
        byte[] noise = noise(100_000);
        byte[] encoded = compressed(noise, new Deflater(9, isBare));
        assertThat(decode(Decoding.deflate(body(encoded), decoded, isBare))).isEqualTo(Taken.YES);
        assertThat(decoded.exact()).isEqualTo(noise);
    }

    @Test
    void header_withAllThatItMayHave_isPassedOver() throws IOException {
        ByteArrayOutputStream header = header(0b11110);
        header.writeBytes(new byte[] {3, 0, 'a', 'b', 'c'});
        header.writeBytes("a name\0a comment\0".getBytes(StandardCharsets.ISO_8859_1));
        CRC32 checksum = new CRC32();
        checksum.update(header.toByteArray());
        header.write((int) checksum.getValue());
        header.write((int) checksum.getValue() >>> 8);
        assertThat(gunzip(withData(header, "text"))).asString().isEqualTo("text");
    }

    @Test
    void header_withAWrongChecksum_isInvalid() {
        ByteArrayOutputStream header = header(1 << 1);
        header.writeBytes(new byte[] {1, 2});
        assertInvalid(withData(header, "text"));
    }

    /** Each byte of it would be looked at. */
    @Test
    void header_withANameOfMegabytes_isInvalid() {
        ByteArrayOutputStream header = header(1 << 3);
        header.writeBytes("x".repeat(1_000_000).getBytes(StandardCharsets.ISO_8859_1));
        header.write(0);
        assertInvalid(withData(header, "text"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x20, 0x40, 0x80, 0xff})
    void header_withReservedFlags_isInvalid(int flags) {
        assertInvalid(withData(header(flags), "text"));
    }

    /** Otherwise the rest of a batch would be gone without a word. */
    @Test
    void whatIsBehindTheEnd_isInvalid() throws IOException {
        byte[] one = gzip(new byte[10]);
        assertInvalid(Arrays.copyOf(one, one.length + 1));
        assertInvalid(Arrays.copyOf(one, one.length + HEADER_BYTES));
        byte[] zlib = compressed(new byte[10], new Deflater());
        assertThatThrownBy(() -> decode(Decoding.deflate(body(Arrays.copyOf(zlib, zlib.length + 1)), decoded, false)))
                .isInstanceOf(IOException.class);
    }

    /** Whatever is cut off, and whichever bit of data or trailer is another. */
    @Test
    void damage_isInvalid() throws IOException {
        byte[] whole = gzip("some text, and some text".getBytes(StandardCharsets.US_ASCII));
        for (int length = 0; length < whole.length; length++) {
            assertInvalid(Arrays.copyOf(whole, length));
        }
        for (int bit = 8 * HEADER_BYTES; bit < 8 * whole.length; bit++) {
            byte[] damaged = whole.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertInvalidOrTheSame(damaged, whole);
        }
    }

    /** A bit that only fills a byte up says nothing. */
    private static void assertInvalidOrTheSame(byte[] damaged, byte[] whole) throws IOException {
        byte[] made;
        try {
            made = new DecodingTest().gunzip(damaged);
        } catch (IOException e) {
            return;
        }
        assertThat(made).isEqualTo(new DecodingTest().gunzip(whole));
    }

    @Test
    void dictionary_isInvalid() {
        Deflater deflater = new Deflater();
        deflater.setDictionary(new byte[] {1, 2, 3});
        assertThatThrownBy(() -> decode(Decoding.deflate(body(compressed(new byte[100], deflater)), decoded, false)))
                .isInstanceOf(IOException.class);
    }

    @Test
    void emptyMembers_someAreTaken_andManyAreInvalid() throws IOException {
        byte[] empty = gzip(new byte[0]);
        assertThat(gunzip(repeated(empty, 100))).isEmpty();
        assertInvalid(repeated(empty, 101));
    }

    private static void assertInvalid(byte[] encoded) {
        assertThatThrownBy(() -> new DecodingTest().gunzip(encoded)).isInstanceOf(IOException.class);
    }

    private static byte[] repeated(byte[] part, int times) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (int i = 0; i < times; i++) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    private static ByteArrayOutputStream header(int flags) {
        byte[] fixed = {0x1f, (byte) 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
        fixed[FLAGS_AT] = (byte) flags;
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        header.writeBytes(fixed);
        return header;
    }

    private static byte[] withData(ByteArrayOutputStream header, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        CRC32 checksum = new CRC32();
        checksum.update(bytes);
        ByteArrayOutputStream member = new ByteArrayOutputStream();
        member.writeBytes(header.toByteArray());
        member.writeBytes(compressed(bytes, new Deflater(9, true)));
        member.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt((int) checksum.getValue())
                .putInt(bytes.length)
                .array());
        return member.toByteArray();
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream encoded = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(encoded)) {
            out.write(bytes);
        }
        return encoded.toByteArray();
    }

    private static byte[] compressed(byte[] bytes, Deflater deflater) {
        ByteArrayOutputStream encoded = new ByteArrayOutputStream();
        try (OutputStream out = new DeflaterOutputStream(encoded, deflater)) {
            out.write(bytes);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return encoded.toByteArray();
    }

    private static byte[] noise(int bytes) {
        byte[] noise = new byte[bytes];
        new Random(1).nextBytes(noise);
        return noise;
    }
}
