// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.diagnosis.SignatureReading.Spelling;
import dev.flk.signing.HashedText;
import dev.flk.signing.KeyUse;
import dev.flk.signing.KeyUse.KeyForm;
import dev.flk.signing.KeyUse.Message;
import dev.flk.signing.KeyUse.Scheme;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One way in which a text may have become the signature: a key, a use of it, a reading of the signature.
 *
 * @param key null where none is needed
 */
record Trial(CheckedWith checked, @Nullable TriedKey key, KeyUse use, SignatureReading reading) {
    private static final long ED25519_WORK = 20;
    private static final int BYTES_PER_WORK = 1024;

    boolean fits(HashedText text) {
        return use.made(reading.bytes(), text);
    }

    /** What {@link #fits} costs, an HMAC over a short text being 1. */
    long work(HashedText text) {
        long hashed = use.message() == Message.TEXT ? text.text().length / BYTES_PER_WORK : 0;
        return hashed + (use.scheme() == Scheme.ED25519 ? ED25519_WORK : 1);
    }

    private @Nullable SuspectKey suspect() {
        return key == null ? null : key.key();
    }

    private SigningAlgorithm expected() {
        return checked.properFor(suspect());
    }

    /** How many things are otherwise than they should be. */
    int deviations() {
        return differences().size();
    }

    List<Difference> differences() {
        List<Difference> found = new ArrayList<>();
        Scheme proper = expected() == SigningAlgorithm.HMAC ? Scheme.HMAC_SHA256 : Scheme.ED25519;
        if (use.scheme() != proper) {
            found.add(otherScheme());
        }
        if (use.message() != use.scheme().properMessage()) {
            found.add(otherMessage());
        }
        if (key != null && key.source() != null && key.key().algorithm() == expected()) {
            found.add(otherKey(key));
        }
        if (use.keyForm() != KeyForm.AS_CONFIGURED && isKeyForItsScheme()) {
            found.add(otherKeyForm());
        }
        if (reading.spelling() != Spelling.BASE64) {
            found.add(new Difference(Cause.SPELLING, reading.spelling().what(), SignatureReading.advice()));
        }
        return found;
    }

    /** And not, say, an HMAC secret that served as the private key of Ed25519. */
    private boolean isKeyForItsScheme() {
        return key != null && (key.key().algorithm() == SigningAlgorithm.ED25519) == (use.scheme() == Scheme.ED25519);
    }

    private Difference otherScheme() {
        String with = use.scheme().displayName();
        if (key != null && !isKeyForItsScheme()) {
            with += key.key().algorithm() == SigningAlgorithm.HMAC
                    ? ", the HMAC secret serving as its key"
                    : ", the Ed25519 key serving as the secret";
        }
        boolean isProperSomewhere = use.scheme() == Scheme.ED25519 || use.scheme() == Scheme.HMAC_SHA256;
        return new Difference(
                Cause.ALGORITHM,
                "It was made with " + with + "; " + checked.instead(expected()) + ".",
                isProperSomewhere
                        ? checked.admitting(expected(), use.scheme())
                        : "Sign with " + expected().displayName() + ".");
    }

    private Difference otherMessage() {
        String over = switch (use.message()) {
            case TEXT -> "the text itself";
            case SHA256 -> "the SHA-256 digest of the text";
            case SHA256_IN_HEX -> "the hex digits of the text's SHA-256";
        };
        String instead = use.scheme().properMessage() == Message.SHA256
                ? "Sign the SHA-256 digest of the text, its 32 bytes."
                : "Make it over the text itself.";
        return new Difference(Cause.ALGORITHM, use.scheme().displayName() + " was made over " + over + ".", instead);
    }

    private Difference otherKey(TriedKey other) {
        return new Difference(
                Cause.KEY,
                "It was made with the key " + other.id() + " of " + other.source() + "; " + checked.keys() + ".",
                checked.adding(expected()));
    }

    private Difference otherKeyForm() {
        String what = switch (use.keyForm()) {
            case AS_CONFIGURED -> "";
            case BASE64_DECODED -> "The secret was decoded from base64 before it was used.";
            case HEX_DECODED -> "The secret was decoded from hex before it was used.";
            case WITH_LINE_FEED -> "The secret was used with a line feed at its end, as a file has it.";
            case WITH_CARRIAGE_RETURN_AND_LINE_FEED ->
                "The secret was used with a carriage return and line feed at its end, as a file has them.";
            case STRIPPED -> "The secret was used without the white space around it.";
        };
        return new Difference(Cause.KEY, what, "Use the UTF-8 bytes of the secret's text exactly as it is configured.");
    }
}
