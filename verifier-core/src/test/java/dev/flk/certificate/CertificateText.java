// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A builder for the text of a certificate, which is valid and acceptable by default. Field values are given as JSON.
 * Unless the id is given, it is derived from the arguments of {@code shardId}, {@code epoch} and {@code merkleRoot}; a
 * call of {@code with} for one of these fields does not change the id.
 */
public final class CertificateText {
    /** A time after every {@code sent_at} used here. */
    public static final Instant NOW = Instant.parse("2026-01-19T10:31:00Z");

    private static final String ROOT = "ab".repeat(32);

    private final Map<String, String> fields = new LinkedHashMap<>();
    private String shardId = "shard-7";
    private String epoch = "42";
    private String merkleRoot = ROOT;

    private CertificateText() {
        fields.put("schema", "\"fractal-lba-kakeya\"");
        fields.put("version", "\"0.1\"");
        fields.put("attempt", "1");
        fields.put("sent_at", "\"2026-01-19T10:30:45Z\"");
        fields.put("seed", "7");
        fields.put("scales", "[2,4,8,16]");
        fields.put("N_j", "{\"2\":5,\"4\":10,\"8\":20,\"16\":40}");
        fields.put("coh_star", "0.5");
        fields.put("D_hat", "1.0");
        fields.put("r", "0.8");
        fields.put("budget", "0.26");
        fields.put("v_star", "[0.1,0.2]");
        fields.put("regime", "\"mixed\"");
        fields.put("sig", "\"\"");
        fields.put("ft", "{\"outbox_seq\":3,\"degraded\":false,\"fallbacks\":[],\"clock_skew_ms\":-5}");
    }

    public static CertificateText valid() {
        return new CertificateText();
    }

    public CertificateText with(String field, String json) {
        fields.put(field, json);
        return this;
    }

    public CertificateText without(String field) {
        fields.put(field, "");
        return this;
    }

    CertificateText shardId(String text) {
        shardId = text;
        return this;
    }

    CertificateText epoch(String integer) {
        epoch = integer;
        return this;
    }

    CertificateText merkleRoot(String text) {
        merkleRoot = text;
        return this;
    }

    public String json() {
        Map<String, String> all = new LinkedHashMap<>();
        String epochInPreimage = epoch.equals("-0") ? "0" : epoch;
        all.put("pcs_id", "\"" + id(merkleRoot + "|" + epochInPreimage + "|" + shardId) + "\"");
        all.put("shard_id", CanonicalString.quote(shardId));
        all.put("epoch", epoch);
        all.put("merkle_root", CanonicalString.quote(merkleRoot));
        all.putAll(fields);
        return all.entrySet().stream()
                .filter(field -> !field.getValue().isEmpty())
                .map(field -> "\"" + field.getKey() + "\":" + field.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }

    public byte[] bytes() {
        return json().getBytes(StandardCharsets.UTF_8);
    }

    ParsedCertificate parse() throws MalformedCertificate {
        return CertificateReader.parse(bytes());
    }

    /** Parses and checks the certificate, with a clock slightly ahead of {@code sent_at}. */
    public Certificate check() throws MalformedCertificate {
        return parse().check(NOW, Duration.ofMinutes(5));
    }

    private static String id(String preimage) {
        try {
            byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(preimage.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(sha256);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
