// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.Sha256;
import dev.flk.canonical.SignedFields;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A well-formed body whose signed fields are there: what is needed to check its signature, and not a word more is believed
 * of it before {@link #check}. Immutable.
 */
public final class ParsedCertificate {
    private static final int MAX_SHARD_ID_CODE_POINTS = 256;

    private final SignedFields signed;
    private final @Nullable String sig;
    private final String content;
    private final String aside;
    private final RecordedTokens unsigned;
    private volatile byte @Nullable [] canonicalForm;

    /**
     * @param content the unsigned content but {@code v_star}, line 2 of {@link ContentDigest}
     * @param aside the other known fields that are not signed, in the same form
     * @param unsigned the known ones of both as they were read, if they are not too many
     */
    ParsedCertificate(
            SignedFields signed, @Nullable String sig, String content, String aside, RecordedTokens unsigned) {
        this.signed = signed;
        this.sig = sig;
        this.content = content;
        this.aside = aside;
        this.unsigned = unsigned;
    }

    /** The bytes that are signed, {@link CanonicalForm#of} the signed fields, made when they are asked for first; not to be changed. */
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

    /** The signature's text as it came; null if there is none or it is no string. May be empty or anything else. */
    public @Nullable String sig() {
        return sig;
    }

    /**
     * The second phase: all other rules of the format.
     *
     * @param now the backend's clock
     * @param maxClockSkew how far {@code sent_at} may be ahead of {@code now}; zero: as far as it likes
     * @throws MalformedCertificate for the first field, in the order of the format's table, that breaks a rule
     */
    public Certificate check(Instant now, Duration maxClockSkew) throws MalformedCertificate {
        Problems problems = new Problems();
        UnsignedFields fields = unsigned.isIncomplete()
                ? UnsignedFields.read(content, aside, problems)
                : UnsignedFields.read(unsigned, problems);
        if (fields.sentAt != null && !maxClockSkew.isZero()) {
            Duration ahead = Duration.between(now, fields.sentAt);
            if (ahead.compareTo(maxClockSkew) > 0) {
                problems.addWhole(
                        Field.SENT_AT,
                        "timestamp in future: sent_at=" + fields.sentAt + ", now=" + now + ", ahead=" + text(ahead));
            }
        }
        return check(fields, problems);
    }

    /** {@link #check} for a body that was taken before, at a time when its {@code sent_at} was no matter. */
    public Certificate checkIgnoringClock() throws MalformedCertificate {
        return check(Instant.EPOCH, Duration.ZERO);
    }

    private Certificate check(UnsignedFields fields, Problems problems) throws MalformedCertificate {
        PcsId id = checkSigned(problems);
        problems.throwFirst();
        return new Certificate(
                id,
                signed,
                fields.attempt,
                Objects.requireNonNull(fields.sentAt),
                fields.seed,
                List.copyOf(fields.scales),
                fields.counts,
                fields.vStar,
                Objects.requireNonNull(fields.regime),
                fields.faultTolerance,
                HexFormat.of().formatHex(Sha256.of(canonicalForm())),
                ContentDigest.ofPreimage(
                        canonicalForm(),
                        content.getBytes(StandardCharsets.UTF_8),
                        bits(fields.vStar).getBytes(StandardCharsets.US_ASCII)));
    }

    /** Notes what is wrong with the values of the signed fields; the result is the id that belongs to them. */
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

    /** Like {@code 1h2m3.5s}. */
    private static String text(Duration duration) {
        return duration.toString().substring("PT".length()).toLowerCase(Locale.ROOT);
    }

    /** Line 3 of {@link ContentDigest}. */
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
