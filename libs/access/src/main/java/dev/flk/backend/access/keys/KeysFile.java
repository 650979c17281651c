// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.canonical.Sha256;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.program.files.Utf8;
import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import dev.flk.program.reload.FileFingerprints;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningAlgorithm;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A valid keys file ({@link KeysJson}) with the secrets that it names. Immutable. */
public final class KeysFile {
    private static final int MAX_BYTES = 8 << 20;

    private final List<Usable> keys;
    private final KeyRegistry registry;

    /**
     * A key of the file.
     *
     * @param check the check for this key alone; null if the key is revoked and its secret can't be read
     * @param fingerprint a text that is unique to the public key or the secret; empty if {@code check} is null
     */
    record Usable(KeyEntry entry, @Nullable SignatureCheck check, String fingerprint) {
        static Usable ofPublic(KeyEntry entry, String publicKey) {
            return new Usable(entry, SignatureCheck.ed25519(List.of(publicKey)), publicKey);
        }

        static Usable ofSecret(KeyEntry entry, String secret) {
            byte[] digest = Sha256.of(secret.getBytes(StandardCharsets.UTF_8));
            return new Usable(
                    entry, SignatureCheck.hmac(List.of(secret)), HexFormat.of().formatHex(digest));
        }
    }

    private KeysFile(List<Usable> keys) {
        this.keys = List.copyOf(keys);
        this.registry = new KeyRegistry(keys);
    }

    /**
     * Reads a file and the secrets that it names.
     *
     * @param only the algorithm that all keys of the file must have; null if they may have any
     * @throws InvalidFileException with all problems of the files
     */
    public static KeysFile read(Path file, @Nullable SigningAlgorithm only) throws InvalidFileException {
        return read(file, only, new FileFingerprints());
    }

    /**
     * Reads a file and the secrets that it names. Adds the keys file and each file with a secret to {@code
     * fingerprints} before reading that file, even if it can't be read.
     */
    static KeysFile read(Path file, @Nullable SigningAlgorithm only, FileFingerprints fingerprints)
            throws InvalidFileException {
        List<String> problems = new ArrayList<>();
        List<Usable> keys = new ArrayList<>();
        fingerprints.add(file);
        for (KeyEntry entry : entries(file, problems)) {
            if (only != null && entry.algorithm() != only) {
                problems.add("key " + entry.id() + ": its algorithm is not the PCS_SIGN_ALG, " + only.configName());
            }
            usable(file, entry, fingerprints, problems).ifPresent(keys::add);
        }
        refuseTwins(keys, problems);
        if (problems.isEmpty()) {
            KeysFile read = new KeysFile(keys);
            problems.addAll(read.registry.crowded());
            if (problems.isEmpty()) {
                return read;
            }
        }
        throw new InvalidFileException(problems);
    }

    private static List<KeyEntry> entries(Path file, List<String> problems) {
        try {
            byte[] text = ConfiguredFile.bytes(file, MAX_BYTES);
            ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everyone; chmod o-w it");
            return KeysJson.read(text, problems);
        } catch (Unusable e) {
            problems.add("it " + e.getMessage());
            return List.of();
        }
    }

    private static Optional<Usable> usable(
            Path file, KeyEntry entry, FileFingerprints fingerprints, List<String> problems) {
        String publicKey = entry.publicKey();
        if (publicKey != null) {
            return Optional.of(Usable.ofPublic(entry, publicKey));
        }
        String secretFile = String.valueOf(entry.secretFile());
        Optional<Path> path = SecretFile.resolve(file, secretFile);
        if (path.isEmpty()) {
            problems.add("key " + entry.id()
                    + ": secret_file must be a path below the directory of the keys file, without '..', for example"
                    + " keys/a.secret");
            return Optional.empty();
        }
        fingerprints.add(path.get());
        try {
            return Optional.of(Usable.ofSecret(entry, SecretFile.read(path.get())));
        } catch (Unusable e) {
            if (entry.state() == KeyState.REVOKED) {
                return Optional.of(new Usable(entry, null, ""));
            }
            problems.add("key " + entry.id() + ": its secret_file " + e.getMessage());
            return Optional.empty();
        }
    }

    /**
     * Adds a problem for each key that is listed a second time under another id. If this were allowed, a signature by
     * the key would not show which of the two ids to record in the log.
     */
    private static void refuseTwins(List<Usable> keys, List<String> problems) {
        Map<String, String> idsByKey = new HashMap<>();
        for (Usable key : keys) {
            if (key.check() != null) {
                String earlier =
                        idsByKey.putIfAbsent(key.fingerprint(), key.entry().id());
                if (earlier != null) {
                    problems.add("key " + key.entry().id() + ": it is the same key as " + earlier);
                }
            }
        }
    }

    /** Returns the keys in the order of the file. */
    public List<KeyEntry> entries() {
        return keys.stream().map(Usable::entry).toList();
    }

    /**
     * Returns the key that made a signature, regardless of shard and validity; empty if the file has no such key. Tries
     * all keys of the signature's algorithm.
     */
    public Optional<KeyEntry> signer(byte[] canonical, @Nullable String sig) {
        return registry.signer(canonical, sig);
    }

    /**
     * Returns the first {@code max} keys that pass {@code which} and whose secret can be read, for a diagnosis. Each
     * key is named by its id in the file.
     */
    public List<NamedKey> candidates(int max, Predicate<KeyEntry> which) {
        List<NamedKey> candidates = new ArrayList<>();
        for (Usable key : keys) {
            SignatureCheck check = key.check();
            if (candidates.size() < max && check != null && which.test(key.entry())) {
                check.candidates()
                        .forEach(candidate ->
                                candidates.add(new NamedKey(key.entry().id(), candidate)));
            }
        }
        return candidates;
    }

    /** Returns the revoked keys whose secret can't be read. Signatures by these keys can't be recognized. */
    public List<KeyEntry> lost() {
        return keys.stream()
                .filter(key -> key.check() == null)
                .map(Usable::entry)
                .toList();
    }

    KeyRegistry registry() {
        return registry;
    }

    /** The reader of the secrets that a keys file names. */
    private static final class SecretFile {
        private static final int MAX_SECRET_BYTES = 4096;
        private static final int LEAST_SECRET_BYTES = 16;

        private SecretFile() {}

        /**
         * Resolves a name against the directory of the keys file. Returns empty if the name is not a valid path, is
         * blank or absolute, contains {@code ..}, or is not normalized.
         */
        static Optional<Path> resolve(Path keysFile, String name) {
            try {
                Path relative = Path.of(name);
                boolean leaves =
                        relative.isAbsolute() || !relative.equals(relative.normalize()) || relative.startsWith("..");
                return leaves || name.isBlank()
                        ? Optional.empty()
                        : Optional.of(keysFile.toAbsolutePath().resolveSibling(relative));
            } catch (InvalidPathException e) {
                return Optional.empty();
            }
        }

        /** Returns the secret, which is the text of the file without a newline at the end. */
        static String read(Path file) throws Unusable {
            byte[] bytes = ConfiguredFile.bytes(file, MAX_SECRET_BYTES);
            ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_READ, "can be read by everyone; chmod o-rwx it");
            ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everyone; chmod o-rwx it");
            try {
                String text = Utf8.decode(bytes);
                String secret = text.endsWith("\r\n")
                        ? text.substring(0, text.length() - 2)
                        : text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
                if (secret.getBytes(StandardCharsets.UTF_8).length < LEAST_SECRET_BYTES || secret.isBlank()) {
                    throw new Unusable("has a secret of less than " + LEAST_SECRET_BYTES + " bytes");
                }
                return secret;
            } catch (CharacterCodingException e) {
                throw new Unusable("is not UTF-8 text");
            }
        }
    }
}
