// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * A version of a row as it is stored:
 *
 * <pre>
 * format        1 byte, {@value #FORMAT}
 * flags         1 byte: which of the following parts exist
 * kind          1 byte, see {@link RowKind}
 * before        number: the ROW of the version before; 0 for the first version
 * shard         text
 * policy        text
 * key id        text                    with claims
 * scales        their number, numbers   with boxes
 * N_j           their number, texts     with boxes, unless the names are the scales
 * counts        numbers                 with boxes
 * epoch         number
 * received at   number: milliseconds since the epoch
 * window        time, time              with a window
 * Merkle root   32 bytes                with claims
 * id            32 bytes                unless it is the hash of Merkle root, epoch and shard
 * D̂             real
 * recomputed    real, real: D̂, budget   with a regime
 * claims        real, real, real: budget, coh★, r
 * reason        text                    unless accepted
 * </pre>
 *
 * <p>A number has seven bits in each byte, the lowest first, and the sign in its lowest bit. A text is the number of
 * its bytes, then the bytes in UTF-8. A real that is a multiple of 1e-9 is the number of these, plus one unless it is
 * negative; any other real is the number 0, then eight bytes. A time is the number of seconds, then that of
 * nanoseconds. Parts that many rows have in common come first, because RocksDB compresses blocks of rows.
 *
 * @param before the ROW of the version before; 0 for the first version
 */
record StoredVersion(long before, Version version) {
    private static final int FORMAT = 1;

    private static final int CLAIMS = 1;
    private static final int BOXES = 2;
    private static final int NAMES = 4;
    private static final int WINDOW = 8;
    private static final int OWN_ID = 16;

    private static final double SCALE = 1e9;
    private static final double MOST_SCALED = 1e6;
    private static final int BYTES_OF_HASH = 32;
    private static final HexFormat HEX = HexFormat.of();

    RowKey key() {
        return version.key();
    }

    RecordedOutcome outcome() {
        return version.outcome();
    }

    /** @throws IllegalArgumentException if the value is damaged, or of a format that this version does not know */
    static StoredVersion decode(byte[] value) {
        try {
            return new Input(ByteBuffer.wrap(value)).version();
        } catch (BufferUnderflowException | IndexOutOfBoundsException | DateTimeException e) {
            throw new IllegalArgumentException("a row has an unknown format", e);
        }
    }

    byte[] encode() {
        return new Output().of(this);
    }

    /** Returns whether the names in {@code N_j} are the scales, in their order. */
    private static boolean areScales(Boxes boxes) {
        return boxes.counts().scales().equals(names(boxes.scales()));
    }

    private static List<String> names(List<Integer> scales) {
        return scales.stream().map(scale -> Integer.toString(scale)).toList();
    }

    private static final class Output {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);

        byte[] of(StoredVersion stored) {
            RowKey key = stored.key();
            RecordedOutcome outcome = stored.outcome();
            Verdict verdict = outcome.verdict();
            Claims claims = outcome.claims();
            Boxes boxes = claims == null ? null : claims.boxes();
            Window window = claims == null ? null : claims.window();
            boolean hasNames = boxes != null && !areScales(boxes);
            boolean isOwnId =
                    claims == null || !verdict.id().equals(PcsId.of(claims.merkleRoot(), key.epoch(), key.shard()));
            bytes.write(FORMAT);
            bytes.write((claims == null ? 0 : CLAIMS)
                    | (boxes == null ? 0 : BOXES)
                    | (hasNames ? NAMES : 0)
                    | (window == null ? 0 : WINDOW)
                    | (isOwnId ? OWN_ID : 0));
            bytes.write(RowKind.of(outcome));
            number(stored.before());
            text(key.shard());
            text(verdict.policyHash());
            if (claims != null) {
                text(claims.keyId());
            }
            if (boxes != null) {
                number(boxes.scales().size());
                boxes.scales().forEach(this::number);
                if (hasNames) {
                    number(boxes.counts().scales().size());
                    boxes.counts().scales().forEach(this::text);
                }
                boxes.counts().counts().forEach(this::number);
            }
            number(key.epoch());
            number(outcome.receivedMillis());
            if (window != null) {
                time(window.start());
                time(window.end());
            }
            if (claims != null) {
                bytes.writeBytes(HEX.parseHex(claims.merkleRoot()));
            }
            if (isOwnId) {
                bytes.writeBytes(verdict.id().toBytes());
            }
            real(verdict.claimedDHat());
            if (verdict.recomputed() != null) {
                real(verdict.recomputed().dHat());
                real(verdict.recomputed().budget());
            }
            if (claims != null) {
                real(claims.budget());
                real(claims.cohStar());
                real(claims.r());
            }
            if (verdict.reason() != null) {
                text(verdict.reason().text());
            }
            return bytes.toByteArray();
        }

        private void number(long signed) {
            long left = signed << 1 ^ signed >> 63;
            while ((left & ~0x7fL) != 0) {
                bytes.write((int) left | 0x80);
                left >>>= 7;
            }
            bytes.write((int) left);
        }

        private void text(String text) {
            byte[] utf8 = RowFormat.utf8(text);
            number(utf8.length);
            bytes.writeBytes(utf8);
        }

        private void real(double real) {
            long scaled = Math.round(real * SCALE);
            boolean isExact = Math.abs(real) < MOST_SCALED && Double.compare(scaled / SCALE, real) == 0;
            if (isExact) {
                number(scaled < 0 ? scaled : scaled + 1);
            } else {
                number(0);
                bytes.writeBytes(
                        ByteBuffer.allocate(Double.BYTES).putDouble(real).array());
            }
        }

        private void time(Instant time) {
            number(time.getEpochSecond());
            number(time.getNano());
        }
    }

    private record Input(ByteBuffer in) {
        StoredVersion version() {
            int format = in.get();
            if (format != FORMAT) {
                throw new IllegalArgumentException("a row has the unknown format " + format);
            }
            int flags = in.get();
            boolean hasClaims = (flags & CLAIMS) != 0;
            int kind = in.get();
            long before = number();
            String shard = text();
            String policy = text();
            String keyId = hasClaims ? text() : "";
            Boxes boxes = (flags & BOXES) == 0 ? null : boxes((flags & NAMES) != 0);
            long epoch = number();
            long received = number();
            Window window = (flags & WINDOW) == 0 ? null : new Window(time(), time());
            String root = hasClaims ? HEX.formatHex(hash()) : "";
            PcsId id = (flags & OWN_ID) == 0
                    ? PcsId.of(root, epoch, shard)
                    : PcsId.parse(HEX.formatHex(hash())).orElseThrow();
            double dHat = real();
            Regime regime = RowKind.regime(kind);
            Recomputed recomputed = regime == null ? null : new Recomputed(real(), real(), regime);
            Claims claims = hasClaims ? new Claims(real(), real(), real(), root, boxes, window, keyId) : null;
            Kind verdict = RowKind.verdict(kind);
            Verdict decided = new Verdict(
                    id, dHat, verdict, recomputed, verdict == Kind.ACCEPTED ? null : ReasonKind.reason(text()), policy);
            if (in.hasRemaining()) {
                throw new IllegalArgumentException("a row is longer than its parts");
            }
            return new StoredVersion(
                    before,
                    new Version(
                            new RowKey(shard, epoch, id.toString()), new RecordedOutcome(decided, received, claims)));
        }

        private Boxes boxes(boolean hasNames) {
            List<Integer> scales = new ArrayList<>();
            for (long left = number(); left > 0; left--) {
                scales.add((int) number());
            }
            List<String> names = hasNames ? new ArrayList<>() : names(scales);
            for (long left = hasNames ? number() : 0; left > 0; left--) {
                names.add(text());
            }
            List<Long> counts = new ArrayList<>();
            while (counts.size() < names.size()) {
                counts.add(number());
            }
            return new Boxes(new BoxCounts(names, counts), scales);
        }

        private long number() {
            long bits = 0;
            int shift = 0;
            byte next;
            do {
                next = in.get();
                bits |= (next & 0x7fL) << shift;
                shift += 7;
            } while (next < 0);
            return bits >>> 1 ^ -(bits & 1);
        }

        private byte[] bytes(long length) {
            if (length < 0 || length > in.remaining()) {
                throw new BufferUnderflowException();
            }
            byte[] bytes = new byte[(int) length];
            in.get(bytes);
            return bytes;
        }

        private byte[] hash() {
            return bytes(BYTES_OF_HASH);
        }

        private String text() {
            return new String(bytes(number()), StandardCharsets.UTF_8);
        }

        private double real() {
            long scaled = number();
            return scaled == 0 ? in.getDouble() : (scaled < 0 ? scaled : scaled - 1) / SCALE;
        }

        private Instant time() {
            return Instant.ofEpochSecond(number(), number());
        }
    }
}
