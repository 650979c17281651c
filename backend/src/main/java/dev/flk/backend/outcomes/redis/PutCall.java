// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.redis;

import dev.flk.backend.decide.StoredOutcome;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One call of a script, which the server runs atomically. If the position entry of this backend is not the expected
 * entry, the script writes nothing. Otherwise, it records each outcome whose key is missing or contains an expired
 * outcome, and writes the next position entry. The arguments and the reply are:
 *
 * <pre>
 * KEYS   the position entry, then one key for each outcome
 * ARGV   the expected entry (empty: none), the next one, the wall time in milliseconds,
 *        then for each outcome its bytes and its milliseconds to live
 * reply  1, then for each key that keeps a different value, its index among the outcomes and the kept bytes;
 *        or 0 and the existing entry, if it is not the expected one: nothing was written
 * </pre>
 *
 * <p>The script is sent as text each time, not as a hash. If the server had dropped the script (SCRIPT FLUSH), it could
 * refuse the hash in some pipelined calls and still run later calls, so the order of the calls would be lost. The
 * script calls {@code GET} after {@code SET} because Redis 6.2 has no {@code SET} with both {@code NX} and {@code GET}.
 */
final class PutCall {
    private static final byte[] SCRIPT = """
            local held = redis.call('GET', KEYS[1]) or ''
            if held ~= ARGV[1] then return {0, held} end
            local reply = {1}
            for i = 2, #KEYS do
              local value, ttl = ARGV[2 * i], ARGV[2 * i + 1]
              if not redis.call('SET', KEYS[i], value, 'NX', 'PX', ttl) then
                local existing = redis.call('GET', KEYS[i])
                local expiry = string.match(existing, '^%x+ %d+ (%d+) ')
                if expiry and tonumber(expiry) <= tonumber(ARGV[3]) then
                  redis.call('SET', KEYS[i], value, 'PX', ttl)
                elseif existing ~= value then
                  reply[#reply + 1] = i - 2
                  reply[#reply + 1] = existing
                end
              end
            end
            redis.call('SET', KEYS[1], ARGV[2])
            return reply
            """.getBytes(StandardCharsets.US_ASCII);

    /**
     * The maximum number of outcomes in a call. The server does nothing else while a script runs, so one call must be
     * short.
     */
    private static final int MOST_OUTCOMES = 500;

    private static final int MOST_BYTES = 1 << 20;

    private final long nowMillis;
    private final List<StoredOutcome> outcomes = new ArrayList<>();
    private final List<byte[]> values = new ArrayList<>();
    private int bytes;

    private PutCall(long nowMillis) {
        this.nowMillis = nowMillis;
    }

    /**
     * Splits outcomes into calls, in order; returns at least one call.
     *
     * @param logId the log that has their certificates
     */
    static List<PutCall> of(List<StoredOutcome> outcomes, String logId, long nowMillis) {
        List<PutCall> calls = new ArrayList<>();
        PutCall last = new PutCall(nowMillis);
        calls.add(last);
        for (StoredOutcome outcome : outcomes) {
            byte[] value = outcome.encode(logId);
            if (!last.hasRoomFor(value)) {
                last = new PutCall(nowMillis);
                calls.add(last);
            }
            last.add(outcome, value);
        }
        return calls;
    }

    private boolean hasRoomFor(byte[] value) {
        return outcomes.isEmpty() || (outcomes.size() < MOST_OUTCOMES && bytes + value.length <= MOST_BYTES);
    }

    private void add(StoredOutcome outcome, byte[] value) {
        outcomes.add(outcome);
        values.add(value);
        bytes += value.length;
    }

    /**
     * Sends the call. It takes effect only if the position entry is {@code expected}, and changes the entry to
     * {@code next}.
     */
    RedisFuture<List<Object>> send(
            RedisAsyncCommands<String, byte[]> redis, Keys names, String positionKey, String expected, String next) {
        String[] keys = new String[1 + outcomes.size()];
        byte[][] arguments = new byte[3 + 2 * outcomes.size()][];
        keys[0] = positionKey;
        arguments[0] = ascii(expected);
        arguments[1] = ascii(next);
        arguments[2] = ascii(Long.toString(nowMillis));
        for (int i = 0; i < outcomes.size(); i++) {
            keys[1 + i] = names.outcome(outcomes.get(i).id());
            arguments[3 + 2 * i] = values.get(i);
            arguments[4 + 2 * i] =
                    ascii(Long.toString(Math.max(1, outcomes.get(i).expiresAtMillis() - nowMillis)));
        }
        return redis.eval(SCRIPT, ScriptOutputType.MULTI, keys, arguments);
    }

    /**
     * Returns empty if the call took effect; otherwise, the position entry that existed instead of the expected one, or
     * an empty string if no entry existed.
     */
    static Optional<String> refusedFor(List<Object> reply) {
        return (Long) reply.get(0) == 1
                ? Optional.empty()
                : Optional.of(new String((byte[]) reply.get(1), StandardCharsets.UTF_8));
    }

    /**
     * Returns, for each outcome of the call in order, the outcome that is stored under its id. Requires that the call
     * took effect.
     *
     * @throws IllegalArgumentException if a stored value is not an outcome; the message names its key
     */
    List<StoredOutcome> existing(Keys names, List<Object> reply) {
        List<StoredOutcome> existing = new ArrayList<>(outcomes);
        for (int i = 1; i < reply.size(); i += 2) {
            int index = ((Long) reply.get(i)).intValue();
            existing.set(index, names.outcome(outcomes.get(index).id(), (byte[]) reply.get(i + 1)));
        }
        return existing;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
