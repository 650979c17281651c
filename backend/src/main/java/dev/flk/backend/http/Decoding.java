// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.BodyBuffer.Taken;
import java.io.EOFException;
import java.io.IOException;
import java.util.Optional;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/**
 * A compressed body that is decoded in steps, each of which takes a fraction of a millisecond: a few kilobytes can stand for megabytes, and
 * megabytes for nothing, and neither the JDK's streams nor Netty's decoders can stop within both. Reads gzip (RFC 1952, all members) and
 * zlib (RFC 1950); what is behind the end of either is an error. Holds memory outside of the heap until it is closed; owned by one event loop.
 */
final class Decoding implements AutoCloseable {
    /** What an inflater keeps outside of the heap: a window of 32 KiB, and its tables. */
    static final int NATIVE_BYTES = 48 << 10;

    /** A step ends when it has made so much, or read so much. */
    static final int STEP_DECODED_BYTES = 64 << 10;

    static final int STEP_ENCODED_BYTES = 8 << 10;

    private static final int PART_BYTES = 8 << 10;
    private static final int TRAILER_BYTES = 8;
    private static final byte[] NOTHING = new byte[0];
    /** Each takes a call or two, and nobody has a use for even one. */
    private static final int MOST_EMPTY_MEMBERS = 100;

    private final BodyBuffer encoded;
    private final BodyBuffer decoded;
    private final Inflater inflater;
    private final boolean isGzip;
    private final CRC32 checksum = new CRC32();
    private Place place;
    /** What was handed to the inflater, or read here. */
    private int at;

    private long decodedBytes;
    private long memberBytes;
    private int emptyMembers;

    /** What comes next. */
    private enum Place {
        HEADER,
        DATA,
        TRAILER,
        END
    }

    private Decoding(BodyBuffer encoded, BodyBuffer decoded, boolean isGzip, boolean isBare) {
        this.encoded = encoded;
        this.decoded = decoded;
        this.isGzip = isGzip;
        this.inflater = new Inflater(isBare);
        this.place = isGzip ? Place.HEADER : Place.DATA;
    }

    static Decoding gzip(BodyBuffer encoded, BodyBuffer decoded) {
        return new Decoding(encoded, decoded, true, true);
    }

    /** @param isBare without zlib's header and checksum */
    static Decoding deflate(BodyBuffer encoded, BodyBuffer decoded, boolean isBare) {
        return new Decoding(encoded, decoded, false, isBare);
    }

    /**
     * Decodes some more, as far as there is room.
     *
     * @return empty: there is more to do
     * @throws IOException if it is not encoded that way, or ends early
     */
    Optional<Taken> step() throws IOException {
        long decodedBefore = decodedBytes;
        long encodedBefore = encodedBytes();
        byte[] part = new byte[PART_BYTES];
        while (decodedBytes - decodedBefore < STEP_DECODED_BYTES
                && encodedBytes() - encodedBefore < STEP_ENCODED_BYTES) {
            switch (place) {
                case HEADER -> beginMember();
                case DATA -> {
                    Taken taken = inflate(part);
                    if (taken != Taken.YES) {
                        return Optional.of(taken);
                    }
                }
                case TRAILER -> endMember();
                case END -> {
                    return Optional.of(Taken.YES);
                }
            }
        }
        return place == Place.END ? Optional.of(Taken.YES) : Optional.empty();
    }

    /** What was read so far. */
    long encodedBytes() {
        return (long) at - inflater.getRemaining();
    }

    /** What was made of it. */
    long decodedBytes() {
        return decodedBytes;
    }

    @Override
    public void close() {
        inflater.end();
    }

    private void beginMember() throws IOException {
        at = GzipHeader.end(encoded, at);
        inflater.reset();
        checksum.reset();
        memberBytes = 0;
        place = Place.DATA;
    }

    private Taken inflate(byte[] part) throws IOException {
        int made;
        try {
            made = inflater.inflate(part);
        } catch (DataFormatException e) {
            throw new ZipException(e.getMessage());
        }
        Taken taken = decoded.append(part, made);
        if (taken != Taken.YES) {
            return taken;
        }
        checksum.update(part, 0, made);
        decodedBytes += made;
        memberBytes += made;
        if (inflater.finished()) {
            endData();
        } else if (inflater.needsDictionary()) {
            throw new ZipException("a dictionary is needed");
        } else if (made == 0) {
            feed();
        }
        return Taken.YES;
    }

    private void feed() throws IOException {
        int length = Math.min(PART_BYTES, encoded.length() - at);
        if (length == 0) {
            throw new EOFException();
        }
        inflater.setInput(encoded.copy(at, at + length));
        at += length;
    }

    private void endData() throws IOException {
        at -= inflater.getRemaining();
        inflater.setInput(NOTHING);
        place = isGzip ? Place.TRAILER : Place.END;
        if (!isGzip && at < encoded.length()) {
            throw new ZipException("something is behind its end");
        }
    }

    private void endMember() throws IOException {
        if (encoded.length() - at < TRAILER_BYTES) {
            throw new EOFException();
        }
        boolean isWhole = GzipHeader.uint32(encoded, at) == checksum.getValue()
                && GzipHeader.uint32(encoded, at + Integer.BYTES) == memberBytes;
        if (!isWhole) {
            throw new ZipException("checksum or length are wrong");
        }
        emptyMembers += memberBytes == 0 ? 1 : 0;
        if (emptyMembers > MOST_EMPTY_MEMBERS) {
            throw new ZipException("too many empty members");
        }
        at += TRAILER_BYTES;
        place = at == encoded.length() ? Place.END : Place.HEADER;
    }
}
