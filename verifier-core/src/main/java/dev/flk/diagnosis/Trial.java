// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.diagnosis.SignatureReading.Spelling;
import dev.flk.signing.HashedText;
import dev.flk.signing.KeyId;
import dev.flk.signing.KeyUse;
import dev.flk.signing.KeyUse.KeyForm;
import dev.flk.signing.KeyUse.Message;
import dev.flk.signing.KeyUse.Scheme;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One way in which a text may have become the signature: a key, a use of it, a reading of the signature.
 *
 * @param expected the algorithm that is configured
 * @param name where the key comes from; null for one that is configured
 * @param key null where none is needed
 */
record Trial(
        SigningAlgorithm expected,
        List<KeyId> configured,
        @Nullable String name,
        @Nullable SuspectKey key,
        KeyUse use,
        SignatureReading reading) {
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

    Optional<KeyId> keyId() {
        return Optional.ofNullable(key).map(SuspectKey::id);
    }

    /** How many things are otherwise than they should be. */
    int deviations() {
        return differences().size();
    }

    List<Difference> differences() {
        List<Difference> found = new ArrayList<>();
        Scheme proper = expected == SigningAlgorithm.HMAC ? Scheme.HMAC_SHA256 : Scheme.ED25519;
        if (use.scheme() != proper) {
            found.add(otherScheme());
        }
        if (use.message() != use.scheme().properMessage()) {
            found.add(otherMessage());
        }
        if (key != null && name != null && key.algorithm() == expected) {
            found.add(otherKey(name, key));
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
        return key != null && (key.algorithm() == SigningAlgorithm.ED25519) == (use.scheme() == Scheme.ED25519);
    }

    private Difference otherScheme() {
        String with = use.scheme().displayName();
        if (key != null && !isKeyForItsScheme()) {
            with += key.algorithm() == SigningAlgorithm.HMAC
                    ? ", the HMAC secret serving as its key"
                    : ", the Ed25519 key serving as the secret";
        }
        String advice = "Sign with " + expected.displayName() + ".";
        if (use.scheme() == Scheme.ED25519 || use.scheme() == Scheme.HMAC_SHA256) {
            String other = use.scheme() == Scheme.ED25519 ? "ed25519" : "hmac";
            advice = "Sign with " + expected.displayName() + ", or have PCS_SIGN_ALG=" + other
                    + " and the key for it set where it is checked.";
        }
        return new Difference(
                Cause.ALGORITHM,
                "It was made with " + with + "; PCS_SIGN_ALG=" + expected.configName() + " is what is checked.",
                advice);
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

    private Difference otherKey(String from, SuspectKey other) {
        String wanted = configured.stream().map(KeyId::text).collect(Collectors.joining(", "));
        return new Difference(
                Cause.KEY,
                "It was made with the key " + other.id() + " of " + from + "; it is checked with " + wanted + ".",
                "Sign with a key that is configured, or add this one where it is checked ("
                        + (expected == SigningAlgorithm.HMAC ? "PCS_HMAC_KEYS" : "PCS_ED25519_PUB_B64")
                        + " takes several).");
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
