// SPDX-License-Identifier: Apache-2.0
package dev.flk.sample;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.Signer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A certificate as it goes over the wire: accepted under the default policy and signed with {@link #KEY}, unless something was
 * changed. Immutable; id and signature follow what is changed with {@link #with}, and stay behind with {@link #tampered}.
 */
public final class Pcs {
    /** The HMAC secret that signs where no other is given. */
    public static final String KEY = "sample-key";

    private static final String ABSENT = "";

    private final Map<String, String> members;
    private final Map<String, String> changedAfterSigning;
    private final Signer signer;

    private Pcs(Map<String, String> members, Map<String, String> changedAfterSigning, Signer signer) {
        this.members = members;
        this.changedAfterSigning = changedAfterSigning;
        this.signer = signer;
    }

    /** Certificate number {@code epoch} of {@code shard-1}. */
    public static Pcs number(long epoch) {
        Map<String, String> members = new LinkedHashMap<>();
        members.put("schema", "\"fractal-lba-kakeya\"");
        members.put("version", "\"0.1\"");
        members.put("shard_id", "\"shard-1\"");
        members.put("epoch", Long.toString(epoch));
        members.put("attempt", "1");
        members.put("sent_at", "\"2026-01-19T10:30:45Z\"");
        members.put("seed", "7");
        members.put("scales", "[2,4,8,16]");
        members.put("N_j", "{\"2\":5,\"4\":10,\"8\":20,\"16\":40}");
        members.put("coh_star", "0.5");
        members.put("v_star", "[0.1,0.2,0.3]");
        members.put("D_hat", "1.0");
        members.put("r", "0.8");
        members.put("regime", "\"mixed\"");
        members.put("budget", "0.26");
        members.put("merkle_root", "\"" + "5a".repeat(32) + "\"");
        return new Pcs(members, Map.of(), new HmacSigner(KEY));
    }

    /** With a member's JSON text set, before signing; an id that is set so is signed, whether it fits or not. */
    public Pcs with(String name, String json) {
        return new Pcs(put(members, name, json), changedAfterSigning, signer);
    }

    /** Without a member, which is signed all the same if it is one of those that are. */
    public Pcs without(String name) {
        return new Pcs(members, put(changedAfterSigning, name, ABSENT), signer);
    }

    /** With a member's JSON text changed after signing; {@code sig} and {@code pcs_id} can be changed so, too. */
    public Pcs tampered(String name, String json) {
        return new Pcs(members, put(changedAfterSigning, name, json), signer);
    }

    /** Of another shard, whose name needs no escapes. */
    public Pcs ofShard(String shardId) {
        return with("shard_id", "\"" + shardId + "\"");
    }

    /** Signed by another HMAC secret. */
    public Pcs signedBy(String secret) {
        return signedBy(new HmacSigner(secret));
    }

    /** Signed by another signer. */
    public Pcs signedBy(Signer other) {
        return new Pcs(members, changedAfterSigning, other);
    }

    private static Map<String, String> put(Map<String, String> members, String name, String json) {
        Map<String, String> more = new LinkedHashMap<>(members);
        more.put(name, json);
        return more;
    }

    /** The id that belongs to the signed fields. */
    public PcsId id() {
        return PcsId.of(text("merkle_root"), Long.parseLong(member("epoch")), text("shard_id"));
    }

    /** The whole certificate as JSON. */
    public String json() {
        Map<String, String> all = new LinkedHashMap<>();
        all.put("pcs_id", "\"" + id() + "\"");
        all.putAll(members);
        all.put("sig", "\"" + signer.sign(CanonicalForm.of(signed())) + "\"");
        all.putAll(changedAfterSigning);
        return all.entrySet().stream()
                .filter(member -> !member.getValue().equals(ABSENT))
                .map(member -> "\"" + member.getKey() + "\":" + member.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }

    /** {@link #json} in UTF-8. */
    public byte[] bytes() {
        return json().getBytes(StandardCharsets.UTF_8);
    }

    private SignedFields signed() {
        return new SignedFields(
                members.containsKey("pcs_id") ? text("pcs_id") : id().toString(),
                text("shard_id"),
                Long.parseLong(member("epoch")),
                text("merkle_root"),
                Double.parseDouble(member("D_hat")),
                Double.parseDouble(member("coh_star")),
                Double.parseDouble(member("r")),
                Double.parseDouble(member("budget")));
    }

    private String member(String name) {
        String json = members.get(name);
        if (json == null) {
            throw new IllegalStateException("no member " + name);
        }
        return json;
    }

    private String text(String name) {
        String json = member(name);
        String quoted = json.substring(1, json.length() - 1);
        if (quoted.indexOf('\\') >= 0) {
            throw new IllegalStateException("escapes are not understood here: " + json);
        }
        return quoted;
    }
}
