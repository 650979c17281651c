// SPDX-License-Identifier: Apache-2.0
package dev.flk.sample;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.Signer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A certificate as it is sent. By default, it is accepted under the default policy and signed with {@link #KEY}.
 * Immutable. {@link #with} updates the id and the signature; {@link #tampered} leaves them unchanged.
 */
public final class Pcs {
    /** The HMAC secret that signs by default. */
    public static final String KEY = "sample-key";

    private static final String ABSENT = "";
    private static final JsonMapper JSON = new JsonMapper();

    private final Map<String, String> members;
    private final Map<String, String> changedAfterSigning;
    private final Signer signer;

    private Pcs(Map<String, String> members, Map<String, String> changedAfterSigning, Signer signer) {
        this.members = members;
        this.changedAfterSigning = changedAfterSigning;
        this.signer = signer;
    }

    /** Returns certificate number {@code epoch} of {@code shard-1}. */
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

    /**
     * Returns a copy in which a member's JSON text is set before signing. An id that is set in this way is signed even
     * if it does not match.
     */
    public Pcs with(String name, String json) {
        return new Pcs(put(members, name, json), changedAfterSigning, signer);
    }

    /** Returns a copy without a member. The signature is unchanged, even if it covers the member. */
    public Pcs without(String name) {
        return new Pcs(members, put(changedAfterSigning, name, ABSENT), signer);
    }

    /**
     * Returns a copy in which a member's JSON text is changed after signing; the member may also be {@code sig} or
     * {@code pcs_id}.
     */
    public Pcs tampered(String name, String json) {
        return new Pcs(members, put(changedAfterSigning, name, json), signer);
    }

    /** Returns a copy for another shard. */
    public Pcs ofShard(String shardId) {
        return with("shard_id", TextNode.valueOf(shardId).toString());
    }

    /** Returns a copy that is signed with another HMAC secret. */
    public Pcs signedBy(String secret) {
        return signedBy(new HmacSigner(secret));
    }

    /** Returns a copy that is signed by another signer. */
    public Pcs signedBy(Signer other) {
        return new Pcs(members, changedAfterSigning, other);
    }

    private static Map<String, String> put(Map<String, String> members, String name, String json) {
        Map<String, String> more = new LinkedHashMap<>(members);
        more.put(name, json);
        return more;
    }

    /** Returns the id that belongs to the signed fields. */
    public PcsId id() {
        return PcsId.of(text("merkle_root"), Long.parseLong(member("epoch")), text("shard_id"));
    }

    /** Returns the complete certificate as JSON. */
    public String json() {
        Map<String, String> all = new LinkedHashMap<>();
        all.put("pcs_id", "\"" + id() + "\"");
        all.putAll(members);
        all.put("sig", "\"" + signer.sign(signed().canonicalForm()) + "\"");
        all.putAll(changedAfterSigning);
        return all.entrySet().stream()
                .filter(member -> !member.getValue().equals(ABSENT))
                .map(member -> "\"" + member.getKey() + "\":" + member.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }

    /** Returns {@link #json} in UTF-8. */
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
        try {
            return JSON.readValue(member(name), String.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(name + " is not a JSON string", e);
        }
    }
}
