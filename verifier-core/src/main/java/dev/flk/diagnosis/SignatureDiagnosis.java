// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis.Difference;
import dev.flk.diagnosis.Diagnosis.Verdict;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.signing.CandidateKey.KeyForm;
import dev.flk.signing.CandidateKey.Message;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds out how a signature was made that does not verify: tries the fifteen {@link Mistake}s, every pair of them, and all those of the text
 * together, with at most {@value #MAX_KEYS} keys. Takes a second or two at the most; never run on the request path, where it would be a
 * denial-of-service vector.
 */
public final class SignatureDiagnosis {
    /** Of the keys that signatures are checked with, and of the others. */
    public static final int MAX_KEYS = 64;

    /** A longer certificate is not tried as a whole. */
    private static final int MAX_WHOLE_BYTES = 256 << 10;

    private static final int HMAC_BYTES = 32;
    private static final int ED25519_BYTES = 64;
    private static final List<Set<Mistake>> COMBINATIONS = combinations();

    private final @Nullable SignatureCheck check;
    private final List<SigningAlgorithm> algorithms;
    private final List<NamedKey> keys;
    private final List<NamedKey> others;
    /** A clause that names the keys that are checked, what to do about another key, and about another algorithm. */
    private final String checkedWith;

    private final String addKey;
    private final boolean hasKeysFile;

    private SignatureDiagnosis(
            @Nullable SignatureCheck check,
            List<SigningAlgorithm> algorithms,
            List<NamedKey> keys,
            List<NamedKey> others,
            String checkedWith,
            String addKey,
            boolean hasKeysFile) {
        this.check = check;
        this.algorithms = algorithms;
        this.keys = keys;
        this.others = List.copyOf(others);
        this.checkedWith = checkedWith;
        this.addKey = addKey;
        this.hasKeysFile = hasKeysFile;
    }

    /**
     * For the simple settings.
     *
     * @param check as whoever refuses the signature has it
     * @param others keys that may have been used instead
     */
    public SignatureDiagnosis(SignatureCheck check, List<NamedKey> others) {
        this(
                check,
                check.candidates().stream()
                        .map(key -> key.algorithm())
                        .distinct()
                        .toList(),
                check.candidates().stream()
                        .map(key -> new NamedKey(key.id().text(), key))
                        .toList(),
                others.stream()
                        .filter(other -> !check.keyIds().contains(other.key().id()))
                        .toList(),
                "it is checked with " + check.keyIds().stream().map(KeyId::text).collect(Collectors.joining(", ")),
                "Sign with a configured key, or add this one where it is checked (PCS_HMAC_KEYS and PCS_ED25519_PUB_B64"
                        + " take several).",
                false);
    }

    /**
     * For a keys file, whose keys are named by their ids there; none of them verifies the signature.
     *
     * @param algorithms those of all keys of the file, at least one
     * @param ofShard keys that may sign for the shard of the certificate
     * @param foreign other keys of the file
     * @param further keys that may have been used instead
     */
    public static SignatureDiagnosis ofKeysFile(
            List<SigningAlgorithm> algorithms, List<NamedKey> ofShard, List<NamedKey> foreign, List<NamedKey> further) {
        return new SignatureDiagnosis(
                null,
                algorithms,
                Stream.concat(ofShard.stream(), foreign.stream()).toList(),
                further,
                ofShard.isEmpty()
                        ? "no key of the keys file may sign for the shard"
                        : "it is checked with "
                                + ofShard.stream().map(NamedKey::name).collect(Collectors.joining(", ")),
                "Sign with a key that may sign for the shard, or add this one to the keys file.",
                true);
    }

    private static List<Set<Mistake>> combinations() {
        Set<Set<Mistake>> all = new HashSet<>();
        Mistake[] mistakes = Mistake.values();
        for (Mistake one : mistakes) {
            for (Mistake other : mistakes) {
                all.add(EnumSet.of(one, other));
            }
        }
        List<Mistake> ofText =
                Arrays.stream(mistakes).filter(Mistake::isOfTheText).toList();
        for (int bits = 1; bits < 1 << ofText.size(); bits++) {
            Set<Mistake> some = EnumSet.noneOf(Mistake.class);
            for (int i = 0; i < ofText.size(); i++) {
                if ((bits >> i & 1) == 1) {
                    some.add(ofText.get(i));
                }
            }
            all.add(some);
        }
        // the fewest mistakes first
        return all.stream()
                .sorted(Comparator.<Set<Mistake>>comparingInt(Set::size).thenComparing(Set::toString))
                .toList();
    }

    /** The diagnosis of a certificate that was read from {@code body}. */
    public Diagnosis of(byte[] body, ParsedCertificate certificate) {
        byte[] canonical = certificate.canonicalForm();
        String sig = certificate.sig();
        if (check != null) {
            String key = check.verify(canonical, sig).map(KeyId::text).orElse(null);
            if (key != null) {
                return key.equals(KeyId.NONE.text())
                        ? Diagnosis.of(Verdict.NOT_CHECKED, null)
                        : Diagnosis.of(Verdict.GOOD, key);
            }
        }
        if (sig == null || sig.isEmpty()) {
            return Diagnosis.of(Verdict.MISSING, null);
        }
        List<byte[]> strict = strictly(sig);
        List<byte[]> loose = loosely(sig);
        if (strict.isEmpty() && loose.isEmpty()) {
            return Diagnosis.failed(
                    Verdict.UNREADABLE,
                    canonical,
                    null,
                    "sig stands for no 32 bytes (HMAC-SHA256, 44 characters in base64) and no 64 (Ed25519, 88). "
                            + Mistake.SPELLING.advice());
        }
        JsonValue.Members written = written(body);
        for (Set<Mistake> mistakes : COMBINATIONS) {
            if (mistakes.contains(Mistake.WHOLE_CERTIFICATE) && body.length > MAX_WHOLE_BYTES) {
                continue;
            }
            byte[] text = SignedText.write(written, mistakes);
            for (byte[] signature : mistakes.contains(Mistake.SPELLING) ? loose : strict) {
                Diagnosis found = made(signature, text, canonical, mistakes);
                if (found != null) {
                    return found;
                }
            }
        }
        return unexplained(canonical, strict);
    }

    /** All mistakes are excluded: the length may tell another algorithm; else another key is left, or a change. */
    private Diagnosis unexplained(byte[] canonical, List<byte[]> strict) {
        for (byte[] signature : strict) {
            SigningAlgorithm made = signature.length == HMAC_BYTES ? SigningAlgorithm.HMAC : SigningAlgorithm.ED25519;
            if (!algorithms.contains(made)) {
                String checked =
                        algorithms.stream().map(SigningAlgorithm::displayName).collect(Collectors.joining(" or "));
                return Diagnosis.failed(
                        Verdict.OTHER_ALGORITHM,
                        canonical,
                        Mistake.OTHER_ALGORITHM.difference(
                                "By its length of " + signature.length + " bytes it is an " + made.displayName()
                                        + " signature; " + checked + " is what is checked.",
                                hasKeysFile
                                        ? "Sign with " + checked + ", or add the key that made it to the keys file."
                                        : "Set PCS_SIGN_ALG to the same on both sides, with a key for it."),
                        null);
            }
        }
        return Diagnosis.failed(
                Verdict.UNEXPLAINED,
                canonical,
                Mistake.OTHER_KEY.difference(
                        "No known mistake explains it with the keys that were tried. What is left: it was made with"
                                + " another key, or a signed field was changed after signing.",
                        "Name further keys to be tried, and compare the text that is signed with this one."),
                keys.size() > MAX_KEYS ? "Only the first " + MAX_KEYS + " keys were tried." : null);
    }

    private @Nullable Diagnosis made(byte[] signature, byte[] text, byte[] canonical, Set<Mistake> mistakes) {
        boolean isOther = mistakes.contains(Mistake.OTHER_KEY);
        boolean isOtherAlgorithm = mistakes.contains(Mistake.OTHER_ALGORITHM);
        if (isOther == isOtherAlgorithm && isOther) {
            return null; // a key for another algorithm is another key anyway
        }
        KeyForm form = mistakes.contains(Mistake.DECODED_SECRET)
                ? KeyForm.DECODED
                : mistakes.contains(Mistake.SECRET_WHITE_SPACE) ? KeyForm.OTHER_WHITE_SPACE : KeyForm.AS_CONFIGURED;
        for (NamedKey key : candidates(isOther, isOtherAlgorithm)) {
            boolean isChecked = keys.contains(key);
            SigningAlgorithm expected = isChecked || hasKeysFile ? key.key().algorithm() : algorithms.get(0);
            SigningAlgorithm used = isOtherAlgorithm ? other(expected) : expected;
            if (signature.length == (used == SigningAlgorithm.HMAC ? HMAC_BYTES : ED25519_BYTES)
                    && key.key().made(signature, text, used, form, message(used, mistakes))) {
                return new Diagnosis(
                        Verdict.EXPLAINED,
                        isChecked ? key.name() : key.key().id().text(),
                        isChecked ? null : key.name(),
                        mistakes.stream()
                                .map(mistake -> difference(mistake, key, used, expected))
                                .toList(),
                        new String(canonical, StandardCharsets.UTF_8),
                        new String(text, StandardCharsets.UTF_8),
                        null);
            }
        }
        return null;
    }

    private List<NamedKey> candidates(boolean isOther, boolean isOtherAlgorithm) {
        Stream<NamedKey> checked = isOther ? Stream.empty() : keys.stream().limit(MAX_KEYS);
        Stream<NamedKey> further =
                isOther || (isOtherAlgorithm && !hasKeysFile) ? others.stream().limit(MAX_KEYS) : Stream.empty();
        return Stream.concat(checked, further).toList();
    }

    private static Message message(SigningAlgorithm used, Set<Mistake> mistakes) {
        if (mistakes.contains(Mistake.HEX_DIGEST)) {
            return Message.SHA256_IN_HEX;
        }
        return Message.proper(mistakes.contains(Mistake.OTHER_MESSAGE) ? other(used) : used);
    }

    private static SigningAlgorithm other(SigningAlgorithm algorithm) {
        return algorithm == SigningAlgorithm.HMAC ? SigningAlgorithm.ED25519 : SigningAlgorithm.HMAC;
    }

    private Difference difference(Mistake mistake, NamedKey key, SigningAlgorithm used, SigningAlgorithm expected) {
        return switch (mistake) {
            case OTHER_ALGORITHM -> {
                String serving = key.key().algorithm() == used ? "" : ", the Ed25519 key serving as the secret";
                String instead = hasKeysFile ? "that key is for " : "PCS_SIGN_ALG asks for ";
                yield mistake.difference(
                        "It was made with " + used.displayName() + serving + "; " + instead + expected.displayName()
                                + ".",
                        "Sign with " + expected.displayName() + (hasKeysFile ? "." : ", or change PCS_SIGN_ALG."));
            }
            case OTHER_KEY ->
                mistake.difference(
                        "It was made with the key " + key.key().id() + " of " + key.name() + "; " + checkedWith + ".",
                        addKey);
            default -> mistake.difference();
        };
    }

    private static JsonValue.Members written(byte[] body) {
        try {
            return JsonValue.parse(body);
        } catch (MalformedCertificate e) {
            throw new IllegalArgumentException("the body is not that of the certificate", e);
        }
    }

    /** The bytes that verification reads; empty if they are no signature. */
    private static List<byte[]> strictly(String sig) {
        List<byte[]> read = new ArrayList<>();
        addBase64(read, sig);
        read.removeIf(bytes -> !Base64.getEncoder().encodeToString(bytes).equals(sig));
        return read;
    }

    /** What it may stand for otherwise. */
    private static List<byte[]> loosely(String sig) {
        List<byte[]> read = new ArrayList<>();
        String compact = sig.replaceAll("\\s", "");
        addBase64(read, compact.replace('-', '+').replace('_', '/'));
        try {
            read.add(HexFormat.of().parseHex(compact));
        } catch (IllegalArgumentException e) {
            // it is not hex
        }
        read.removeIf(bytes -> bytes.length != HMAC_BYTES && bytes.length != ED25519_BYTES);
        return read;
    }

    private static void addBase64(List<byte[]> read, String text) {
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            if (bytes.length == HMAC_BYTES || bytes.length == ED25519_BYTES) {
                read.add(bytes);
            }
        } catch (IllegalArgumentException e) {
            // it is not base64
        }
    }
}
