// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis.Tried;
import dev.flk.diagnosis.Search.Hit;
import dev.flk.signing.KeyUse.Scheme;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.SuspectKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Finds out how a signature was made that does not verify. One thread's own. */
final class SignatureSearch {
    private final CheckedWith checked;

    SignatureSearch(CheckedWith checked) {
        this.checked = checked;
    }

    /**
     * What is wrong with the signature of a certificate; takes a second or two.
     *
     * @param body what {@code certificate} was read from
     */
    Diagnosis of(byte[] body, ParsedCertificate certificate, List<TriedKey> keys) {
        byte[] canonical = certificate.canonicalForm();
        String sig = certificate.sig();
        if (sig == null || sig.isEmpty()) {
            return new Diagnosis.Missing();
        }
        List<SignatureReading> readings = SignatureReading.of(sig);
        if (readings.isEmpty()) {
            return new Diagnosis.Unreadable(whyUnreadable(sig));
        }
        Search search = new Search(written(body), body.length, trials(readings, keys));
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

    private List<Trial> trials(List<SignatureReading> readings, List<TriedKey> keys) {
        List<Trial> trials = new ArrayList<>();
        for (SignatureReading reading : readings) {
            int length = reading.bytes().length;
            for (TriedKey key : keys) {
                key.key().uses(length).forEach(use -> trials.add(new Trial(checked, key, use, reading)));
            }
            SuspectKey.keylessUses().stream()
                    .filter(use -> use.scheme().signatureBytes() == length)
                    .forEach(use -> trials.add(new Trial(checked, null, use, reading)));
        }
        return trials;
    }

    private static Diagnosis.Explained explained(Hit hit, byte[] canonical, Tried tried) {
        List<Difference> differences = new ArrayList<>(hit.trial().differences());
        differences.addAll(hit.form().differences());
        differences.sort(Comparator.comparing(Difference::cause));
        TriedKey key = hit.trial().key();
        return new Diagnosis.Explained(
                differences,
                Optional.ofNullable(key).map(TriedKey::id),
                key == null ? null : key.source(),
                hit.text(),
                canonical,
                tried);
    }

    private String whyUnreadable(String sig) {
        String wanted = checked.algorithms().stream()
                .map(algorithm -> algorithm == SigningAlgorithm.HMAC
                        ? "an HMAC-SHA256 has 32 bytes, 44 characters in base64"
                        : "an Ed25519 signature has 64 bytes, 88 characters in base64")
                .collect(Collectors.joining("; "));
        return SignatureReading.base64Length(sig)
                .map(length -> "its base64 stands for " + length + " bytes; " + wanted)
                .orElse("it is not base64; " + wanted);
    }

    private String hint(List<SignatureReading> readings) {
        int length = readings.get(0).bytes().length;
        for (SigningAlgorithm algorithm : checked.algorithms()) {
            Scheme proper = algorithm == SigningAlgorithm.HMAC ? Scheme.HMAC_SHA256 : Scheme.ED25519;
            if (length == proper.signatureBytes()) {
                return "";
            }
        }
        String kind = switch (length) {
            case 20 -> "an HMAC-SHA1";
            case 32 -> "an HMAC-SHA256";
            case 48 -> "an HMAC-SHA384";
            default -> "an Ed25519 signature or an HMAC-SHA512";
        };
        return "Its " + length + " bytes are the length of " + kind + "; "
                + checked.instead(checked.algorithms().get(0)) + ".";
    }
}
