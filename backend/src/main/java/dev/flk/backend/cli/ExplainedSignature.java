// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.KeysCommand.ListedKey;
import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyEntry.KeyState;
import dev.flk.backend.keys.KeysFile;
import dev.flk.backend.metrics.SignatureRefusal;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.Paragraph;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.program.cli.ErrorMessages;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What {@code explain} says of a certificate's signature: how it was made, and with a keys file also which key of it
 * signed, and whether that key may sign for the shard now.
 *
 * @param diagnosis null: the signature verifies with {@code signer} of the keys file
 * @param registered null: the keys are in the configuration itself
 */
record ExplainedSignature(
        @Nullable Diagnosis diagnosis, @Nullable Registered registered) {
    private static final int LABEL_COLUMNS = 15;
    private static final int MAX_KEYS = 32;
    private static final int MAX_SHARDS = 20;

    /**
     * What the keys file says.
     *
     * @param signer the key of the file that made the signature, if it is one
     * @param ofShard keys of the file that have the shard among theirs, in any state, those that may sign first
     * @param lost revoked keys of the file whose secret is gone
     */
    record Registered(
            String shard,
            @Nullable ListedKey signer,
            List<Objection> objections,
            List<ListedKey> ofShard,
            List<KeyEntry> lost) {}

    /** Why a key may not sign, and what to do about it, each a sentence or two. */
    record Objection(String reason, String what, String advice) {}

    private record Verified(String verdict, String keyId) {}

    private record ShardKey(String id, String standing) {}

    static ExplainedSignature simple(Diagnosis diagnosis) {
        return new ExplainedSignature(diagnosis, null);
    }

    /** By the keys of a file; {@code further} keys may have been used instead. Takes a few seconds at the most. */
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
        return new ExplainedSignature(
                diagnosis,
                new Registered(
                        shard,
                        signer.map(key -> new ListedKey(key, nowMillis)).orElse(null),
                        signer.map(key -> objections(key, shard, now)).orElse(List.of()),
                        file.entries().stream()
                                .filter(key -> key.maySignFor(shard))
                                .map(key -> new ListedKey(key, nowMillis))
                                .sorted(Comparator.comparing(key -> !key.maySign()))
                                .toList(),
                        file.lost()));
    }

    private static boolean isOfShard(KeyEntry key, String shard) {
        return key.maySignFor(shard) && key.state() != KeyState.REVOKED;
    }

    /** All that keeps a key from signing for a shard now; the first is what a backend counts it under. */
    private static List<Objection> objections(KeyEntry key, String shard, Instant now) {
        return key.objections(shard, now.toEpochMilli()).stream()
                .map(reason -> objection(reason, key, shard, now))
                .toList();
    }

    private static Objection objection(SignatureRefusal reason, KeyEntry key, String shard, Instant now) {
        String here = ", and here it is " + ErrorMessages.time(now.toEpochMilli()) + ".";
        return switch (reason) {
            case REVOKED ->
                new Objection(
                        reason.label(),
                        "It was revoked, for good.",
                        "Give the agent another key of the shard. If its agents have one already, another party signs"
                                + " with this one.");
            case FOREIGN_SHARD ->
                new Objection(
                        reason.label(),
                        "It may not sign for " + ListedKey.quoted(shard) + ", only for " + shards(key) + ".",
                        "Sign with a key of that shard, or add the shard to this one in the keys file. If neither is"
                                + " right, the key may be stolen.");
            case NOT_YET_VALID ->
                new Objection(
                        reason.label(),
                        "It begins at " + key.validFrom() + here,
                        "Sign with another key until then, or set this machine's clock if it is wrong.");
            case EXPIRED ->
                new Objection(
                        reason.label(),
                        "It ended at " + key.validUntil() + here,
                        "Give the agent another key of the shard, or set this machine's clock if it is wrong.");
            case MISSING, OTHER_ALGORITHM, UNKNOWN_KEY, NOT_EXAMINED ->
                throw new IllegalArgumentException("no objection to a key: " + reason);
        };
    }

    private static String shards(KeyEntry key) {
        List<String> all = new ListedKey(key, 0).shards();
        String some = String.join(", ", all.subList(0, Math.min(all.size(), MAX_SHARDS)));
        return all.size() > MAX_SHARDS ? some + " and " + (all.size() - MAX_SHARDS) + " more" : some;
    }

    /** Whether a backend takes it. */
    boolean isTaken() {
        return (diagnosis == null || diagnosis.isAccepted())
                && (registered == null || registered.objections().isEmpty());
    }

    /** Lines of at most 80 columns, each with its end. */
    String text() {
        if (registered == null) {
            return diagnosis == null ? "" : diagnosis.text();
        }
        ListedKey signer = registered.signer();
        StringBuilder out = new StringBuilder();
        String id = signer == null ? "" : signer.key().id();
        boolean mayNot = !registered.objections().isEmpty();
        if (diagnosis != null) {
            out.append(diagnosis.text()).append(mayNot ? "\nkey " + id + " may not sign, besides\n" : "");
        } else {
            out.append(
                    mayNot ? "signature good, but key " + id + " may not sign\n" : "signature good, key " + id + "\n");
        }
        out.append('\n');
        for (Objection objection : registered.objections()) {
            out.append(labelled(objection.reason(), objection.what())).append(labelled("", objection.advice()));
        }
        if (isTaken() && signer != null) {
            appendRights(out, signer, registered.shard());
            return out.toString();
        }
        out.append(labelled("keys of shard", keysOfShard(registered)));
        if (signer == null && !registered.lost().isEmpty()) {
            String ids =
                    registered.lost().stream().limit(MAX_KEYS).map(KeyEntry::id).collect(Collectors.joining(", "));
            out.append(labelled(
                    "not tried",
                    ids + ": revoked, and the secret is gone"
                            + more(registered.lost().size()) + "."));
        }
        return out.toString();
    }

    private static void appendRights(StringBuilder out, ListedKey listed, String shard) {
        KeyEntry key = listed.key();
        boolean isRetiring = key.state() == KeyState.RETIRING;
        out.append(labelled("state", listed.standing() + (isRetiring ? ": change the agent to another key" : "")));
        if (key.validUntil() != null) {
            out.append(labelled("valid until", key.validUntil().toString()));
        }
        String why = key.shards().contains(shard)
                ? "by its name"
                : key.shardPrefixes().stream()
                        .filter(shard::startsWith)
                        .findFirst()
                        .map(prefix -> prefix.isEmpty()
                                ? "as for every shard"
                                : "since it begins with " + ListedKey.quoted(prefix))
                        .orElseThrow();
        out.append(labelled("shard", "may sign for " + ListedKey.quoted(shard) + ", " + why));
    }

    private static String keysOfShard(Registered registered) {
        String shard = ListedKey.quoted(registered.shard());
        List<ListedKey> keys = registered.ofShard();
        return keys.isEmpty()
                ? shard + " has none."
                : keys.stream()
                                .limit(MAX_KEYS)
                                .map(key -> key.key().id() + " (" + key.standing() + ")")
                                .collect(Collectors.joining(", ", shard + " has ", ""))
                        + more(keys.size()) + ".";
    }

    private static String more(int count) {
        return count > MAX_KEYS ? ", and " + (count - MAX_KEYS) + " more" : "";
    }

    private static String labelled(String label, String text) {
        return Paragraph.wrapped(String.format(Locale.ROOT, "%-" + LABEL_COLUMNS + "s", label), LABEL_COLUMNS, text);
    }

    /** For programs: {@code signature}, and with a keys file {@code key}, {@code objections} and {@code shard_keys}. */
    Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        if (registered == null) {
            members.put("signature", Objects.requireNonNull(diagnosis, "without a keys file"));
            return members;
        }
        ListedKey signer = registered.signer();
        members.put(
                "signature",
                diagnosis != null
                        ? diagnosis
                        : new Verified(
                                isTaken() ? "good" : "not_allowed",
                                signer == null ? "" : signer.key().id()));
        if (signer != null) {
            members.put("key", signer.forPrograms());
        }
        members.put("objections", registered.objections());
        members.put(
                "shard_keys",
                registered.ofShard().stream()
                        .map(key -> new ShardKey(key.key().id(), key.standing()))
                        .toList());
        return members;
    }
}
