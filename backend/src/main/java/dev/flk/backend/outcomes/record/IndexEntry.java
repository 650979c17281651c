// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.canonical.Sha256;
import dev.flk.state.StateKey;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * An entry of {@link RecordIndex} for an outcome, and the keys under which it is stored:
 *
 * <pre>
 * t SCOPE CLOCK [HASH] KIND TIME ID    for each scope, and each clock that the outcome has
 * i ID
 * </pre>
 *
 * SCOPE stands for all outcomes, the outcomes of one shard, or the outcomes of one signing key. HASH is the first 8
 * bytes of the SHA-256 of the agent id or of the id of the signing key; it is missing if SCOPE stands for all outcomes.
 * CLOCK says whether TIME is the arrival or the last measurement. KIND combines verdict and regime. ID is the {@code
 * pcs_id}. Numbers are big-endian, so that keys with the same parts up to KIND are sorted by time.
 *
 * @param receivedMillis the arrival, in milliseconds since the epoch
 * @param measuredMillis the last measurement, in milliseconds since the epoch; {@link #NONE} if it is unknown
 * @param kind the verdict and the regime, see {@link #kind}
 * @param keyHash the hash of the key id
 * @param agentId the agent id under which the shard is recorded
 */
record IndexEntry(
        String pcsId, long receivedMillis, long measuredMillis, int kind, long keyHash, long epoch, String agentId) {
    static final List<String> VERDICTS = List.of("accepted", "escalated", "rejected");
    static final List<String> REGIMES = List.of("sticky", "mixed", "non_sticky");
    /** The value for an unknown time. */
    static final long NONE = Long.MIN_VALUE;

    static final int ID_BYTES = 32;

    private static final JsonMapper JSON = new JsonMapper();
    private static final int OTHER = 3;
    private static final int FIXED_BYTES = 4 * Long.BYTES + 1;

    /** The outcomes that a query selects from. */
    enum Scope {
        ALL('a'),
        SHARD('s'),
        KEY('k');

        private final byte code;

        Scope(char code) {
            this.code = (byte) code;
        }
    }

    /** The time by which outcomes are ordered. */
    enum Clock {
        RECEIVED('r'),
        MEASURED('m');

        private final byte code;

        Clock(char code) {
            this.code = (byte) code;
        }
    }

    /** Returns the entry of an outcome; empty if the key is not the key of an outcome. */
    static Optional<IndexEntry> of(StateKey key, String json) {
        if (!key.namespace().equals(RecordedOutcomes.NAMESPACE) || !key.name().startsWith(RecordedOutcome.KEY_PREFIX)) {
            return Optional.empty();
        }
        JsonNode outcome;
        try {
            outcome = JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the record contains a value that is not JSON: " + key, e);
        }
        String[] parts = key.name().split("/", -1);
        return Optional.of(new IndexEntry(
                parts[2],
                millis(outcome.path("received_at").asText()),
                millis(outcome.path("window_end").asText()),
                kind(
                        VERDICTS.indexOf(outcome.path("verdict").asText()),
                        REGIMES.indexOf(outcome.path("regime").asText())),
                hash(outcome.path("key_id").asText()),
                Long.parseLong(parts[1]),
                key.agentId()));
    }

    private static long millis(String time) {
        try {
            return time.isEmpty() ? NONE : Instant.parse(time).toEpochMilli();
        } catch (DateTimeException | ArithmeticException e) {
            return NONE;
        }
    }

    /**
     * Combines a verdict and a regime into a kind. Each argument is an index in {@link #VERDICTS} or {@link #REGIMES},
     * or -1 for a value that the list does not contain.
     */
    private static int kind(int verdict, int regime) {
        return (verdict < 0 ? OTHER : verdict) << 2 | (regime < 0 ? OTHER : regime);
    }

    /**
     * Returns all kinds that combine this verdict with this regime. An empty argument matches any verdict or regime.
     */
    static List<Integer> kinds(Optional<String> verdict, Optional<String> regime) {
        List<Integer> kinds = new ArrayList<>();
        for (int kind = 0; kind <= kind(OTHER, OTHER); kind++) {
            boolean hasVerdict = verdict.isEmpty() || VERDICTS.indexOf(verdict.get()) == kind >> 2;
            boolean hasRegime = regime.isEmpty() || REGIMES.indexOf(regime.get()) == (kind & OTHER);
            if (hasVerdict && hasRegime) {
                kinds.add(kind);
            }
        }
        return kinds;
    }

    static long hash(String name) {
        return ByteBuffer.wrap(Sha256.of(name.getBytes(StandardCharsets.UTF_8))).getLong();
    }

    /** Returns the key under which the record stores this outcome. */
    StateKey key() {
        return new StateKey(RecordedOutcomes.NAMESPACE, agentId, RecordedOutcome.keyName(epoch, pcsId));
    }

    long millis(Clock clock) {
        return clock == Clock.RECEIVED ? receivedMillis : measuredMillis;
    }

    /** Returns all keys under which the index stores this entry. */
    List<byte[]> keys() {
        List<byte[]> keys = new ArrayList<>();
        for (Clock clock : Clock.values()) {
            if (millis(clock) != NONE) {
                byte[] place = place(millis(clock), pcsId);
                keys.add(join(head(Scope.ALL, clock, 0, kind), place));
                keys.add(join(head(Scope.SHARD, clock, hash(agentId), kind), place));
                keys.add(join(head(Scope.KEY, clock, keyHash, kind), place));
            }
        }
        keys.add(idKey(pcsId));
        return keys;
    }

    static byte[] idKey(String pcsId) {
        return join(new byte[] {'i'}, HexFormat.of().parseHex(pcsId));
    }

    /**
     * Returns the prefix of all keys that have this scope, clock, hash and kind: everything before TIME. {@code hash}
     * is ignored if the scope is {@link Scope#ALL}.
     */
    static byte[] head(Scope scope, Clock clock, long hash, int kind) {
        ByteBuffer head = ByteBuffer.allocate(4 + Long.BYTES)
                .put((byte) 't')
                .put(scope.code)
                .put(clock.code);
        if (scope != Scope.ALL) {
            head.putLong(hash);
        }
        return Arrays.copyOf(head.put((byte) kind).array(), head.position());
    }

    /** Returns the last part of a key, TIME and ID, which orders outcomes by time and then by id. */
    static byte[] place(long millis, String pcsId) {
        return join(time(millis), HexFormat.of().parseHex(pcsId));
    }

    /** Encodes a time as 8 bytes that sort in the order of time. */
    static byte[] time(long millis) {
        return ByteBuffer.allocate(Long.BYTES).putLong(millis ^ Long.MIN_VALUE).array();
    }

    byte[] value() {
        byte[] agent = agentId.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(FIXED_BYTES + agent.length)
                .putLong(receivedMillis)
                .putLong(measuredMillis)
                .putLong(keyHash)
                .putLong(epoch)
                .put((byte) kind)
                .put(agent)
                .array();
    }

    static IndexEntry decode(byte[] key, byte[] value) {
        String pcsId = HexFormat.of().formatHex(key, key.length - ID_BYTES, key.length);
        ByteBuffer in = ByteBuffer.wrap(value);
        long receivedMillis = in.getLong();
        long measuredMillis = in.getLong();
        long keyHash = in.getLong();
        long epoch = in.getLong();
        int kind = in.get();
        String agentId = new String(value, FIXED_BYTES, value.length - FIXED_BYTES, StandardCharsets.UTF_8);
        return new IndexEntry(pcsId, receivedMillis, measuredMillis, kind, keyHash, epoch, agentId);
    }

    static byte[] join(byte[] first, byte[] second) {
        byte[] joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }
}
