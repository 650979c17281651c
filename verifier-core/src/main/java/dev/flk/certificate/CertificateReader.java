// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Field.Problems;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A reader of certificates, which performs the first of two phases; the signature is checked between the phases. The
 * first phase makes sure that the whole body is well-formed JSON and that the signed fields are present with the right
 * types. {@link ParsedCertificate#check} is the second phase.
 *
 * <p>For any body, time is linear in its size (except for the sorting of keys), and memory is a small multiple of it.
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
        try (JsonText in = JsonText.of(body)) {
            return new CertificateReader(in).read();
        }
    }

    private ParsedCertificate read() throws MalformedCertificate {
        if (in.next() != JsonToken.START_OBJECT) {
            throw new MalformedCertificate("malformed JSON: a certificate is an object");
        }
        while (in.next() == JsonToken.FIELD_NAME) {
            String name = in.text();
            JsonToken first = in.next();
            Field field = Field.named(name);
            if (field == null) {
                unsigned.readUnknown(name, in);
            } else if (!seen.add(field)) {
                throw MalformedCertificate.repeatedKey(name);
            } else if (Field.SIGNED.contains(field)) {
                NormalObject.skipValue(in);
                readSigned(field);
            } else if (field == Field.SIG && first == JsonToken.VALUE_STRING) {
                sig = in.text();
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
            case EPOCH -> epoch = values.int64(in, field).orElse(0);
            case D_HAT -> dHat = signedReal(field);
            case COH_STAR -> cohStar = signedReal(field);
            case R -> r = signedReal(field);
            case BUDGET -> budget = signedReal(field);
            default -> throw new IllegalStateException(field + " is not signed");
        }
    }

    private double signedReal(Field field) {
        return values.real(in, field, "must be a finite number").orElse(0);
    }

    private SignedFields signedFields() throws MalformedCertificate {
        for (Field field : Field.SIGNED) {
            if (!seen.contains(field)) {
                problems.add(field, "is missing");
            }
        }
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
}
