// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.Sha256;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Field.Problems;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A well-formed body with all signed fields. It provides what is needed to check the signature; no other field can be
 * read before {@link #check}. Immutable.
 */
public final class ParsedCertificate {
    private static final int MAX_SHARD_ID_CODE_POINTS = 256;

    private final SignedFields signed;
    private final @Nullable String sig;
    private final UnsignedFields unsigned;
    private volatile byte @Nullable [] canonicalForm;

    ParsedCertificate(SignedFields signed, @Nullable String sig, UnsignedFields unsigned) {
        this.signed = signed;
        this.sig = sig;
        this.unsigned = unsigned;
    }

    /**
     * Returns the bytes that the signature covers: the {@linkplain CanonicalForm canonical form} of the signed fields.
     * They are computed on the first call; the caller must not change them.
     */
    public byte[] canonicalForm() {
        byte[] form = canonicalForm;
        if (form == null) {
            form = CanonicalForm.of(signed);
            canonicalForm = form;
        }
        return form;
    }

    public SignedFields signed() {
        return signed;
    }

    /**
     * Returns the text of {@code sig}; null if the field is missing or not a string. The text may be empty or not a
     * signature at all.
     */
    public @Nullable String sig() {
        return sig;
    }

    /**
     * Checks all other rules of the format; this is the second phase of reading.
     *
     * @param now the time by the backend's clock
     * @param maxClockSkew how far {@code sent_at} may be ahead of {@code now}; zero for no limit
     * @throws MalformedCertificate for the first field, in the order of the format's table, that breaks a rule
     */
    public Certificate check(Instant now, Duration maxClockSkew) throws MalformedCertificate {
        Problems problems = new Problems();
        List<Double> vStar = unsigned.vStar(problems);
        unsigned.addProblemsTo(problems);
        if (unsigned.sentAt != null && !maxClockSkew.isZero()) {
            Duration ahead = Duration.between(now, unsigned.sentAt);
            if (ahead.compareTo(maxClockSkew) > 0) {
                problems.addVerbatim(
                        Field.SENT_AT,
                        "timestamp in future: sent_at=" + unsigned.sentAt + ", now=" + now + ", ahead=" + text(ahead));
            }
        }
        PcsId id = checkSigned(problems);
        problems.throwFirst();
        return new Certificate(
                id,
                signed,
                unsigned.attempt,
                Objects.requireNonNull(unsigned.sentAt),
                unsigned.seed,
                List.copyOf(unsigned.scales),
                unsigned.counts,
                vStar,
                Objects.requireNonNull(unsigned.regime),
                unsigned.faultTolerance,
                HexFormat.of().formatHex(Sha256.of(canonicalForm())),
                ContentDigest.ofPreimage(
                        canonicalForm(),
                        unsigned.content().getBytes(StandardCharsets.UTF_8),
                        bits(vStar).getBytes(StandardCharsets.US_ASCII)));
    }

    /**
     * Checks a body that was accepted before, like {@link #check} but without comparing {@code sent_at} with a clock.
     */
    public Certificate checkIgnoringClock() throws MalformedCertificate {
        return check(Instant.EPOCH, Duration.ZERO);
    }

    /** Records the problems of the signed fields' values; returns the id that the fields require. */
    private PcsId checkSigned(Problems problems) {
        PcsId id = PcsId.of(signed.merkleRoot(), signed.epoch(), signed.shardId());
        if (!PcsId.isHex64(signed.pcsId())) {
            problems.add(Field.PCS_ID, "must be 64 lower-case hex digits");
        } else if (!signed.pcsId().equals(id.toString())) {
            problems.add(Field.PCS_ID, "must be the SHA-256 of merkle_root|epoch|shard_id");
        }
        String shardId = signed.shardId();
        if (shardId.isEmpty() || shardId.codePointCount(0, shardId.length()) > MAX_SHARD_ID_CODE_POINTS) {
            problems.add(Field.SHARD_ID, "must have 1 to " + MAX_SHARD_ID_CODE_POINTS + " characters");
        }
        if (signed.epoch() < 0) {
            problems.add(Field.EPOCH, "must be from 0 to 9223372036854775807");
        }
        if (!PcsId.isHex64(signed.merkleRoot())) {
            problems.add(Field.MERKLE_ROOT, "must be 64 lower-case hex digits");
        }
        return id;
    }

    /** Formats a duration like {@code 1h2m3.5s}. */
    private static String text(Duration duration) {
        return duration.toString().substring("PT".length()).toLowerCase(Locale.ROOT);
    }

    /** Returns line 3 of {@link ContentDigest}. */
    private static String bits(@Nullable List<Double> vStar) {
        if (vStar == null) {
            return "";
        }
        StringBuilder text = new StringBuilder(2 + 17 * vStar.size()).append('[');
        for (int i = 0; i < vStar.size(); i++) {
            if (i > 0) {
                text.append(',');
            }
            text.append(HexFormat.of().toHexDigits(Double.doubleToRawLongBits(vStar.get(i))));
        }
        return text.append(']').toString();
    }
}
