// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.signing.Ed25519Signer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** A keys file as an operator writes it. */
public final class KeysFixture {
    private final Path directory;

    /** Creates a fixture for the file {@code keys.json} in an existing directory. */
    public KeysFixture(Path directory) {
        this.directory = directory;
    }

    /** Returns the path of the file. */
    public Path file() {
        return directory.resolve("keys.json");
    }

    /** Replaces the file with one that contains these keys. */
    public KeysFixture write(KeyText... keys) throws IOException {
        String objects = Arrays.stream(keys).map(KeyText::json).collect(Collectors.joining(",\n"));
        return writeText("{\"version\":1,\"keys\":[" + objects + "]}");
    }

    /** Replaces the content of the file with this text. */
    public KeysFixture writeText(String text) throws IOException {
        Path written = directory.resolve("keys.json.written");
        Files.writeString(written, text);
        Files.move(written, file(), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        return this;
    }

    /** Writes a secret file next to the keys file; only its owner may read it. */
    public KeysFixture secret(String name, String secret) throws IOException {
        return secret(name, secret, "rw-------");
    }

    /** Writes a secret file with these permissions next to the keys file. */
    public KeysFixture secret(String name, String secret, String permissions) throws IOException {
        Path file = Files.writeString(directory.resolve(name), secret + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        return this;
    }

    /** Returns the signer with this number; its key is always the same. */
    public static Ed25519Signer signer(int number) {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        seed[0] = (byte) number;
        return new Ed25519Signer(seed);
    }

    /** The JSON members of a key. */
    public static final class KeyText {
        private final Map<String, String> members = new LinkedHashMap<>();

        private KeyText(String id, String algorithm) {
            with("id", quoted(id)).with("algorithm", quoted(algorithm)).with("state", "\"active\"");
        }

        /** Returns an active key for {@code shard-1} with the public key of {@link #signer}. */
        public static KeyText ed25519(String id, int number) {
            return new KeyText(id, "ed25519")
                    .with("public_key", quoted(signer(number).publicKeyBase64()))
                    .shards("shard-1");
        }

        /** Returns an active HMAC key for {@code shard-1}. */
        public static KeyText hmac(String id, String secretFile) {
            return new KeyText(id, "hmac")
                    .with("secret_file", quoted(secretFile))
                    .shards("shard-1");
        }

        /** Sets a member to this JSON value and returns this key. */
        public KeyText with(String member, String json) {
            members.put(member, json);
            return this;
        }

        /** Removes a member and returns this key. */
        public KeyText without(String member) {
            members.remove(member);
            return this;
        }

        /** Restricts this key to these shards and returns it. */
        public KeyText shards(String... names) {
            return with("shards", array(names));
        }

        /** Restricts this key to the shards whose names start with one of these prefixes and returns it. */
        public KeyText prefixes(String... prefixes) {
            return without("shards").with("shard_prefixes", array(prefixes));
        }

        /** Sets the state of this key and returns it. */
        public KeyText state(String state) {
            return with("state", quoted(state));
        }

        private String json() {
            return members.entrySet().stream()
                    .map(member -> quoted(member.getKey()) + ":" + member.getValue())
                    .collect(Collectors.joining(",", "{", "}"));
        }

        private static String array(String... names) {
            List<String> all = new ArrayList<>();
            for (String name : names) {
                all.add(quoted(name));
            }
            return all.toString();
        }

        private static String quoted(String text) {
            return '"' + text + '"';
        }
    }
}
