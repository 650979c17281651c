// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A key as listed in the keys file; it contains no secret, so it may be printed.
 *
 * @param publicKey the public key, 32 raw bytes in base64; null for HMAC
 * @param secretFile the name of the file with the secret, relative to the directory of the keys file; null for Ed25519
 * @param shards the full names of shards that the key may sign for
 * @param shardPrefixes prefixes of the names of further shards that the key may sign for; an empty prefix means every
 *     shard
 * @param agents the names of the agents for whose sessions the key may sign requests; if null, the key may do so for
 *     every agent that has the name of a shard for which the key may sign
 * @param validFrom the first instant at which the key may sign; null for no limit
 * @param validUntil the first instant at which the key may no longer sign; null for no limit
 * @param rate the new certificates per second that the key may sign; null for no limit
 */
public record KeyEntry(
        String id,
        SigningAlgorithm algorithm,
        @Nullable String publicKey,
        @Nullable String secretFile,
        List<String> shards,
        List<String> shardPrefixes,
        @Nullable List<String> agents,
        @Nullable Instant validFrom,
        @Nullable Instant validUntil,
        KeyState state,
        @Nullable BigDecimal rate) {

    /**
     * Copies the lists and normalizes the rate, so that entries with the same rate are equal, however the rate is
     * written.
     */
    public KeyEntry {
        rate = rate == null ? null : plain(rate.stripTrailingZeros());
        shards = List.copyOf(shards);
        shardPrefixes = List.copyOf(shardPrefixes);
        agents = agents == null ? null : List.copyOf(agents);
    }

    private static BigDecimal plain(BigDecimal number) {
        return number.scale() < 0 && number.precision() < 20 ? number.setScale(0) : number;
    }

    /** Returns whether the text is an Ed25519 public key: 32 bytes in padded base64. */
    public static boolean isPublicKey(String base64) {
        try {
            return !SignatureCheck.ed25519(List.of(base64)).keyIds().isEmpty();
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Returns whether the key is not valid yet. */
    public boolean isEarly(long nowMillis) {
        return validFrom != null && nowMillis < validFrom.toEpochMilli();
    }

    /** Returns whether the key is no longer valid. */
    public boolean isLate(long nowMillis) {
        return validUntil != null && nowMillis >= validUntil.toEpochMilli();
    }

    /**
     * Returns all reasons why the key may not sign for a shard at the given time; empty if it may sign. A caller that
     * reports only one reason reports the first.
     */
    public List<SignatureRefusal> objections(String shard, long nowMillis) {
        return objections(maySignFor(shard), nowMillis);
    }

    /** Returns all reasons why the key may not sign a request for a session at the given time; empty if it may sign. */
    List<SignatureRefusal> sessionObjections(String sessionId, long nowMillis) {
        return objections(maySignForSession(sessionId), nowMillis);
    }

    private List<SignatureRefusal> objections(boolean isInScope, long nowMillis) {
        List<SignatureRefusal> objections = new ArrayList<>();
        if (state == KeyState.REVOKED) {
            objections.add(SignatureRefusal.REVOKED);
        }
        if (!isInScope) {
            objections.add(SignatureRefusal.FOREIGN_SHARD);
        }
        if (isEarly(nowMillis)) {
            objections.add(SignatureRefusal.NOT_YET_VALID);
        }
        if (isLate(nowMillis)) {
            objections.add(SignatureRefusal.EXPIRED);
        }
        return objections;
    }

    /** Returns whether the key lists a shard, by its name or by a prefix of its name, regardless of state and time. */
    public boolean maySignFor(String shard) {
        return shards.contains(shard) || shardPrefixes.stream().anyMatch(shard::startsWith);
    }

    /**
     * Returns whether the key may sign requests for a session, regardless of state and time. The id of a session is the
     * name of its agent, optionally followed by a slash and further text.
     */
    private boolean maySignForSession(String sessionId) {
        int slash = sessionId.indexOf('/');
        String agent = slash < 0 ? sessionId : sessionId.substring(0, slash);
        return !agent.isEmpty() && (agents == null ? maySignFor(agent) : agents.contains(agent));
    }

    /** The state of a key in the file. */
    public enum KeyState {
        /** The key may sign. */
        ACTIVE("active"),
        /** The key may still sign, but its agents should change to another key. */
        RETIRING("retiring"),
        /** The key may never sign again. */
        REVOKED("revoked");

        private final String label;

        KeyState(String label) {
            this.label = label;
        }

        /** Returns the name of the state in the keys file. */
        public String label() {
            return label;
        }

        static Optional<KeyState> of(String label) {
            return Arrays.stream(values())
                    .filter(state -> state.label.equals(label))
                    .findFirst();
        }
    }
}
