// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.flk.backend.access.keys.KeyEntry;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFile;
import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.operate.cli.KeysCommand.ListedKey;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.program.cli.ErrorMessages;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * An explanation of a certificate's signature: how it was made and, with a keys file, which key of the file signed and
 * whether that key may sign for the shard now. JSON leaves out members that are null.
 *
 * @param signature a {@link Diagnosis}, or {@link Verified} if the signature verifies with a key of the keys file
 * @param key the key that made the signature; null if it is not in the keys file, or without a keys file
 * @param objections the reasons, if any, why {@code key} may not sign; null without a keys file
 * @param shardKeys the keys of the file for the shard of the certificate, in any state; keys that may sign now come
 *     first. Null without a keys file
 * @param shard the shard of the certificate; empty without a keys file
 * @param lost the ids of the revoked keys whose secret can't be read; empty without a keys file
 */
record ExplainedSignature(
        Object signature,
        @Nullable ListedKey key,
        @Nullable List<Objection> objections,
        @Nullable List<ShardKey> shardKeys,
        @JsonIgnore String shard,
        @JsonIgnore List<String> lost) {
    private static final int MAX_KEYS = 32;
    private static final int MAX_SHARDS = 20;

    /** A reason why a key may not sign, with an explanation and advice of one or two sentences each. */
    record Objection(String reason, String what, String advice) {}

    /** A signature that verifies with a key of the keys file. */
    record Verified(String verdict, String keyId) {}

    record ShardKey(String id, String standing) {}

    static ExplainedSignature simple(Diagnosis diagnosis) {
        return new ExplainedSignature(diagnosis, null, null, null, "", List.of());
    }

    /**
     * Explains a signature with the keys of a file. If no key of the file made the signature, also tries the {@code
     * further} keys. Takes at most a few seconds.
     */
    static ExplainedSignature of(
            KeysFile file, List<NamedKey> further, byte[] body, ParsedCertificate certificate, Instant now) {
        String shard = certificate.signed().shardId();
        Optional<KeyEntry> signer = file.signer(certificate.canonicalForm(), certificate.sig());
        Diagnosis diagnosis = null;
        if (signer.isEmpty()) {
            diagnosis = SignatureDiagnosis.ofKeysFile(
                            file.entries().stream()
                                    .map(KeyEntry::algorithm)
                                    .distinct()
                                    .toList(),
                            file.candidates(SignatureDiagnosis.MAX_KEYS + 1, key -> isOfShard(key, shard)),
                            file.candidates(SignatureDiagnosis.MAX_KEYS + 1, key -> !isOfShard(key, shard)),
                            further)
                    .of(body, certificate);
            String id = diagnosis.keyName() == null ? diagnosis.keyId() : null;
            signer = file.entries().stream().filter(key -> key.id().equals(id)).findFirst();
        }
        long nowMillis = now.toEpochMilli();
        List<Objection> objections =
                signer.map(key -> objections(key, shard, now)).orElse(List.of());
        return new ExplainedSignature(
                diagnosis != null
                        ? diagnosis
                        : new Verified(
                                objections.isEmpty() ? "good" : "not_allowed",
                                signer.map(KeyEntry::id).orElse("")),
                signer.map(key -> ListedKey.of(key, nowMillis)).orElse(null),
                objections,
                file.entries().stream()
                        .filter(key -> key.maySignFor(shard))
                        .map(key -> ListedKey.of(key, nowMillis))
                        .sorted(Comparator.comparing(key -> !key.maySign()))
                        .map(key -> new ShardKey(key.id(), key.standing()))
                        .toList(),
                shard,
                file.lost().stream().map(KeyEntry::id).toList());
    }

    private static boolean isOfShard(KeyEntry key, String shard) {
        return key.maySignFor(shard) && key.state() != KeyState.REVOKED;
    }

    /**
     * Returns all reasons why a key may not sign for a shard now; a backend counts the refusal under the first reason.
     */
    private static List<Objection> objections(KeyEntry key, String shard, Instant now) {
        return key.objections(shard, now.toEpochMilli()).stream()
                .map(reason -> objection(reason, key, shard, now))
                .toList();
    }

    private static Objection objection(SignatureRefusal reason, KeyEntry key, String shard, Instant now) {
        String here = ", and the time here is " + ErrorMessages.time(now.toEpochMilli()) + ".";
        return switch (reason) {
            case REVOKED ->
                new Objection(
                        reason.label(),
                        "It was revoked permanently.",
                        "Give the agent another key of the shard. If the agents of the shard already have one, another"
                                + " party signs with this one.");
            case FOREIGN_SHARD ->
                new Objection(
                        reason.label(),
                        "It may not sign for " + ListedKey.quoted(shard) + ", only for " + shards(key) + ".",
                        "Sign with a key of that shard, or add the shard to this one in the keys file. If neither is"
                                + " right, the key may be stolen.");
            case NOT_YET_VALID ->
                new Objection(
                        reason.label(),
                        "It becomes valid at " + key.validFrom() + here,
                        "Sign with another key until then, or set this machine's clock if it is wrong.");
            case EXPIRED ->
                new Objection(
                        reason.label(),
                        "It expired at " + key.validUntil() + here,
                        "Give the agent another key of the shard, or set this machine's clock if it is wrong.");
            case MISSING, OTHER_ALGORITHM, UNKNOWN_KEY, NOT_EXAMINED ->
                throw new IllegalArgumentException("no objection to a key: " + reason);
        };
    }

    private static String shards(KeyEntry key) {
        List<String> all = ListedKey.of(key, 0).allShards();
        String some = String.join(", ", all.subList(0, Math.min(all.size(), MAX_SHARDS)));
        return all.size() > MAX_SHARDS ? some + " and " + (all.size() - MAX_SHARDS) + " more" : some;
    }

    /** Returns whether a backend accepts the signature. */
    boolean isTaken() {
        return (!(signature instanceof Diagnosis diagnosis) || diagnosis.isAccepted())
                && (objections == null || objections.isEmpty());
    }

    /** Returns lines for people; a tab separates a label from its text. */
    String text() {
        String id = key == null ? "" : key.id();
        if (objections == null || shardKeys == null) {
            return ((Diagnosis) signature).text();
        }
        StringBuilder out = new StringBuilder();
        if (signature instanceof Diagnosis diagnosis) {
            out.append(diagnosis.text())
                    .append(objections.isEmpty() ? "" : "\nbesides, key " + id + " may not sign here\n");
        } else {
            out.append("signature good, ")
                    .append(objections.isEmpty() ? "key " + id : "but key " + id + " may not sign")
                    .append('\n');
        }
        out.append('\n');
        objections.forEach(objection ->
                out.append("%s\t%s\n\t%s\n".formatted(objection.reason(), objection.what(), objection.advice())));
        if (isTaken() && key != null) {
            return out + rights(key);
        }
        out.append("keys of shard\t").append(ListedKey.quoted(shard)).append(" has ");
        out.append(listed(shardKeys.stream()
                        .map(listed -> listed.id() + " (" + listed.standing() + ")")
                        .toList()))
                .append(".\n");
        if (key == null && !lost.isEmpty()) {
            out.append("not tried\t").append(listed(lost)).append(": revoked, and the secret no longer exists.\n");
        }
        return out.toString();
    }

    private String rights(ListedKey signer) {
        String change = signer.standing().equals(KeyState.RETIRING.label()) ? ": change the agent to another key" : "";
        String why = signer.shards().contains(shard)
                ? "by its name"
                : signer.shardPrefixes().stream()
                        .filter(shard::startsWith)
                        .findFirst()
                        .map(prefix -> prefix.isEmpty()
                                ? "as for all shards"
                                : "because it begins with " + ListedKey.quoted(prefix))
                        .orElseThrow();
        return "state\t" + signer.standing() + change + "\n"
                + (signer.validUntil() == null ? "" : "valid until\t" + signer.validUntil() + "\n")
                + "shard\tmay sign for " + ListedKey.quoted(shard) + ", " + why + "\n";
    }

    private static String listed(List<String> names) {
        String first = names.stream().limit(MAX_KEYS).collect(Collectors.joining(", "));
        return names.isEmpty()
                ? "none"
                : first + (names.size() > MAX_KEYS ? ", and " + (names.size() - MAX_KEYS) + " more" : "");
    }
}
