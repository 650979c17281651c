// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.signing.SigningAlgorithm;
import java.io.IOException;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The reader of the text of a keys file, which is one JSON object:
 *
 * <pre>
 * member   kind              content
 * version  number            1
 * keys     array of objects  1 to 10000, with distinct ids
 *
 * each key:
 * id              string             1 to 32 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit, not "none"
 * algorithm       string             "hmac" or "ed25519"
 * public_key      string             ed25519: 32 raw bytes in padded base64
 * secret_file     string             hmac: a file with the secret, relative to the directory of the keys file
 * shards          array of strings   full names of shards that the key may sign for
 * shard_prefixes  array of strings   prefixes of the names of further shards; "" stands for all shards
 * agents          array of strings   optional, names without a slash of agents for whose sessions the key may sign
 *                                    requests; default: every agent whose name is that of one of the shards
 * valid_from      string             optional instant, RFC 3339
 * valid_until     string             optional instant, after valid_from
 * state           string             "active", "retiring" or "revoked"
 * rate            number             optional, new certificates per second: above 0, at most 10000000 and 20 decimals
 * </pre>
 *
 * <p>Each key has at least one shard or prefix. Other members are rejected. Messages name keys by their ids, but repeat
 * no other value of the file, because such a value may be a secret in the wrong place.
 */
final class KeysJson {
    private static final int VERSION = 1;
    private static final int MAX_KEYS = 10_000;
    private static final int MAX_SHARD_CODE_POINTS = 256;
    static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._:-]{0,31}");
    static final Set<String> MEMBERS = Set.of(
            "id",
            "algorithm",
            "public_key",
            "secret_file",
            "shards",
            "shard_prefixes",
            "agents",
            "valid_from",
            "valid_until",
            "state",
            "rate");
    private static final Instant EARLIEST = Instant.EPOCH;
    private static final Instant LATEST = Instant.parse("9999-12-31T23:59:59Z");
    private static final BigDecimal HIGHEST_RATE = BigDecimal.valueOf(10_000_000);
    /**
     * The largest number of decimals of a rate. Without a limit, a tiny rate such as 1e-999999999 could take any amount
     * of memory when written in full.
     */
    private static final int MAX_RATE_DECIMALS = 20;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private final List<String> problems;

    private KeysJson(List<String> problems) {
        this.problems = problems;
    }

    /** Returns the valid keys of the text, and adds a problem to {@code problems} for each mistake. */
    static List<KeyEntry> read(byte[] text, List<String> problems) {
        if (text.length > 2 && text[0] == (byte) 0xEF && text[1] == (byte) 0xBB && text[2] == (byte) 0xBF) {
            problems.add("it begins with a byte order mark; save it as UTF-8 without one");
            return List.of();
        }
        try {
            return new KeysJson(problems).readAll(MAPPER.readTree(text));
        } catch (JsonProcessingException e) {
            problems.add("it is not JSON, or has a member twice, at line %d, column %d"
                    .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr()));
        } catch (IOException e) {
            problems.add("it is not UTF-8 text");
        } catch (NumberFormatException e) {
            // Java can't represent every well-formed number
            problems.add("it has a number whose exponent is out of range");
        }
        return List.of();
    }

    private List<KeyEntry> readAll(@Nullable JsonNode root) {
        if (!(root instanceof ObjectNode object)) {
            problems.add("it is not a JSON object");
            return List.of();
        }
        object.fieldNames().forEachRemaining(name -> {
            if (!name.equals("version") && !name.equals("keys")) {
                problems.add("it has an unknown member " + shown(name) + "; the known ones are version and keys");
            }
        });
        JsonNode version = object.path("version");
        if (!version.isIntegralNumber() || !version.canConvertToInt() || version.intValue() != VERSION) {
            problems.add("version is missing or not " + VERSION);
        }
        if (!(object.get("keys") instanceof ArrayNode array) || array.isEmpty()) {
            problems.add("keys is missing, not an array, or empty");
            return List.of();
        }
        if (array.size() > MAX_KEYS) {
            problems.add("it has " + array.size() + " keys; at most " + MAX_KEYS + " can be used");
            return List.of();
        }
        List<KeyEntry> keys = new ArrayList<>();
        Set<String> ids = new HashSet<>();
        for (int i = 0; i < array.size(); i++) {
            Optional<KeyEntry> key = readKey(array.get(i), "key number " + (i + 1));
            key.filter(read -> !ids.add(read.id()))
                    .ifPresent(twice -> problems.add("key " + twice.id() + ": the id is used twice"));
            key.ifPresent(keys::add);
        }
        return keys;
    }

    private Optional<KeyEntry> readKey(JsonNode node, String place) {
        if (!(node instanceof ObjectNode object)) {
            problems.add(place + " is not an object");
            return Optional.empty();
        }
        String id = text(object, "id", place).orElse("");
        if (!isId(id)) {
            problems.add(place + ": id is missing, is the reserved word none, or is not 1 to 32 of A-Z a-z 0-9 . _ : -"
                    + " beginning with a letter or digit");
            return Optional.empty();
        }
        int before = problems.size();
        String key = "key " + id;
        object.fieldNames().forEachRemaining(name -> unknown(key, name));
        Optional<SigningAlgorithm> algorithm = algorithm(object, key);
        Optional<String> publicKey = text(object, "public_key", key);
        Optional<String> secretFile = text(object, "secret_file", key);
        if (algorithm.isPresent()) {
            checkMaterial(algorithm.get(), publicKey, secretFile, key);
        }
        List<String> shards = names(object, "shards", key, 1);
        List<String> prefixes = names(object, "shard_prefixes", key, 0);
        if (shards.isEmpty() && prefixes.isEmpty()) {
            problems.add(key + ": it may sign for no shard; list some in shards or shard_prefixes");
        }
        List<String> agents = agents(object, key);
        Instant from = instant(object, "valid_from", key);
        Instant until = instant(object, "valid_until", key);
        if (from != null && until != null && !until.isAfter(from)) {
            problems.add(key + ": valid_until is not after valid_from");
        }
        Optional<KeyState> state = text(object, "state", key).flatMap(KeyState::of);
        if (state.isEmpty()) {
            problems.add(key + ": state is missing or not one of active, retiring, revoked");
        }
        BigDecimal rate = rate(object, key);
        return problems.size() > before
                ? Optional.empty()
                : Optional.of(new KeyEntry(
                        id,
                        algorithm.orElseThrow(),
                        publicKey.orElse(null),
                        secretFile.orElse(null),
                        shards,
                        prefixes,
                        agents,
                        from,
                        until,
                        state.orElseThrow(),
                        rate));
    }

    /** Returns whether {@code text} is a valid id of a key. */
    static boolean isId(String text) {
        return ID.matcher(text).matches() && !text.equals("none");
    }

    private void unknown(String key, String name) {
        if (MEMBERS.contains(name)) {
            return;
        }
        boolean mayBeSecret = name.contains("secret") || name.contains("priv") || name.contains("hmac");
        problems.add("%s: unknown member %s%s"
                .formatted(
                        key,
                        shown(name),
                        mayBeSecret
                                ? "; this file never contains secrets: put the secret into its own file and name that"
                                        + " in secret_file"
                                : ""));
    }

    private Optional<SigningAlgorithm> algorithm(ObjectNode object, String key) {
        Optional<SigningAlgorithm> algorithm = text(object, "algorithm", key)
                .flatMap(name -> Arrays.stream(SigningAlgorithm.values())
                        .filter(each -> each.configName().equals(name))
                        .findFirst());
        if (algorithm.isEmpty()) {
            problems.add(key + ": algorithm is missing or not one of hmac, ed25519");
        }
        return algorithm;
    }

    private void checkMaterial(
            SigningAlgorithm algorithm, Optional<String> publicKey, Optional<String> secretFile, String key) {
        boolean hmac = algorithm == SigningAlgorithm.HMAC;
        if (hmac && (secretFile.isEmpty() || publicKey.isPresent())) {
            problems.add(key + ": an hmac key has secret_file and no public_key");
        } else if (!hmac && (publicKey.isEmpty() || secretFile.isPresent())) {
            problems.add(key + ": an ed25519 key has public_key and no secret_file");
        } else if (!hmac && publicKey.filter(KeyEntry::isPublicKey).isEmpty()) {
            problems.add(key + ": public_key is not an Ed25519 public key, 32 bytes in padded base64");
        }
    }

    /** Returns a string member; empty if it is missing. If it is not a string, adds a problem and returns empty. */
    private Optional<String> text(ObjectNode object, String name, String key) {
        JsonNode node = object.get(name);
        if (node == null) {
            return Optional.empty();
        }
        if (!node.isTextual()) {
            problems.add(key + ": " + name + " is not a string");
            return Optional.empty();
        }
        return Optional.of(node.textValue());
    }

    private List<String> names(ObjectNode object, String member, String key, int leastCodePoints) {
        JsonNode node = object.get(member);
        if (node == null) {
            return List.of();
        }
        Set<String> names = new HashSet<>();
        List<String> inOrder = new ArrayList<>();
        boolean good = node.isArray();
        for (JsonNode each : node) {
            String name = each.isTextual() ? each.textValue() : "";
            int codePoints = name.codePointCount(0, name.length());
            good &= each.isTextual()
                    && codePoints >= leastCodePoints
                    && codePoints <= MAX_SHARD_CODE_POINTS
                    && name.codePoints().noneMatch(point -> point >= 0xD800 && point <= 0xDFFF)
                    && names.add(name);
            inOrder.add(name);
        }
        if (!good) {
            problems.add("%s: %s is not an array of distinct strings of %d to %d characters"
                    .formatted(key, member, leastCodePoints, MAX_SHARD_CODE_POINTS));
        }
        return inOrder;
    }

    private @Nullable List<String> agents(ObjectNode object, String key) {
        if (!object.has("agents")) {
            return null;
        }
        List<String> agents = names(object, "agents", key, 1);
        if (agents.stream().anyMatch(name -> name.contains("/"))) {
            problems.add(key
                    + ": agents has a name with a slash; the name of an agent is the part of a session id before its"
                    + " first slash");
        }
        return agents;
    }

    private @Nullable Instant instant(ObjectNode object, String member, String key) {
        Optional<String> text = text(object, member, key);
        if (text.isEmpty()) {
            return null;
        }
        try {
            Instant instant = Instant.parse(text.get());
            if (!instant.isBefore(EARLIEST) && !instant.isAfter(LATEST)) {
                return instant;
            }
        } catch (DateTimeException e) {
            // the statement below adds the problem, for this case and for an instant that is out of bounds
        }
        problems.add(
                key + ": " + member + " is not an instant between 1970 and 9999; write it like 2026-11-20T10:00:00Z");
        return null;
    }

    private @Nullable BigDecimal rate(ObjectNode object, String key) {
        JsonNode node = object.get("rate");
        if (node == null) {
            return null;
        }
        BigDecimal rate = node.isNumber() ? node.decimalValue() : BigDecimal.ZERO;
        if (rate.signum() <= 0
                || rate.compareTo(HIGHEST_RATE) > 0
                || rate.stripTrailingZeros().scale() > MAX_RATE_DECIMALS) {
            problems.add("%s: rate is not a number above 0 and up to %s, with at most %d decimals"
                    .formatted(key, HIGHEST_RATE, MAX_RATE_DECIMALS));
            return null;
        }
        return rate;
    }

    /** Returns a name from the file in a form that is safe in a log line. */
    private static String shown(String name) {
        String plain = name.replaceAll("[^A-Za-z0-9._:-]", "?");
        return plain.length() > 32 ? plain.substring(0, 32) + "…" : plain;
    }
}
