// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis.Tried;
import dev.flk.signing.SigningAlgorithm;
import java.util.ArrayList;
import java.util.List;

/** Says how a signature was made that no key of a keys file verifies. */
public final class RegisteredDiagnosis {
    /** Of the keys that may not sign for the shard; each costs as much as one that may. */
    public static final int MAX_FOREIGN = 64;

    private final List<SigningAlgorithm> algorithms;
    private final List<NamedKey> ofShard;
    private final List<NamedKey> foreign;
    private final List<NamedKey> further;

    /**
     * The names of keys of the file are the ids that it has.
     *
     * @param algorithms those of all keys of the file, at least one
     * @param ofShard keys of the file that may sign for the shard of the certificate
     * @param foreign others of the file, revoked ones too; the first {@value #MAX_FOREIGN} are tried, and it is said if there are more
     * @param further keys that may have been used instead
     */
    public RegisteredDiagnosis(
            List<SigningAlgorithm> algorithms, List<NamedKey> ofShard, List<NamedKey> foreign, List<NamedKey> further) {
        this.algorithms = List.copyOf(algorithms);
        this.ofShard = List.copyOf(ofShard);
        this.foreign = List.copyOf(foreign);
        this.further = List.copyOf(further);
    }

    /**
     * The diagnosis of a certificate whose signature no key of the file verifies; takes seconds at the most. An explained one has the key's id of
     * the file, or that of one of the further keys.
     *
     * @param body what {@code certificate} was read from
     */
    public Diagnosis of(byte[] body, ParsedCertificate certificate) {
        SignatureSearch search = new SignatureSearch(new CheckedWith.KeysFile(
                algorithms, ofShard.stream().map(NamedKey::name).toList()));

        List<TriedKey> first =
                new ArrayList<>(ofShard.stream().map(TriedKey::registered).toList());
        further.stream().map(TriedKey::other).forEach(first::add);
        Diagnosis found = search.of(body, certificate, first);
        if (!(found instanceof Diagnosis.Unexplained before) || foreign.isEmpty()) {
            return found;
        }
        List<TriedKey> second =
                foreign.stream().limit(MAX_FOREIGN).map(TriedKey::registered).toList();
        Diagnosis foundThen = search.of(body, certificate, second);
        return foundThen instanceof Diagnosis.Unexplained then ? together(before, then) : foundThen;
    }

    private Diagnosis together(Diagnosis.Unexplained before, Diagnosis.Unexplained then) {
        Tried tried = new Tried(
                before.tried().combinations() + then.tried().combinations(),
                before.tried().complete() && then.tried().complete() && foreign.size() <= MAX_FOREIGN);
        return new Diagnosis.Unexplained(before.hint(), before.canonical(), tried);
    }
}
