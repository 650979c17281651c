// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFile.Usable;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.message.SignedRequest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The keys that were read from the file at one time, indexed for two kinds of checks. A certificate does not name the
 * key that signed it. Therefore, a check of a certificate tries each key that may sign for its shard and has the
 * algorithm of the signature; the length of the signature shows the algorithm. There are at most {@link
 * #MAX_KEYS_OF_A_SHARD} such keys. A request names its key by a short id that is derived from the key. Immutable.
 */
final class KeyRegistry {
    /**
     * The largest number of keys of one algorithm that may sign for the same shard. This maximum limits the work that a
     * sender without a key can cause on an event loop with one certificate.
     */
    static final int MAX_KEYS_OF_A_SHARD = 16;

    /**
     * The decoys: random keys, one of which is tried if no key in the file is a candidate, so that the duration does
     * not reveal this.
     */
    private static final Map<SigningAlgorithm, SignatureCheck> DECOYS = decoys();

    private final List<Usable> keys;
    private final Map<SigningAlgorithm, Index> indices = new EnumMap<>(SigningAlgorithm.class);
    /** The keys by their derived ids. Derived ids are short, so several keys may have the same id. */
    private final Map<KeyId, List<Usable>> byKeyId = new HashMap<>();

    KeyRegistry(List<Usable> keys) {
        this.keys = List.copyOf(keys);
        for (SigningAlgorithm algorithm : SigningAlgorithm.values()) {
            indices.put(
                    algorithm,
                    new Index(keys.stream()
                            .filter(key -> key.entry().algorithm() == algorithm)
                            .filter(key -> key.entry().state() != KeyState.REVOKED)
                            .toList()));
        }
        for (Usable key : keys) {
            SignatureCheck check = key.check();
            if (check != null) {
                check.keyIds()
                        .forEach(id -> byKeyId.computeIfAbsent(id, unused -> new ArrayList<>())
                                .add(key));
            }
        }
    }

    private static Map<SigningAlgorithm, SignatureCheck> decoys() {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        new SecureRandom().nextBytes(seed);
        return Map.of(
                SigningAlgorithm.HMAC,
                SignatureCheck.hmac(List.of(Base64.getEncoder().encodeToString(seed))),
                SigningAlgorithm.ED25519,
                SignatureCheck.ed25519(List.of(new Ed25519Signer(seed).publicKeyBase64())));
    }

    List<Usable> keys() {
        return keys;
    }

    /** Returns the key that made the signature and may sign for the shard now; empty if there is no such key. */
    Optional<KeyEntry> verify(byte[] canonical, String shard, @Nullable String sig, long nowMillis) {
        Optional<SigningAlgorithm> algorithm = SigningAlgorithm.byLength(sig);
        if (algorithm.isEmpty()) {
            return Optional.empty();
        }
        List<Usable> candidates = index(algorithm.get()).of(shard);
        for (Usable key : candidates) {
            if (hasMade(key, canonical, sig)
                    && !key.entry().isEarly(nowMillis)
                    && !key.entry().isLate(nowMillis)) {
                return Optional.of(key.entry());
            }
        }
        if (candidates.isEmpty()) {
            decoy(algorithm.get()).verify(canonical, sig);
        }
        return Optional.empty();
    }

    private Index index(SigningAlgorithm algorithm) {
        return Objects.requireNonNull(indices.get(algorithm));
    }

    private static SignatureCheck decoy(SigningAlgorithm algorithm) {
        return Objects.requireNonNull(DECOYS.get(algorithm));
    }

    /**
     * Returns the key that made a signature, regardless of shard and time; tries every key of the signature's
     * algorithm.
     */
    Optional<KeyEntry> signer(byte[] canonical, @Nullable String sig) {
        Optional<SigningAlgorithm> algorithm = SigningAlgorithm.byLength(sig);
        return keys.stream()
                .filter(key -> algorithm.isPresent() && key.entry().algorithm() == algorithm.get())
                .filter(key -> hasMade(key, canonical, sig))
                .map(Usable::entry)
                .findFirst();
    }

    /**
     * Returns the key that signed a request, regardless of session, state and time; empty if there is no such key. If
     * no key has the id and the algorithm of the signature, a decoy is tried instead, so that the check takes the same
     * time.
     */
    Optional<KeyEntry> signer(SignedRequest request) {
        List<Usable> candidates = byKeyId.getOrDefault(request.keyId(), List.of()).stream()
                .filter(key -> key.entry().algorithm() == request.algorithm())
                .toList();
        if (candidates.isEmpty()) {
            request.verifiedBy(decoy(request.algorithm()));
        }
        return candidates.stream()
                .filter(key -> hasMade(key, request))
                .map(Usable::entry)
                .findFirst();
    }

    /** Returns the reason why a signature by this key was refused. */
    static SignatureRefusal why(KeyEntry signer, String shard, long nowMillis) {
        // without an objection, the key has become usable since the refusal; the real reason is no longer known, and
        // EXPIRED is a guess
        return signer.objections(shard, nowMillis).stream().findFirst().orElse(SignatureRefusal.EXPIRED);
    }

    private static boolean hasMade(Usable key, byte[] canonical, @Nullable String sig) {
        SignatureCheck check = key.check();
        return check != null && check.verify(canonical, sig).isPresent();
    }

    private static boolean hasMade(Usable key, SignedRequest request) {
        SignatureCheck check = key.check();
        return check != null && request.verifiedBy(check);
    }

    /** Returns whether the text has the length of a signature. */
    static boolean mayBeSignature(String sig) {
        return SigningAlgorithm.byLength(sig).isPresent();
    }

    /**
     * Returns whether the file has a key for the algorithm of a signature; the length of the signature shows the
     * algorithm.
     */
    boolean hasAlgorithmOf(String sig) {
        return SigningAlgorithm.byLength(sig).filter(this::hasAlgorithm).isPresent();
    }

    /** Returns whether the file has a key for an algorithm. */
    boolean hasAlgorithm(SigningAlgorithm algorithm) {
        return keys.stream().anyMatch(key -> key.entry().algorithm() == algorithm);
    }

    /** Returns a problem for each algorithm that has more than {@link #MAX_KEYS_OF_A_SHARD} keys for the same shard. */
    List<String> crowded() {
        List<String> problems = new ArrayList<>();
        indices.forEach((algorithm, index) -> index.mostKeys()
                .filter(most -> most > MAX_KEYS_OF_A_SHARD)
                .ifPresent(most -> problems.add(
                        "%d %s keys that are not revoked may sign for the same shard; at most %d can be tried"
                                .formatted(most, algorithm.configName(), MAX_KEYS_OF_A_SHARD))));
        return problems;
    }

    /** The keys of one algorithm, indexed by the names and prefixes of their shards. */
    private static final class Index {
        private final Map<String, List<Usable>> exact = new HashMap<>();
        private final Map<String, List<Usable>> byPrefix = new HashMap<>();
        private final int[] prefixLengths;

        Index(List<Usable> keys) {
            TreeSet<Integer> lengths = new TreeSet<>();
            for (Usable key : keys) {
                key.entry().shards().forEach(name -> add(exact, name, key));
                for (String prefix : key.entry().shardPrefixes()) {
                    add(byPrefix, prefix, key);
                    lengths.add(prefix.length());
                }
            }
            prefixLengths = lengths.stream().mapToInt(Integer::intValue).toArray();
        }

        private static void add(Map<String, List<Usable>> keys, String name, Usable key) {
            keys.computeIfAbsent(name, unused -> new ArrayList<>()).add(key);
        }

        /** Returns the keys that may sign for a shard, each once. */
        List<Usable> of(String shard) {
            List<Usable> named = exact.getOrDefault(shard, List.of());
            if (prefixLengths.length == 0) {
                return named;
            }
            List<Usable> all = new ArrayList<>(named);
            Set<String> ids = new HashSet<>();
            named.forEach(key -> ids.add(key.entry().id()));
            for (int length : prefixLengths) {
                if (length > shard.length()) {
                    break;
                }
                for (Usable key : byPrefix.getOrDefault(shard.substring(0, length), List.of())) {
                    if (ids.add(key.entry().id())) {
                        all.add(key);
                    }
                }
            }
            return all;
        }

        /**
         * Returns the largest number of keys that may sign for one shard; empty if there are no keys. Only the names
         * and prefixes in the file are tried as shards, because no other shard has more keys.
         */
        Optional<Integer> mostKeys() {
            TreeSet<String> names = new TreeSet<>(exact.keySet());
            names.addAll(byPrefix.keySet());
            return names.stream().map(name -> of(name).size()).max(Integer::compare);
        }
    }
}
