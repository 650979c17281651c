// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.SignedFields;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads a body in two phases, since the signature is checked in between. This is the first: the whole body is well-formed
 * JSON, and the signed fields are there with the right types. {@link ParsedCertificate#check} is the second.
 *
 * <p>Time is linear in the body (but for the sorting of keys) and memory a small multiple of it, whatever the body says.
 */
public final class CertificateReader {
    private final JsonText in;
    private final Problems problems = new Problems();
    private final FieldValues values;
    private final RecordedTokens unsigned = new RecordedTokens();
    private final Set<Field> seen = EnumSet.noneOf(Field.class);
    private final StringBuilder contentText = new StringBuilder(512);
    private final StringBuilder asideText = new StringBuilder(256);

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
        this.values = new FieldValues(in, problems);
    }

    /**
     * Reads {@code body}, which stays the caller's.
     *
     * @throws MalformedCertificate if it isn't one well-formed JSON object, or a signed field is missing or of the wrong type
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
        NormalObject content = new NormalObject(contentText);
        NormalObject aside = new NormalObject(asideText);
        while (in.next() == JsonToken.FIELD_NAME) {
            String key = in.text();
            in.next();
            Field field = Field.named(key);
            if (field == null) {
                content.add(key, in);
            } else if (!seen.add(field)) {
                throw MalformedCertificate.repeatedKey(key);
            } else {
                switch (field.part) {
                    case SIGNED -> readSigned(field);
                    case CONTENT -> addUnsigned(content, key);
                    case ASIDE -> addUnsigned(aside, key);
                    case SIGNATURE -> readSignature(key, aside);
                }
            }
        }
        content.close();
        aside.close();
        in.end();
        return new ParsedCertificate(signedFields(), sig, contentText.toString(), asideText.toString(), unsigned);
    }

    /** A known field that is not signed: its text is kept, and its tokens for the second phase. */
    private void addUnsigned(NormalObject object, String key) throws MalformedCertificate {
        in.record(key, unsigned);
        object.add(key, in);
        in.stopRecording();
    }

    private void readSigned(Field field) throws MalformedCertificate {
        switch (field) {
            case PCS_ID -> pcsId = values.string(field);
            case SHARD_ID -> shardId = values.string(field);
            case MERKLE_ROOT -> merkleRoot = values.string(field);
            case EPOCH -> epoch = values.int64(field).orElse(0);
            case D_HAT -> dHat = signedReal(field);
            case COH_STAR -> cohStar = signedReal(field);
            case R -> r = signedReal(field);
            case BUDGET -> budget = signedReal(field);
            default -> throw new IllegalStateException(field + " is not signed");
        }
    }

    private double signedReal(Field field) throws MalformedCertificate {
        return values.real(field, "must be a finite number").orElse(0);
    }

    /** A signature that is no string is none; the second phase says so where none is asked for. */
    private void readSignature(String key, NormalObject aside) throws MalformedCertificate {
        if (in.token() == JsonToken.VALUE_STRING) {
            sig = in.text();
        } else {
            addUnsigned(aside, key);
        }
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
