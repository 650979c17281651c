// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Bodies that break one rule of the certificate's format each, and are well signed as far as they can be. */
final class BrokenCertificates {
    private static final String UPPER = "5A".repeat(32);
    private static final String BEYOND_A_DOUBLE = "1" + "0".repeat(309);

    private BrokenCertificates() {}

    /**
     * A body that is refused for ever.
     *
     * @param error what the answer says
     */
    record Broken(String what, byte[] body, String error) {
        @Override
        public String toString() {
            return what;
        }
    }

    static Stream<Broken> fields() {
        return Stream.of(identity(), time(), counts(), reals(), rest()).flatMap(broken -> broken);
    }

    private static Stream<Broken> identity() {
        return Stream.of(
                missing("pcs_id"),
                tampered("pcs_id", "7", "pcs_id must be a string"),
                with("pcs_id", quoted(UPPER), "pcs_id must be 64 lower-case hex digits"),
                with("pcs_id", quoted("5a".repeat(32)), "pcs_id must be the SHA-256 of merkle_root|epoch|shard_id"),
                missing("schema"),
                with("schema", "\"fractal-lba\"", "schema must be \"fractal-lba-kakeya\""),
                with("schema", "1", "schema must be a string"),
                missing("version"),
                with("version", "\"0.2\"", "version \"0.2\" is not understood; versions understood: 0.1"),
                with("version", "0.1", "version must be a string"),
                missing("shard_id"),
                with("shard_id", "\"\"", "shard_id must have 1 to 256 characters"),
                with("shard_id", quoted("📞".repeat(257)), "shard_id must have 1 to 256 characters"),
                tampered("shard_id", "1", "shard_id must be a string"),
                missing("epoch"),
                with("epoch", "-1", "epoch must be from 0 to 9223372036854775807"),
                tampered("epoch", "9223372036854775808", "epoch must be a 64-bit integer"),
                tampered("epoch", "1.0", "epoch must be a 64-bit integer"),
                tampered("epoch", "\"1\"", "epoch must be a 64-bit integer"),
                missing("merkle_root"),
                with("merkle_root", quoted(UPPER), "merkle_root must be 64 lower-case hex digits"),
                with("merkle_root", quoted("5a".repeat(31)), "merkle_root must be 64 lower-case hex digits"),
                tampered("merkle_root", "null", "merkle_root must be a string"));
    }

    private static Stream<Broken> time() {
        return Stream.of(
                with("attempt", "0", "attempt must be at least 1"),
                with("attempt", "-1", "attempt must be at least 1"),
                with("attempt", "1.0", "attempt must be an integer"),
                with("attempt", "null", "attempt must be an integer"),
                missing("sent_at"),
                with("sent_at", "1768818645", "sent_at must be a string"),
                notATime("yesterday"),
                notATime("2026-01-19"),
                notATime("2026-01-19T10:30:45"),
                notATime("2026-01-19 10:30:45Z"),
                notATime("2026-02-30T10:30:45Z"),
                with("seed", "1.5", "seed must be a 64-bit integer"),
                with("seed", "9223372036854775808", "seed must be a 64-bit integer"),
                with("seed", "null", "seed must be a 64-bit integer"));
    }

    private static Stream<Broken> counts() {
        return Stream.of(
                missing("scales"),
                with("scales", "{}", "scales must be an array of integers"),
                with("scales", "[0]", "scales must be integers from 1 to 2147483647"),
                with("scales", "[2147483648]", "scales must be integers from 1 to 2147483647"),
                with("scales", "[2,4.0]", "scales must be integers from 1 to 2147483647"),
                with("scales", "[2,4,2]", "scales must not repeat: 2 does"),
                with("scales", numbers(65), "scales must have at most 64 elements"),
                missing("N_j"),
                with("N_j", "[]", "N_j must be an object of integers"),
                with("N_j", "{\"08\":1}", "N_j must have decimal keys without leading zero: \"08\" is none"),
                with("N_j", "{\"two\":1}", "N_j must have decimal keys without leading zero: \"two\" is none"),
                with("N_j", "{\"2\":1.5}", "N_j must be 64-bit integers: \"2\" is none"),
                with("N_j", "{\"2\":9223372036854775808}", "N_j must be 64-bit integers: \"2\" is none"),
                with("N_j", keys(257), "N_j must have at most 256 keys"));
    }

    private static Stream<Broken> reals() {
        return Stream.of("coh_star", "D_hat", "r", "budget")
                .flatMap(field -> Stream.concat(
                        Stream.of(missing(field)),
                        Stream.of("1e309", BEYOND_A_DOUBLE, "-" + BEYOND_A_DOUBLE, "\"1.0\"", "null")
                                .map(json -> tampered(field, json, field + " must be a finite number"))));
    }

    private static Stream<Broken> rest() {
        return Stream.of(
                with("v_star", "{}", "v_star must be an array of finite numbers"),
                with("v_star", "[1,\"2\"]", "v_star must be finite numbers"),
                with("v_star", "[1e309]", "v_star must be finite numbers"),
                with("v_star", numbers(65_537), "v_star must have at most 65536 elements"),
                missing("regime"),
                with("regime", "\"Sticky\"", "regime must be sticky, mixed or non_sticky"),
                with("regime", "2", "regime must be a string"),
                with("ft", "[]", "ft must be an object"),
                with("ft", "{\"outbox_seq\":\"1\"}", "ft outbox_seq must be an integer"),
                with("ft", "{\"degraded\":1}", "ft degraded must be true or false"),
                with("ft", "{\"fallbacks\":\"none\"}", "ft fallbacks must be an array of strings"),
                with("ft", "{\"fallbacks\":[1]}", "ft fallbacks must be an array of strings"),
                with("ft", "{\"clock_skew_ms\":0.5}", "ft clock_skew_ms must be an integer"));
    }

    /** Bodies that are no JSON, or not such as is taken. */
    static Stream<Broken> texts() {
        String whole = Pcs.number(0).json();
        String open = whole.substring(0, whole.length() - 1);
        return Stream.of(
                text("nothing", "", "ends too early"),
                text("half", whole.substring(0, 200), "ends too early"),
                text("an array", "[" + whole + "]", "a certificate is an object"),
                text("null", "null", "a certificate is an object"),
                text("a form", "pcs=" + whole, "near line 1"),
                text("a trailing byte", whole + "x", "near line 1"),
                text("a second object", whole + whole, "something follows the object"),
                text("a trailing comma", open + ",}", "near line 1"),
                text("single quotes", whole.replace('"', '\''), "near line 1"),
                text("a comment", open + "/**/}", "near line 1"),
                text("a repeated key", open + ",\"r\":0.8}", "the key \"r\" is repeated"),
                text("a repeated escaped key", open + ",\"\\u0072\":0.8}", "the key \"r\" is repeated"),
                text("a repeated unknown key", open + ",\"x\":1,\"x\":1}", "the key \"x\" is repeated"),
                text("a repeated deep key", open + ",\"x\":[{\"y\":1,\"y\":1}]}", "the key \"y\" is repeated"),
                text("NaN", open + ",\"x\":NaN}", "near line 1"),
                text("Infinity", open + ",\"x\":-Infinity}", "near line 1"),
                text("a leading zero", open + ",\"x\":01}", "near line 1"),
                text("a plus sign", open + ",\"x\":+1}", "near line 1"),
                text("33 levels", open + ",\"x\":" + nested(32) + "}", "nested more than 32 deep"),
                text("a control character", open + ",\"x\":\"\u0001\"}", "near line 1"),
                text("a bad escape", open + ",\"x\":\"\\q\"}", "near line 1"),
                text("a lone surrogate", open + ",\"x\":\"\\ud800\"}", "a surrogate without its partner"),
                text("a lone signed surrogate", whole.replace("shard-1", "\\udc00"), "a surrogate without its partner"),
                text("a byte order mark", "\ufeff" + whole, "begins with a byte order mark"),
                encoded("UTF-16", whole.getBytes(StandardCharsets.UTF_16BE), "near line 1"),
                encoded("Latin-1", (open + ",\"x\":\"é\"}").getBytes(StandardCharsets.ISO_8859_1), "not valid UTF-8"),
                encoded("an overlong byte", new byte[] {(byte) 0xc0, (byte) 0x80}, "not valid UTF-8"));
    }

    /** Arrays in an object's member, {@code levels} deep. */
    static String nested(int levels) {
        return "[".repeat(levels) + "]".repeat(levels);
    }

    /** The numbers from 1 in an array. */
    static String numbers(int count) {
        return IntStream.rangeClosed(1, count).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]"));
    }

    /** An object whose keys are the numbers from 1, all of them with the value 5. */
    static String keys(int count) {
        return IntStream.rangeClosed(1, count)
                .mapToObj(key -> "\"" + key + "\":5")
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static Broken missing(String field) {
        return new Broken("no " + field, Pcs.number(0).without(field).bytes(), field + " is missing");
    }

    private static Broken notATime(String text) {
        return with("sent_at", quoted(text), "sent_at must be an RFC 3339 time like 2026-01-19T10:30:45Z");
    }

    private static Broken with(String field, String json, String error) {
        return new Broken(named(field, json), Pcs.number(0).with(field, json).bytes(), error);
    }

    private static Broken tampered(String field, String json, String error) {
        return new Broken(
                named(field, json), Pcs.number(0).tampered(field, json).bytes(), error);
    }

    private static Broken text(String what, String body, String error) {
        return encoded(what, body.getBytes(StandardCharsets.UTF_8), error);
    }

    private static Broken encoded(String what, byte[] body, String error) {
        return new Broken(what, body, error);
    }

    private static String named(String field, String json) {
        return field + " " + json.substring(0, Math.min(30, json.length()));
    }

    private static String quoted(String text) {
        return "\"" + text + "\"";
    }
}
