// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.earlier;

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
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A version of a row as it is stored:
 *
 * <pre>
 * format        1 byte, {@value #FORMAT}
 * flags         1 byte: which of the following parts exist
 * kind          1 byte, the verdict times four, and the regime or 3
 * before        number: the number of the version before; 0 for the first version
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
 * nanoseconds.
 *
 * @param before the number of the version before; 0 for the first version
 */
record EarlierVersion(long before, Version version) {
    private static final int FORMAT = 1;

    private static final int CLAIMS = 1;
    private static final int BOXES = 2;
    private static final int NAMES = 4;
    private static final int WINDOW = 8;
    private static final int OWN_ID = 16;
    private static final int NO_REGIME = 3;

    private static final double SCALE = 1e9;
    private static final int BYTES_OF_HASH = 32;
    private static final HexFormat HEX = HexFormat.of();

    /** @throws IllegalArgumentException if the value is damaged, or of a format that this version does not know */
    static EarlierVersion decode(byte[] value) {
        try {
            return new Input(ByteBuffer.wrap(value)).version();
        } catch (BufferUnderflowException | IndexOutOfBoundsException | DateTimeException e) {
            throw new IllegalArgumentException("a row has an unknown format", e);
        }
    }

    private static List<String> names(List<Integer> scales) {
        return scales.stream().map(scale -> Integer.toString(scale)).toList();
    }

    private record Input(ByteBuffer in) {
        EarlierVersion version() {
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
            Regime regime = regime(kind);
            Recomputed recomputed = regime == null ? null : new Recomputed(real(), real(), regime);
            Claims claims = hasClaims ? new Claims(real(), real(), real(), root, boxes, window, keyId) : null;
            Kind verdict = verdict(kind);
            Verdict decided = new Verdict(
                    id, dHat, verdict, recomputed, verdict == Kind.ACCEPTED ? null : ReasonKind.reason(text()), policy);
            if (in.hasRemaining()) {
                throw new IllegalArgumentException("a row is longer than its parts");
            }
            return new EarlierVersion(
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

    private static Kind verdict(int kind) {
        return List.of(Kind.ACCEPTED, Kind.ESCALATED, Kind.REJECTED).get((kind >> 2) & 3);
    }

    private static @Nullable Regime regime(int kind) {
        int code = kind & NO_REGIME;
        return code == NO_REGIME
                ? null
                : List.of(Regime.STICKY, Regime.MIXED, Regime.NON_STICKY).get(code);
    }
}
