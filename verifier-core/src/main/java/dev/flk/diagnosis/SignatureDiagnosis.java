// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis.Tried;
import dev.flk.diagnosis.Search.Hit;
import dev.flk.signing.KeyId;
import dev.flk.signing.KeyUse;
import dev.flk.signing.KeyUse.Scheme;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Says what is wrong with a signature, and tries to find out how it was made. */
public final class SignatureDiagnosis {
    private final SignatureCheck check;
    private final List<NamedKey> others;

    /**
     * @param check as whoever refuses the signature has it
     * @param others keys that may have been used instead
     */
    public SignatureDiagnosis(SignatureCheck check, List<NamedKey> others) {
        this.check = check;
        this.others = List.copyOf(others);
    }

    /**
     * The diagnosis of a certificate; takes seconds at the most.
     *
     * @param body what {@code certificate} was read from
     */
    public Diagnosis of(byte[] body, ParsedCertificate certificate) {
        byte[] canonical = certificate.canonicalForm();
        String sig = certificate.sig();
        Optional<KeyId> key = check.verify(canonical, sig);
        if (key.isPresent()) {
            return key.get().equals(KeyId.NONE) ? new Diagnosis.NotChecked() : new Diagnosis.Good(key.get());
        }
        if (sig == null || sig.isEmpty()) {
            return new Diagnosis.Missing();
        }
        List<SignatureReading> readings = SignatureReading.of(sig);
        if (readings.isEmpty()) {
            return new Diagnosis.Unreadable(whyUnreadable(sig));
        }
        Search search = new Search(written(body), body.length, trials(readings));
        Optional<Hit> hit = search.run();
        Tried tried = new Tried(search.combinations(), search.isComplete());
        return hit.<Diagnosis>map(found -> explained(found, canonical, tried))
                .orElseGet(() -> new Diagnosis.Unexplained(hint(readings), canonical, tried));
    }

    private static JsonValue.Members written(byte[] body) {
        try {
            return JsonValue.parse(body);
        } catch (MalformedCertificate e) {
            throw new IllegalArgumentException("the body is not that of the certificate", e);
        }
    }

    private List<Trial> trials(List<SignatureReading> readings) {
        List<SuspectKey> configured = check.suspects();
        List<KeyId> ids = check.keyIds();
        SigningAlgorithm expected = expected();
        List<Trial> trials = new ArrayList<>();
        for (SignatureReading reading : readings) {
            int length = reading.bytes().length;
            for (SuspectKey key : configured) {
                key.uses(length).forEach(use -> trials.add(new Trial(expected, ids, null, key, use, reading)));
            }
            for (NamedKey other : others) {
                if (!ids.contains(other.key().id())) {
                    other.key()
                            .uses(length)
                            .forEach(use ->
                                    trials.add(new Trial(expected, ids, other.name(), other.key(), use, reading)));
                }
            }
            for (KeyUse use : SuspectKey.keylessUses()) {
                if (use.scheme().signatureBytes() == length) {
                    trials.add(new Trial(expected, ids, null, null, use, reading));
                }
            }
        }
        return trials;
    }

    private SigningAlgorithm expected() {
        return check.suspects().get(0).algorithm();
    }

    private static Diagnosis.Explained explained(Hit hit, byte[] canonical, Tried tried) {
        List<Difference> differences = new ArrayList<>(hit.trial().differences());
        differences.addAll(hit.form().differences());
        differences.sort(Comparator.comparing(Difference::cause));
        return new Diagnosis.Explained(
                differences, hit.trial().keyId(), hit.trial().name(), hit.text(), canonical, tried);
    }

    private String whyUnreadable(String sig) {
        String wanted = expected() == SigningAlgorithm.HMAC
                ? "an HMAC-SHA256 has 32 bytes, 44 characters in base64"
                : "an Ed25519 signature has 64 bytes, 88 characters in base64";
        return SignatureReading.base64Length(sig)
                .map(length -> "its base64 stands for " + length + " bytes; " + wanted)
                .orElse("it is not base64; " + wanted);
    }

    private String hint(List<SignatureReading> readings) {
        int length = readings.get(0).bytes().length;
        Scheme proper = expected() == SigningAlgorithm.HMAC ? Scheme.HMAC_SHA256 : Scheme.ED25519;
        if (length == proper.signatureBytes()) {
            return "";
        }
        String kind = switch (length) {
            case 20 -> "an HMAC-SHA1";
            case 32 -> "an HMAC-SHA256";
            case 48 -> "an HMAC-SHA384";
            default -> "an Ed25519 signature or an HMAC-SHA512";
        };
        return "Its " + length + " bytes are the length of " + kind + "; PCS_SIGN_ALG="
                + expected().configName() + " is what is checked.";
    }
}
