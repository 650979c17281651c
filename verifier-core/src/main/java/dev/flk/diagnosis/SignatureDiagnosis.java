// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.Diagnosis.Difference;
import dev.flk.diagnosis.Diagnosis.Verdict;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.signing.CandidateKey.KeyForm;
import dev.flk.signing.CandidateKey.Message;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
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
 * A search for the mistakes that explain why a signature does not verify. The search tries each of the fifteen {@link
 * Mistake}s, almost every pair of mistakes, and all combinations of the mistakes that change the signed text. The
 * number of keys is limited by {@link #MAX_KEYS}. A search takes up to two seconds. Searches never run on the request
 * path, where clients could use them for denial of service.
 */
public final class SignatureDiagnosis {
    /**
     * The maximum number of keys that are tried. The limit applies separately to the keys of the check or keys file,
     * and to the keys from elsewhere.
     */
    public static final int MAX_KEYS = 64;

    /** The maximum size of a body for which {@link Mistake#WHOLE_CERTIFICATE} is tried, in bytes. */
    private static final int MAX_WHOLE_BYTES = 256 << 10;

    private static final int HMAC_BYTES = 32;
    private static final int ED25519_BYTES = 64;
    private static final List<Set<Mistake>> COMBINATIONS = combinations();

    private final @Nullable SignatureCheck check;
    private final List<SigningAlgorithm> algorithms;
    private final List<NamedKey> keys;
    private final List<NamedKey> others;
    /** The clause of a message that names the keys with which the signature is checked. */
    private final String checkedWith;
    /** The advice to give if another key made the signature. */
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
     * Creates a search that uses the keys of a check, for a program without a keys file.
     *
     * @param check the check that decides whether a signature verifies
     * @param others keys from elsewhere with which the certificate may have been signed instead
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
                        + " accept several).",
                false);
    }

    /**
     * Creates a search that uses the keys of a keys file. Messages name a key by its id in the file. The caller has
     * already found that no key in the file verifies the signature.
     *
     * @param algorithms the algorithms of all keys in the file, at least one
     * @param ofShard the keys in the file that are allowed to sign for the shard of the certificate
     * @param foreign the other keys in the file
     * @param further keys from elsewhere with which the certificate may have been signed instead
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
        List<Mistake> textMistakes =
                Arrays.stream(mistakes).filter(Mistake::changesText).toList();
        for (int bits = 1; bits < 1 << textMistakes.size(); bits++) {
            Set<Mistake> some = EnumSet.noneOf(Mistake.class);
            for (int i = 0; i < textMistakes.size(); i++) {
                if ((bits >> i & 1) == 1) {
                    some.add(textMistakes.get(i));
                }
            }
            all.add(some);
        }
        // Combinations of fewer mistakes come first.
        return all.stream()
                .sorted(Comparator.<Set<Mistake>>comparingInt(Set::size).thenComparing(Set::toString))
                .toList();
    }

    /** Returns the diagnosis of a certificate that was read from {@code body}. */
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
        List<byte[]> strict = decodeStrictly(sig);
        List<byte[]> loose = decodeLeniently(sig);
        if (strict.isEmpty() && loose.isEmpty()) {
            return Diagnosis.failed(
                    Verdict.UNREADABLE,
                    canonical,
                    null,
                    "sig encodes neither the 32 bytes of HMAC-SHA256 (44 characters in base64) nor the 64 of Ed25519"
                            + " (88 characters). "
                            + Mistake.SPELLING.advice());
        }
        JsonValue.Members members = parse(body);
        for (Set<Mistake> mistakes : COMBINATIONS) {
            if (mistakes.contains(Mistake.WHOLE_CERTIFICATE) && body.length > MAX_WHOLE_BYTES) {
                continue;
            }
            byte[] text = SignedText.write(members, mistakes);
            for (byte[] signature : mistakes.contains(Mistake.SPELLING) ? loose : strict) {
                Diagnosis found = explain(signature, text, canonical, mistakes);
                if (found != null) {
                    return found;
                }
            }
        }
        return unexplained(canonical, strict);
    }

    /**
     * Returns the diagnosis of a signature that no combination of mistakes explains. If the signature is as long as the
     * signatures of an unexpected algorithm, the diagnosis says so. Otherwise, the diagnosis says that another key made
     * the signature or the certificate was changed.
     */
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
                                "It is " + signature.length + " bytes long, like an " + made.displayName()
                                        + " signature, but " + checked + " is expected.",
                                hasKeysFile
                                        ? "Sign with " + checked + ", or add the key that made it to the keys file."
                                        : "Use the same PCS_SIGN_ALG on both sides, with a key for it."),
                        null);
            }
        }
        return Diagnosis.failed(
                Verdict.UNEXPLAINED,
                canonical,
                Mistake.OTHER_KEY.difference(
                        "No known mistake with the keys that were tried explains it. Either it was made with another"
                                + " key, or a signed field was changed after signing.",
                        "Add more keys to try, and compare the text that was signed with the canonical form."),
                keys.size() > MAX_KEYS ? "Only the first " + MAX_KEYS + " keys were tried." : null);
    }

    /** Returns the diagnosis if a signer who makes exactly these mistakes produces the signature; otherwise null. */
    private @Nullable Diagnosis explain(byte[] signature, byte[] text, byte[] canonical, Set<Mistake> mistakes) {
        boolean isOther = mistakes.contains(Mistake.OTHER_KEY);
        boolean isOtherAlgorithm = mistakes.contains(Mistake.OTHER_ALGORITHM);
        if (isOther == isOtherAlgorithm && isOther) {
            // OTHER_KEY and OTHER_ALGORITHM are not combined: without a keys file, OTHER_ALGORITHM alone also tries the
            // keys from elsewhere
            return null;
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
        return Message.ofCertificates(mistakes.contains(Mistake.OTHER_MESSAGE) ? other(used) : used);
    }

    private static SigningAlgorithm other(SigningAlgorithm algorithm) {
        return algorithm == SigningAlgorithm.HMAC ? SigningAlgorithm.ED25519 : SigningAlgorithm.HMAC;
    }

    private Difference difference(Mistake mistake, NamedKey key, SigningAlgorithm used, SigningAlgorithm expected) {
        return switch (mistake) {
            case OTHER_ALGORITHM -> {
                String asSecret = key.key().algorithm() == used ? "" : " with the Ed25519 key as the secret";
                String expectation = hasKeysFile ? "that key is for " : "PCS_SIGN_ALG asks for ";
                yield mistake.difference(
                        "It was made with " + used.displayName() + asSecret + "; " + expectation
                                + expected.displayName() + ".",
                        "Sign with " + expected.displayName() + (hasKeysFile ? "." : ", or change PCS_SIGN_ALG."));
            }
            case OTHER_KEY ->
                mistake.difference(
                        "It was made with the key " + key.key().id() + " of " + key.name() + "; " + checkedWith + ".",
                        addKey);
            default -> mistake.difference();
        };
    }

    private static JsonValue.Members parse(byte[] body) {
        try {
            return JsonValue.parse(body);
        } catch (MalformedCertificate e) {
            throw new IllegalArgumentException("the certificate was not read from this body", e);
        }
    }

    /** Decodes {@code sig} as verification does; returns an empty list if verification can't decode it. */
    private static List<byte[]> decodeStrictly(String sig) {
        List<byte[]> read = new ArrayList<>();
        addBase64(read, sig);
        read.removeIf(bytes -> !Base64.getEncoder().encodeToString(bytes).equals(sig));
        return read;
    }

    /** Decodes {@code sig} as hex, and as base64 with either alphabet; ignores white space and missing padding. */
    private static List<byte[]> decodeLeniently(String sig) {
        List<byte[]> read = new ArrayList<>();
        String compact = sig.replaceAll("\\s", "");
        addBase64(read, compact.replace('-', '+').replace('_', '/'));
        try {
            read.add(HexFormat.of().parseHex(compact));
        } catch (IllegalArgumentException e) {
            // not hex
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
            // not base64
        }
    }
}
