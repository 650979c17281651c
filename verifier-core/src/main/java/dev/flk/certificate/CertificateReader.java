// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.Sha256;
import dev.flk.canonical.SignedFields;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.ContentDigest.NormalObject;
import dev.flk.certificate.Field.Problems;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A reader that parses a certificate. The reader makes sure that the whole body is well-formed JSON and that the signed
 * fields are present with the right types. The caller then checks the signature, and only then the other rules of the
 * format with {@link ParsedCertificate#check}.
 *
 * <p>The time to read a body is linear in the body's size, except for the sorting of keys. The memory is a small
 * multiple of that size.
 */
public final class CertificateReader {
    private final JsonText in;
    private final Problems problems = new Problems();
    private final FieldValues values = new FieldValues(problems);
    private final UnsignedFields unsigned = new UnsignedFields();
    private final Set<Field> seen = EnumSet.noneOf(Field.class);

    private @Nullable String pcsId;
    private @Nullable String shardId;
    private @Nullable String merkleRoot;
    private @Nullable String sig;
    private long epoch;
    private double dHat;
    private double cohStar;
    private double r;
    private double budget;

    private CertificateReader(JsonText in) {
        this.in = in;
    }

    /**
     * Reads {@code body}, which is neither changed nor kept.
     *
     * @throws MalformedCertificate if the body is not one well-formed JSON object, or a signed field is missing or has
     *     the wrong type
     */
    public static ParsedCertificate parse(byte[] body) throws MalformedCertificate {
        try {
            return parse(new JsonBytes(body));
        } catch (MalformedCertificate e) {
            // JacksonText reads the body again, because JsonBytes does not say how the JSON is malformed.
            try (JacksonText in = JacksonText.of(body)) {
                return parse(in);
            }
        }
    }

    /**
     * Reads a body with {@code in}. Both implementations of {@link JsonText} give the same result, except for the
     * messages of exceptions.
     */
    static ParsedCertificate parse(JsonText in) throws MalformedCertificate {
        return new CertificateReader(in).read();
    }

    private ParsedCertificate read() throws MalformedCertificate {
        if (in.next() != JsonToken.START_OBJECT) {
            throw new MalformedCertificate("malformed JSON: a certificate is an object");
        }
        while (in.next() == JsonToken.FIELD_NAME) {
            Field field = in.field();
            String name = field == null ? in.text() : field.wireName;
            if (field == null) {
                unsigned.readUnknown(name, in);
            } else if (!seen.add(field)) {
                // if the value's first token is malformed, this call throws, and the answer reports that instead
                in.next();
                throw MalformedCertificate.repeatedKey(name);
            } else if (Field.SIGNED.contains(field)) {
                in.next();
                NormalObject.skipValue(in);
                readSigned(field);
            } else if (field == Field.SIG) {
                in.next();
                NormalObject.skipValue(in);
                sig = unsigned.sig(in);
            } else {
                unsigned.read(field, in);
            }
        }
        unsigned.end(seen);
        in.end();
        return new ParsedCertificate(signedFields(), sig, unsigned);
    }

    private void readSigned(Field field) {
        switch (field) {
            case PCS_ID -> pcsId = values.string(in, field);
            case SHARD_ID -> shardId = values.string(in, field);
            case MERKLE_ROOT -> merkleRoot = values.string(in, field);
            case EPOCH -> epoch = values.int64(in, field);
            case D_HAT -> dHat = signedReal(field);
            case COH_STAR -> cohStar = signedReal(field);
            case R -> r = signedReal(field);
            case BUDGET -> budget = signedReal(field);
            default -> throw new IllegalStateException(field + " is not signed");
        }
    }

    private double signedReal(Field field) {
        return values.real(in, field, "must be a finite number");
    }

    private SignedFields signedFields() throws MalformedCertificate {
        problems.addMissing(Field.SIGNED, seen);
        problems.throwFirst();
        return new SignedFields(
                Objects.requireNonNull(pcsId),
                Objects.requireNonNull(shardId),
                epoch,
                Objects.requireNonNull(merkleRoot),
                dHat,
                cohStar,
                r,
                budget);
    }

    /**
     * A well-formed body with all signed fields. The signature can be checked at once; the other fields can be read
     * only after {@link #check}. Immutable.
     */
    public static final class ParsedCertificate {

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
         * Returns the bytes that the signature covers: the {@linkplain SignedFields#canonicalForm canonical form} of
         * the signed fields. The bytes are computed on the first call; the caller must not change them.
         */
        public byte[] canonicalForm() {
            byte[] form = canonicalForm;
            if (form == null) {
                form = signed.canonicalForm();
                canonicalForm = form;
            }
            return form;
        }

        public SignedFields signed() {
            return signed;
        }

        /**
         * Returns the text of {@code sig}; null if the field is missing or not a string. The text may be empty or
         * something other than a signature.
         */
        public @Nullable String sig() {
            return sig;
        }

        /**
         * Checks the rules of the format that {@link #parse} has not checked.
         *
         * @param now the time by the backend's clock
         * @param maxClockSkew how far {@code sent_at} may be ahead of {@code now}; zero for no limit
         * @throws MalformedCertificate for the first field that breaks a rule, in the order of {@code Field}
         */
        public Certificate check(Instant now, Duration maxClockSkew) throws MalformedCertificate {
            Problems problems = new Problems();
            List<Double> vStar = unsigned.vStar(problems);
            unsigned.addProblemsTo(problems);
            if (unsigned.sentAt != null && unsigned.sentAt.isAfter(now) && !maxClockSkew.isZero()) {
                Duration ahead = Duration.between(now, unsigned.sentAt);
                if (ahead.compareTo(maxClockSkew) > 0) {
                    problems.addVerbatim(
                            Field.SENT_AT,
                            "timestamp in future: sent_at=" + unsigned.sentAt + ", now=" + now + ", ahead="
                                    + text(ahead));
                }
            }
            MessageDigest signedText = Sha256.start();
            PcsId id = checkSigned(problems, signedText);
            problems.throwFirst();
            signedText.update(canonicalForm());
            return new Certificate(
                    id,
                    signed,
                    unsigned.attempt,
                    Objects.requireNonNull(unsigned.sentAt),
                    unsigned.seed,
                    List.copyOf(unsigned.scales),
                    new BoxCounts(unsigned.countedScales, unsigned.counts),
                    vStar,
                    Objects.requireNonNull(unsigned.regime),
                    unsigned.faultTolerance,
                    HexFormat.of().formatHex(Sha256.copy(signedText).digest()),
                    ContentDigest.ofPreimage(signedText, unsigned.content(), bits(vStar)));
        }

        /** Checks the same rules as {@link #check}, but does not compare {@code sent_at} with a clock. */
        public Certificate checkIgnoringClock() throws MalformedCertificate {
            return check(Instant.EPOCH, Duration.ZERO);
        }

        /**
         * Records the problems of the signed fields' values. Returns the id that follows from the fields, even if
         * {@code pcs_id} differs.
         */
        private PcsId checkSigned(Problems problems, MessageDigest sha256) {
            PcsId id = PcsId.of(sha256, signed.merkleRoot(), signed.epoch(), signed.shardId());
            if (!signed.pcsId().equals(id.toString())) {
                problems.add(
                        Field.PCS_ID,
                        PcsId.isHex64(signed.pcsId())
                                ? "must be the SHA-256 of merkle_root|epoch|shard_id"
                                : "must be 64 lower-case hex digits");
            }
            String shardId = signed.shardId();
            if (shardId.isEmpty() || shardId.codePointCount(0, shardId.length()) > ShardId.MAX_CODE_POINTS) {
                problems.add(Field.SHARD_ID, "must have 1 to " + ShardId.MAX_CODE_POINTS + " characters");
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

        /** Returns {@code v_star} as in line 3 of the preimage of {@link ContentDigest}. */
        private static Utf8Buffer bits(@Nullable List<Double> vStar) {
            if (vStar == null) {
                return new Utf8Buffer(0);
            }
            Utf8Buffer text = new Utf8Buffer(2 + 17 * vStar.size()).append('[');
            for (int i = 0; i < vStar.size(); i++) {
                if (i > 0) {
                    text.append(',');
                }
                text.appendHex(Double.doubleToRawLongBits(vStar.get(i)));
            }
            return text.append(']');
        }
    }
}
