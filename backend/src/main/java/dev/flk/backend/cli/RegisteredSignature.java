// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyState;
import dev.flk.backend.keys.KeysFile;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.JsonLine;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.DiagnosisJson;
import dev.flk.diagnosis.DiagnosisText;
import dev.flk.diagnosis.NamedKey;
import dev.flk.diagnosis.Paragraph;
import dev.flk.diagnosis.RegisteredDiagnosis;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A signature that is checked with the keys of a keys file: which of them has made it, and whether that one may.
 *
 * @param diagnosis how it was made; null: as it should be, by {@code signer}
 * @param signer the key of the file that has made it, if it is one
 * @param ofShard keys of the file that the shard is one of the shards of, in any state, those that may sign first
 * @param lost revoked keys of the file whose secret is gone
 */
record RegisteredSignature(
        String shard,
        @Nullable Diagnosis diagnosis,
        Optional<ListedKey> signer,
        List<ObjectionText> objections,
        List<ListedKey> ofShard,
        List<KeyEntry> lost)
        implements ExplainedSignature {
    private static final int LABEL_COLUMNS = 15;
    private static final int MAX_KEYS = 32;

    /** Explains signatures by the keys of a file; {@code further} keys may have been used instead. */
    static Source by(KeysFile file, List<NamedKey> further) {
        return (body, certificate, now) -> of(file, further, body, certificate, now);
    }

    private static RegisteredSignature of(
            KeysFile file, List<NamedKey> further, byte[] body, ParsedCertificate certificate, Instant now) {
        String shard = certificate.signed().shardId();
        Optional<KeyEntry> signer = file.signer(certificate.canonicalForm(), certificate.sig());
        Diagnosis diagnosis = signer.isPresent()
                ? null
                : new RegisteredDiagnosis(
                                file.entries().stream()
                                        .map(KeyEntry::algorithm)
                                        .distinct()
                                        .toList(),
                                file.suspects(Integer.MAX_VALUE, key -> isOfShard(key, shard)),
                                file.suspects(RegisteredDiagnosis.MAX_FOREIGN + 1, key -> !isOfShard(key, shard)),
                                further)
                        .of(body, certificate);
        if (diagnosis instanceof Diagnosis.Explained explained && explained.keyName() == null) {
            signer = explained
                    .key()
                    .flatMap(id -> file.entries().stream()
                            .filter(key -> key.id().equals(id))
                            .findFirst());
        }
        return new RegisteredSignature(
                shard,
                diagnosis,
                signer.map(key -> new ListedKey(key, now.toEpochMilli())),
                signer.map(key -> ObjectionText.of(key, shard, now)).orElse(List.of()),
                file.entries().stream()
                        .filter(key -> key.maySignFor(shard))
                        .map(key -> new ListedKey(key, now.toEpochMilli()))
                        .sorted(Comparator.comparing(key -> !key.maySign()))
                        .toList(),
                file.lost());
    }

    /** A few at most, while a shard may have any number of revoked ones. */
    private static boolean isOfShard(KeyEntry key, String shard) {
        return key.maySignFor(shard) && key.state() != KeyState.REVOKED;
    }

    @Override
    public boolean isTaken() {
        return diagnosis == null && objections.isEmpty();
    }

    @Override
    public String text() {
        StringBuilder out = new StringBuilder();
        if (diagnosis != null) {
            out.append(DiagnosisText.of(diagnosis));
            signer.ifPresent(key ->
                    out.append(objections.isEmpty() ? "" : "\nkey " + key.key().id() + " may not sign, besides\n"));
        } else {
            String id = signer.orElseThrow().key().id();
            out.append(
                    objections.isEmpty()
                            ? "signature good, key " + id + "\n"
                            : "signature good, but key " + id + " may not sign\n");
        }
        out.append('\n');
        for (ObjectionText objection : objections) {
            out.append(labelled(objection.reason().label(), objection.what()));
            out.append(labelled("", objection.advice()));
        }
        if (isTaken()) {
            appendRights(out, signer.orElseThrow());
        } else {
            out.append(labelled("keys of shard", shown(ofShard)));
            if (signer.isEmpty() && !lost.isEmpty()) {
                String ids = lost.stream().limit(MAX_KEYS).map(KeyEntry::id).collect(Collectors.joining(", "));
                out.append(labelled("not tried", ids + ": revoked, and the secret is gone" + more(lost.size()) + "."));
            }
        }
        return out.toString();
    }

    private void appendRights(StringBuilder out, ListedKey listed) {
        KeyEntry key = listed.key();
        boolean isRetiring = key.state() == KeyState.RETIRING;
        out.append(labelled(
                "state",
                listed.standing() + (isRetiring ? ": whoever signs with it is to change to another key" : "")));
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

    private String shown(List<ListedKey> keys) {
        String of = ListedKey.quoted(shard);
        if (keys.isEmpty()) {
            return of + " has none.";
        }
        return of + " has "
                + keys.stream()
                        .limit(MAX_KEYS)
                        .map(key -> key.key().id() + " (" + key.standing() + ")")
                        .collect(Collectors.joining(", "))
                + more(keys.size()) + ".";
    }

    private static String more(int count) {
        return count > MAX_KEYS ? ", and " + (count - MAX_KEYS) + " more" : "";
    }

    private static String labelled(String label, String text) {
        return Paragraph.wrapped(String.format(Locale.ROOT, "%-" + LABEL_COLUMNS + "s", label), LABEL_COLUMNS, text);
    }

    @Override
    public void members(JsonLine line) {
        line.json("signature", signature());
        signer.ifPresent(key -> line.json("key", key.json().stripTrailing()));
        List<String> shardKeys = new ArrayList<>();
        ofShard.forEach(key ->
                shardKeys.add("{\"id\":" + CanonicalString.quote(key.key().id()) + ",\"standing\":"
                        + CanonicalString.quote(key.standing()) + "}"));
        line.json("objections", objections.stream().map(ObjectionText::json).collect(Collectors.joining(",", "[", "]")))
                .json("shard_keys", "[" + String.join(",", shardKeys) + "]");
    }

    private String signature() {
        if (diagnosis != null) {
            return DiagnosisJson.of(diagnosis);
        }
        String id = signer.orElseThrow().key().id();
        return isTaken()
                ? DiagnosisJson.of(new Diagnosis.Good(id))
                : "{\"verdict\":\"not allowed\",\"key_id\":" + CanonicalString.quote(id) + "}";
    }
}
