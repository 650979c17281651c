// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import java.util.ArrayList;
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
        Optional<KeyId> key = check.verify(certificate.canonicalForm(), certificate.sig());
        if (key.isPresent()) {
            return key.get().equals(KeyId.NONE)
                    ? new Diagnosis.NotChecked()
                    : new Diagnosis.Good(key.get().text());
        }
        List<KeyId> ids = check.keyIds();
        List<TriedKey> keys = new ArrayList<>(
                check.suspects().stream().map(TriedKey::configured).toList());
        others.stream()
                .filter(other -> !ids.contains(other.key().id()))
                .map(TriedKey::other)
                .forEach(keys::add);
        CheckedWith checked = new CheckedWith.Settings(check.suspects().get(0).algorithm(), ids);
        return new SignatureSearch(checked).of(body, certificate, keys);
    }
}
