// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.backend.metrics.SignatureRefusal;
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
 * A key as it stands in the keys file; it holds no secret, so it may be printed.
 *
 * @param publicKey 32 raw bytes in base64; null for HMAC
 * @param secretFile name of the file with the secret, relative to the directory of the keys file; null for Ed25519
 * @param shards that it may sign for, by their whole names
 * @param shardPrefixes what the names of further such shards begin with; an empty one is every shard
 * @param validFrom the first instant at which it may sign; null: ever since
 * @param validUntil the first instant at which it may not any more; null: for ever
 * @param rate new certificates a second that it may sign; null: any number
 */
public record KeyEntry(
        String id,
        SigningAlgorithm algorithm,
        @Nullable String publicKey,
        @Nullable String secretFile,
        List<String> shards,
        List<String> shardPrefixes,
        @Nullable Instant validFrom,
        @Nullable Instant validUntil,
        KeyState state,
        @Nullable BigDecimal rate) {

    /** Copies the lists; equal rates are equal, however they are written. */
    public KeyEntry {
        rate = rate == null ? null : plain(rate.stripTrailingZeros());
        shards = List.copyOf(shards);
        shardPrefixes = List.copyOf(shardPrefixes);
    }

    private static BigDecimal plain(BigDecimal number) {
        return number.scale() < 0 && number.precision() < 20 ? number.setScale(0) : number;
    }

    /** Whether this is an Ed25519 public key: 32 bytes in padded base64. */
    public static boolean isPublicKey(String base64) {
        try {
            return !SignatureCheck.ed25519(List.of(base64)).keyIds().isEmpty();
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Whether its time has not come. */
    public boolean isEarly(long nowMillis) {
        return validFrom != null && nowMillis < validFrom.toEpochMilli();
    }

    /** Whether its time is over. */
    public boolean isLate(long nowMillis) {
        return validUntil != null && nowMillis >= validUntil.toEpochMilli();
    }

    /** Every reason why it may not sign for a shard at a time, the one to report first; empty: it may sign. */
    public List<SignatureRefusal> objections(String shard, long nowMillis) {
        List<SignatureRefusal> objections = new ArrayList<>();
        if (state == KeyState.REVOKED) {
            objections.add(SignatureRefusal.REVOKED);
        }
        if (!maySignFor(shard)) {
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

    /** Whether its shards include this one, regardless of state and time. */
    public boolean maySignFor(String shard) {
        return shards.contains(shard) || shardPrefixes.stream().anyMatch(shard::startsWith);
    }

    /** The state that the file gives a key. */
    public enum KeyState {
        /** It may sign. */
        ACTIVE("active"),
        /** It may still sign; its agents should change to another key. */
        RETIRING("retiring"),
        /** It may not sign any more, for good. */
        REVOKED("revoked");

        private final String label;

        KeyState(String label) {
            this.label = label;
        }

        /** As the keys file has it. */
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
